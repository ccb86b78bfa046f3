"""The query of `GET /v1/messages`, and where a stream of them goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import PydanticCustomError

from senderkit.commands.fields import Command
from senderkit.commands.issues import IssueCode, Path, flaw, issue_of, refuse, short_path
from senderkit.commands.limits import (
    DEFAULT_PAGE,
    MAX_CURSOR,
    MAX_METADATA_KEY,
    MAX_METADATA_TERMS,
    MAX_METADATA_TEXT,
    MAX_PAGE,
    MAX_SEARCH,
    MAX_SLUG,
)
from senderkit.commands.metadata_terms import MetadataTerm, metadata_term
from senderkit.domain import STATUS_FILTERS, Channel
from senderkit.errors import Issue

_METADATA_NAME: Final = re.compile(r"metadata\[(.*)\]", re.DOTALL)
_DIGITS: Final = re.compile(r"[0-9]+")
_UNSTORABLE: Final = re.compile("[\\x00\ud800-\udfff]")
_LONGEST_LIMIT: Final = 9


class ListMessages(Command):
    """Which messages to list; None filters nothing. `cursor` and `search` are as given.

    With `is_tail` they are followed; the newest `limit` come first.
    """

    limit: int = DEFAULT_PAGE
    cursor: str | None = None
    status: str | None = None
    channel: Channel | None = None
    template: str | None = None
    metadata: tuple[MetadataTerm, ...] = ()
    search: str | None = None
    is_tail: bool = False

    @property
    def filters(self) -> ListMessages:
        """The same without what concerns one page."""
        page = {"limit": DEFAULT_PAGE, "cursor": None, "is_tail": False}
        return self.model_copy(update=page)


def parse_list_messages(query: Iterable[tuple[str, str]]) -> ListMessages:
    """Read decoded name-value pairs, in any order. Raises `InvalidRequest` with every issue."""
    found: dict[str, object] = {}
    terms: list[MetadataTerm] = []
    issues: list[Issue] = []
    for name, value in query:
        key = _METADATA_NAME.fullmatch(name)
        path: Path = ("metadata", key[1]) if key else (name,)
        try:
            if key:
                terms.append(_term(key[1], value))
            else:
                _take(name, value, found)
        except PydanticCustomError as error:
            issues.append(issue_of(error, short_path(path)))
    if len(terms) > MAX_METADATA_TERMS:
        message = f"Must be at most {MAX_METADATA_TERMS} filters."
        issues.append(Issue(IssueCode.TOO_LONG, ("metadata",), message))
    if found.get("tail") and found.get("cursor"):
        issues.append(Issue(IssueCode.INVALID_VALUE, ("cursor",), "Must be left out with 'tail'."))
    if issues:
        refuse(issues)
    is_tail = bool(found.pop("tail", None))
    given = {name: value for name, value in found.items() if value is not None}
    return ListMessages.model_validate({**given, "metadata": tuple(terms), "is_tail": is_tail})


def _take(name: str, value: str, found: dict[str, object]) -> None:
    if name not in _PARAMETERS:
        names = ", ".join([*_PARAMETERS, "metadata[key]"])
        raise flaw(IssueCode.UNKNOWN_FIELD, f"There is no such query name. Known: {names}.")
    if name in found:
        raise flaw(IssueCode.DUPLICATE, "Must be given once.")
    # Marked before it is read, so that a repeat of a bad one is told as well.
    found[name] = None
    _check_text(value)
    found[name] = _PARAMETERS[name][0](value)


def _term(key: str, value: str) -> MetadataTerm:
    _check_text(key)
    _check_text(value)
    if not 1 <= len(key) <= MAX_METADATA_KEY:
        message = f"A metadata key must have 1 to {MAX_METADATA_KEY} characters."
        raise flaw(IssueCode.INVALID_VALUE, message)
    _check_length(value, MAX_METADATA_TEXT)
    return metadata_term(key, value)


def _read_limit(value: str) -> int:
    if not _DIGITS.fullmatch(value) or not value.strip("0"):
        raise flaw(IssueCode.INVALID_VALUE, "Must be an integer of 1 or more.")
    digits = value.lstrip("0")
    return min(int(digits), MAX_PAGE) if len(digits) <= _LONGEST_LIMIT else MAX_PAGE


def _read_status(value: str) -> str | None:
    if value and value not in STATUS_FILTERS:
        raise flaw(IssueCode.INVALID_VALUE, f"Must be one of {', '.join(sorted(STATUS_FILTERS))}.")
    return value or None


def _read_channel(value: str) -> Channel | None:
    if value and value not in set(Channel):
        raise flaw(IssueCode.INVALID_VALUE, f"Must be one of {', '.join(Channel)}.")
    return Channel(value) if value else None


def _read_tail(value: str) -> bool | None:
    if value not in {"", "1"}:
        raise flaw(IssueCode.INVALID_VALUE, "Must be 1 to follow messages, or left out.")
    return bool(value) or None


def _text_of_at_most(longest: int) -> Callable[[str], str | None]:
    def read(value: str) -> str | None:
        _check_length(value, longest)
        return value or None

    return read


def _read_template(value: str) -> str | None:
    _check_length(value, MAX_SLUG)
    return value.lower() or None


def _check_length(value: str, longest: int) -> None:
    if len(value) > longest:
        raise flaw(IssueCode.TOO_LONG, f"Must have at most {longest} characters.")


def _check_text(value: str) -> None:
    if _UNSTORABLE.search(value):
        message = "Must be text without NUL characters or lone surrogates."
        raise flaw(IssueCode.INVALID_VALUE, message)


# -- where a stream goes on -----------------------------------------------------------------------

_CHANGE_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def parse_change_number(text: str | None, name: str) -> int | None:
    """The number in a `Last-Event-ID` header or in a query; None when it is empty or not given.

    Raises `InvalidRequest` that names it by `name`.
    """
    if not text:
        return None
    if not _CHANGE_NUMBER.fullmatch(text):
        refuse([Issue(IssueCode.INVALID_VALUE, (name,), "Must be the id of an event, unchanged.")])
    return int(text)


# -- what the query may hold ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """One name of a query, for the OpenAPI document: its JSON schema and a sentence.

    An object is written as `name[key]=value`.
    """

    schema: Mapping[str, Any]
    description: str


_Reader = Callable[[str], object]

# Empty counts as not given, so a schema that lists values lists the empty one as well.
_PARAMETERS: Final[Mapping[str, tuple[_Reader, QueryParameter]]] = {
    "limit": (
        _read_limit,
        QueryParameter(
            {"type": "integer", "minimum": 1, "default": DEFAULT_PAGE},
            f"Messages on the page; above {MAX_PAGE} counts as {MAX_PAGE}.",
        ),
    ),
    "cursor": (
        _text_of_at_most(MAX_CURSOR),
        QueryParameter(
            {"type": "string", "maxLength": MAX_CURSOR},
            "The `nextCursor` of the page before, unchanged.",
        ),
    ),
    "status": (
        _read_status,
        QueryParameter(
            {"type": "string", "enum": [*sorted(STATUS_FILTERS), ""]},
            "Only messages with this status. `dispatched` finds those that a provider was given "
            "and has not answered for.",
        ),
    ),
    "channel": (
        _read_channel,
        QueryParameter(
            {"type": "string", "enum": [*Channel, ""]}, "Only messages of this channel."
        ),
    ),
    "template": (
        _read_template,
        QueryParameter(
            {"type": "string", "maxLength": MAX_SLUG}, "Only sends of the template with this slug."
        ),
    ),
    "search": (
        _text_of_at_most(MAX_SEARCH),
        QueryParameter(
            {"type": "string", "maxLength": MAX_SEARCH},
            "A part of the id, recipient, template, metadata keys or values, in any case.",
        ),
    ),
    "tail": (
        _read_tail,
        QueryParameter(
            {"type": "string", "enum": ["1", ""]},
            "`1` follows messages: the answer is a `text/event-stream`, whatever `Accept` says.",
        ),
    ),
}

LIST_MESSAGES_QUERY: Final[Mapping[str, QueryParameter]] = {
    **{name: parameter for name, (_, parameter) in _PARAMETERS.items()},
    "metadata": QueryParameter(
        {
            "type": "object",
            "maxProperties": MAX_METADATA_TERMS,
            "propertyNames": {"minLength": 1, "maxLength": MAX_METADATA_KEY},
            "additionalProperties": {"type": "string", "maxLength": MAX_METADATA_TEXT},
        },
        "Only messages with this metadata, as `metadata[order]=1234`; several must all match. A "
        "value that reads as a number or a boolean finds that as well as the text.",
    ),
}
"""The query of `GET /v1/messages` by name."""
