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
from senderkit.commands.overviews import KEY_ID, PROVIDER
from senderkit.commands.queries import ListMessages, parse_list_messages
from senderkit.errors import InvalidRequest, Issue

HELD: Final = "held"
"""A choice of `status` beside the statuses: messages that wait for a connection to be repaired."""

_REASON: Final = re.compile(r"[0-9a-f]{16}")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)(T\d\d)?", re.ASCII)
_BATCH: Final = re.compile(r"[0-9a-f]{64}")
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

    `key` is the public id of the key that sent them, `reason` the key of the group that failed ones
    belong to, `batch` names what was sent again together. They were accepted at or after `since`
    and before `until`. With `newer_than`, a cursor, the page is the one that follows it upwards.
    """

    listing: ListMessages = Field(default_factory=ListMessages)
    is_held: bool = False
    key: str | None = None
    provider: str | None = None
    reason: str | None = None
    batch: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    newer_than: str | None = None

    @property
    def filters(self) -> BrowseMessages:
        """The same without what concerns one page."""
        return self.model_copy(update={"listing": self.listing.filters, "newer_than": None})


def parse_browse_messages(query: Mapping[str, str]) -> BrowseMessages:
    """`query` holds the values by name: status, channel, template, q, key, provider, reason, batch,
    from, to, before, after. A time is a day or an hour of one, in UTC: 2026-11-24 or 2026-11-24T10.

    Other names are left alone. Raises `InvalidRequest` with every issue, at those names.
    """
    issues: list[Issue] = []
    is_held = query.get("status") == HELD
    listing = _collect_listing(query, {"status"} if is_held else set(), issues)
    since = _collect_time("from", query, issues)
    last = _collect_time("to", query, issues)
    if since and last and last[0] < since[0]:
        issues.append(_issue("to", "Must not be before the first day."))
    _check_marks(query, issues)
    if issues:
        refuse(issues)
    return BrowseMessages(
        listing=listing,
        is_held=is_held,
        key=query.get("key") or None,
        provider=query.get("provider") or None,
        batch=query.get("batch") or None,
        reason=query.get("reason") or None,
        since=since[0] if since else None,
        until=last[0] + last[1] if last else None,
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


def _collect_time(
    name: str, query: Mapping[str, str], issues: list[Issue]
) -> tuple[datetime, timedelta] | None:
    """When the day or hour begins, and how long it is."""
    text = query.get(name)
    if not text:
        return None
    found = _TIME.fullmatch(text)
    try:
        if not found or text.startswith(("0", "9999")):
            raise ValueError(text)
        length = timedelta(hours=1) if found[2] else timedelta(days=1)
        return datetime.fromisoformat(text).replace(tzinfo=UTC), length
    except ValueError:
        issues.append(_issue(name, "Must be a day such as 2026-11-24."))
        return None


def _check_marks(query: Mapping[str, str], issues: list[Issue]) -> None:
    """What stands for something else: ids, cursors."""
    for name, (form, message) in _MARKS.items():
        if query.get(name) and not form.fullmatch(query[name]):
            issues.append(_issue(name, message))
    cursor = query.get("after") or ""
    if len(cursor) > MAX_CURSOR:
        issues.append(_issue("after", "Must be a place in the list, as the page's links have it."))
    if cursor and query.get("before"):
        issues.append(_issue("after", "Must not be given together with 'before'."))


_MARKS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "key": (KEY_ID, "Must be the id of an API key, such as key_01h…"),
    "batch": (_BATCH, "Must be the name of a batch, as a link of ours has it."),
    "provider": (PROVIDER, "Must be the name of a provider, such as smtp."),
    "reason": (_REASON, "Must be a reason, as the overview's links have it."),
}
