"""Email through Amazon SES: https://docs.aws.amazon.com/ses/latest/APIReference-V2/.

A message goes out as the same MIME that the SMTP connection sends, so nothing depends on how many
headers SES takes or how it encodes them. What becomes of it comes from SES through an SNS topic.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from senderkit.domain import (
    Channel,
    Clock,
    EventKind,
    JsonObject,
    Outgoing,
    ProviderEvent,
    Receipt,
)
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    Issue,
    Refused,
    Unavailable,
    Unsupported,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.aws import (
    AWS_FIELDS,
    BY_CODE,
    AwsAdapter,
    SnsTopic,
    find_error_code,
    region_issues,
    topic_issues,
)
from senderkit.providers.base import (
    CORRELATION_KEY,
    Adapter,
    Callback,
    Capability,
    Field,
    Provider,
    find_text,
)
from senderkit.providers.callbacks import find_link, json_object, moment_of, object_of
from senderkit.providers.mailboxes import sender_issues
from senderkit.providers.mime import MimeEmail, build_email
from senderkit.providers.over_http import BASE_URL

ERRORS: Final[Mapping[str, type[DeliveryError]]] = {
    "AccountSuspendedException": AccountBroken,
    "BadRequestException": Refused,
    "LimitExceededException": Unavailable,  # a quota, such as that of a day
    "MailFromDomainNotVerifiedException": AccountBroken,
    "MessageRejected": Refused,
    "NotFoundException": AccountBroken,  # the configuration set
    "RequestEntityTooLargeException": Refused,
    "SendingPausedException": AccountBroken,
}
"""Error codes of `SendEmail`; those of every service are in `aws.BY_CODE`."""

EVENTS: Final[Mapping[str, EventKind | None]] = {
    "Delivery": EventKind.DELIVERED,
    "Bounce": EventKind.FAILED,  # SES has given up, whatever the type
    "Complaint": EventKind.COMPLAINED,
    "Reject": EventKind.FAILED,
    "Rendering Failure": EventKind.FAILED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
    "Subscription": EventKind.OPTED_OUT,
    "Send": None,
    "DeliveryDelay": None,
}
"""`eventType` of an event, or `notificationType` of an older feedback notification."""

PERMANENT_BOUNCES: Final = frozenset({"Permanent"})
"""`bounceType` after which no mail to an address will arrive."""

NEVER_SENT: Final = "OnAccountSuppressionList"
"""`complaintSubType` of mail that SES did not even try, because of an earlier complaint."""

_DETAILS: Final = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}


class SesAdapter(AwsAdapter):
    """One SES account in one region, by an access key."""

    service = "ses"
    endpoint = "email"

    def __init__(
        self, provider: Provider, values: Mapping[str, str], clock: Clock, http: HttpClient
    ) -> None:
        super().__init__(provider, values, clock, http)
        self._topic = SnsTopic(values["topic_arn"], http, clock)

    def send(self, outgoing: Outgoing) -> Receipt:
        default_from = self._credentials["from"]
        email = build_email(outgoing, default_from=default_from, at=self._clock())
        payload = build_payload(email, outgoing.message_id, self._credentials)
        url = self._url("/v2/email/outbound-emails")
        reply = self._call(Request.post_json(url, payload))
        message_id = find_text(reply.json_object().get("MessageId"))
        if not reply.is_success or message_id is None:
            raise self._refusal(reply, email.sender)
        return Receipt(message_id)

    def check(self) -> None:
        """The key, and that the account may send in this region."""
        reply = self._call(Request("GET", self._url("/v2/email/account")))
        account = reply.json_object()
        if not reply.is_success or "SendingEnabled" not in account:
            raise self._refusal(reply)
        if account["SendingEnabled"] is not True:
            raise self._error(AccountBroken, reply, "sending is paused in this region")

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        record = json_object(self._topic.message_of(callback).encode())
        kind = find_kind(record)
        return [] if kind is None else list(self._events(kind, record))

    def _refusal(self, reply: Reply, sender: str = "") -> DeliveryError:
        data = reply.json_object()
        code = find_error_code(reply)
        words = data.get("message", data.get("Message"))
        said = f"{words} (code {code})" if isinstance(words, str) else code
        kind = ERRORS.get(code) or BY_CODE.get(code)
        if kind is Refused and _is_unverified(said, sender):
            kind = AccountBroken
        return self._error(kind, reply, said) if kind else self._error_by_status(reply, said)

    def _events(self, kind: EventKind, record: JsonObject) -> Iterator[ProviderEvent]:
        """One event for each recipient that it is about."""
        mail, detail = object_of(record.get("mail")), _detail_of(record)
        tags = object_of(mail.get("tags")).get(CORRELATION_KEY)
        for recipient, words in _recipients(kind, mail, detail):
            yield ProviderEvent(
                kind=kind,
                at=moment_of(detail.get("timestamp", mail.get("timestamp")), self._clock()),
                provider_message_id=find_text(mail.get("messageId")),
                message_id=find_text(tags[0]) if isinstance(tags, list) and tags else None,
                recipient=find_text(recipient),
                detail=find_text(words or detail.get("reason") or detail.get("errorMessage")),
                link=find_link(detail.get("link")) if kind is EventKind.CLICKED else None,
                is_permanent=_is_permanent(record),
            )


class SesProvider(Provider):
    name = "ses"
    label = "Amazon SES"
    channel = Channel.EMAIL
    capabilities = frozenset(
        {Capability.ATTACHMENTS, Capability.COPIES, Capability.LIST_UNSUBSCRIBE}
    )
    reports_by_callback = True
    callback_help = (
        "In Amazon SNS, create a standard topic in the same region, enter its ARN in this "
        "connection's settings, then subscribe this address to it over HTTPS, raw message delivery "
        "off: the subscription confirms itself. In SES, give the configuration set an event "
        "destination that publishes to the topic: Deliveries, Hard bounces, Complaints, Rejects, "
        "Rendering failures, Subscriptions, Opens and Clicks."
    )
    fields = (
        *AWS_FIELDS,
        Field(
            "from",
            "Sender",
            "Used when a message names none, such as Acme <hello@acme.example>; its domain or "
            "address is verified in this region. The key needs ses:SendEmail, ses:SendRawEmail "
            "and ses:GetAccount.",
            is_required=True,
        ),
        Field(
            "configuration_set",
            "Configuration set",
            "Its event destination publishes what becomes of mail to the topic below.",
        ),
        Field(
            "topic_arn",
            "SNS topic",
            "The ARN of the topic whose HTTPS subscription calls this connection. Leave raw "
            "message delivery off.",
        ),
        BASE_URL,
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return SesAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "from" not in bad_fields:
            yield from sender_issues("from", "Sender", values["from"])
        if "region" not in bad_fields:
            yield from region_issues(values["region"])
        if "topic_arn" not in bad_fields:
            yield from topic_issues(values["topic_arn"])


def build_payload(
    email: MimeEmail, message_id: str, credentials: Mapping[str, str]
) -> dict[str, Any]:
    """The body of `SendEmail`. Raises `Unsupported` for an address that is not ASCII."""
    if email.needs_utf8:
        raise Unsupported("Amazon SES takes addresses in ASCII only.")
    copies = {"BccAddresses": list(email.copies)} if email.copies else {}
    payload = {
        # Whom the header lines name is of no matter: these get it.
        "Destination": {"ToAddresses": [email.recipient], **copies},
        "Content": {"Raw": {"Data": b64encode(email.content).decode("ascii")}},
        "EmailTags": [{"Name": CORRELATION_KEY, "Value": message_id}],
        "ConfigurationSetName": credentials["configuration_set"],
    }
    return {name: value for name, value in payload.items() if value}


def find_kind(record: JsonObject) -> EventKind | None:
    """What a record says about its message, or None when it is of no interest."""
    event = str(record.get("eventType", record.get("notificationType")))
    detail = _detail_of(record)
    if event == "Complaint" and detail.get("complaintSubType") == NEVER_SENT:
        return EventKind.FAILED
    if event == "Complaint" and detail.get("complaintFeedbackType") == "not-spam":
        return None
    if event == "Subscription" and not _has_left(detail):
        return None
    return EVENTS.get(event)


def _detail_of(record: JsonObject) -> JsonObject:
    """The part that is named after its event."""
    event = str(record.get("eventType", record.get("notificationType")))
    return object_of(record.get(_DETAILS.get(event, event.lower())))


def _has_left(subscription: JsonObject) -> bool:
    return object_of(subscription.get("newTopicPreferences")).get("unsubscribeAll") is True


def _is_permanent(record: JsonObject) -> bool:
    detail = _detail_of(record)
    is_hard = str(detail.get("bounceType")) in PERMANENT_BOUNCES
    return is_hard or detail.get("complaintSubType") == NEVER_SENT


def _recipients(
    kind: EventKind, mail: JsonObject, detail: JsonObject
) -> Iterator[tuple[object, object]]:
    """Each recipient an event is about, with what its server said; opens do not say whose."""
    named = detail.get("bouncedRecipients") or detail.get("complainedRecipients")
    if isinstance(named, list):
        for one in map(object_of, named):
            yield one.get("emailAddress"), one.get("diagnosticCode")
        return
    delivered = detail.get("recipients")
    for address in delivered if isinstance(delivered, list) else []:
        yield address, detail.get("smtpResponse")
    if kind is not EventKind.DELIVERED:
        destination = mail.get("destination")
        everybody = destination if isinstance(destination, list) else []
        yield everybody[0] if len(everybody) == 1 else None, None


def _is_unverified(said: str, sender: str) -> bool:
    """Whether SES refuses our sender, and not the recipient of an account in its sandbox."""
    _, is_said, identities = said.partition("not verified")
    domain = sender.rpartition("@")[2]
    return bool(is_said and domain) and domain.lower() in identities.lower()
