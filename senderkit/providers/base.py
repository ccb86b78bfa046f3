"""The contract of every provider adapter. It sees `senderkit.errors` and `senderkit.domain` only.

A `Provider` is one row of the registry: its name, its channel and the fields that a person
fills in. `connect` makes an `Adapter` out of one connection's credentials; keep that adapter
as long as the connection lives, because it reuses its network connections.

Adding a provider is three edits: its file here, its line in `senderkit.providers`, and its
entry in the shared cases of the contract tests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from senderkit.domain import Channel, Clock, Outgoing, Receipt, utc_now
from senderkit.errors import AccountBroken, InvalidRequest, Issue

ERROR_TEXT_LIMIT: Final = 500


class FieldType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"


class Capability(StrEnum):
    """What a provider can express. A message that asks for more raises `Unsupported`."""

    ATTACHMENTS = "attachments"
    COPIES = "copies"
    LIST_UNSUBSCRIBE = "list_unsubscribe"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a person enters to set up a connection; forms, prompts and docs come from it.

    Values are text whatever the type. A `NUMBER` is a whole number from 1 to `maximum`, a
    `CHOICE` is one of `choices`. A secret is never shown again, nor put into an error.
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

    @abstractmethod
    def close(self) -> None:
        """Let go of idle network connections. A send that is under way still ends well."""


class Provider(ABC):
    """A kind of connection: what it is called, what it needs and what it can do."""

    name: ClassVar[str]
    label: ClassVar[str]
    channel: ClassVar[Channel]
    fields: ClassVar[tuple[Field, ...]]
    capabilities: ClassVar[frozenset[Capability]]

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

    def connect(self, credentials: Mapping[str, str], clock: Clock = utc_now) -> Adapter:
        """An adapter for these credentials; nothing is sent over the network yet.

        Raises `AccountBroken` if the credentials do not pass `validate`.
        """
        try:
            values = self.validate(credentials)
        except InvalidRequest as error:
            reasons = " ".join(issue.message for issue in error.issues)
            raise AccountBroken(readable(f"{error.message} {reasons}")) from error
        return self.make_adapter(values, clock)

    @abstractmethod
    def make_adapter(self, values: Mapping[str, str], clock: Clock) -> Adapter:
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


def _value(field: Field, credentials: Mapping[str, str]) -> str:
    given = credentials.get(field.name, "")
    return (given if field.is_secret else given.strip()) or field.default


def _field_issues(fields: Iterable[Field], values: Mapping[str, str]) -> Iterator[Issue]:
    for field in fields:
        value = values[field.name]
        if not value:
            if field.is_required:
                yield Issue("required", (field.name,), f"{field.label} is required.")
        elif problem := _problem(field, value):
            yield Issue("invalid", (field.name,), f"{field.label} {problem}.")


def _problem(field: Field, value: str) -> str | None:
    if not value.isprintable():
        return "must not hold control characters or line breaks"
    if field.type is FieldType.CHOICE and value not in field.choices:
        return f"must be one of: {', '.join(field.choices)}"
    if field.type is FieldType.NUMBER and not _is_within(value, field.maximum):
        return f"must be a whole number from 1 to {field.maximum}"
    return None


def _is_within(value: str, maximum: int) -> bool:
    is_number = value.isascii() and value.isdigit() and len(value) <= len(str(maximum))
    return is_number and 1 <= int(value) <= maximum
