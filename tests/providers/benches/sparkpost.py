from __future__ import annotations

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

TRANSMISSION: Final = "11668787484950529"
AT: Final = datetime(2026, 3, 2, 11, 59, 0, tzinfo=UTC)
LINK: Final = "https://acme.example/orders?id=1"


def refused(status: int, code: str, words: str, **more: str) -> Answer:
    return Answer(status, json={"errors": [{"message": words, "code": code} | more]})


def record(kind: str, group: str = "message_event", **more: Any) -> dict[str, Any]:
    usual = {
        "type": kind,
        "event_id": "92356927693813856",
        "timestamp": str(int(AT.timestamp())),
        "transmission_id": TRANSMISSION,
        "message_id": "000443ee14578172be22",
        "rcpt_to": "ada@example.com",
        "rcpt_meta": {"senderkit_message": MESSAGE_ID},
    }
    return {"msys": {group: usual | more}}


def posted(*records: dict[str, Any]) -> bytes:
    return json.dumps(records).encode()


def bounce(bounce_class: str, kind: str = "bounce") -> bytes:
    reason = "550 5.1.1 no such user"
    return posted(record(kind, bounce_class=bounce_class, error_code="550", reason=reason))


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual = {"recipient": "ada@example.com", "message_id": MESSAGE_ID}
    return ProviderEvent(kind=kind, at=AT, provider_message_id=TRANSMISSION, **(usual | more))


def bounced(kind: EventKind, *, is_permanent: bool = False) -> list[ProviderEvent]:
    return [event(kind, detail="550 5.1.1 no such user", is_permanent=is_permanent)]


class SparkPostBench(HttpBench):
    sending = "POST /api/v1/transmissions"
    accepts = Answer(
        json={
            "results": {
                "total_rejected_recipients": 0,
                "total_accepted_recipients": 1,
                "id": TRANSMISSION,
            }
        }
    )
    unauthorized = refused(401, "", "Unauthorized.")
    rate_limited = refused(429, "", "Too many requests")
    refusals: ClassVar = (
        Refusal("missing field", refused(422, "1400", "content object required"), Refused),
        Refusal("wrong type", refused(400, "1300", "field is of wrong type"), Refused),
        Refusal("not generated", refused(400, "1902", "Message generation rejected"), Refused),
        Refusal("template syntax", refused(422, "3000", "substitution language error"), Refused),
        Refusal("metadata", refused(422, "2007", "metadata is too large"), Refused),
        Refusal("too large", refused(413, "", "Too large"), Refused),
        Refusal(
            "no recipient accepted",
            Answer(
                json={
                    "errors": [{"code": "2000", "message": "Invalid recipient", "description": ""}],
                    "results": {
                        "total_rejected_recipients": 1,
                        "total_accepted_recipients": 0,
                        "id": TRANSMISSION,
                    },
                }
            ),
            Refused,
        ),
        Refusal(
            "unverified domain",
            refused(400, "7001", "Invalid domain", description="Unconfigured Sending Domain"),
            AccountBroken,
        ),
        Refusal("blocked domain", refused(400, "7000", "Blacklisted domain"), AccountBroken),
        Refusal("no grant", refused(403, "1100", "Forbidden."), AccountBroken),
        Refusal("end of the sandbox", refused(420, "2103", "Exceed Sending Limit"), AccountBroken),
        Refusal("limit of an hour", refused(420, "2101", "Exceed Sending Limit"), Unavailable),
        Refusal("another limit", refused(420, "2199", "Exceed Sending Limit"), Unavailable),
        Refusal("busy", refused(400, "1502", "server resources unavailable"), Unavailable),
        Refusal("in trouble", refused(503, "1900", "Internal error"), Unavailable),
    )
    reports: ClassVar = (
        Report("a ping", b'[{"msys": {}}]'),
        Report("delivered", posted(record("delivery")), [event(EventKind.DELIVERED)]),
        *(
            Report(
                f"bounce of class {number}",
                bounce(number),
                bounced(EventKind.FAILED, is_permanent=is_permanent),
            )
            for number, is_permanent in [
                *(("10", True), ("30", True), ("1", False), ("20", False), ("25", False)),
                *(("40", False), ("50", False), ("54", False), ("70", False), ("999", False)),
            ]
        ),
        Report(
            "bounced later",
            bounce("10", "out_of_band"),
            bounced(EventKind.FAILED, is_permanent=True),
        ),
        Report("unsubscribed by reply", bounce("90"), bounced(EventKind.OPTED_OUT)),
        *(Report(f"bounce of class {number}", bounce(number)) for number in ("60", "80", "100")),
        Report("complained", posted(record("spam_complaint")), [event(EventKind.COMPLAINED)]),
        *(
            Report(kind, posted(record(kind, "unsubscribe_event")), [event(EventKind.OPTED_OUT)])
            for kind in ("list_unsubscribe", "link_unsubscribe")
        ),
        *(
            Report(kind, posted(record(kind, "track_event")), [event(EventKind.OPENED)])
            for kind in ("open", "initial_open", "amp_open")
        ),
        Report(
            "clicked",
            posted(record("click", "track_event", target_link_url=LINK)),
            [event(EventKind.CLICKED, link=LINK)],
        ),
        *(
            Report(
                kind,
                posted(record(kind, "gen_event", reason="recipient address suppressed")),
                [event(EventKind.FAILED, detail="recipient address suppressed")],
            )
            for kind in ("policy_rejection", "generation_failure", "generation_rejection")
        ),
        Report(
            "several at once",
            posted(record("injection"), record("delivery"), record("of_tomorrow"), record("delay")),
            [event(EventKind.DELIVERED)],
        ),
    )
    secret_headers = ("authorization",)

    def fields(self) -> dict[str, str]:
        return {
            "region": "us",
            "api_key": SECRET,
            "from": "Acme <hello@acme.example>",
            "callback_user": "sparkpost",
            "callback_password": f"callback-{SECRET}",
        }

    def is_authorized(self, request: Recorded) -> bool:
        return request.headers.get("authorization") == SECRET

    def error(self, words: str) -> Answer:
        return refused(400, "1300", words)

    def other_routes(self) -> Mapping[str, Answer]:
        domains = [{"domain": "acme.example", "status": {"ownership_verified": True}}]
        return {"GET /api/v1/sending-domains": Answer(json={"results": domains})}

    def authentic(self, body: bytes) -> Callback:
        token = b64encode(f"sparkpost:callback-{SECRET}".encode()).decode("ascii")
        headers = {"content-type": "application/json", "authorization": f"Basic {token}"}
        return Callback("https://notify.acme.example/hooks/sparkpost/1", headers, body)


BENCH = SparkPostBench
