from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any, ClassVar

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from senderkit.domain import Channel, EventKind, Outgoing, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Suppressed, Unavailable
from senderkit.providers.base import Callback
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report
from tests.providers.conftest import NOON
from tests.providers.samples import MESSAGE_ID
from tests.providers.tokens import token_of

API_KEY = "abcd1234"
VONAGE_ID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
AT = datetime(2026, 3, 2, 11, 59, 3, 10_000, tzinfo=UTC)
HOOK = "https://notify.acme.example/hooks/vonage/1"
SIGNATURE_SECRET = f"signature-{SECRET}"
APPLICATION = "78d335fa-323d-0114-9c3d-d6f0d48968cf"
BY_KEY = {"application_id": "", "private_key": ""}


@cache
def application_key() -> rsa.RSAPrivateKey:
    """The key of this run."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def private_key() -> str:
    """The text of the file that Vonage gives out."""
    return (
        application_key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode("ascii")
    )


def claims_of(authorization: str) -> dict[str, Any]:
    """What a token says that the application signed; empty for any other."""
    scheme, _, token = authorization.partition(" ")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            application_key().public_key(),
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError:
        return {}
    return claims if scheme == "Bearer" else {}


def problem(status: int, code: str, title: str, detail: str = "") -> Answer:
    return Answer(
        status,
        json={
            "type": f"https://developer.vonage.com/api-errors/messages-olympus#{code}",
            "title": title,
            "detail": detail or title,
            "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
        },
        headers={"Content-Type": "application/problem+json"},
    )


def status(word: Any, **more: Any) -> bytes:
    usual = {
        "message_uuid": VONAGE_ID,
        "to": "15550100200",
        "from": "15550100300",
        "timestamp": "2026-03-02T11:59:03.010Z",
        "status": word,
        "channel": "sms",
        "client_ref": MESSAGE_ID,
    }
    return json.dumps(usual | more).encode()


def error(code: int | str, detail: str) -> dict[str, Any]:
    return {
        "type": f"https://developer.vonage.com/api-errors/messages-olympus#{code}",
        "title": code,
        "detail": detail,
        "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
    }


def reply(words: Any, **more: Any) -> bytes:
    usual = {
        "channel": "sms",
        "message_uuid": "bbbbbbbb-bbbb-cccc-dddd-0123456789ab",
        "to": "15550100300",
        "from": "15550100200",
        "timestamp": "2026-03-02T11:59:03.010Z",
        "message_type": "text",
        "text": words,
        "sms": {"num_messages": "1", "keyword": "STOP"},
    }
    return json.dumps(usual | more).encode()


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual = {"message_id": MESSAGE_ID, "recipient": "+15550100200"}
    return ProviderEvent(kind=kind, at=AT, provider_message_id=VONAGE_ID, **(usual | more))


def claims_for(body: bytes) -> dict[str, Any]:
    return {
        "iat": int(NOON.timestamp()),
        "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5",
        "iss": "Vonage",
        "payload_hash": sha256(body).hexdigest(),
        "api_key": API_KEY,
        "application_id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    }


def with_claims(body: bytes, claims: Mapping[str, Any], secret: str = SIGNATURE_SECRET) -> Callback:
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {token_of(claims, secret)}",
    }
    return Callback(HOOK, headers, body)


class VonageBench(HttpBench):
    sending = "POST /v1/messages"
    accepts = Answer(202, json={"message_uuid": VONAGE_ID})
    unauthorized = Answer(
        401,
        json={
            "type": "https://developer.vonage.com/api-errors#unauthorized",
            "title": "You did not provide correct credentials.",
            "detail": "Check your authentication credentials.",
            "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
        },
    )
    # Under the number of another error, as its documentation shows it.
    rate_limited = problem(429, "1010", "Rate Limit Hit", "Please wait, then retry your request")
    refusals: ClassVar = (
        Refusal("invalid parameters", problem(422, "1150", "Invalid params"), Refused),
        Refusal("unknown prefix", problem(422, "1040", "Invalid message"), Refused),
        Refusal("invalid number", problem(422, "1170", "Invalid or missing number"), Refused),
        Refusal("too long", problem(422, "1090", "Message too long"), Refused),
        Refusal("a code of tomorrow", problem(422, "9999", "Something new"), Refused),
        Refusal("opted out", problem(422, "1240", "Illegal number"), Suppressed),
        Refusal("barred number", problem(422, "1050", "Number barred"), Suppressed),
        Refusal("invalid sender", problem(422, "1120", "Invalid sender"), AccountBroken),
        Refusal("barred account", problem(422, "1060", "Account barred"), AccountBroken),
        Refusal("trial account", problem(422, "1160", "Not on the list"), AccountBroken),
        Refusal("low balance", problem(402, "1070", "Low balance"), AccountBroken),
        Refusal("forbidden", Answer(403, json={"title": "Forbidden"}), AccountBroken),
        Refusal("throttled", problem(422, "1000", "Throttled"), Unavailable),
        Refusal("internal error", problem(422, "1030", "Internal error"), Unavailable),
        Refusal("throttled as a barred number", problem(429, "1050", "Slow down"), Unavailable),
    )
    reports: ClassVar = (
        Report("delivered", status("delivered"), [event(EventKind.DELIVERED)]),
        Report("read", status("read"), [event(EventKind.DELIVERED)]),
        Report(
            "rejected",
            status("rejected", error=error(1270, "Carrier rejected the message.")),
            [event(EventKind.FAILED, detail="Carrier rejected the message. (code 1270)")],
        ),
        Report(
            "an error within an error, its code as text",
            status("undeliverable", error={"error": error("1180", "Absent subscriber")}),
            [event(EventKind.FAILED, detail="Absent subscriber (code 1180)")],
        ),
        Report(
            "a code that is the title only",
            status("undeliverable", error={"title": 1190, "detail": "Absent for good"}),
            [event(EventKind.FAILED, detail="Absent for good (code 1190)", is_permanent=True)],
        ),
        Report(
            "no such number",
            status("rejected", error=error(1170, "Invalid number")),
            [event(EventKind.FAILED, detail="Invalid number (code 1170)", is_permanent=True)],
        ),
        Report("undeliverable", status("undeliverable"), [event(EventKind.FAILED)]),
        Report(
            "opted out before",
            status("rejected", error=error(1240, "Illegal Number")),
            [
                event(EventKind.FAILED, detail="Illegal Number (code 1240)"),
                event(EventKind.OPTED_OUT, detail="Illegal Number (code 1240)"),
            ],
        ),
        Report("submitted", status("submitted")),
        Report("of tomorrow", status("of tomorrow")),
        Report("no status", status(None)),
        Report("a status that is no text", status([])),
        Report(
            "STOP",
            reply("STOP"),
            [ProviderEvent(EventKind.OPTED_OUT, AT, None, recipient="+15550100200", detail="STOP")],
        ),
        Report("stop in a sentence", reply("Where does the bus stop?")),
        Report("a reply that is no text", reply(None)),
        Report("stop of another channel's user", reply("STOP", **{"from": {"id": "0123"}})),
    )
    secret_headers = ("authorization",)

    def fields(self) -> dict[str, str]:
        return {
            "api_key": API_KEY,
            "api_secret": SECRET,
            "from": "+15550100300",
            "signature_secret": SIGNATURE_SECRET,
            "application_id": APPLICATION,
            "private_key": private_key(),
            "callback_url": HOOK,
        }

    def wrong_credentials(self) -> dict[str, str]:
        other = "00000000-323d-0114-9c3d-d6f0d48968cf"
        return super().wrong_credentials() | {"application_id": other}

    def aimed_at(self, url: str, channel: Channel) -> tuple[dict[str, str], Outgoing]:
        # Which address is called does not depend on the login, and a key takes long to check.
        credentials, message = super().aimed_at(url, channel)
        return credentials | BY_KEY, message

    def is_authorized(self, request: Recorded) -> bool:
        login = b64encode(f"{API_KEY}:{SECRET}".encode()).decode()
        authorization = request.headers.get("authorization", "")
        is_application = claims_of(authorization).get("application_id") == APPLICATION
        return is_application or authorization == f"Basic {login}"

    def error(self, words: str) -> Answer:
        return problem(422, "1150", "Invalid params", words)

    def other_routes(self) -> Mapping[str, Answer]:
        application = {"id": APPLICATION, "name": "Acme", "capabilities": {"messages": {}}}
        listed = {"page_size": 1, "page": 1, "_embedded": {"applications": [application]}}
        return {
            "GET /v2/applications": Answer(json=listed),
            "GET /v2/applications/*": Answer(json=application),
        }

    def authentic(self, body: bytes) -> Callback:
        return with_claims(body, claims_for(body))


BENCH = VonageBench
