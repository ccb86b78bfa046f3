"""The suppression list: looking through it, a recipient by hand, a file of them.

A file is CSV with the columns `channel`, `recipient`, `reason` and `since`, of which only the
recipient must be there. A bad line spoils no other.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic_core import PydanticCustomError

from senderkit.commands.fields import Command, parse_moment
from senderkit.commands.issues import IssueCode, refuse
from senderkit.commands.limits import MAX_ENDPOINT, MAX_RECIPIENT, MAX_SEARCH
from senderkit.commands.recipients import check_recipient
from senderkit.domain import Channel, SuppressionReason
from senderkit.errors import InvalidRequest, Issue

SUPPRESSION_COLUMNS: Final = ("channel", "recipient", "reason", "since")

_RECIPIENT_COLUMNS: Final = frozenset(
    {"recipient", "email", "emailaddress", "address", "phone", "phonenumber", "token", "endpoint"}
)
_REASONS: Final[Mapping[str, SuppressionReason]] = {
    **{reason.value: reason for reason in SuppressionReason},
    "": SuppressionReason.MANUAL,
    # Words of the lists that providers export.
    "unsubscribe": SuppressionReason.UNSUBSCRIBED,
    "manualsuppression": SuppressionReason.UNSUBSCRIBED,
    "complaint": SuppressionReason.COMPLAINED,
    "spamcomplaint": SuppressionReason.COMPLAINED,
    "spamreport": SuppressionReason.COMPLAINED,
    "bounce": SuppressionReason.BOUNCED,
    "hardbounce": SuppressionReason.BOUNCED,
}
_ENDPOINT: Final = re.compile(r"https://[!-~]+")
_E164: Final = re.compile(r"\+[0-9]+")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_SHOWN: Final = 80
_TOO_LONG: Final = "(a line that is too long)"


class BrowseSuppressions(Command):
    """One channel's list by recipient; `after` and `before` are the recipient next to the page."""

    channel: Channel
    search: str | None = None
    after: str | None = None
    before: str | None = None


class AddSuppression(Command):
    """`key` is what sends are compared with; `since` None means now."""

    channel: Channel
    key: str
    reason: SuppressionReason = SuppressionReason.MANUAL
    since: datetime | None = None


class BadLine(Command):
    """A line of a file that was left out: which, how it begins, and why."""

    number: int
    text: str
    reason: str


def parse_browse_suppressions(query: Mapping[str, str]) -> BrowseSuppressions:
    """Names: channel, q, after, before. Raises `InvalidRequest`."""
    wanted = query.get("channel") or Channel.EMAIL.value
    if wanted not in set(Channel):
        refuse([_issue("channel", f"Must be one of {', '.join(Channel)}.")])
    texts = {name: query.get(name) or None for name in ("q", "after", "before")}
    for name, text in texts.items():
        if text is not None and ("\0" in text or len(text) > MAX_RECIPIENT):
            refuse([_issue(name, "Must be a part of a recipient.")])
    search = texts["q"]
    if search is not None and len(search) > MAX_SEARCH:
        refuse([_issue("q", f"Must have at most {MAX_SEARCH} characters.")])
    return BrowseSuppressions(
        channel=Channel(wanted), search=search, after=texts["after"], before=texts["before"]
    )


def parse_add_suppression(channel: str, recipient: str) -> AddSuppression:
    """One recipient by hand. Raises `InvalidRequest` at `channel` or `recipient`."""
    if channel not in set(Channel):
        refuse([_issue("channel", "Choose a channel.")])
    try:
        key = recipient_key(Channel(channel), recipient.strip())
    except InvalidRequest as error:
        refuse([Issue(issue.code, ("recipient",), issue.message) for issue in error.issues])
    return AddSuppression(channel=Channel(channel), key=key)


def recipient_key(channel: Channel, text: str) -> str:
    """What sends are compared with; of a web push, its endpoint alone is enough.

    Raises `InvalidRequest` with one issue.
    """
    is_endpoint = len(text) <= MAX_ENDPOINT and _ENDPOINT.fullmatch(text)
    if channel is Channel.WEB_PUSH and is_endpoint:
        return text
    return check_recipient(channel, text).key


def _issue(name: str, message: str) -> Issue:
    return Issue(IssueCode.INVALID_VALUE, (name,), message)


# -- files ------------------------------------------------------------------------------------


def guarded_cell(text: str) -> str:
    """`text` fit for a cell: a spreadsheet must not take it for a formula.

    A phone number stays as it is, since all it can come to is that number.
    """
    is_formula = text.startswith(_FORMULA) and not _E164.fullmatch(text)
    return f"'{text}" if is_formula else text


def _unguarded(text: str) -> str:
    is_guarded = text.startswith("'") and text[1:].startswith(_FORMULA)
    return text[1:] if is_guarded else text


def read_suppressions(
    lines: Iterable[str], channel: Channel | None, *, now: datetime
) -> Iterator[AddSuppression | BadLine]:
    """Each line of a file, in its order. `channel` is for lines that name none."""
    rows = _numbered(lines)
    columns: Sequence[str] | None = None
    for number, cells in rows:
        if columns is None:
            columns = _header(cells)
            if columns is not None:
                continue
            columns = ("recipient",)
        if any(cell.strip() for cell in cells):
            yield _read_row(number, dict(zip(columns, cells, strict=False)), channel, now)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their line, whatever the delimiter."""
    waiting = iter(lines)
    first = next(waiting, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(itertools.chain([first], waiting), delimiter=delimiter)
    while True:
        try:
            cells = next(rows, None)
        except csv.Error:
            cells = [_TOO_LONG]
        if cells is None:
            return
        yield rows.line_num, cells


def _header(cells: Sequence[str]) -> Sequence[str] | None:
    names = [re.sub(r"[^a-z]", "", cell.lower()) for cell in cells]
    if not _RECIPIENT_COLUMNS & set(names):
        return None
    return ["recipient" if name in _RECIPIENT_COLUMNS else name for name in names]


def _read_row(
    number: int, cells: Mapping[str, str], channel: Channel | None, now: datetime
) -> AddSuppression | BadLine:
    text = _unguarded(cells.get("recipient", "").strip())
    try:
        of = _channel(cells.get("channel", "").strip().lower(), channel)
        key = recipient_key(of, text)
        reason = _reason(cells.get("reason", ""))
        since = _since(cells.get("since", "").strip(), now)
    except InvalidRequest as error:
        reason_words = error.issues[0].message if error.issues else error.message
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        return BadLine(number=number, text=shown, reason=reason_words)
    return AddSuppression(channel=of, key=key, reason=reason, since=since)


def _channel(word: str, otherwise: Channel | None) -> Channel:
    if word in set(Channel):
        return Channel(word)
    if word or otherwise is None:
        refuse([_issue("channel", f"The channel must be one of {', '.join(Channel)}.")])
    return otherwise


def _reason(text: str) -> SuppressionReason:
    found = _REASONS.get(re.sub(r"[^a-z]", "", text.lower()))
    if found is None:
        known = ", ".join(SuppressionReason)
        refuse([_issue("reason", f"The reason must be one of {known}.")])
    return found


def _since(text: str, now: datetime) -> datetime | None:
    """In UTC and not in the future; a day alone begins at midnight."""
    if not text:
        return None
    try:
        moment = parse_moment(f"{text}T00:00Z" if len(text) == len("2026-11-24") else text)
        return min(moment.astimezone(UTC), now)
    except (PydanticCustomError, OverflowError):
        refuse([_issue("since", "The date must look like 2026-11-24 or 2026-11-24T10:00:00Z.")])
