from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from senderkit.domain import EventKind, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Unavailable
from senderkit.providers.base import Callback
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report
from tests.providers.samples import MESSAGE_ID

RESEND_ID: Final = "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"
AT: Final = datetime(2026, 3, 2, 11, 59, 0, 126000, tzinfo=UTC)
LINK: Final = "https://acme.example/orders?id=1"
KEY: Final = b"a key of 32 bytes, made for test"


def refused(status: int, name: str, words: str) -> Answer:
    return Answer(status, json={"statusCode": status, "name": name, "message": words})


def record(kind: str, **more: Any) -> bytes:
    data = {
        "email_id": RESEND_ID,
        "created_at": "2026-03-02T11:58:00.000Z",
        "from": "Acme <hello@acme.example>",
        "to": ["ada@example.com"],
        "subject": "Hello",
        "tags": {"senderkit_message": MESSAGE_ID},
    }
    body = {"type": kind, "created_at": "2026-03-02T11:59:00.126Z", "data": data | more}
    return json.dumps(body).encode()


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual = {"recipient": "ada@example.com", "message_id": MESSAGE_ID}
    return ProviderEvent(kind=kind, at=AT, provider_message_id=RESEND_ID, **(usual | more))


class ResendBench(HttpBench):
    sending = "POST /emails"
    accepts = Answer(json={"id": RESEND_ID})
    unauthorized = refused(400, "validation_error", "API key is invalid")
    rate_limited = refused(429, "rate_limit_exceeded", "Too many requests")
    refusals: ClassVar = (
        Refusal("bad field", refused(422, "validation_error", "Invalid `to` field."), Refused),
        Refusal("missing", refused(422, "missing_required_field", "Missing `to`."), Refused),
        Refusal("attachment", refused(422, "invalid_attachment", "No content."), Refused),
        Refusal("sender", refused(422, "invalid_from_address", "Invalid `from`."), Refused),
        Refusal(
            "another message under the key",
            refused(409, "invalid_idempotent_request", "Same key, other payload."),
            Refused,
        ),
        Refusal("a name of tomorrow", refused(422, "something_new", "Something new."), Refused),
        Refusal("no key", refused(401, "missing_api_key", "Missing API key"), AccountBroken),
        Refusal("wrong key", refused(401, "validation_error", "API key is invalid"), AccountBroken),
        Refusal("key of old", refused(403, "invalid_api_key", "Wrong key"), AccountBroken),
        Refusal("restricted", refused(401, "restricted_api_key", "Only sends"), AccountBroken),
        Refusal("suspended", refused(403, "suspended_api_key", "Suspended"), AccountBroken),
        Refusal(
            "unverified domain",
            refused(403, "validation_error", "The acme.example domain is not verified."),
            AccountBroken,
        ),
        Refusal("no such path", refused(404, "not_found", "Not found"), AccountBroken),
        Refusal("quota", refused(429, "daily_quota_exceeded", "Enough for today"), Unavailable),
        Refusal(
            "under way",
            refused(409, "concurrent_idempotent_requests", "Still running"),
            Unavailable,
        ),
        Refusal("in trouble", refused(500, "application_error", "Oops"), Unavailable),
    )
    reports: ClassVar = (
        Report("delivered", record("email.delivered"), [event(EventKind.DELIVERED)]),
        *(
            Report(
                f"bounce, {kind}",
                record(
                    "email.bounced",
                    bounce={"type": kind, "subType": "General", "message": "no such user"},
                ),
                [event(EventKind.FAILED, detail="no such user", is_permanent=is_permanent)],
            )
            for kind, is_permanent in [
                ("Permanent", True),
                ("Transient", False),
                ("Undetermined", False),
            ]
        ),
        Report(
            "suppressed",
            record("email.suppressed", suppressed={"reason": "previous_bounce", "message": "No."}),
            [event(EventKind.FAILED, detail="No.", is_permanent=True)],
        ),
        Report(
            "failed",
            record("email.failed", failed={"reason": "reached_daily_quota"}),
            [event(EventKind.FAILED, detail="reached_daily_quota")],
        ),
        Report("complained", record("email.complained"), [event(EventKind.COMPLAINED)]),
        Report("opened", record("email.opened"), [event(EventKind.OPENED)]),
        Report(
            "clicked",
            record("email.clicked", click={"link": LINK, "ipAddress": "192.0.2.1"}),
            [event(EventKind.CLICKED, link=LINK)],
        ),
        Report(
            "tags as they went out",
            record(
                "email.delivered",
                tags=[
                    {"name": "x", "value": "y"},
                    {"name": "senderkit_message", "value": MESSAGE_ID},
                ],
            ),
            [event(EventKind.DELIVERED)],
        ),
        Report(
            "a recipient with a name",
            record("email.delivered", to=["Ada <ada@example.com>"]),
            [event(EventKind.DELIVERED)],
        ),
        Report(
            "several recipients",
            record("email.opened", to=["ada@example.com", "bo@example.com"]),
            [event(EventKind.OPENED, recipient=None)],
        ),
        *(
            Report(kind, record(kind))
            for kind in (
                "email.sent",
                "email.delivery_delayed",
                "email.scheduled",
                "domain.created",
            )
        ),
    )
    secret_headers = ("svix-id", "svix-timestamp", "svix-signature")

    def fields(self) -> dict[str, str]:
        return {
            "api_key": SECRET,
            "from": "Acme <hello@acme.example>",
            "webhook_secret": f"whsec_{b64encode(KEY).decode('ascii')}",
        }

    def is_authorized(self, request: Recorded) -> bool:
        return request.headers.get("authorization") == f"Bearer {SECRET}"

    def error(self, words: str) -> Answer:
        return refused(422, "validation_error", words)

    def other_routes(self) -> Mapping[str, Answer]:
        domains = [{"name": "acme.example", "status": "verified"}]
        return {"GET /domains": Answer(json={"object": "list", "data": domains})}

    def authentic(self, body: bytes) -> Callback:
        return signed(body, AT)


def signed(body: bytes, at: datetime, *, key: bytes = KEY, prefix: str = "svix") -> Callback:
    """A callback with this body, signed at that time."""
    event_id, timestamp = "msg_p5jXN8AQM9LWM0D4loKWxJek", str(int(at.timestamp()))
    signature = hmac.digest(key, f"{event_id}.{timestamp}.".encode() + body, "sha256")
    headers = {
        "content-type": "application/json",
        f"{prefix}-id": event_id,
        f"{prefix}-timestamp": timestamp,
        f"{prefix}-signature": f"v1,{b64encode(signature).decode('ascii')}",
    }
    return Callback("https://notify.acme.example/hooks/resend/1", headers, body)


BENCH = ResendBench
