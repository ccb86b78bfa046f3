"""The query of the dashboard's list of messages: the API's filters and those that people want."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import Field

from senderkit.commands.fields import Command
from senderkit.commands.issues import IssueCode, refuse
from senderkit.commands.limits import MAX_CURSOR
from senderkit.commands.queries import ListMessages, parse_list_messages
from senderkit.errors import InvalidRequest, Issue

HELD: Final = "held"
"""A choice of `status` beside the statuses: messages that wait for a connection to be repaired."""

_KEY: Final = re.compile(r"key_[0-9a-z]{1,36}")
_BATCH: Final = re.compile(r"[0-9a-f]{64}")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NAMES: Final[Mapping[str, str]] = {
    "status": "status",
    "channel": "channel",
    "template": "template",
    "q": "search",
    "before": "cursor",
}
"""The page's names of what the API's list takes as well."""

_CHOICES: Final[Mapping[str, str]] = {
    "status": "Must be one of the choices under Status.",
    "channel": "Must be one of the choices under Channel.",
}


class BrowseMessages(Command):
    """Which messages to show; None filters nothing.

    `key` is the public id of the key that sent them, `batch` names what was sent again together.
    They were accepted at or after `since` and before `until`. With `newer_than`, a cursor, the page
    is the one that follows it upwards.
    """

    listing: ListMessages = Field(default_factory=ListMessages)
    is_held: bool = False
    key: str | None = None
    batch: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    newer_than: str | None = None


def parse_browse_messages(query: Mapping[str, str]) -> BrowseMessages:
    """`query` holds the values by name: status, channel, template, q, key, batch, from, to, before,
    after.

    Other names are left alone. Raises `InvalidRequest` with every issue, at those names.
    """
    issues: list[Issue] = []
    is_held = query.get("status") == HELD
    listing = _collect_listing(query, {"status"} if is_held else set(), issues)
    since = _collect_day("from", query, issues)
    last = _collect_day("to", query, issues)
    if since and last and last < since:
        issues.append(_issue("to", "Must not be before the first day."))
    _check_key_and_cursor(query, issues)
    if issues:
        refuse(issues)
    return BrowseMessages(
        listing=listing,
        is_held=is_held,
        key=query.get("key") or None,
        batch=query.get("batch") or None,
        since=since,
        until=last + timedelta(days=1) if last else None,
        newer_than=query.get("after") or None,
    )


def _issue(name: str, message: str) -> Issue:
    return Issue(IssueCode.INVALID_VALUE, (name,), message)


def _collect_listing(
    query: Mapping[str, str], left_out: set[str], issues: list[Issue]
) -> ListMessages:
    wanted = {name: wire for name, wire in _NAMES.items() if name in query and name not in left_out}
    try:
        return parse_list_messages([(wire, query[name]) for name, wire in wanted.items()])
    except InvalidRequest as error:
        names = {wire: name for name, wire in _NAMES.items()}
        for issue in error.issues:
            name = names[str(issue.path[0])]
            issues.append(Issue(issue.code, (name,), _CHOICES.get(name, issue.message)))
        return ListMessages()


def _collect_day(name: str, query: Mapping[str, str], issues: list[Issue]) -> datetime | None:
    """Midnight, in UTC, at which the day begins."""
    text = query.get(name)
    if not text:
        return None
    try:
        if not _DAY.fullmatch(text) or text.startswith(("0", "9999")):
            raise ValueError(text)
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        issues.append(_issue(name, "Must be a day such as 2026-11-24."))
        return None


def _check_key_and_cursor(query: Mapping[str, str], issues: list[Issue]) -> None:
    key, batch, cursor = query.get("key"), query.get("batch"), query.get("after") or ""
    if key and not _KEY.fullmatch(key):
        issues.append(_issue("key", "Must be the id of an API key, such as key_01h…"))
    if batch and not _BATCH.fullmatch(batch):
        issues.append(_issue("batch", "Must be the name of a batch, as a link of ours has it."))
    if len(cursor) > MAX_CURSOR:
        issues.append(_issue("after", "Must be a place in the list, as the page's links have it."))
    if cursor and query.get("before"):
        issues.append(_issue("after", "Must not be given together with 'before'."))
