"""Email through Mailgun: https://documentation.mailgun.com/docs/mailgun/api-reference/send."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
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
from senderkit.errors import AccountBroken, CallbackRefused, DeliveryError, Issue
from senderkit.http_client import FormFile, HttpClient, Reply, Request
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
from senderkit.providers.over_http import BASE_URL, HttpAdapter, basic_auth

ADDRESSES: Final[Mapping[str, str]] = {
    "us": "https://api.mailgun.net",
    "eu": "https://api.eu.mailgun.net",
}
"""Where a domain of a region is served; the other one does not know it."""

WORDS: Final[Mapping[str, type[DeliveryError]]] = {
    "is not allowed to send": AccountBroken,  # unverified, disabled, or a sandbox
    "domain not found": AccountBroken,
}
"""Words in a refusal. Mailgun has no error codes: the HTTP status says the rest."""

EVENTS: Final[Mapping[str, EventKind | None]] = {
    "delivered": EventKind.DELIVERED,
    "failed": EventKind.FAILED,  # unless its severity is temporary
    "rejected": EventKind.FAILED,
    "complained": EventKind.COMPLAINED,
    "unsubscribed": EventKind.OPTED_OUT,
    "opened": EventKind.OPENED,
    "clicked": EventKind.CLICKED,
    "accepted": None,
}
"""`event` of the `event-data` that Mailgun posts."""

PERMANENT: Final = frozenset({"bounce", "suppress-bounce", "suppress-complaint"})
"""`reason` of a failure after which no mail to an address will arrive."""

STALE_AFTER: Final = timedelta(hours=12)
"""Mailgun tries for about 8 hours, and does not say whether it signs each try anew."""

_DOMAIN: Final = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9])?", re.IGNORECASE)
_WAIT: Final = re.compile(r"again after (.+?)(?: seconds)?\.?$")
_NOTHING_TO_SEND: Final = "parameter is missing"


class MailgunAdapter(HttpAdapter):
    """One sending domain, by an API key of the account or of the domain."""

    def send(self, outgoing: Outgoing) -> Receipt:
        email = read_email(outgoing, default_from=self._credentials["from"])
        reply = self._post(build_fields(email), [_form_file(file) for file in email.files])
        message_id = find_text(reply.json_object().get("id"))
        if not reply.is_success or message_id is None:
            raise self._refusal(reply)
        # Its events say it without the brackets.
        return Receipt(message_id.strip("<>"))

    def check(self) -> None:
        """The key, and that the domain may send."""
        domain = quote(self._credentials["domain"], safe="")
        reply = self._call(Request("GET", self._url(f"/v4/domains/{domain}"), self._headers()))
        if reply.status in {401, 403}:
            self._check_sending_key()
            return
        state = object_of(reply.json_object().get("domain")).get("state")
        if not reply.is_success or state is None:
            raise self._refusal(reply)
        if state != "active":
            raise self._error(AccountBroken, reply, f"the domain is {state}")

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        posted = json_object(callback.body)
        self._check_signature(object_of(posted.get("signature")))
        record = object_of(posted.get("event-data"))
        kind = find_kind(record)
        return [] if kind is None else [self._event(kind, record)]

    def _base_url(self) -> str:
        return self._credentials["base_url"] or ADDRESSES[self._credentials["region"]]

    def _headers(self) -> dict[str, str]:
        key = self._credentials["api_key"]
        return {"Authorization": basic_auth(self._credentials, "api", key)}

    def _post(self, fields: Iterable[tuple[str, str]], files: Sequence[FormFile] = ()) -> Reply:
        domain = quote(self._credentials["domain"], safe="")
        url, headers = self._url(f"/v3/{domain}/messages"), self._headers()
        if files:
            return self._call(Request.post_multipart(url, fields, files, headers))
        return self._call(Request.post_form(url, fields, headers))

    def _check_sending_key(self) -> None:
        """A key that may do nothing but send is proved by a message without a recipient."""
        reply = self._post([("from", self._credentials["from"])])
        if reply.status != 400 or _NOTHING_TO_SEND not in _words_of(reply):
            raise self._refusal(reply)

    def _refusal(self, reply: Reply) -> DeliveryError:
        said = _words_of(reply)
        found = (kind for words, kind in WORDS.items() if words in said.lower())
        if (kind := next(found, None)) and 400 <= reply.status < 500:
            return self._error(kind, reply, said)
        wait = _WAIT.search(said)
        if reply.status == 429 and wait and "retry-after" not in reply.headers:
            reply = replace(reply, headers={**reply.headers, "retry-after": wait[1]})
        return self._error_by_status(reply, said)

    def _check_signature(self, signature: JsonObject) -> None:
        """Signed are the time and a token, not what Mailgun reports: so it counts for a while."""
        key = self._credentials["signing_key"]
        timestamp, token = (str(signature.get(name)) for name in ("timestamp", "token"))
        signed = f"{timestamp}{token}".encode("utf-8", "replace")
        expected = hmac.new(key.encode(), signed, "sha256").hexdigest()
        if not key or not is_same_secret(str(signature.get("signature")), expected):
            raise CallbackRefused("The signature of the callback is not valid.")
        if not is_within(timestamp, self._clock(), STALE_AFTER):
            raise CallbackRefused("The callback is too old, or dated in the future.")

    def _event(self, kind: EventKind, record: JsonObject) -> ProviderEvent:
        headers = object_of(object_of(record.get("message")).get("headers"))
        variables = object_of(record.get("user-variables"))
        return ProviderEvent(
            kind=kind,
            at=moment_of(record.get("timestamp"), self._clock()),
            provider_message_id=find_text(headers.get("message-id")),
            message_id=find_text(variables.get(CORRELATION_KEY)),
            recipient=find_text(record.get("recipient") or headers.get("to")),
            detail=_detail(record),
            link=find_link(record.get("url")) if kind is EventKind.CLICKED else None,
            is_permanent=kind is EventKind.FAILED and str(record.get("reason")) in PERMANENT,
        )


class MailgunProvider(Provider):
    name = "mailgun"
    label = "Mailgun"
    channel = Channel.EMAIL
    capabilities = frozenset(
        {Capability.ATTACHMENTS, Capability.COPIES, Capability.LIST_UNSUBSCRIBE}
    )
    reports_by_callback = True
    callback_help = (
        "In Mailgun, open Sending, Webhooks, choose the domain, and add this address for Delivered "
        "Messages, Permanent Failure, Spam Complaints, Unsubscribes, Opened Messages and Clicked "
        "Messages. Mailgun signs with the HTTP webhook signing key: enter it in this connection's "
        "settings."
    )
    fields = (
        Field(
            "region",
            "Region",
            "Where the domain was created.",
            type=FieldType.CHOICE,
            choices=tuple(ADDRESSES),
            is_required=True,
            default="us",
        ),
        Field(
            "domain",
            "Sending domain",
            "Such as mg.acme.example. Leave its unsubscribe tracking off: the link is ours.",
            is_required=True,
        ),
        Field(
            "api_key",
            "API key",
            "A sending key of the domain is enough.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "from",
            "Sender",
            "Used when a message names none, such as Acme <hello@acme.example>.",
            is_required=True,
        ),
        Field(
            "signing_key",
            "Webhook signing key",
            "From the API security page; it is not the API key.",
            is_secret=True,
        ),
        BASE_URL,
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return MailgunAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "from" not in bad_fields:
            yield from sender_issues("from", "Sender", values["from"])
        if "domain" not in bad_fields and not _DOMAIN.fullmatch(values["domain"]):
            yield Issue("invalid", ("domain",), "Sending domain must be a domain name.")


def build_fields(email: Email) -> list[tuple[str, str]]:
    """The fields of the form, without its files; what a message does not have is left out."""
    fields = [
        ("from", str(email.sender)),
        ("to", str(email.recipient)),
        *(("cc", str(mailbox)) for mailbox in email.cc),
        *(("bcc", str(mailbox)) for mailbox in email.bcc),
        ("subject", email.subject),
        ("text", email.text),
        ("html", email.html),
        ("h:Reply-To", str(email.reply_to or "")),
        *((f"h:{name}", header_value(value)) for name, value in email.headers.items()),
        (f"v:{CORRELATION_KEY}", email.message_id),
    ]
    return [(name, value) for name, value in fields if value]


def find_kind(record: JsonObject) -> EventKind | None:
    """What a record says about its message, or None when it is of no interest."""
    if object_of(record.get("client-info")).get("bot"):
        return None  # a scanner or a proxy, before anybody looked
    if record.get("event") == "failed" and record.get("severity") != "permanent":
        return None  # tried again by Mailgun
    return EVENTS.get(str(record.get("event")))


def _detail(record: JsonObject) -> str | None:
    status = object_of(record.get("delivery-status"))
    rejected = object_of(record.get("reject")).get("reason")
    said = status.get("message") or status.get("description")
    return find_text(said or rejected or record.get("reason"))


def _words_of(reply: Reply) -> str:
    words = reply.json_object().get("message")
    return words if isinstance(words, str) else ""


def _form_file(file: EmailFile) -> FormFile:
    """A file of the form. Mailgun makes the content id of an inline file out of its name."""
    if file.is_inline and file.content_id:
        return FormFile("inline", file.content_id, file.content_type, file.content)
    return FormFile("attachment", file.filename or "attachment", file.content_type, file.content)
