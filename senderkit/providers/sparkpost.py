"""Email through SparkPost: https://developers.sparkpost.com/api/transmissions/."""

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
    json_objects,
    login_issues,
    moment_of,
    object_of,
)
from senderkit.providers.emails import Email, EmailFile, distinct_copies, read_email
from senderkit.providers.mailboxes import Mailbox, sender_issues
from senderkit.providers.over_http import BASE_URL, HttpAdapter

ADDRESSES: Final[Mapping[str, str]] = {
    "us": "https://api.sparkpost.com",
    "eu": "https://api.eu.sparkpost.com",
}
"""Where an account of a region is served; these are separate accounts."""

ERRORS: Final[Mapping[str, type[DeliveryError]]] = {
    "1300": Refused,  # a field of the wrong type
    "1400": Refused,  # a required field is missing
    "1502": Unavailable,  # server resources unavailable, with HTTP 400
    "1900": Unavailable,
    "1901": Refused,  # the message could not be generated
    "1902": Refused,
    "2000": Refused,  # no recipient was accepted
    "2007": Refused,  # metadata too large
    "2101": Unavailable,  # limit of an hour
    "2102": Unavailable,  # limit of a day
    "2103": AccountBroken,  # limit of the sandbox, which never ends
    "2105": Unavailable,  # limit of a month
    "3000": Refused,  # syntax of a template
    "7000": AccountBroken,  # sending domain on a blocklist
    "7001": AccountBroken,  # sending domain unknown or unverified
}
"""`code` of an error; the HTTP status says the rest."""

SENDING_LIMIT: Final = 420
"""SparkPost's own HTTP status of a limit that will pass."""

EVENTS: Final[Mapping[str, EventKind | None]] = {
    "delivery": EventKind.DELIVERED,
    "policy_rejection": EventKind.FAILED,
    "generation_failure": EventKind.FAILED,
    "generation_rejection": EventKind.FAILED,
    "spam_complaint": EventKind.COMPLAINED,
    "list_unsubscribe": EventKind.OPTED_OUT,
    "link_unsubscribe": EventKind.OPTED_OUT,
    "open": EventKind.OPENED,
    "initial_open": EventKind.OPENED,
    "amp_open": EventKind.OPENED,
    "amp_initial_open": EventKind.OPENED,
    "click": EventKind.CLICKED,
    "amp_click": EventKind.CLICKED,
    "injection": None,
    "delay": None,  # tried again by SparkPost
}
"""`type` of an event. `bounce` and `out_of_band` follow."""

BOUNCES: Final[Mapping[str, EventKind | None]] = {
    "1": EventKind.FAILED,  # undetermined
    "10": EventKind.FAILED,  # invalid recipient
    "20": EventKind.FAILED,  # soft bounces
    "21": EventKind.FAILED,
    "22": EventKind.FAILED,
    "23": EventKind.FAILED,
    "24": EventKind.FAILED,
    "25": EventKind.FAILED,  # an administrator's rule, the suppression list included
    "30": EventKind.FAILED,  # no mailbox server
    "40": EventKind.FAILED,
    "50": EventKind.FAILED,  # blocked
    "51": EventKind.FAILED,
    "52": EventKind.FAILED,
    "53": EventKind.FAILED,
    "54": EventKind.FAILED,
    "60": None,  # somebody's machine answered
    "70": EventKind.FAILED,
    "80": None,  # subscribe
    "90": EventKind.OPTED_OUT,
    "100": None,  # challenge and response
}
"""`bounce_class` of a bounce. None says nothing about what became of the message."""

PERMANENT: Final = frozenset({"10", "30"})
"""The classes of bounces after which no mail to an address will arrive."""

_BOUNCE_TYPES: Final = frozenset({"bounce", "out_of_band"})


