from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from senderkit.domain import EventKind, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Suppressed, Unavailable
from senderkit.providers.base import Callback
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report
from tests.providers.conftest import NOON
from tests.providers.samples import MESSAGE_ID

ACCOUNT = "AC" + "0123456789abcdef" * 2
KEY = "SK" + "0123456789abcdef" * 2
SERVICE = "MG" + "0123456789abcdef" * 2
TWILIO_ID = "SM" + "1" * 32
TOKEN = f"token-{SECRET}"
HOOK = "https://notify.acme.example/hooks/twilio/1"
REPORTED_AT = f"{HOOK}?senderkit_message={MESSAGE_ID}"


def refused(code: int, words: str, status: int = 400) -> Answer:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return Answer(
        status, json={"code": code, "message": words, "more_info": more_info, "status": status}
    )


def form(**fields: str) -> bytes:
    return urlencode(fields).encode()


def status(word: str, **more: str) -> bytes:
    usual = {
        "SmsSid": TWILIO_ID,
        "SmsStatus": word,
        "MessageStatus": word,
        "To": "+15550100200",
        "MessageSid": TWILIO_ID,
        "AccountSid": ACCOUNT,
        "From": "+15550100300",
        "ApiVersion": "2010-04-01",
    }
    return form(**usual | more)


def reply(words: str, **more: str) -> bytes:
    usual = {
        "ToCountry": "US",
        "MessageSid": "SM" + "2" * 32,
        "SmsStatus": "received",
        "Body": words,
        "FromCountry": "US",
        "To": "+15550100300",
        "NumMedia": "0",
        "AccountSid": ACCOUNT,
        "From": "+15550100200",
        "ApiVersion": "2010-04-01",
    }
    return form(**usual | more)


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual = {"message_id": MESSAGE_ID, "recipient": "+15550100200"}
    return ProviderEvent(kind=kind, at=NOON, provider_message_id=TWILIO_ID, **(usual | more))


def opted_out(words: str) -> ProviderEvent:
    return ProviderEvent(EventKind.OPTED_OUT, NOON, None, recipient="+15550100200", detail=words)


def signature(url: str, body: bytes = b"", token: str = TOKEN) -> str:
    """As Twilio describes it: the URL, then each parameter's name and value, by name."""
    text = url
    fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    for name in sorted({name for name, _ in fields}):
        for value in sorted({value for other, value in fields if other == name}):
            text += name + value
    return b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


