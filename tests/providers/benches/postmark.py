from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from senderkit.domain import EventKind, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Suppressed, Unavailable
from senderkit.providers.base import Callback
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report
from tests.providers.samples import MESSAGE_ID

POSTMARK_ID = "883953f4-6105-42a2-a16a-77a8eac79483"
AT = datetime(2026, 3, 2, 11, 22, 33, 907025, tzinfo=UTC)


def refused(code: int, words: str, status: int = 422) -> Answer:
    return Answer(status, json={"ErrorCode": code, "Message": words})


def record(record_type: str, time: str | None = None, **more: Any) -> bytes:
    usual = {
        "RecordType": record_type,
        "ServerID": 23,
        "MessageStream": "outbound",
        "MessageID": POSTMARK_ID,
        "Tag": "",
        "Metadata": {"senderkit_message": MESSAGE_ID},
    }
    times = {time: "2026-03-02T11:22:33.9070259Z"} if time else {}
    return json.dumps(usual | times | more).encode()


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual = {"recipient": "ada@example.com", "message_id": MESSAGE_ID}
    return ProviderEvent(kind=kind, at=AT, provider_message_id=POSTMARK_ID, **(usual | more))


def bounce(kind: str, **more: Any) -> bytes:
    return record(
        "Bounce",
        "BouncedAt",
        **{
            "ID": 4323372036854775807,
            "Type": kind,
            "TypeCode": 1,
            "Name": "A bounce",
            "Description": "Something went wrong.",
            "Details": "smtp;550 5.1.1 no such user",
            "Email": "ada@example.com",
            "From": "hello@acme.example",
            "Inactive": True,
            "CanActivate": True,
            "Subject": "Hello",
        }
        | more,
    )


def subscription(reason: str | None, is_stopped: bool = True, **more: Any) -> bytes:
    return record(
        "SubscriptionChange",
        "ChangedAt",
        Recipient="ada@example.com",
        Origin="Recipient",
        SuppressSending=is_stopped,
        SuppressionReason=reason,
        **more,
    )


class PostmarkBench(HttpBench):
    sending = "POST /email"
    accepts = Answer(
        json={
            "To": "ada@example.com",
            "SubmittedAt": "2026-03-02T12:00:00.0000000-05:00",
            "MessageID": POSTMARK_ID,
            "ErrorCode": 0,
            "Message": "OK",
        }
    )
    unauthorized = refused(10, "The Server Token you provided is not valid.", 401)
    rate_limited = refused(429, "Rate limit exceeded.", 429)
    refusals: ClassVar = (
        Refusal("bad recipient", refused(300, "Illegal email address 'ada@'."), Refused),
        Refusal("forbidden attachment", refused(411, "Forbidden file 'a.exe'."), Refused),
        Refusal("too large", Answer(413, body=b"Payload too large"), Refused),
        Refusal("invalid JSON", refused(402, "Received invalid JSON input."), Refused),
        Refusal("a code of tomorrow", refused(9999, "Something new."), Refused),
        Refusal(
            "inactive recipient",
            refused(406, "You tried to send to a recipient that has been marked as inactive."),
            Suppressed,
        ),
        Refusal("no such sender", refused(400, "Sender Signature not found."), AccountBroken),
        Refusal("unconfirmed sender", refused(401, "Sender not confirmed."), AccountBroken),
        Refusal("out of credits", refused(405, "Not allowed to send."), AccountBroken),
        Refusal("pending account", refused(412, "Account is pending."), AccountBroken),
        Refusal("closed account", refused(413, "Account may not send."), AccountBroken),
        Refusal("no such stream", refused(1235, "Stream does not exist."), AccountBroken),
        Refusal("stream cannot send", refused(1236, "Stream cannot send."), AccountBroken),
        Refusal("maintenance", refused(100, "Down for maintenance.", 503), Unavailable),
    )
    reports: ClassVar = (
        Report(
            "delivered",
            record("Delivery", "DeliveredAt", Recipient="ada@example.com", Details="250 OK"),
            [event(EventKind.DELIVERED, detail="250 OK")],
        ),
        Report(
            "opened",
            record("Open", "ReceivedAt", Recipient="ada@example.com", FirstOpen=True),
            [event(EventKind.OPENED)],
        ),
        Report(
            "clicked",
            record(
                "Click",
                "ReceivedAt",
                Recipient="ada@example.com",
                OriginalLink="https://acme.example/orders?id=1",
            ),
            [event(EventKind.CLICKED, link="https://acme.example/orders?id=1")],
        ),
        Report(
            "complained",
            record("SpamComplaint", "BouncedAt", Email="ada@example.com", Type="SpamComplaint"),
            [event(EventKind.COMPLAINED)],
        ),
        *(
            Report(
                kind,
                bounce(kind),
                [event(EventKind.FAILED, detail=bounced, is_permanent=is_permanent)],
            )
            for bounced in ["smtp;550 5.1.1 no such user"]
            for kind, is_permanent in [
                ("HardBounce", True),
                ("BadEmailAddress", True),
                ("SoftBounce", False),
                ("Blocked", False),
                ("DMARCPolicy", False),
            ]
        ),
        Report(
            "a bounce without details",
            bounce("HardBounce", Details=""),
            [event(EventKind.FAILED, detail="Something went wrong.", is_permanent=True)],
        ),
        Report(
            "unsubscribed by reply",
            bounce("Unsubscribe", Details=None, Description=None),
            [event(EventKind.OPTED_OUT)],
        ),
        *(
            Report(kind, bounce(kind))
            for kind in ("Transient", "DnsError", "AutoResponder", "OfTomorrow")
        ),
        Report("unsubscribed", subscription("ManualSuppression"), [event(EventKind.OPTED_OUT)]),
        Report(
            "unsubscribed by hand",
            subscription("ManualSuppression", MessageID=None, Metadata={}),
            [
                ProviderEvent(
                    EventKind.OPTED_OUT, AT, provider_message_id=None, recipient="ada@example.com"
                )
            ],
        ),
        Report(
            "suppressed",
            subscription("HardBounce"),
            [event(EventKind.FAILED, is_permanent=True)],
        ),
        Report("stopped", subscription("SpamComplaint"), [event(EventKind.COMPLAINED)]),
        Report("subscribed again", subscription(None, is_stopped=False)),
        Report("a record of tomorrow", record("Thought", "ReceivedAt")),
    )
    secret_headers = ("authorization",)

    def fields(self) -> dict[str, str]:
        return {
            "server_token": SECRET,
            "message_stream": "outbound",
            "from": "Acme <hello@acme.example>",
            "callback_user": "postmark",
            "callback_password": f"callback-{SECRET}",
        }

    def is_authorized(self, request: Recorded) -> bool:
        return request.headers.get("x-postmark-server-token") == SECRET

    def error(self, words: str) -> Answer:
        return refused(300, words)

    def other_routes(self) -> Mapping[str, Answer]:
        return {
            "GET /server": Answer(json={"ID": 1, "Name": "Production", "DeliveryType": "Live"}),
            "GET /message-streams/outbound": Answer(json={"ID": "outbound"}),
        }

    def authentic(self, body: bytes) -> Callback:
        token = b64encode(f"postmark:callback-{SECRET}".encode()).decode("ascii")
        headers = {"content-type": "application/json", "authorization": f"Basic {token}"}
        return Callback("https://notify.acme.example/hooks/postmark/1", headers, body)


BENCH = PostmarkBench
