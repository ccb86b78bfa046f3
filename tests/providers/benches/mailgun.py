from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from senderkit.domain import EventKind, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Unavailable
from senderkit.providers.base import Callback
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report, wrong_forms
from tests.providers.samples import MESSAGE_ID

MAILGUN_ID: Final = "20260302115800.1.5A3C0D1E2F@mg.acme.example"
AT: Final = datetime(2026, 3, 2, 11, 59, 0, 500000, tzinfo=UTC)
LINK: Final = "https://acme.example/orders?id=1"
TOKEN: Final = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"


def refused(status: int, words: str) -> Answer:
    return Answer(status, json={"message": words})


def record(event: str, **more: Any) -> bytes:
    usual = {
        "event": event,
        "id": "Ase7i2zsRYeDXztHGENqRA",
        "timestamp": AT.timestamp(),
        "recipient": "ada@example.com",
        "message": {"headers": {"message-id": MAILGUN_ID, "to": "ada@example.com"}},
        "user-variables": {"senderkit_message": MESSAGE_ID},
    }
    return json.dumps(usual | more).encode()


def failure(severity: str, reason: str) -> bytes:
    status = {"code": 550, "message": "5.1.1 no such user", "description": ""}
    return record("failed", severity=severity, reason=reason, **{"delivery-status": status})


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual = {"recipient": "ada@example.com", "message_id": MESSAGE_ID}
    return ProviderEvent(kind=kind, at=AT, provider_message_id=MAILGUN_ID, **(usual | more))


class MailgunBench(HttpBench):
    sending = "POST /v3/mg.acme.example/messages"
    accepts = Answer(json={"id": f"<{MAILGUN_ID}>", "message": "Queued. Thank you."})
    unauthorized = Answer(401, body=b"Forbidden", headers={"Content-Type": "text/plain"})
    rate_limited = refused(429, "Domain mg.acme.example request limit exceeded")
    refusals: ClassVar = (
        Refusal("bad recipient", refused(400, "'to' parameter is not a valid address."), Refused),
        Refusal("too large", refused(413, "Request is too large."), Refused),
        Refusal(
            "unverified domain",
            refused(400, "Domain mg.acme.example is not allowed to send: Please activate it."),
            AccountBroken,
        ),
        Refusal("unpaid", refused(402, "Payment required"), AccountBroken),
        Refusal("address not allowed", refused(403, "IP is not allowed"), AccountBroken),
        Refusal("another region", refused(404, "Domain not found: mg.acme"), AccountBroken),
        Refusal("busy", refused(429, "Domain request limit exceeded"), Unavailable),
        Refusal("in trouble", refused(500, "Internal Server Error"), Unavailable),
    )
    reports: ClassVar = (
        Report(
            "delivered",
            record("delivered", **{"delivery-status": {"code": 250, "message": "OK"}}),
            [event(EventKind.DELIVERED, detail="OK")],
        ),
        *(
            Report(
                f"failed for {reason}",
                failure("permanent", reason),
                [event(EventKind.FAILED, detail="5.1.1 no such user", is_permanent=is_permanent)],
            )
            for reason, is_permanent in [
                ("bounce", True),
                ("suppress-bounce", True),
                ("suppress-complaint", True),
                ("suppress-unsubscribe", False),
                ("espblock", False),
                ("old", False),
                ("generic", False),
            ]
        ),
        Report("failed for now", failure("temporary", "generic")),
        Report(
            "failed without a status",
            record("failed", severity="permanent", reason="generic", **{"delivery-status": None}),
            [event(EventKind.FAILED, detail="generic")],
        ),
        Report(
            "rejected",
            record("rejected", recipient=None, reject={"reason": "Sandbox subdomain"}),
            [event(EventKind.FAILED, detail="Sandbox subdomain")],
        ),
        Report("complained", record("complained"), [event(EventKind.COMPLAINED)]),
        Report("unsubscribed", record("unsubscribed"), [event(EventKind.OPTED_OUT)]),
        Report(
            "opened",
            record("opened", **{"client-info": {"bot": ""}}),
            [event(EventKind.OPENED)],
        ),
        Report("opened by a machine", record("opened", **{"client-info": {"bot": "apple"}})),
        Report("clicked", record("clicked", url=LINK), [event(EventKind.CLICKED, link=LINK)]),
        Report("accepted", record("accepted")),
        Report("an event of tomorrow", record("pondered")),
    )

    def fields(self) -> dict[str, str]:
        return {
            "region": "us",
            "domain": "mg.acme.example",
            "api_key": SECRET,
            "from": "Acme <hello@acme.example>",
            "signing_key": f"signing-{SECRET}",
        }

    def is_authorized(self, request: Recorded) -> bool:
        login = b64encode(f"api:{SECRET}".encode()).decode("ascii")
        return request.headers.get("authorization") == f"Basic {login}"

    def error(self, words: str) -> Answer:
        return refused(400, words)

    def other_routes(self) -> Mapping[str, Answer]:
        domain = {"name": "mg.acme.example", "state": "active", "type": "custom"}
        return {"GET /v4/domains/mg.acme.example": Answer(json={"domain": domain})}

    def authentic(self, body: bytes) -> Callback:
        return posted(body, signature_at(AT))

    def forgeries(self, body: bytes) -> Iterator[Callback]:
        right = signature_at(AT)
        yield posted(body, None)
        for name in ("timestamp", "token", "signature"):
            yield posted(body, {key: value for key, value in right.items() if key != name})
            for wrong in wrong_forms(right[name]):
                yield posted(body, right | {name: wrong})


def signature_at(at: datetime, key: str = f"signing-{SECRET}") -> dict[str, str]:
    """What Mailgun signs at that time."""
    timestamp = str(int(at.timestamp()))
    signature = hmac.new(key.encode(), f"{timestamp}{TOKEN}".encode(), "sha256").hexdigest()
    return {"timestamp": timestamp, "token": TOKEN, "signature": signature}


def posted(body: bytes, signature: object) -> Callback:
    """A callback with this `event-data`; what is no JSON stands there as text."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = body.decode("latin-1")
    content = json.dumps({"signature": signature, "event-data": data}).encode()
    headers = {"content-type": "application/json"}
    return Callback("https://notify.acme.example/hooks/mailgun/1", headers, content)


BENCH = MailgunBench
