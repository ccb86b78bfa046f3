"""The contract of every provider adapter.

A `Provider` is one row of the registry: its name, its channel and the fields that a person
fills in. `connect` makes an `Adapter` out of one connection's credentials; keep that adapter
as long as the connection lives, because it reuses its network connections.

Adding a provider is three edits: its file here, its line in `senderkit.providers`, and its
bench for the shared cases of the contract tests; see `docs/adding-a-provider.md`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final

from senderkit.domain import Channel, Clock, Outgoing, ProviderEvent, Receipt
from senderkit.errors import (
    AccountBroken,
    CallbackRefused,
    DestinationRefused,
    InvalidRequest,
    Issue,
)
from senderkit.http_client import HttpClient, check_url

ERROR_TEXT_LIMIT: Final = 500

CORRELATION_KEY: Final = "senderkit_message"
"""Where a provider keeps words of ours with a message, our id of it stands under this name."""


class FieldType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    URL = "url"
    FILE = "file"


class Capability(StrEnum):
    """What a provider can express. A message that asks for more raises `Unsupported`."""

    ATTACHMENTS = "attachments"
    COPIES = "copies"
    LIST_UNSUBSCRIBE = "list_unsubscribe"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a person enters to set up a connection; forms, prompts and docs come from it.

    Values are text whatever the type. A `NUMBER` is a whole number from 1 to `maximum`, a
    `CHOICE` is one of `choices`, a `URL` is the https address that an API's paths are added to,
    and a `FILE` is the text of a key file, line breaks included. A secret is never shown again,
    nor put into an error.
    """

    name: str
    label: str
    help: str
    type: FieldType = FieldType.TEXT
    is_secret: bool = False
    is_required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    maximum: int = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Fact:
    """What follows from stored credentials and is for everybody to know, such as a public key."""

    label: str
    help: str
    value: str


