from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from senderkit.domain import EventKind, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Unavailable
from senderkit.providers.base import Callback
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report
from tests.providers.conftest import NOON
from tests.providers.samples import MESSAGE_ID
from tests.providers.tokens import token_of

MESSAGEBIRD_ID = "efa6405d518d4c0c88cce11f7db775fb"
AT = datetime(2026, 3, 2, 11, 59, 3, tzinfo=UTC)
HOOK = "https://notify.acme.example/hooks/messagebird/1"
SIGNING_KEY = f"signing-{SECRET}"


def refused(code: int, description: str, status: int = 422, parameter: str | None = None) -> Answer:
    error = {"code": code, "description": description, "parameter": parameter}
    return Answer(status, json={"errors": [error]})


def status(word: str, **more: str) -> bytes:
    """The query of a status report: MessageBird reports by GET."""
    usual = {
        "id": MESSAGEBIRD_ID,
        "reference": MESSAGE_ID,
        "recipient": "15550100200",
        "status": word,
        "statusDatetime": "2026-03-02T11:59:03+00:00",
        "datacoding": "plain",
        "mccmnc": "310260",
        "ported": "0",
        "messageLength": "5",
        "messagePartCount": "1",
        "price[amount]": "0.008",
        "price[currency]": "EUR",
    }
    return urlencode(usual | more).encode()


def reply(words: str, **more: str) -> bytes:
    usual = {
        "id": "0f8fbf9b5d5a4c0ba3f9e7a3c1a4d6b2",
        "recipient": "15550100300",
        "originator": "15550100200",
        "body": words,
        "createdDatetime": "2026-03-02T11:59:03+00:00",
    }
    return urlencode(usual | more).encode()


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual = {"message_id": MESSAGE_ID, "recipient": "+15550100200"}
    return ProviderEvent(kind=kind, at=AT, provider_message_id=MESSAGEBIRD_ID, **(usual | more))


def opted_out(words: str, at: datetime = AT) -> ProviderEvent:
    return ProviderEvent(EventKind.OPTED_OUT, at, None, recipient="+15550100200", detail=words)


def claims_for(url: str, body: bytes = b"") -> dict[str, Any]:
    usual = {
        "iss": "MessageBird",
        "nbf": int(NOON.timestamp()),
        "exp": int(NOON.timestamp()) + 60,
        "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5",
        "url_hash": sha256(url.encode()).hexdigest(),
    }
    return usual | ({"payload_hash": sha256(body).hexdigest()} if body else {})


def with_claims(
    url: str, claims: Mapping[str, Any], body: bytes = b"", secret: str = SIGNING_KEY
) -> Callback:
    return Callback(url, {"messagebird-signature-jwt": token_of(claims, secret)}, body)


class MessageBirdBench(HttpBench):
    sending = "POST /messages"
    accepts = Answer(
        201,
        json={
            "id": MESSAGEBIRD_ID,
            "href": f"https://rest.messagebird.com/messages/{MESSAGEBIRD_ID}",
            "direction": "mt",
            "type": "sms",
            "originator": "15550100300",
            "body": "Hello",
            "reference": MESSAGE_ID,
            "datacoding": "plain",
            "recipients": {
                "totalCount": 1,
                "totalSentCount": 1,
                "items": [{"recipient": 15550100200, "status": "sent", "messagePartCount": 1}],
            },
        },
    )
    unauthorized = refused(2, "Request not allowed (incorrect access_key)", 401, "access_key")
    rate_limited = Answer(429, body=b"Too many requests")
    refusals: ClassVar = (
        Refusal(
            "bad recipient",
            refused(9, "no (correct) recipients found", parameter="recipients"),
            Refused,
        ),
        Refusal("too long", refused(10, "body is too long", parameter="body"), Refused),
        Refusal("a code of tomorrow", refused(77, "Something new"), Refused),
        Refusal(
            "bad sender",
            refused(10, "originator is not a valid sender", parameter="originator"),
            AccountBroken,
        ),
        Refusal(
            "bad callback address",
            refused(10, "reportUrl is not an address", parameter="reportUrl"),
            AccountBroken,
        ),
        Refusal("no credit", refused(25, "Not enough balance"), AccountBroken),
        Refusal("no credit, as a payment", refused(25, "No balance", 402), AccountBroken),
        Refusal("not found", refused(20, "Not found", 404), AccountBroken),
        Refusal("internal error", refused(98, "Internal error", 500), Unavailable),
        Refusal("internal error, as ours", refused(99, "Internal error"), Unavailable),
    )
    reports: ClassVar = (
        Report("delivered", status("delivered"), [event(EventKind.DELIVERED)]),
        Report(
            "a plus that was decoded too soon",
            status(
                "delivered", statusDatetime="2026-03-02T11:59:03 00:00", recipient=" 15550100200"
            ),
            [event(EventKind.DELIVERED)],
        ),
        Report(
            "not delivered",
            status("delivery_failed", statusReason="absent subscriber", statusErrorCode="27"),
            [event(EventKind.FAILED, detail="absent subscriber (code 27)")],
        ),
        Report(
            "unknown subscriber",
            status("delivery_failed", statusReason="unknown subscriber", statusErrorCode="1"),
            [event(EventKind.FAILED, detail="unknown subscriber (code 1)", is_permanent=True)],
        ),
        Report("expired", status("expired"), [event(EventKind.FAILED)]),
        Report(
            "opted out before",
            status("delivery_failed", statusErrorCode="103"),
            [
                event(EventKind.FAILED, detail="not delivered (code 103)"),
                event(EventKind.OPTED_OUT, detail="not delivered (code 103)"),
            ],
        ),
        *(
            Report(word, status(word))
            for word in ("scheduled", "sent", "buffered", "expiryttd", "of tomorrow", "")
        ),
        Report("STOP", reply("STOP"), [opted_out("STOP")]),
        Report(
            "STOP to a short code",
            urlencode(
                {
                    "mid": "123",
                    "shortcode": "1008",
                    "keyword": "STOP",
                    "originator": "15550100200",
                    "message": "Stop",
                    "receive_datetime": "20260302115903",
                }
            ).encode(),
            [opted_out("Stop", NOON)],
        ),
        Report("stop in a sentence", reply("Where does the bus stop?")),
        Report("stop of a sender without a number", reply("STOP", originator="Acme")),
    )
    secret_headers = ("messagebird-signature-jwt",)

    def fields(self) -> dict[str, str]:
        return {
            "access_key": SECRET,
            "originator": "+15550100300",
            "signing_key": SIGNING_KEY,
            "callback_url": HOOK,
        }

    def is_authorized(self, request: Recorded) -> bool:
        return request.headers.get("authorization") == f"AccessKey {SECRET}"

    def error(self, words: str) -> Answer:
        return refused(10, words, parameter="body")

    def other_routes(self) -> Mapping[str, Answer]:
        balance = {"payment": "prepaid", "type": "credits", "amount": 9.2}
        return {"GET /balance": Answer(json=balance)}

    def authentic(self, body: bytes) -> Callback:
        """These bytes as the query of an address."""
        url = f"{HOOK}?{quote(body, safe='=&%+')}"
        return with_claims(url, claims_for(url))


BENCH = MessageBirdBench
