from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from senderkit.domain import EventKind, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Unavailable
from senderkit.providers.base import Callback
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report
from tests.providers.samples import MESSAGE_ID

SENDGRID_ID: Final = "LRzXl_NHStOGhQ4kofSm_A"
AT: Final = datetime(2026, 3, 2, 11, 59, 0, tzinfo=UTC)
KEY: Final = ec.generate_private_key(ec.SECP256R1())
LINK: Final = "https://acme.example/orders?id=1"


def refused(status: int, words: str, **more: Any) -> Answer:
    return Answer(
        status, json={"errors": [{"message": words, "field": None, "help": None}]}, **more
    )


def item(event: str, **more: Any) -> dict[str, Any]:
    usual = {
        "email": "ada@example.com",
        "timestamp": int(AT.timestamp()),
        "event": event,
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": f"{SENDGRID_ID}.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": f"<{SENDGRID_ID}@ismtpd0039p1iad1.sendgrid.net>",
        "senderkit_message": MESSAGE_ID,
    }
    return usual | more


def posted(*items: dict[str, Any]) -> bytes:
    return json.dumps(items).encode() + b"\r\n"


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual = {"recipient": "ada@example.com", "message_id": MESSAGE_ID}
    return ProviderEvent(kind=kind, at=AT, provider_message_id=SENDGRID_ID, **(usual | more))


def failed(detail: str, *, is_permanent: bool) -> list[ProviderEvent]:
    return [event(EventKind.FAILED, detail=detail, is_permanent=is_permanent)]


class SendGridBench(HttpBench):
    sending = "POST /v3/mail/send"
    accepts = Answer(202, headers={"X-Message-Id": SENDGRID_ID})
    unauthorized = refused(401, "The provided authorization grant is invalid, expired, or revoked")
    rate_limited = refused(429, "too many requests")
    refusals: ClassVar = (
        Refusal("bad recipient", refused(400, "Does not contain a valid address."), Refused),
        Refusal("too large", refused(413, "The message is too large."), Refused),
        Refusal("too large for the front", Answer(413, body=b"<html>413</html>"), Refused),
        Refusal("not acceptable", refused(406, "Not acceptable"), Refused),
        Refusal("no JSON", refused(415, "Content-Type should be application/json."), Refused),
        Refusal("out of credits", refused(401, "Maximum credits exceeded"), AccountBroken),
        Refusal(
            "unverified sender",
            refused(403, "The from address does not match a verified Sender Identity."),
            AccountBroken,
        ),
        Refusal("no such path", refused(404, "Not Found"), AccountBroken),
        Refusal("busy", refused(429, "too many requests"), Unavailable),
        Refusal("in trouble", refused(503, "Service unavailable"), Unavailable),
    )
    reports: ClassVar = (
        Report(
            "delivered",
            posted(item("delivered", response="250 OK")),
            [event(EventKind.DELIVERED, detail="250 OK")],
        ),
        Report("opened", posted(item("open", useragent="x")), [event(EventKind.OPENED)]),
        Report("opened by a machine", posted(item("open", sg_machine_open=True))),
        Report("clicked", posted(item("click", url=LINK)), [event(EventKind.CLICKED, link=LINK)]),
        Report("complained", posted(item("spamreport")), [event(EventKind.COMPLAINED)]),
        Report("unsubscribed", posted(item("unsubscribe")), [event(EventKind.OPTED_OUT)]),
        Report(
            "unsubscribed from a group",
            posted(item("group_unsubscribe", asm_group_id=1)),
            [event(EventKind.OPTED_OUT)],
        ),
        *(
            Report(
                f"bounce of type {kind}",
                posted(item("bounce", type=kind, reason="550 5.1.1 unknown", status="5.1.1")),
                failed("550 5.1.1 unknown", is_permanent=is_permanent),
            )
            for kind, is_permanent in [("bounce", True), ("blocked", False), ("expired", False)]
        ),
        *(
            Report(
                f"dropped for {reason}",
                posted(item("dropped", reason=reason)),
                failed(reason, is_permanent=is_permanent),
            )
            for reason, is_permanent in [
                ("Bounced Address", True),
                ("Spam Reporting Address", True),
                ("Invalid", True),
                ("Unsubscribed Address", False),
                ("Spam Content", False),
                ("Recipient List over Package Quota", False),
            ]
        ),
        Report(
            "several at once",
            posted(item("processed"), item("delivered"), item("of tomorrow"), item("open")),
            [event(EventKind.DELIVERED), event(EventKind.OPENED)],
        ),
        *(Report(kind, posted(item(kind))) for kind in ("deferred", "group_resubscribe")),
        Report(
            "a late bounce without an id",
            posted(item("bounce", type="bounce", sg_message_id=None)),
            [
                ProviderEvent(
                    EventKind.FAILED,
                    AT,
                    provider_message_id=None,
                    message_id=MESSAGE_ID,
                    recipient="ada@example.com",
                    is_permanent=True,
                )
            ],
        ),
    )
    secret_headers = (
        "x-twilio-email-event-webhook-signature",
        "x-twilio-email-event-webhook-timestamp",
    )

    def fields(self) -> dict[str, str]:
        public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {
            "api_key": SECRET,
            "region": "global",
            "from": "Acme <hello@acme.example>",
            "verification_key": b64encode(public).decode("ascii"),
        }

    def is_authorized(self, request: Recorded) -> bool:
        return request.headers.get("authorization") == f"Bearer {SECRET}"

    def error(self, words: str) -> Answer:
        return refused(400, words)

    def other_routes(self) -> Mapping[str, Answer]:
        return {"GET /v3/scopes": Answer(json={"scopes": ["mail.send", "alerts.read"]})}

    def authentic(self, body: bytes) -> Callback:
        return signed(body, at=AT)


def signed(body: bytes, at: datetime) -> Callback:
    """A callback with this body, signed at that time."""
    timestamp = str(int(at.timestamp()))
    signature = KEY.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    headers = {
        "content-type": "application/json",
        "x-twilio-email-event-webhook-signature": b64encode(signature).decode("ascii"),
        "x-twilio-email-event-webhook-timestamp": timestamp,
    }
    return Callback("https://notify.acme.example/hooks/sendgrid/1", headers, body)


BENCH = SendGridBench
