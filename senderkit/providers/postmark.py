"""Email through Postmark: https://postmarkapp.com/developer/api/email-api."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

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
    Suppressed,
    Unavailable,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.base import (
    CORRELATION_KEY,
    Adapter,
    Callback,
    Capability,
    Field,
    FieldType,
    Provider,
    find_text,
)
from senderkit.providers.callbacks import (
    check_basic_auth,
    find_link,
    json_object,
    login_issues,
    moment_of,
    object_of,
)
from senderkit.providers.emails import Email, EmailFile, read_email
from senderkit.providers.mailboxes import sender_issues
from senderkit.providers.over_http import HttpAdapter

ERRORS: Final[Mapping[int, type[DeliveryError]]] = {
    10: AccountBroken,  # bad or missing API token
    100: Unavailable,  # maintenance
    300: Refused,  # invalid email request: an address, no body, too many recipients
    400: AccountBroken,  # sender signature not found
    401: AccountBroken,  # sender signature not confirmed
    402: Refused,  # invalid JSON
    403: Refused,  # incompatible JSON
    405: AccountBroken,  # not allowed to send: out of credits
    406: Suppressed,  # inactive recipient
    409: Refused,  # JSON required
    411: Refused,  # forbidden attachment type
    412: AccountBroken,  # account is pending: to its own domain only
    413: AccountBroken,  # account may not send
    429: Unavailable,  # rate limit exceeded
    1226: AccountBroken,  # message stream not found
    1235: AccountBroken,  # message stream of this message does not exist
    1236: AccountBroken,  # message stream cannot send
}
"""Postmark's `ErrorCode`. They look like HTTP statuses and are none; most come with HTTP 422."""

RECORDS: Final[Mapping[str, EventKind]] = {
    "Delivery": EventKind.DELIVERED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
    "SpamComplaint": EventKind.COMPLAINED,
}
"""`RecordType` of an event, where it says all. `Bounce` and `SubscriptionChange` follow."""

BOUNCES: Final[Mapping[str, EventKind | None]] = {
    "HardBounce": EventKind.FAILED,
    "SoftBounce": EventKind.FAILED,
    "BadEmailAddress": EventKind.FAILED,
    "Blocked": EventKind.FAILED,
    "DMARCPolicy": EventKind.FAILED,
    "VirusNotification": EventKind.FAILED,
    "ManuallyDeactivated": EventKind.FAILED,
    "Unconfirmed": EventKind.FAILED,
    "SMTPApiError": EventKind.FAILED,
    "TemplateRenderingFailed": EventKind.FAILED,
    "Unknown": EventKind.FAILED,
    "SpamNotification": EventKind.COMPLAINED,
    "SpamComplaint": EventKind.COMPLAINED,
    "Unsubscribe": EventKind.OPTED_OUT,
    "Transient": None,  # tried again by Postmark
    "DnsError": None,
    "OpenRelayTest": None,
    "AutoResponder": None,  # somebody's machine answered
    "AddressChange": None,
    "ChallengeVerification": None,
    "Subscribe": None,
    "InboundError": None,
}
"""`Type` of a bounce. None says nothing about what became of the message."""

SUPPRESSIONS: Final[Mapping[str, EventKind]] = {
    "HardBounce": EventKind.FAILED,
    "SpamComplaint": EventKind.COMPLAINED,
    "ManualSuppression": EventKind.OPTED_OUT,
}
"""`SuppressionReason` of a subscription change that stops mail to an address."""

PERMANENT: Final = frozenset({"HardBounce", "BadEmailAddress"})
"""The bounces, by `Type` or `SuppressionReason`, after which no mail to an address will arrive."""

_INACTIVE: Final = re.compile(r"inactive addresses: (.+?)(?:\. |\.?$)")
_TIMES: Final = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")


