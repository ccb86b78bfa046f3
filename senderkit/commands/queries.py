"""The query of `GET /v1/messages`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

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
    """Which messages to list; None filters nothing. `cursor` and `search` are as given."""

    limit: int = DEFAULT_PAGE
    cursor: str | None = None
    status: str | None = None
    channel: Channel | None = None
    template: str | None = None
    metadata: tuple[MetadataTerm, ...] = ()
    search: str | None = None


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
    if issues:
        refuse(issues)
    given = {name: value for name, value in found.items() if value is not None}
    return ListMessages.model_validate({**given, "metadata": tuple(terms)})


def _take(name: str, value: str, found: dict[str, object]) -> None:
    reader = _READERS.get(name)
    if reader is None:
        names = ", ".join([*_READERS, "metadata[key]"])
        raise flaw(IssueCode.UNKNOWN_FIELD, f"There is no such query name. Known: {names}.")
    if name in found:
        raise flaw(IssueCode.DUPLICATE, "Must be given once.")
    # Marked before it is read, so that a repeat of a bad one is told as well.
    found[name] = None
    _check_text(value)
    found[name] = reader(value)


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


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "limit": _read_limit,
    "cursor": _text_of_at_most(MAX_CURSOR),
    "status": _read_status,
    "channel": _read_channel,
    "template": _read_template,
    "search": _text_of_at_most(MAX_SEARCH),
}
