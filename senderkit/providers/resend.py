"""Email through Resend: https://resend.com/docs/api-reference/emails/send-email."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
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
    CallbackRefused,
    DeliveryError,
    Issue,
    Refused,
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
    find_link,
    is_same_secret,
    is_within,
    json_object,
    moment_of,
    object_of,
)
from senderkit.providers.emails import Email, EmailFile, read_email
from senderkit.providers.mailboxes import sender_issues
from senderkit.providers.mime import header_value
from senderkit.providers.over_http import HttpAdapter

ERRORS: Final[Mapping[str, type[DeliveryError]]] = {
    "missing_api_key": AccountBroken,
    "invalid_api_key": AccountBroken,
    "restricted_api_key": AccountBroken,
    "suspended_api_key": AccountBroken,
    "invalid_permission": AccountBroken,
    "missing_required_field": Refused,
    "missing_required_fields": Refused,
    "missing_required_parameter": Refused,
    "invalid_attachment": Refused,
    "invalid_parameter": Refused,
    "invalid_from_address": Refused,
    "invalid_idempotency_key": Refused,
    "invalid_idempotent_request": Refused,
    "not_found": AccountBroken,
    "method_not_allowed": AccountBroken,
    "security_error": Refused,
    "rate_limit_exceeded": Unavailable,
    "daily_quota_exceeded": Unavailable,
    "monthly_quota_exceeded": Unavailable,
    "concurrent_idempotent_requests": Unavailable,
    "resource_locked": Unavailable,
    "application_error": Unavailable,
    "internal_server_error": Unavailable,
    "service_unavailable": Unavailable,
}
"""`name` of an error. Of a `validation_error` the HTTP status says more: 403 is the domain."""

INVALID_KEY: Final = "api key is invalid"
"""How a wrong key is told, with a `validation_error` and more than one HTTP status."""

EVENTS: Final[Mapping[str, EventKind | None]] = {
    "email.delivered": EventKind.DELIVERED,
    "email.bounced": EventKind.FAILED,
    "email.failed": EventKind.FAILED,
    "email.suppressed": EventKind.FAILED,
    "email.complained": EventKind.COMPLAINED,
    "email.opened": EventKind.OPENED,
    "email.clicked": EventKind.CLICKED,
    "email.sent": None,
    "email.scheduled": None,
    "email.delivery_delayed": None,  # tried again by Resend
    "email.received": None,
}
"""`type` of an event."""

PERMANENT_BOUNCES: Final = frozenset({"Permanent"})
"""`type` of a bounce after which no mail to an address will arrive."""

STALE_AFTER: Final = timedelta(minutes=5)
"""Each try of a callback is signed anew."""

_SECRET_PREFIX: Final = "whsec_"


class ResendAdapter(HttpAdapter):
    """One Resend team, by its API key."""

    def send(self, outgoing: Outgoing) -> Receipt:
        email = read_email(outgoing, default_from=self._credentials["from"])
        # Stays the same over the attempts of a message: Resend sends it once a day at most.
        headers = self._headers() | {"Idempotency-Key": email.message_id}
        reply = self._call(Request.post_json(self._url("/emails"), build_payload(email), headers))
        email_id = find_text(reply.json_object().get("id"))
        if not reply.is_success or email_id is None:
            raise self._refusal(reply)
        return Receipt(email_id)

    def check(self) -> None:
        """The key. One that may do nothing but send says so, and that is enough."""
        reply = self._call(Request("GET", self._url("/domains"), self._headers()))
        data = reply.json_object()
        is_sending_key = reply.status == 401 and data.get("name") == "restricted_api_key"
        if not is_sending_key and (not reply.is_success or "data" not in data):
            raise self._refusal(reply)

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        self._check_signature(callback)
        record = json_object(callback.body)
        kind = EVENTS.get(str(record.get("type")))
        return [] if kind is None else [self._event(kind, record)]

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._credentials['api_key']}"}

    def _refusal(self, reply: Reply) -> DeliveryError:
        data = reply.json_object()
        name, words = str(data.get("name")), data.get("message")
        said = f"{words} (code {name})" if isinstance(words, str) else ""
        kind = AccountBroken if INVALID_KEY in said.lower() else ERRORS.get(name)
        is_error = 400 <= reply.status < 600
        if kind and is_error:
            return self._error(kind, reply, said)
        return self._error_by_status(reply, said)

    def _check_signature(self, callback: Callback) -> None:
        key = find_key(self._credentials["webhook_secret"])
        if not key:
            raise CallbackRefused("This connection has no secret for callbacks.")
        event_id, timestamp, signatures = (
            callback.headers.get(f"svix-{name}", callback.headers.get(f"webhook-{name}", ""))
            for name in ("id", "timestamp", "signature")
        )
        signed = f"{event_id}.{timestamp}.".encode() + callback.body
        expected = b64encode(hmac.digest(key, signed, "sha256")).decode("ascii")
        # Two of them while the secret is being changed.
        if not any(is_same_secret(one, f"v1,{expected}") for one in signatures.split(" ")):
            raise CallbackRefused("The signature of the callback is not valid.")
        if not is_within(timestamp, self._clock(), STALE_AFTER):
            raise CallbackRefused("The callback is too old, or dated in the future.")

    def _event(self, kind: EventKind, record: JsonObject) -> ProviderEvent:
        data = object_of(record.get("data"))
        bounce = object_of(data.get("bounce"))
        link = object_of(data.get("click")).get("link")
        return ProviderEvent(
            kind=kind,
            at=moment_of(record.get("created_at"), self._clock()),
            provider_message_id=find_text(data.get("email_id")),
            message_id=find_text(_tags_of(data).get(CORRELATION_KEY)),
            recipient=_recipient(data.get("to")),
            detail=_detail(data),
            link=find_link(link) if kind is EventKind.CLICKED else None,
            is_permanent=record.get("type") == "email.suppressed"
            or str(bounce.get("type")) in PERMANENT_BOUNCES,
        )


class ResendProvider(Provider):
    name = "resend"
    label = "Resend"
    channel = Channel.EMAIL
    capabilities = frozenset(
        {Capability.ATTACHMENTS, Capability.COPIES, Capability.LIST_UNSUBSCRIBE}
    )
    reports_by_callback = True
    callback_help = (
        "In Resend, open Webhooks and add one with this address. Choose email.delivered, "
        "email.bounced, email.failed, email.suppressed, email.complained, email.opened and "
        "email.clicked. Enter its signing secret, which begins with whsec_, in this connection's "
        "settings."
    )
    fields = (
        Field(
            "api_key",
            "API key",
            "It begins with re_; a key with sending access is enough.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "from",
            "Sender",
            "Used when a message names none, such as Acme <hello@acme.example>; its domain is "
            "verified in Resend.",
            is_required=True,
        ),
        Field(
            "webhook_secret",
            "Webhook signing secret",
            "It begins with whsec_ and stands on the page of the webhook in Resend.",
            is_secret=True,
        ),
        Field(
            "base_url",
            "API address",
            "Leave it, unless a proxy of yours stands in.",
            type=FieldType.URL,
            is_required=True,
            default="https://api.resend.com",
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return ResendAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "from" not in bad_fields:
            yield from sender_issues("from", "Sender", values["from"])
        secret = values["webhook_secret"]
        if secret and "webhook_secret" not in bad_fields and not find_key(secret):
            message = "Webhook signing secret must be whsec_ and what Resend shows after it."
            yield Issue("invalid", ("webhook_secret",), message)


def build_payload(email: Email) -> dict[str, Any]:
    """The body of `POST /emails`; what a message does not have is left out."""
    payload = {
        "from": str(email.sender),
        "to": [str(email.recipient)],
        "cc": [str(mailbox) for mailbox in email.cc],
        "bcc": [str(mailbox) for mailbox in email.bcc],
        "reply_to": str(email.reply_to or ""),
        "subject": email.subject,
        "html": email.html,
        "text": email.text,
        "headers": {name: header_value(value) for name, value in email.headers.items()},
        "attachments": [_attachment(file) for file in email.files],
        "tags": [{"name": CORRELATION_KEY, "value": email.message_id}],
    }
    return {name: value for name, value in payload.items() if value}


def find_key(secret: str) -> bytes | None:
    """The key in a signing secret, or None when it is none."""
    if not secret.startswith(_SECRET_PREFIX):
        return None
    try:
        return b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True) or None
    except ValueError:
        return None


def _attachment(file: EmailFile) -> dict[str, str]:
    described = {
        "content": b64encode(file.content).decode("ascii"),
        "filename": file.filename,
        "content_type": f"{file.maintype}/{file.subtype}",
    }
    # A file with a content id is shown inside the HTML.
    is_shown = file.is_inline and file.content_id
    return described | ({"content_id": str(file.content_id)} if is_shown else {})


def _tags_of(data: JsonObject) -> JsonObject:
    """Tags go out as a list and come back as an object; a list is understood as well."""
    tags = data.get("tags")
    if isinstance(tags, list):
        pairs = map(object_of, tags)
        return {str(tag.get("name")): tag.get("value") for tag in pairs}
    return object_of(tags)


def _recipient(to: object) -> str | None:
    """The bare address, where there is only one: an event does not say whose it is."""
    only = find_text(to[0]) if isinstance(to, list) and len(to) == 1 else None
    return only.rpartition("<")[2].rstrip(">") if only else None


def _detail(data: JsonObject) -> str | None:
    parts = [object_of(data.get(name)) for name in ("bounce", "suppressed", "failed")]
    found = (part.get("message") or part.get("reason") for part in parts)
    return find_text(next(filter(None, found), None))