class PostmarkAdapter(HttpAdapter):
    """One Postmark server, by its token."""

    def send(self, outgoing: Outgoing) -> Receipt:
        email = read_email(outgoing, default_from=self._credentials["from"])
        payload = build_payload(email, self._credentials["message_stream"])
        reply = self._call(Request.post_json(self._url("/email"), payload, self._headers()))
        return self._receipt(reply, email)

    def check(self) -> None:
        """The token, and that its server has the message stream."""
        self._read("/server")
        self._read(f"/message-streams/{quote(self._credentials['message_stream'], safe='')}")

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        user, password = self._credentials["callback_user"], self._credentials["callback_password"]
        check_basic_auth(callback, user, password)
        record = json_object(callback.body)
        kind = find_kind(record)
        return [] if kind is None else [self._event(kind, record)]

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "X-Postmark-Server-Token": self._credentials["server_token"],
        }

    def _read(self, path: str) -> None:
        reply = self._call(Request("GET", self._url(path), self._headers()))
        if not reply.is_success or not reply.json_object():
            raise self._refusal(reply)

    def _receipt(self, reply: Reply, email: Email) -> Receipt:
        data = reply.json_object()
        message_id = find_text(data.get("MessageID"))
        if not reply.is_success or data.get("ErrorCode", 0) != 0 or message_id is None:
            raise self._refusal(reply)
        words = str(data.get("Message", "OK"))
        if email.recipient.address.lower() in _inactive_addresses(words):
            # Somebody in copy gets it, the recipient does not.
            raise self._error(Suppressed, reply, words)
        return Receipt(message_id, None if words == "OK" else self._credentials.readable(words))

    def _refusal(self, reply: Reply) -> DeliveryError:
        data = reply.json_object()
        code, words = data.get("ErrorCode"), data.get("Message")
        said = f"{words} (code {code})" if isinstance(words, str) else ""
        kind = ERRORS.get(code) if type(code) is int else None
        return self._error(kind, reply, said) if kind else self._error_by_status(reply, said)

    def _event(self, kind: EventKind, record: JsonObject) -> ProviderEvent:
        at = next((record[name] for name in _TIMES if name in record), None)
        return ProviderEvent(
            kind=kind,
            at=moment_of(at, self._clock()),
            provider_message_id=find_text(record.get("MessageID")),
            message_id=find_text(object_of(record.get("Metadata")).get(CORRELATION_KEY)),
            recipient=find_text(record.get("Recipient", record.get("Email"))),
            detail=find_text(record.get("Details") or record.get("Description")),
            link=find_link(record.get("OriginalLink")) if kind is EventKind.CLICKED else None,
            is_permanent=kind is EventKind.FAILED and _reason(record) in PERMANENT,
        )


class PostmarkProvider(Provider):
    name = "postmark"
    label = "Postmark"
    channel = Channel.EMAIL
    capabilities = frozenset(
        {Capability.ATTACHMENTS, Capability.COPIES, Capability.LIST_UNSUBSCRIBE}
    )
    reports_by_callback = True
    callback_help = (
        "In Postmark, open your server, its message stream, then Webhooks, and add one with this "
        "address. Choose Delivery, Bounce, Spam complaint, Subscription change, Open and Link "
        "click. Under Basic auth enter the webhook user name and password of this connection."
    )
    fields = (
        Field(
            "server_token",
            "Server API token",
            "From the API Tokens page of your server in Postmark.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "message_stream",
            "Message stream",
            "The id of a transactional stream. A broadcast stream adds an unsubscribe link of "
            "Postmark's own.",
            is_required=True,
            default="outbound",
        ),
        Field(
            "from",
            "Sender",
            "Used when a message names none, such as Acme <hello@acme.example>; its domain or "
            "address is confirmed in Postmark.",
            is_required=True,
        ),
        Field(
            "callback_user",
            "Webhook user name",
            "What Postmark brings as Basic auth when it reports events; choose any.",
        ),
        Field(
            "callback_password",
            "Webhook password",
            "Belongs to the webhook user name; choose a long random one.",
            is_secret=True,
        ),
        Field(
            "base_url",
            "API address",
            "Leave it, unless a proxy of yours stands in.",
            type=FieldType.URL,
            is_required=True,
            default="https://api.postmarkapp.com",
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return PostmarkAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "from" not in bad_fields:
            yield from sender_issues("from", "Sender", values["from"])
        yield from login_issues(values)


def build_payload(email: Email, message_stream: str) -> dict[str, Any]:
    """The body of `POST /email`; what a message does not have is left out."""
    payload = {
        "From": str(email.sender),
        "To": str(email.recipient),
        "Cc": ", ".join(map(str, email.cc)),
        "Bcc": ", ".join(map(str, email.bcc)),
        "ReplyTo": str(email.reply_to or ""),
        "Subject": email.subject,
        "HtmlBody": email.html,
        "TextBody": email.text,
        "Headers": [{"Name": name, "Value": value} for name, value in email.headers.items()],
        "Attachments": [_attachment(file) for file in email.files],
        "Metadata": {CORRELATION_KEY: email.message_id},
        "MessageStream": message_stream,
    }
    return {name: value for name, value in payload.items() if value}


def find_kind(record: JsonObject) -> EventKind | None:
    """What a webhook record says about its message, or None when it is of no interest."""
    record_type = str(record.get("RecordType"))
    if record_type == "Bounce":
        return BOUNCES.get(str(record.get("Type")))
    if record_type == "SubscriptionChange":
        is_stopped = record.get("SuppressSending") is True
        return SUPPRESSIONS.get(str(record.get("SuppressionReason"))) if is_stopped else None
    return RECORDS.get(record_type)


def _reason(record: JsonObject) -> str:
    """Why mail to an address stopped or came back."""
    return str(record.get("Type" if record.get("RecordType") == "Bounce" else "SuppressionReason"))


def _attachment(file: EmailFile) -> dict[str, str]:
    described = {
        "Name": file.filename,
        "Content": b64encode(file.content).decode("ascii"),
        "ContentType": file.content_type,
    }
    # Postmark shows every file with a ContentID inside the HTML.
    is_shown = file.is_inline and file.content_id
    return described | ({"ContentID": f"cid:{file.content_id}"} if is_shown else {})


def _inactive_addresses(words: str) -> set[str]:
    found = _INACTIVE.search(words)
    return {address.strip().lower() for address in found[1].split(",")} if found else set()