class SparkPostAdapter(HttpAdapter):
    """One SparkPost account, by its API key."""

    def send(self, outgoing: Outgoing) -> Receipt:
        email = read_email(outgoing, default_from=self._credentials["from"])
        url = self._url("/api/v1/transmissions")
        reply = self._call(Request.post_json(url, build_payload(email), self._headers()))
        results = object_of(reply.json_object().get("results"))
        transmission_id = find_text(results.get("id"))
        if reply.is_success and results.get("total_accepted_recipients") == 0:
            raise self._error(_find_kind_of(reply) or Refused, reply, _words_of(reply))
        if not reply.is_success or transmission_id is None:
            raise self._refusal(reply)
        words = _words_of(reply)
        return Receipt(transmission_id, self._credentials.readable(words) or None)

    def check(self) -> None:
        """The key; nothing else can be asked without knowing what it may do."""
        reply = self._call(Request("GET", self._url("/api/v1/sending-domains"), self._headers()))
        if not reply.is_success or "results" not in reply.json_object():
            raise self._refusal(reply)

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        user, password = self._credentials["callback_user"], self._credentials["callback_password"]
        check_basic_auth(callback, user, password)
        records = [record for item in json_objects(callback.body) for record in _records(item)]
        found = [(find_kind(record), record) for record in records]
        return [self._event(kind, record) for kind, record in found if kind is not None]

    def _base_url(self) -> str:
        return self._credentials["base_url"] or ADDRESSES[self._credentials["region"]]

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "Authorization": self._credentials["api_key"]}

    def _refusal(self, reply: Reply) -> DeliveryError:
        kind, said = _find_kind_of(reply), _words_of(reply)
        is_error = 400 <= reply.status < 600
        return (
            self._error(kind, reply, said)
            if kind and is_error
            else self._error_by_status(reply, said)
        )

    def _event(self, kind: EventKind, record: JsonObject) -> ProviderEvent:
        is_bounce = str(record.get("type")) in _BOUNCE_TYPES
        return ProviderEvent(
            kind=kind,
            at=moment_of(record.get("timestamp"), self._clock()),
            provider_message_id=find_text(record.get("transmission_id")),
            message_id=find_text(object_of(record.get("rcpt_meta")).get(CORRELATION_KEY)),
            recipient=find_text(record.get("raw_rcpt_to") or record.get("rcpt_to")),
            detail=find_text(record.get("reason") or record.get("raw_reason")),
            link=find_link(record.get("target_link_url")) if kind is EventKind.CLICKED else None,
            is_permanent=is_bounce and str(record.get("bounce_class")) in PERMANENT,
        )


