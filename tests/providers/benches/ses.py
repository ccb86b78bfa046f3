from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa

from senderkit.domain import EventKind, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Unavailable
from senderkit.providers.base import Callback
from tests import fakes_sns
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report
from tests.providers.samples import MESSAGE_ID

SES_ID: Final = "0102018e3f5c2b1a-7f1c2c5e-8a0c-4b7e-9d3f-0a1b2c3d4e5f-000000"
AT: Final = datetime(2026, 3, 2, 11, 59, 0, 123000, tzinfo=UTC)
TIME: Final = "2026-03-02T11:59:00.123Z"
LINK: Final = "https://acme.example/orders?id=1"
FORGER: Final = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)

_PROOF: Final = re.compile(r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$")


def refused(code: str, words: str, status: int = 400) -> Answer:
    headers = {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/coral/{code}/"}
    return Answer(status, json={"message": words}, headers=headers)


def unverified(identity: str) -> Answer:
    return refused(
        "MessageRejected",
        "Email address is not verified. The following identities failed the check in region "
        f"EU-WEST-1: {identity}",
    )


def record(event: str, **more: Any) -> bytes:
    mail = {
        "timestamp": "2026-03-02T11:58:00.000Z",
        "messageId": SES_ID,
        "source": "hello@acme.example",
        "destination": ["ada@example.com"],
        "tags": {"senderkit_message": [MESSAGE_ID], "ses:configuration-set": ["mail"]},
    }
    return json.dumps({"eventType": event, "mail": mail} | more).encode()


def bounce(kind: str, subtype: str = "General") -> bytes:
    address = {"emailAddress": "ada@example.com", "diagnosticCode": "smtp; 550 5.1.1 unknown"}
    detail = {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [address]}
    return record("Bounce", bounce={**detail, "timestamp": TIME, "feedbackId": "1"})


def complaint(**more: Any) -> bytes:
    detail = {"complainedRecipients": [{"emailAddress": "ada@example.com"}], "timestamp": TIME}
    return record("Complaint", complaint=detail | more)


def event(kind: EventKind, **more: Any) -> ProviderEvent:
    usual: dict[str, Any] = {
        "at": AT,
        "recipient": "ada@example.com",
        "message_id": MESSAGE_ID,
    }
    return ProviderEvent(kind=kind, provider_message_id=SES_ID, **(usual | more))


def failed(detail: str | None, *, is_permanent: bool = False, **more: Any) -> list[ProviderEvent]:
    return [event(EventKind.FAILED, detail=detail, is_permanent=is_permanent, **more)]


class SesBench(HttpBench):
    sending = "POST /v2/email/outbound-emails"
    accepts = Answer(json={"MessageId": SES_ID})
    unauthorized = refused(
        "InvalidSignatureException", "The request signature we calculated does not match.", 403
    )
    rate_limited = refused("TooManyRequestsException", "Maximum sending rate exceeded.", 429)
    refusals: ClassVar = (
        Refusal("rejected", refused("MessageRejected", "Illegal content."), Refused),
        Refusal("bad request", refused("BadRequestException", "Missing final '@domain'"), Refused),
        Refusal("sandbox", unverified("ada@example.com"), Refused),
        Refusal("too large", refused("RequestEntityTooLargeException", "Big.", 413), Refused),
        Refusal("a code of tomorrow", refused("NewException", "Something new."), Refused),
        Refusal("unverified sender", unverified("hello@acme.example"), AccountBroken),
        Refusal("unverified domain", unverified("acme.example"), AccountBroken),
        Refusal("no such set", refused("NotFoundException", "No such set.", 404), AccountBroken),
        Refusal(
            "unverified domain of bounces",
            refused("MailFromDomainNotVerifiedException", "Not verified."),
            AccountBroken,
        ),
        Refusal("suspended", refused("AccountSuspendedException", "Gone."), AccountBroken),
        Refusal("paused", refused("SendingPausedException", "Paused."), AccountBroken),
        Refusal("denied", refused("AccessDeniedException", "No.", 403), AccountBroken),
        Refusal("unknown key", refused("UnrecognizedClientException", "No.", 403), AccountBroken),
        Refusal("expired key", refused("ExpiredTokenException", "No.", 403), AccountBroken),
        Refusal("too fast", refused("ThrottlingException", "Rate exceeded"), Unavailable),
        Refusal("quota", refused("LimitExceededException", "Daily quota exceeded."), Unavailable),
        Refusal("slow", refused("RequestTimeoutException", "Slow.", 408), Unavailable),
        Refusal("in trouble", refused("InternalFailure", "Oops.", 500), Unavailable),
    )
    reports: ClassVar = (
        Report(
            "delivered",
            record(
                "Delivery",
                delivery={
                    "timestamp": TIME,
                    "recipients": ["ada@example.com"],
                    "smtpResponse": "250 ok",
                },
            ),
            [event(EventKind.DELIVERED, detail="250 ok")],
        ),
        *(
            Report(
                f"bounce, {kind} {subtype}",
                bounce(kind, subtype),
                failed("smtp; 550 5.1.1 unknown", is_permanent=is_permanent),
            )
            for kind, subtype, is_permanent in [
                ("Permanent", "General", True),
                ("Permanent", "Suppressed", True),
                ("Permanent", "OnAccountSuppressionList", True),
                ("Transient", "MailboxFull", False),
                ("Undetermined", "Undetermined", False),
            ]
        ),
        Report("complained", complaint(), [event(EventKind.COMPLAINED)]),
        Report("complained of as no spam", complaint(complaintFeedbackType="not-spam")),
        Report(
            "never sent after a complaint",
            complaint(complaintSubType="OnAccountSuppressionList"),
            failed(None, is_permanent=True),
        ),
        Report(
            "rejected",
            record("Reject", reject={"reason": "Bad content"}),
            failed("Bad content", at=datetime(2026, 3, 2, 11, 58, tzinfo=UTC)),
        ),
        Report(
            "not rendered",
            record("Rendering Failure", failure={"errorMessage": "Attribute 'x' is missing"}),
            failed("Attribute 'x' is missing", at=datetime(2026, 3, 2, 11, 58, tzinfo=UTC)),
        ),
        Report("opened", record("Open", open={"timestamp": TIME}), [event(EventKind.OPENED)]),
        Report(
            "clicked",
            record("Click", click={"timestamp": TIME, "link": LINK}),
            [event(EventKind.CLICKED, link=LINK)],
        ),
        Report(
            "unsubscribed",
            record(
                "Subscription",
                subscription={"timestamp": TIME, "newTopicPreferences": {"unsubscribeAll": True}},
            ),
            [event(EventKind.OPTED_OUT)],
        ),
        Report(
            "subscribed again",
            record(
                "Subscription",
                subscription={"timestamp": TIME, "newTopicPreferences": {"unsubscribeAll": False}},
            ),
        ),
        Report("sent", record("Send", send={})),
        Report("delayed", record("DeliveryDelay", deliveryDelay={"delayType": "MailboxFull"})),
        Report("an event of tomorrow", record("Thought", thought={})),
        Report("the first greeting", b"Successfully validated SNS topic for Amazon SES."),
    )
    secret_headers = ("x-amz-sns-message-type", "x-amz-sns-topic-arn")

    def fields(self) -> dict[str, str]:
        return {
            "region": "eu-west-1",
            "access_key_id": "AKIDEXAMPLE",
            "secret_access_key": SECRET,
            "from": "Acme <hello@acme.example>",
            "configuration_set": "mail",
            "topic_arn": fakes_sns.TOPIC,
        }

    def is_authorized(self, request: Recorded) -> bool:
        found = _PROOF.search(request.headers.get("authorization", ""))
        return found is not None and found[2] == signature_of(request, found[1].split(";"))

    def error(self, words: str) -> Answer:
        return refused("BadRequestException", words)

    def other_routes(self) -> Mapping[str, Answer]:
        account = {"SendingEnabled": True, "ProductionAccessEnabled": True}
        return {"GET /v2/email/account": Answer(json=account)}

    def authentic(self, body: bytes) -> Callback:
        return fakes_sns.signed(fakes_sns.notification(body.decode("latin-1")))

    def forgeries(self, body: bytes) -> Iterator[Callback]:
        yield from super().forgeries(body)
        fields = fakes_sns.notification(body.decode("latin-1"))
        theirs = fakes_sns.TOPIC.replace("123456789012", "210987654321")
        yield fakes_sns.delivered(fields)
        yield fakes_sns.signed(fields, FORGER)
        yield fakes_sns.signed(fields | {"TopicArn": theirs})
        yield fakes_sns.signed(fields | {"Timestamp": "2026-02-28T12:00:00.000Z"})
        yield fakes_sns.signed(fields | {"SigningCertURL": "https://evil.example/a.pem"})


def signature_of(request: Recorded, names: list[str]) -> str:
    """The signature that SES computes for a request, by botocore."""
    url = f"http://{request.headers['host']}{request.target}"
    headers = {name: request.headers[name] for name in names}
    draft = AWSRequest(request.method, url, headers, request.body)
    draft.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", SECRET), "ses", "eu-west-1")
    text = signer.string_to_sign(draft, signer.canonical_request(draft))
    return str(signer.signature(text, draft))


BENCH = SesBench
