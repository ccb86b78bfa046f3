"""What the overview shows: the last day against the day before, failures, and the set-up's steps.

A day is counted exactly up to `MAX_COUNTED` messages; of a busier one the newest are, so that the
page costs the same on every server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from senderkit.domain import MessageStatus
from senderkit.models import ApiKey, Message, Template, TemplateVersion
from senderkit.models import Connection as ProviderConnection
from senderkit.services.browsing import ListedMessage, listed_columns, listed_message
from senderkit.services.reports import Count, count_up_to, has_messages, of_room

MAX_COUNTED: Final = 100_000
MAX_SCHEDULED: Final = 1_000
_DAY: Final = timedelta(hours=24)
_LATENCIES: Final = 500
_FAILURES_READ: Final = 100
_FAILURES_SHOWN: Final = 5

_HANDED_OVER: Final = (MessageStatus.SENT, MessageStatus.DELIVERED)
_NOT_TAKEN: Final = (MessageStatus.FAILED, MessageStatus.SUPPRESSED, MessageStatus.BLOCKED)


@dataclass(frozen=True, slots=True)
class Day:
    """The messages accepted in 24 hours, by the status they have now.

    `median_ms` is the time from acceptance to the hand-over of those that were not scheduled.
    """

    accepted: Count
    by_status: Mapping[MessageStatus, int]
    median_ms: float | None

    @property
    def failed(self) -> int:
        return self.by_status[MessageStatus.FAILED]

    @property
    def reports_deliveries(self) -> bool:
        """Whether a provider (or the simulator) said of any message that it arrived."""
        return self.by_status[MessageStatus.DELIVERED] > 0

    @property
    def delivered_share(self) -> float | None:
        """Of the messages whose end is known, those that arrived (0 to 1)."""
        return self._share((MessageStatus.DELIVERED,))

    @property
    def handed_over_share(self) -> float | None:
        """Of the messages whose end is known, those that a provider took (0 to 1)."""
        return self._share(_HANDED_OVER)

    def _share(self, good: Sequence[MessageStatus]) -> float | None:
        well = sum(self.by_status[status] for status in good)
        known = well + sum(self.by_status[status] for status in _NOT_TAKEN)
        return well / known if known else None


@dataclass(frozen=True, slots=True)
class Summary:
    """The last 24 hours, the 24 hours before them, and what is still to go out later."""

    today: Day
    before: Day
    scheduled: Count


@dataclass(frozen=True, slots=True)
class Failure:
    """The newest message that failed for a reason, and how many did lately, itself included."""

    message: ListedMessage
    count: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What really happened of a newcomer's way from the first key to the first live message."""

    has_key: bool
    has_test_message: bool
    has_connection: bool
    has_published: bool
    has_live_message: bool


# -- figures ----------------------------------------------------------------------------------


def summarize(
    connection: Connection, workspace_id: int, livemode: bool, *, now: datetime
) -> Summary:
    """The figures of one mode."""
    room = of_room(workspace_id, livemode)
    yesterday = (Message.created_at >= now - 2 * _DAY, Message.created_at < now - _DAY)
    today = _day(connection, (*room, Message.created_at >= now - _DAY))
    before = _day(connection, (*room, *yesterday))
    scheduled = (*room, Message.status == MessageStatus.SCHEDULED.value)
    return Summary(today, before, count_up_to(connection, scheduled, MAX_SCHEDULED))


_Conditions = tuple[ColumnElement[bool], ...]


def _day(connection: Connection, period: _Conditions) -> Day:
    newest = (
        select(Message.created_at)
        .where(*period)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(MAX_COUNTED)
        .subquery()
    )
    accepted, first = connection.execute(
        select(func.count(), func.min(newest.c.created_at)).select_from(newest)
    ).one()
    if not accepted:
        return Day(Count(0), dict.fromkeys(MessageStatus, 0), None)
    counted = (*period, Message.created_at >= first)
    return Day(
        Count(accepted, is_capped=accepted == MAX_COUNTED),
        _by_status(connection, counted),
        _median_latency(connection, counted),
    )


def _by_status(connection: Connection, period: _Conditions) -> dict[MessageStatus, int]:
    """One range of the status index for each status: a grouping would read every row."""
    counts = [
        select(func.count()).where(*period, Message.status == status.value).scalar_subquery()
        for status in MessageStatus
    ]
    return dict(zip(MessageStatus, connection.execute(select(*counts)).one(), strict=True))


def _median_latency(connection: Connection, period: _Conditions) -> float | None:
    """Over the newest of them, in milliseconds."""
    found: list[int] = []
    for status in _HANDED_OVER:
        statement = (
            select(Message.latency_ms)
            .where(*period, Message.status == status.value, Message.scheduled_at.is_(None))
            .order_by(Message.created_at.desc(), Message.id.desc())
            .limit(_LATENCIES)
        )
        found += [value for value in connection.scalars(statement) if value is not None]
    return median(found) if found else None


# -- failures ---------------------------------------------------------------------------------


def list_failures(
    connection: Connection, workspace_id: int, livemode: bool, *, now: datetime
) -> list[Failure]:
    """The newest failures of the last 24 hours, those of one reason together."""
    statement = (
        listed_columns()
        .where(
            *of_room(workspace_id, livemode),
            Message.status == MessageStatus.FAILED.value,
            Message.created_at >= now - _DAY,
        )
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(_FAILURES_READ)
    )
    by_reason: dict[str | None, list[ListedMessage]] = {}
    for row in connection.execute(statement):
        message = listed_message(row)
        by_reason.setdefault(message.error, []).append(message)
    groups = list(by_reason.values())[:_FAILURES_SHOWN]
    return [Failure(messages[0], len(messages)) for messages in groups]


# -- set-up -----------------------------------------------------------------------------------


def find_progress(
    connection: Connection, workspace_id: int, *, has_environment_connection: bool
) -> Progress:
    """Which steps are done, in either mode."""
    return Progress(
        has_key=_exists(connection, select(ApiKey.id).where(ApiKey.workspace_id == workspace_id)),
        has_test_message=has_messages(connection, workspace_id, livemode=False),
        has_connection=has_environment_connection
        or _exists(
            connection,
            select(ProviderConnection.id).where(ProviderConnection.workspace_id == workspace_id),
        ),
        has_published=_exists(
            connection,
            select(TemplateVersion.id)
            .join(Template, Template.id == TemplateVersion.template_id)
            .where(
                Template.workspace_id == workspace_id, TemplateVersion.published_at.is_not(None)
            ),
        ),
        has_live_message=_was_handed_over(connection, workspace_id),
    )


def _was_handed_over(connection: Connection, workspace_id: int) -> bool:
    """Whether any live message reached a provider."""
    live = select(Message.id).where(*of_room(workspace_id, livemode=True))
    return any(
        _exists(connection, live.where(Message.status == status.value)) for status in _HANDED_OVER
    )


def _exists(connection: Connection, statement: Any) -> bool:
    return connection.execute(statement.limit(1)).first() is not None
