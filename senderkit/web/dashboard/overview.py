"""The overview: how things went and are going, what failed and why, and a newcomer's next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from senderkit.commands import Period, ViewOverview, parse_view_overview
from senderkit.domain import Channel, Facet, Grain, MessageStatus
from senderkit.errors import InvalidRequest, Issue
from senderkit.services import overview
from senderkit.services.overview import FailureGroup, Part, Scope
from senderkit.services.progress import find_progress
from senderkit.services.queue_state import Queue, find_queue
from senderkit.services.totals import Totals, summed
from senderkit.services.windows import Window, window_of
from senderkit.web.dashboard.charts import WIDTH, duration_lines, stacked_columns
from senderkit.web.dashboard.figures import (
    MEDIAN,
    SLOW,
    Comparison,
    counted,
    duration,
    figures,
    share_of,
    shown_share,
    shown_time,
)
from senderkit.web.dashboard.frame import Viewer, page, viewer
from senderkit.web.dashboard.setup_steps import setup_steps
from senderkit.web.dashboard.wording import shown_duration
from senderkit.web.runtime import runtime

pages = Blueprint("overview", __name__)

_FILTERS: Final = ("channel", "template", "provider", "key")
_PERIODS: Final[Mapping[Period, tuple[str, str]]] = {
    Period.DAY: ("24 hours", "The last 24 hours"),
    Period.WEEK: ("7 days", "The last 7 days"),
    Period.MONTH: ("30 days", "The last 30 days"),
    Period.QUARTER: ("90 days", "The last 90 days"),
}
"""Each in short, and as a sentence begins."""

_OUTCOMES: Final[tuple[tuple[str, str, tuple[MessageStatus, ...]], ...]] = (
    ("delivered", "Delivered", (MessageStatus.DELIVERED,)),
    ("sent", "Handed over", (MessageStatus.SENT,)),
    (
        *("queued", "Waiting"),
        (MessageStatus.SCHEDULED, MessageStatus.QUEUED, MessageStatus.RENDERED),
    ),
    (
        *("suppressed", "Not sent"),
        (
            *(MessageStatus.CANCELED, MessageStatus.OPTED_OUT),
            *(MessageStatus.SUPPRESSED, MessageStatus.BLOCKED),
        ),
    ),
    ("failed", "Failed", (MessageStatus.FAILED,)),
)
"""What a column is stacked of, from the bottom up: its sign, its words, the statuses in it."""

_PLACES_BETWEEN_WORDS: Final = {24: 4, 7: 1, 30: 5, 90: 15}


@pages.get("/")
def index() -> ResponseReturnValue:
    """The mode shown; a query that cannot be read is told, not 500."""
    looking = viewer()
    try:
        return _overview_page(looking, parse_view_overview(request.args), ())
    except InvalidRequest as error:
        return _overview_page(looking, ViewOverview(), error.issues), 400


def _overview_page(looking: Viewer, query: ViewOverview, issues: Iterable[Issue]) -> str:
    now = runtime().clock()
    scope = Scope(looking.workspace_id, looking.livemode, query)
    with runtime().reader.connect() as connection:
        context = _context(connection, scope, now)
    return page(
        "overview/index.html",
        "overview",
        problems={str(issue.path[0]): issue.message for issue in issues},
        now=now,
        **context,
    )


def _context(connection: Connection, scope: Scope, now: datetime) -> dict[str, Any]:
    query, window = scope.query, window_of(scope.query.period, now)
    totals = overview.list_totals(connection, scope, window)
    before = overview.sum_before(connection, scope, window)
    found = Comparison(summed(totals), before if before.accepted else None, query.period)
    links = _Links(query, window)
    queue = find_queue(connection, scope.workspace_id, scope.livemode, now=now)
    has_environment = runtime().connections.has_environment
    progress = find_progress(
        connection, scope.workspace_id, has_environment_connection=has_environment
    )
    groups, has_more_groups = overview.list_failures(connection, scope, window)
    return {
        "chosen": links.chosen,
        "periods": [
            (words[0], links.here(period=period.value), period is query.period)
            for period, words in _PERIODS.items()
        ],
        "period_words": _PERIODS[query.period][1],
        "is_hourly": window.grain is Grain.HOUR,
        "counted_until": overview.find_lag(connection, now=now),
        "figures": figures(found, links.by_status()),
        "has_messages": found.now.accepted > 0,
        "sends": _sends(totals, links),
        "times": _times(totals, links, is_reported=found.is_reported),
        "queue": _queue(queue, now),
        "groups": [_group(group, links) for group in groups],
        "has_more_groups": has_more_groups,
        "breakdowns": [
            breakdown
            for facet in overview.PARTS
            if (breakdown := _breakdown(connection, scope, facet, links, found)) is not None
        ],
        "choices": overview.list_choices(connection, scope),
        "channels": [channel.value for channel in Channel],
        "steps": setup_steps(progress),
    }


# -- links ------------------------------------------------------------------------------------


class _Links:
    """To this page and to the list of messages, with what this page asks for."""

    def __init__(self, query: ViewOverview, window: Window) -> None:
        self.chosen = query.model_dump(mode="json", include=set(_FILTERS))
        self._asked = self.chosen | {
            "period": None if query.period is Period.DAY else query.period.value
        }
        self.window = window
        self._list_url = url_for("messages.index")

    def here(self, **more: str | None) -> str:
        asked = self._asked | more
        return url_for("overview.index", **{k: v for k, v in asked.items() if v})

    def messages(self, **more: str | None) -> str:
        """All of the window, unless `from` and `to` are among what is given."""
        asked = self.chosen | {"from": self.moment(self.window.begins_at)} | more
        # There are many of them: `url_for` would take ten times as long for each.
        return f"{self._list_url}?{urlencode({k: v for k, v in asked.items() if v})}"

    def messages_at(self, start: datetime) -> str:
        moment = self.moment(start)
        return self.messages(**{"from": moment, "to": moment})

    def moment(self, at: datetime) -> str:
        """As the list takes an hour or a day."""
        return at.strftime("%Y-%m-%dT%H" if self.window.grain is Grain.HOUR else "%Y-%m-%d")

    def by_status(self) -> dict[str, str]:
        return {"all": self.messages()} | {
            status.value: self.messages(status=status.value) for status in MessageStatus
        }

    def words(self, start: datetime) -> str:
        """An hour or a day, as people read it."""
        if self.window.grain is Grain.DAY:
            return f"{start:%d %b %Y}"
        return f"{start:%d %b, %H:%M} to {start + timedelta(hours=1):%H:%M}"

    def below(self) -> list[str]:
        """What stands below a chart, at equal distances."""
        starts = self.window.starts
        words = "%H:%M" if self.window.grain is Grain.HOUR else "%d %b"
        return [at.strftime(words) for at in starts[:: _PLACES_BETWEEN_WORDS[len(starts)]]]


# -- charts -----------------------------------------------------------------------------------


def _sends(totals: list[Totals], links: _Links) -> dict[str, Any]:
    """Columns stacked by outcome, and the same as rows of a table."""
    parts = [
        [sum(each.by_status[status] for status in outcome[2]) for outcome in _OUTCOMES]
        for each in totals
    ]
    columns = stacked_columns(parts)
    return {
        "axis": columns.axis,
        "width": columns.width,
        "step": WIDTH,
        "below": links.below(),
        "series": [
            (sign, words, sum(numbers))
            for (sign, words, _), numbers in zip(_OUTCOMES, zip(*parts, strict=True), strict=True)
        ],
        "columns": [
            {
                "words": links.words(start),
                "title": _column_title(links.words(start), numbers),
                "url": links.messages_at(start) if sum(numbers) else None,
                "blocks": [(_OUTCOMES[block.place][0], block) for block in blocks],
                "numbers": numbers,
            }
            for start, numbers, blocks in zip(
                links.window.starts, parts, columns.blocks, strict=True
            )
        ],
    }


def _column_title(words: str, numbers: list[int]) -> str:
    named = [
        f"{number:,} {outcome[1].lower()}"
        for outcome, number in zip(_OUTCOMES, numbers, strict=True)
        if number
    ]
    return f"{words} UTC: {', '.join(named) or 'no messages'}"


def _times(totals: list[Totals], links: _Links, *, is_reported: bool) -> dict[str, Any] | None:
    """The median and what 95 of 100 messages do not exceed; None where nothing is known."""
    series = [
        [duration(each, share, is_reported=is_reported) for each in totals]
        for share in (MEDIAN, SLOW)
    ]
    if not any(value is not None for value in series[0]):
        return None
    lines = duration_lines(series)
    return {
        "whither": "delivery" if is_reported else "hand-over",
        "axis": lines.axis,
        "width": lines.width,
        "step": WIDTH,
        "below": links.below(),
        "paths": lines.paths,
        "rows": [
            (links.words(start), shown_time(median), shown_time(slow))
            for start, median, slow in zip(links.window.starts, *series, strict=True)
        ],
    }


# -- what is to go out, what failed, parts ----------------------------------------------------


def _queue(queue: Queue, now: datetime) -> list[dict[str, Any]]:
    age = None
    if queue.oldest_due_at is not None:
        waited = (now - queue.oldest_due_at) / timedelta(milliseconds=1)
        age = f"the oldest for {shown_duration(waited)}"
    scheduled = url_for("messages.index", status=MessageStatus.SCHEDULED.value)
    return [
        {"words": "Waiting now", "text": counted(queue.waiting), "sign": "s-queued", "note": age},
        {
            "words": "Scheduled ahead",
            "text": counted(queue.scheduled),
            "sign": "s-scheduled",
            "url": scheduled,
        },
        {
            "words": "Held",
            "text": counted(queue.held),
            "sign": "s-held",
            "url": url_for("messages.index", status="held"),
        },
    ]


def _group(group: FailureGroup, links: _Links) -> dict[str, Any]:
    failed = MessageStatus.FAILED.value
    return {
        "words": group.words,
        "count": group.count,
        "newest_at": group.newest_at,
        "url": links.messages(status=failed, reason=group.reason_key),
    }


def _breakdown(
    connection: Connection, scope: Scope, facet: Facet, links: _Links, found: Comparison
) -> dict[str, Any] | None:
    """None where it would tell nothing: a trait that is asked for, or that no message has."""
    if links.chosen[facet.value]:
        return None
    parts, has_more = overview.list_parts(connection, scope, links.window, facet)
    if all(part.value is None for part in parts):
        return None
    return {
        "facet": facet.value,
        "is_reported": found.is_reported,
        "rows": [_part(part, facet, links, found) for part in parts],
        "has_more": has_more,
    }


def _part(part: Part, facet: Facet, links: _Links, found: Comparison) -> dict[str, Any]:
    is_with_nobody = facet is Facet.PROVIDER and part.value is None
    share = None if is_with_nobody else share_of(part.totals, is_reported=found.is_reported)
    return {
        "value": part.value,
        "words": part.words,
        "accepted": part.totals.accepted,
        "failed": part.totals.failed,
        "share": share,
        "share_words": shown_share(share),
        "url": links.here(**{facet.value: part.value}) if part.value else None,
    }