class TwilioBench(HttpBench):
    sending = f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    accepts = Answer(
        201,
        json={
            "account_sid": ACCOUNT,
            "api_version": "2010-04-01",
            "body": "Hello",
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": "+15550100300",
            "messaging_service_sid": None,
            "num_segments": "1",
            "sid": TWILIO_ID,
            "status": "queued",
            "to": "+15550100200",
        },
    )
    unauthorized = refused(20003, "Authenticate", 401)
    rate_limited = refused(20429, "Too Many Requests", 429)
    refusals: ClassVar = (
        Refusal("bad recipient", refused(21211, "The 'To' number is not valid."), Refused),
        Refusal("landline", refused(21614, "'To' number is not a valid mobile number"), Refused),
        Refusal("no route", refused(21612, "The 'To' phone number is not reachable."), Refused),
        Refusal("too long", refused(21617, "The message body exceeds 1600 characters."), Refused),
        Refusal("a code of tomorrow", refused(21999, "Something new."), Refused),
        Refusal(
            "opted out",
            refused(21610, "Attempt to send to unsubscribed recipient"),
            Suppressed,
        ),
        Refusal("bad sender", refused(21212, "The 'From' number is not valid."), AccountBroken),
        Refusal("sender of another", refused(21606, "The 'From' is not yours."), AccountBroken),
        Refusal("region not enabled", refused(21408, "Permission to send."), AccountBroken),
        Refusal("trial account", refused(21608, "The number is unverified."), AccountBroken),
        Refusal("no such service", refused(21701, "The service is missing."), AccountBroken),
        Refusal("no such account", refused(20404, "Not found.", 404), AccountBroken),
        Refusal("suspended account", refused(20403, "Forbidden.", 403), AccountBroken),
        Refusal("full queue", refused(21611, "The 'From' number's queue is full."), Unavailable),
        Refusal("too many at a time", refused(14107, "Send rate exceeded.", 429), Unavailable),
        Refusal(
            "as RFC 9457 has it",
            Answer(400, json={"type": "about:blank", "title": "Bad", "code": 21617}),
            Refused,
        ),
    )
    reports: ClassVar = (
        Report("delivered", status("delivered"), [event(EventKind.DELIVERED)]),
        Report("read", status("read"), [event(EventKind.DELIVERED)]),
        Report(
            "undelivered",
            status("undelivered", ErrorCode="30003"),
            [event(EventKind.FAILED, detail="Twilio error 30003")],
        ),
        Report(
            "no such number",
            status("undelivered", ErrorCode="30005", ErrorMessage="Unknown destination handset"),
            [
                event(
                    EventKind.FAILED,
                    detail="Twilio error 30005: Unknown destination handset",
                    is_permanent=True,
                )
            ],
        ),
        Report(
            "a landline",
            status("undelivered", ErrorCode="30006"),
            [event(EventKind.FAILED, detail="Twilio error 30006", is_permanent=True)],
        ),
        Report("failed", status("failed"), [event(EventKind.FAILED)]),
        Report(
            "canceled",
            status("canceled"),
            [event(EventKind.FAILED, detail="The message was canceled.")],
        ),
        Report(
            "opted out before",
            status("failed", ErrorCode="21610"),
            [
                event(EventKind.FAILED, detail="Twilio error 21610"),
                event(EventKind.OPTED_OUT, detail="Twilio error 21610"),
            ],
        ),
        *(
            Report(word, status(word))
            for word in ("accepted", "scheduled", "queued", "sending", "sent", "of tomorrow")
        ),
        Report("STOP", reply("STOP"), [opted_out("STOP")]),
        Report("stop", reply(" stop.\n"), [opted_out("stop.")]),
        Report("Stop all", reply("Stop all"), [opted_out("Stop all")]),
        Report("stop in a sentence", reply("Where does the bus stop?")),
        Report("start", reply("START")),
        Report(
            "a word of one's own, by Advanced Opt-Out",
            reply("BASTA", OptOutType="STOP"),
            [opted_out("BASTA")],
        ),
        Report("end, kept by Advanced Opt-Out", reply("END", OptOutType="HELP")),
        Report("start, by Advanced Opt-Out", reply("START", OptOutType="START")),
        Report("stop of a sender without a number", reply("STOP", From="29290")),
    )
    secret_headers = ("x-twilio-signature",)
    signs_with_account_secret = True

    def fields(self) -> dict[str, str]:
        return {
            "account_sid": ACCOUNT,
            "auth_token": TOKEN,
            "api_key_sid": KEY,
            "api_key_secret": f"key-{SECRET}",
            "from": "+15550100300",
            "callback_url": HOOK,
        }

    def is_authorized(self, request: Recorded) -> bool:
        logins = [f"{ACCOUNT}:{TOKEN}", f"{KEY}:key-{SECRET}"]
        allowed = [f"Basic {b64encode(login.encode()).decode()}" for login in logins]
        return request.headers.get("authorization") in allowed

    def error(self, words: str) -> Answer:
        return refused(21211, words)

    def other_routes(self) -> Mapping[str, Answer]:
        account = f"GET /2010-04-01/Accounts/{ACCOUNT}"
        return {
            f"{account}.json": Answer(json={"sid": ACCOUNT, "status": "active", "type": "Full"}),
            f"{account}/Messages.json": Answer(json={"messages": [], "page_size": 1}),
        }

    def authentic(self, body: bytes) -> Callback:
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "x-twilio-signature": signature(REPORTED_AT, body),
        }
        return Callback(REPORTED_AT, headers, body)


BENCH = TwilioBench
