"""Webhook endpoints and their log, from the dashboard's forms or the shell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from pydantic_core import PydanticCustomError

from senderkit.commands.fields import Command, check_single_line
from senderkit.commands.issues import IssueCode, issue_of, refuse, short_text
from senderkit.commands.limits import MAX_CURSOR, MAX_ENDPOINT
from senderkit.domain import WEBHOOK_CHOICES, WebhookEventType, WebhookState
from senderkit.errors import Issue

_MINUTE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)
_CURSOR: Final = re.compile(r"whd_[0-9a-z]{26}")


class DescribeEndpoint(Command):
    """No events at all means every type. Whether the address may be called is for the service."""

    url: str
    events: frozenset[WebhookEventType]


class BrowseDeliveries(Command):
    """Which deliveries to show; None filters nothing.

    `before` and `after` are ids of deliveries: the page begins below the one, or ends above the
    other.
    """

    state: WebhookState | None = None
    before: str | None = None
    after: str | None = None


class ReplayDeliveries(Command):
    """Deliveries of events from `since` on and before `until`; with `delivered` those as well that
    arrived."""

    since: datetime
    until: datetime
    delivered: bool


def parse_describe_endpoint(url: str, events: Iterable[str]) -> DescribeEndpoint:
    """Plain values from a form or the shell. Raises `InvalidRequest` with every issue."""
    issues: list[Issue] = []
    url, asked = url.strip(), sorted(set(events))
    try:
        check_single_line(url)
    except PydanticCustomError as error:
        issues.append(issue_of(error, ("url",)))
    if not url:
        issues.append(Issue(IssueCode.REQUIRED, ("url",), "Give the address to call."))
    if len(url) > MAX_ENDPOINT:
        message = f"Must have at most {MAX_ENDPOINT} characters."
        issues.append(Issue(IssueCode.TOO_LONG, ("url",), message))
    for event in asked:
        if event not in set(WEBHOOK_CHOICES):
            message = f"'{short_text(event)}' is no event. Known: {', '.join(WEBHOOK_CHOICES)}."
            issues.append(Issue(IssueCode.INVALID_VALUE, ("events",), message))
    if issues:
        refuse(issues)
    return DescribeEndpoint(url=url, events=frozenset(WebhookEventType(each) for each in asked))


def parse_browse_deliveries(query: Mapping[str, str]) -> BrowseDeliveries:
    """`query` holds state, before, after by name. Raises `InvalidRequest` with every issue."""
    issues: list[Issue] = []
    state = query.get("state") or None
    if state is not None and state not in set(WebhookState):
        message = "Must be one of the choices above the list."
        issues.append(Issue(IssueCode.INVALID_VALUE, ("state",), message))
    before, after = (_collect_place(name, query, issues) for name in ("before", "after"))
    if before and after:
        message = "Must not be given together with 'before'."
        issues.append(Issue(IssueCode.INVALID_VALUE, ("after",), message))
    if issues:
        refuse(issues)
    chosen = WebhookState(state) if state else None
    return BrowseDeliveries(state=chosen, before=before, after=after)


def _collect_place(name: str, query: Mapping[str, str], issues: list[Issue]) -> str | None:
    place = query.get(name) or None
    if place is not None and (len(place) > MAX_CURSOR or not _CURSOR.fullmatch(place)):
        message = "Must be a place in the list, as the page's links have it."
        issues.append(Issue(IssueCode.INVALID_VALUE, (name,), message))
    return place


def parse_replay_deliveries(since: str, until: str, which: str) -> ReplayDeliveries:
    """Moments such as 2026-11-24T10:00, in UTC, and `given_up` or `all`.

    Raises `InvalidRequest` with every issue.
    """
    issues: list[Issue] = []
    first, end = _collect_minute("from", since, issues), _collect_minute("to", until, issues)
    if first and end and end <= first:
        issues.append(Issue(IssueCode.INVALID_VALUE, ("to",), "Must be after the beginning."))
    if which not in {"given_up", "all"}:
        issues.append(Issue(IssueCode.INVALID_VALUE, ("which",), "Choose what to replay."))
    if issues or first is None or end is None:
        refuse(issues)
    return ReplayDeliveries(since=first, until=end, delivered=which == "all")


def _collect_minute(name: str, text: str, issues: list[Issue]) -> datetime | None:
    text = text.strip()
    try:
        if not _MINUTE.fullmatch(text) or text.startswith(("0", "9999")):
            raise ValueError(text)
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        message = "Must be a moment such as 2026-11-24T10:00."
        issues.append(Issue(IssueCode.INVALID_VALUE, (name,), message))
    return None