@dataclass(frozen=True, slots=True)
class Callback:
    """A provider's call to us, as it came: `headers` by lower-case name, the raw `body`.

    `url` is the address that the provider called, as it knows it, query included.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class Adapter(ABC):
    """One connection to one provider account, safe to use from several threads at a time."""

    @abstractmethod
    def send(self, outgoing: Outgoing) -> Receipt:
        """Hand one message over. Returns once the provider has accepted it.

        Raises a `DeliveryError`: which one decides between retry, failure and hold.
        """

    @abstractmethod
    def check(self) -> None:
        """Prove host, account and credentials without sending; raises a `DeliveryError`."""

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        """What the provider reports: nothing at all for an event of no interest to us.

        Its signature or secret is checked first, over the raw bytes; `CallbackRefused` when it is
        missing, wrong or stale; `Unavailable` when what proves it cannot be fetched just now, so
        that the provider shall call again. Whatever else the callback holds never raises.
        """
        raise CallbackRefused("This provider reports nothing by callback.")

    def receipts_of(self, provider_message_ids: Sequence[str]) -> Sequence[ProviderEvent]:
        """What became of these messages, where the provider must be asked: see `polls_receipts`.

        At most `receipt_batch_size` ids at a time. A message whose fate is still open has no event:
        ask again later. Each event names its `provider_message_id`. Raises a `DeliveryError`.
        """
        return ()

    @abstractmethod
    def close(self) -> None:
        """Let go of idle network connections. A send that is under way still ends well."""


class Provider(ABC):
    """A kind of connection: what it is called, what it needs and what it can do.

    With `polls_receipts` it never calls us: its adapter's `receipts_of` asks what became of
    messages, from `receipt_delay_seconds` after the send on, until `receipt_lifetime_seconds` after
    it, when the provider has forgotten them.

    With `reports_by_callback` it calls us, and its adapter has `events_from`. `callback_help` says
    where the provider takes the address that it reports to and what to choose there, or that it
    reports nothing. With `checks_alone` there is nobody to ask whether credentials are right: the
    adapter's `check` looks at them only. `makes` names the button that lets `new_secrets` fill in
    secret fields of a new connection; without it they are given by a person.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    channel: ClassVar[Channel]
    fields: ClassVar[tuple[Field, ...]]
    capabilities: ClassVar[frozenset[Capability]]
    polls_receipts: ClassVar[bool] = False
    receipt_batch_size: ClassVar[int] = 100
    receipt_delay_seconds: ClassVar[int] = 900
    receipt_lifetime_seconds: ClassVar[int] = 86_400
    reports_by_callback: ClassVar[bool] = False
    callback_help: ClassVar[str] = ""
    checks_alone: ClassVar[bool] = False
    makes: ClassVar[str] = ""

    def validate(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """The credentials with every field present, defaults filled in and spaces trimmed.

        Raises `InvalidRequest` with one issue for each bad field; the path of an issue is the
        field's name and its message never repeats a value.
        """
        values = {field.name: _value(field, credentials) for field in self.fields}
        issues = [*self._unknown(credentials), *_field_issues(self.fields, values)]
        issues += self.further_issues(values, {issue.path[0] for issue in issues})
        if issues:
            raise InvalidRequest(f"These {self.label} settings are not valid.", issues)
        return values

    def connect(self, credentials: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        """An adapter for these credentials; nothing is sent over the network yet.

        `http` is the only way out by HTTP; whoever made it closes it. Raises `AccountBroken` if
        the credentials do not pass `validate`.
        """
        try:
            values = self.validate(credentials)
        except InvalidRequest as error:
            reasons = " ".join(issue.message for issue in error.issues)
            raise AccountBroken(readable(f"{error.message} {reasons}")) from error
        return self.make_adapter(values, clock, http)

    def new_secrets(self) -> dict[str, str]:
        """Fresh values of the secret fields that this server can make up."""
        return {}

    def public_facts(self, values: Mapping[str, str]) -> Sequence[Fact]:
        """What the page of a connection with these fields shows for others to use."""
        return ()

    @abstractmethod
    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        """An adapter for `values`, which came out of `validate`."""

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterable[Issue]:
        """What is wrong beyond the declared fields. `bad_fields` already have an issue."""
        return ()

    def _unknown(self, credentials: Mapping[str, str]) -> Iterator[Issue]:
        known = {field.name for field in self.fields}
        for name in sorted(set(credentials) - known):
            yield Issue("unknown_field", (name,), f"{self.label} has no field of this name.")


def readable(text: str, secrets: Iterable[str] = ()) -> str:
    """Text from outside made fit to show: one line, no control characters, no secret, capped."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "[hidden]")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= ERROR_TEXT_LIMIT else line[: ERROR_TEXT_LIMIT - 1] + "…"


def find_text(value: object) -> str | None:
    """A provider's id or word, fit to store; None when it is empty or no text or whole number."""
    is_text = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
    return readable(str(value)) or None if is_text else None


def _value(field: Field, credentials: Mapping[str, str]) -> str:
    given = credentials.get(field.name, "")
    return (given if field.is_secret else given.strip()) or field.default


def _field_issues(fields: Iterable[Field], values: Mapping[str, str]) -> Iterator[Issue]:
    for declared in fields:
        value = values[declared.name]
        if not value:
            if declared.is_required:
                yield Issue("required", (declared.name,), f"{declared.label} is required.")
        elif problem := _problem(declared, value):
            yield Issue("invalid", (declared.name,), f"{declared.label} {problem}.")


def _problem(field: Field, value: str) -> str | None:
    if field.type is FieldType.FILE:
        return _problem_of_file(value)
    if not value.isprintable():
        return "must not hold control characters or line breaks"
    if field.type is FieldType.URL:
        return _problem_of_url(value)
    if field.type is FieldType.CHOICE and value not in field.choices:
        return f"must be one of: {', '.join(field.choices)}"
    if field.type is FieldType.NUMBER and not _is_within(value, field.maximum):
        return f"must be a whole number from 1 to {field.maximum}"
    return None


def _is_within(value: str, maximum: int) -> bool:
    is_number = value.isascii() and value.isdigit() and len(value) <= len(str(maximum))
    return is_number and 1 <= int(value) <= maximum


def _problem_of_file(value: str) -> str | None:
    is_text = all(c.isprintable() or c in "\t\r\n" for c in value)
    return None if is_text else "must be the text of a file, without control characters"


def _problem_of_url(value: str) -> str | None:
    # Whether it may be called is decided with every call: names change where they lead.
    try:
        check_url(value)
    except DestinationRefused:
        return "must be a web address such as https://api.acme.example"
    if "?" in value or "#" in value:
        return "must not hold a query or a fragment"
    return None