class SparkPostProvider(Provider):
    name = "sparkpost"
    label = "SparkPost"
    channel = Channel.EMAIL
    capabilities = frozenset(
        {Capability.ATTACHMENTS, Capability.COPIES, Capability.LIST_UNSUBSCRIBE}
    )
    reports_by_callback = True
    callback_help = (
        "In SparkPost, open Configuration, Webhooks, and create one with this address. Choose "
        "Delivery, Bounce, Out of Band, Spam Complaint, Policy Rejection, both Generation events, "
        "Open, Click, List Unsubscribe and Link Unsubscribe. Choose Basic authentication and enter "
        "the webhook user name and password of this connection."
    )
    fields = (
        Field(
            "region",
            "Region",
            "Where the account was created.",
            type=FieldType.CHOICE,
            choices=tuple(ADDRESSES),
            is_required=True,
            default="us",
        ),
        Field(
            "api_key",
            "API key",
            "With the permissions Transmissions: Read/Write and Sending Domains: Read-only.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "from",
            "Sender",
            "Used when a message names none, such as Acme <hello@acme.example>; its domain is "
            "verified in SparkPost.",
            is_required=True,
        ),
        Field(
            "callback_user",
            "Webhook user name",
            "What SparkPost brings as Basic auth when it reports events; choose any.",
        ),
        Field(
            "callback_password",
            "Webhook password",
            "Belongs to the webhook user name; choose a long random one.",
            is_secret=True,
        ),
        BASE_URL,
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return SparkPostAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "from" not in bad_fields:
            yield from sender_issues("from", "Sender", values["from"])
        yield from login_issues(values)


def build_payload(email: Email) -> dict[str, Any]:
    """The body of `POST /api/v1/transmissions`. Raises `Unsupported` for braces in a header."""
    _refuse_templates(email)
    cc, bcc = distinct_copies(email)
    copies = [{"address": _copy(mailbox, email.recipient)} for mailbox in (*cc, *bcc)]
    return {
        # Transactional: without it SparkPost puts its own unsubscribe header in. Whether mail is
        # tracked is left to the settings of the account.
        "options": {"transactional": True, "perform_substitutions": False},
        "metadata": {CORRELATION_KEY: email.message_id},
        "recipients": [{"address": _mailbox(email.recipient)}, *copies],
        "content": _content(email),
    }


def find_kind(record: JsonObject) -> EventKind | None:
    """What an event says about its message, or None when it is of no interest."""
    if str(record.get("type")) in _BOUNCE_TYPES:
        return BOUNCES.get(str(record.get("bounce_class")), EventKind.FAILED)
    return EVENTS.get(str(record.get("type")))


def _content(email: Email) -> dict[str, Any]:
    # Headers as UTF-8: SparkPost encodes them itself.
    copies = {"CC": ", ".join(map(str, email.cc))} if email.cc else {}
    content = {
        "from": _mailbox(email.sender),
        "subject": email.subject,
        "reply_to": str(email.reply_to or ""),
        "headers": {**copies, **email.headers},
        "text": email.text,
        "html": email.html,
        "attachments": [_file(f, f.filename) for f in email.files if not _is_shown(f)],
        "inline_images": [_file(f, str(f.content_id)) for f in email.files if _is_shown(f)],
    }
    return {name: value for name, value in content.items() if value}


def _refuse_templates(email: Email) -> None:
    """Substitutions are off, but not documented to be off in all headers: {{x}} might vanish."""
    mailboxes = [email.sender, email.recipient, *email.cc, *email.bcc]
    mailboxes += [email.reply_to] if email.reply_to else []
    texts = [email.subject, *email.headers.values(), *map(str, mailboxes)]
    if any("{{" in text or "}}" in text for text in texts):
        raise Unsupported("SparkPost would take {{ or }} in a header for a template of its own.")


def _mailbox(mailbox: Mailbox) -> dict[str, str]:
    return {"email": mailbox.address} | ({"name": mailbox.name} if mailbox.name else {})


def _copy(mailbox: Mailbox, recipient: Mailbox) -> dict[str, str]:
    """Somebody who gets the message that is addressed to the recipient."""
    return {"email": mailbox.address, "header_to": str(recipient)}


def _is_shown(file: EmailFile) -> bool:
    return file.is_inline and file.content_id is not None


def _file(file: EmailFile, name: str) -> dict[str, str]:
    data = b64encode(file.content).decode("ascii")
    return {"name": name, "type": file.content_type, "data": data}


def _errors_of(reply: Reply) -> list[JsonObject]:
    errors = reply.json_object().get("errors")
    return [object_of(error) for error in errors] if isinstance(errors, list) else []


def _find_kind_of(reply: Reply) -> type[DeliveryError] | None:
    codes = [str(error.get("code")) for error in _errors_of(reply)]
    known = [ERRORS[code] for code in codes if code in ERRORS]
    return known[0] if known else Unavailable if reply.status == SENDING_LIMIT else None


def _words_of(reply: Reply) -> str:
    """`Invalid domain: Unconfigured Sending Domain (code 7001)`, for each error."""
    sentences = []
    for error in _errors_of(reply):
        words = ": ".join(str(error[k]) for k in ("message", "description") if error.get(k))
        sentences.append(f"{words} (code {error['code']})" if error.get("code") else words)
    return "; ".join(filter(None, sentences))


def _records(item: JsonObject) -> Iterator[JsonObject]:
    """The event inside `{"msys": {"message_event": {…}}}`; a ping has none."""
    yield from map(object_of, object_of(item.get("msys")).values())
