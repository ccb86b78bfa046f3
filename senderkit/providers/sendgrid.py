"""Email through SendGrid: https://www.twilio.com/docs/sendgrid/api-reference/mail-send."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from senderkit.domain import (
    Channel,
    Clock,
    EventKind,
    JsonObject,
    Outgoing,
    ProviderEvent,
    Receipt,
)
from senderkit.errors import AccountBroken, CallbackRefused, DeliveryError, Issue
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
from senderkit.providers.callbacks import find_link, is_within, json_objects, moment_of, object_of
from senderkit.providers.emails import Email, EmailFile, distinct_copies, read_email
from senderkit.providers.mailboxes import Mailbox, sender_issues
from senderkit.providers.mime import header_value
from senderkit.providers.over_http import BASE_URL, HttpAdapter

ADDRESSES: Final[Mapping[str, str]] = {
    "global": "https://api.sendgrid.com",
    "eu": "https://api.eu.sendgrid.com",
}
"""Where an account of a region is served. SendGrid has no error codes: the HTTP status says all."""

EVENTS: Final[Mapping[str, EventKind | None]] = {
    "delivered": EventKind.DELIVERED,
    "bounce": EventKind.FAILED,
    "dropped": EventKind.FAILED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.OPTED_OUT,
    "group_unsubscribe": EventKind.OPTED_OUT,
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
    "processed": None,
    "deferred": None,  # tried again by SendGrid
    "group_resubscribe": None,
}
"""`event` of an item that SendGrid posts."""

PERMANENT_BOUNCES: Final = frozenset({"bounce"})
"""`type` of a bounce after which no mail will arrive; `blocked` and `expired` may pass."""

PERMANENT_DROPS: Final = frozenset({"Bounced Address", "Spam Reporting Address", "Invalid"})
"""`reason` of a message that SendGrid dropped because of what it knows of the address."""

STALE_AFTER: Final = timedelta(hours=26)
"""SendGrid tries for 24 hours, and does not say whether it signs each try anew."""

_OWN_ID: Final = re.compile(r"(.+?)\.(?:filter|recvd)")


class SendGridAdapter(HttpAdapter):
    """One SendGrid account, by its API key."""

    def send(self, outgoing: Outgoing) -> Receipt:
        email = read_email(outgoing, default_from=self._credentials["from"])
        url = self._url("/v3/mail/send")
        reply = self._call(Request.post_json(url, build_payload(email), self._headers()))
        message_id = find_text(reply.headers.get("x-message-id"))
        if reply.status != 202 or message_id is None:
            raise self._refusal(reply)
        return Receipt(message_id)

    def check(self) -> None:
        """The key, and that it may send."""
        reply = self._call(Request("GET", self._url("/v3/scopes"), self._headers()))
        scopes = reply.json_object().get("scopes")
        if not reply.is_success or not isinstance(scopes, list):
            raise self._refusal(reply)
        if "mail.send" not in scopes:
            raise self._error(AccountBroken, reply, "the API key has no Mail Send permission")

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        self._check_signature(callback)
        items = [(find_kind(item), item) for item in json_objects(callback.body)]
        return [self._event(kind, item) for kind, item in items if kind is not None]

    def _base_url(self) -> str:
        return self._credentials["base_url"] or ADDRESSES[self._credentials["region"]]

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._credentials['api_key']}"}

    def _refusal(self, reply: Reply) -> DeliveryError:
        errors = reply.json_object().get("errors")
        errors = errors if isinstance(errors, list) else []
        words = [str(object_of(error).get("message", "")) for error in errors]
        return self._error_by_status(self._with_hint(reply), "; ".join(filter(None, words)))

    def _with_hint(self, reply: Reply) -> Reply:
        """The reply with a `Retry-After`, which SendGrid itself says as a moment of its own."""
        reset = reply.headers.get("x-ratelimit-reset", "")
        if reply.status != 429 or "retry-after" in reply.headers or not reset:
            return reply
        now = self._clock()
        seconds = max(0, round((moment_of(reset, now) - now).total_seconds()))
        return replace(reply, headers={**reply.headers, "retry-after": str(seconds)})

    def _check_signature(self, callback: Callback) -> None:
        key = find_key(self._credentials["verification_key"])
        if key is None:
            raise CallbackRefused("This connection has no key for callbacks.")
        signature = callback.headers.get("x-twilio-email-event-webhook-signature", "")
        timestamp = callback.headers.get("x-twilio-email-event-webhook-timestamp", "")
        try:
            signed = timestamp.encode() + callback.body
            key.verify(b64decode(signature, validate=True), signed, ECDSA(SHA256()))
        except (ValueError, InvalidSignature):
            raise CallbackRefused("The signature of the callback is not valid.") from None
        if not is_within(timestamp, self._clock(), STALE_AFTER):
            raise CallbackRefused("The callback is too old, or dated in the future.")

    def _event(self, kind: EventKind, item: JsonObject) -> ProviderEvent:
        return ProviderEvent(
            kind=kind,
            at=moment_of(item.get("timestamp"), self._clock()),
            provider_message_id=_message_id(item),
            message_id=find_text(item.get(CORRELATION_KEY)),
            recipient=find_text(item.get("email")),
            detail=find_text(item.get("reason") or item.get("response")),
            link=find_link(item.get("url")) if kind is EventKind.CLICKED else None,
            is_permanent=_is_permanent(item),
        )


class SendGridProvider(Provider):
    name = "sendgrid"
    label = "SendGrid"
    channel = Channel.EMAIL
    capabilities = frozenset(
        {Capability.ATTACHMENTS, Capability.COPIES, Capability.LIST_UNSUBSCRIBE}
    )
    reports_by_callback = True
    callback_help = (
        "In SendGrid, open Settings, Mail Settings, Event Webhooks, and create one with this "
        "address. Choose Delivered, Bounced, Dropped, Spam Reports, Unsubscribed, Group "
        "Unsubscribes, Opened and Clicked. Switch on its signature and enter the verification key "
        "that appears in this connection's settings."
    )
    fields = (
        Field(
            "api_key",
            "API key",
            "With the permission Mail Send; it begins with SG.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "region",
            "Region",
            "Where the account or subuser was created: eu for a regional subuser.",
            type=FieldType.CHOICE,
            choices=tuple(ADDRESSES),
            is_required=True,
            default="global",
        ),
        Field(
            "from",
            "Sender",
            "Used when a message names none, such as Acme <hello@acme.example>; its domain or "
            "address is verified in SendGrid.",
            is_required=True,
        ),
        Field(
            "verification_key",
            "Webhook verification key",
            "The public key that SendGrid shows when its signed event webhook is switched on.",
        ),
        BASE_URL,
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return SendGridAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "from" not in bad_fields:
            yield from sender_issues("from", "Sender", values["from"])
        key = values["verification_key"]
        if key and "verification_key" not in bad_fields and find_key(key) is None:
            message = "Webhook verification key is not a public key as SendGrid shows it."
            yield Issue("invalid", ("verification_key",), message)


def build_payload(email: Email) -> dict[str, Any]:
    """The body of `POST /v3/mail/send`; what a message does not have is left out."""
    texts = {"text/plain": email.text, "text/html": email.html}
    payload = {
        "personalizations": [_personalization(email)],
        "from": _mailbox(email.sender),
        "reply_to": _mailbox(email.reply_to) if email.reply_to else None,
        "subject": email.subject,
        "content": [{"type": kind, "value": text} for kind, text in texts.items() if text],
        "headers": {name: header_value(value) for name, value in email.headers.items()},
        "attachments": [_attachment(file) for file in email.files],
        "custom_args": {CORRELATION_KEY: email.message_id},
        # Else an account may put its own unsubscribe link in the place of ours.
        "tracking_settings": {"subscription_tracking": {"enable": False}},
    }
    return {name: value for name, value in payload.items() if value}


def find_kind(item: JsonObject) -> EventKind | None:
    """What an item says about its message, or None when it is of no interest."""
    if item.get("sg_machine_open") is True:
        return None  # a mail program fetched the picture before anybody looked
    return EVENTS.get(str(item.get("event")))


def find_key(text: str) -> EllipticCurvePublicKey | None:
    """The verification key as SendGrid shows it, or None when it is none."""
    try:
        key = load_der_public_key(b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePublicKey) else None


def _is_permanent(item: JsonObject) -> bool:
    if item.get("event") == "bounce":
        return str(item.get("type")) in PERMANENT_BOUNCES
    return item.get("event") == "dropped" and str(item.get("reason")) in PERMANENT_DROPS


def _message_id(item: JsonObject) -> str | None:
    """The id that the send was answered with: SendGrid adds the server's name in its events."""
    full = find_text(item.get("sg_message_id"))
    own = _OWN_ID.match(full) if full else None
    return own[1] if own else full


def _personalization(email: Email) -> dict[str, Any]:
    """Who gets it, each address once: SendGrid refuses one that comes twice."""
    cc, bcc = distinct_copies(email)
    lists = {"to": [email.recipient], "cc": cc, "bcc": bcc}
    return {
        name: [_mailbox(one) for one in everybody] for name, everybody in lists.items() if everybody
    }


def _mailbox(mailbox: Mailbox) -> dict[str, str]:
    return {"email": mailbox.address} | ({"name": mailbox.name} if mailbox.name else {})


def _attachment(file: EmailFile) -> dict[str, str]:
    described = {
        "content": b64encode(file.content).decode("ascii"),
        "filename": file.filename,
        # SendGrid refuses parameters here, the charset included.
        "type": f"{file.maintype}/{file.subtype}",
        "disposition": "inline" if file.is_inline else "attachment",
    }
    return described | ({"content_id": file.content_id} if file.content_id else {})
