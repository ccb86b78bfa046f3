"""What the overview shows of messages: counts over time, shares, times, failures by reason.

All of it is read from rollups: a few hundred rows, however many messages there are. It lags behind
by what the follower has not taken in yet, about a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from senderkit.commands import ViewOverview
from senderkit.domain import Facet, Grain, MessageStatus, TimelineEvent
from senderkit.models import (
    ApiKey,
    ChangeFollower,
    FailureReason,
    FailureRollup,
    Rollup,
    RollupCell,
    TimelineEntry,
)
from senderkit.services import histograms
from senderkit.services.rollups import Rollups
from senderkit.services.totals import NOTHING, Totals
from senderkit.services.windows import Window

MAX_CHOICES: Final = 100
MAX_FAILURES: Final = 8
MAX_PARTS: Final = 10
_LATE: Final = timedelta(seconds=10)

# -- which cells ------------------------------------------------------------------------------

_COLUMNS: Final[Mapping[Facet, Any]] = {
    Facet.CHANNEL: RollupCell.channel,
    Facet.TEMPLATE: RollupCell.template_slug,
    Facet.PROVIDER: RollupCell.provider,
    Facet.KEY: RollupCell.api_key_id,
}
PARTS: Final = tuple(_COLUMNS)
"""By what messages can be told apart, and asked for."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which messages are counted: those of a workspace's mode that a query asks for."""

    workspace_id: int
    livemode: bool
    query: ViewOverview

    def asked(self) -> dict[Facet, Any]:
        """The traits that are asked for. An unknown key is one that nothing was sent with."""
        key = select(ApiKey.id).where(
            ApiKey.public_id == self.query.key, ApiKey.workspace_id == self.workspace_id
        )
        found = {
            Facet.CHANNEL: self.query.channel and self.query.channel.value,
            Facet.TEMPLATE: self.query.template,
            Facet.PROVIDER: self.query.provider,
            Facet.KEY: self.query.key and key.scalar_subquery(),
        }
        return {facet: value for facet, value in found.items() if value is not None}

    def cells(self, *, by: Facet | None = None) -> ColumnElement[bool]:
        """The cells whose counts add up to the messages; told apart by one more trait with `by`.

        As few as there are: one where a single trait or none is asked for.
        """
        asked = self.asked()
        told = {*asked, by} if by else set(asked)
        facet = Facet.FULL if len(told) > 1 else next(iter(told), Facet.ALL)
        return and_(
            self.facet(facet), *(_COLUMNS[trait] == value for trait, value in asked.items())
        )

    def facet(self, facet: Facet) -> ColumnElement[bool]:
        return and_(
            RollupCell.workspace_id == self.workspace_id,
            RollupCell.livemode == self.livemode,
            RollupCell.facet == facet.value,
        )


# -- counts -----------------------------------------------------------------------------------

_Row = Row[*tuple[Any, ...]]

_STATUS_COLUMNS: Final = tuple(getattr(Rollup, status.value) for status in MessageStatus)


def list_totals(connection: Connection, scope: Scope, window: Window) -> list[Totals]:
    """For each hour or day of the window, in order."""
    stretch = (window.grain, window.begins_at, window.ends_at)
    found: dict[datetime, list[_Row]] = {}
    for row in _rows(connection, scope, stretch):
        found.setdefault(row[0], []).append(row)
    return [_totals(found.get(start, ())) for start in window.starts]


def sum_before(connection: Connection, scope: Scope, window: Window) -> Totals:
    """Of as much time before the window."""
    stretches = [_rows(connection, scope, stretch) for stretch in window.before]
    return _totals([row for rows in stretches for row in rows])


def _rows(
    connection: Connection, scope: Scope, stretch: tuple[Grain, datetime, datetime]
) -> Iterable[_Row]:
    columns = (Rollup.starts_at, Rollup.handed_over, Rollup.arrived, *_STATUS_COLUMNS)
    return connection.execute(
        select(*columns)
        .join(RollupCell, RollupCell.id == Rollup.cell_id)
        .where(scope.cells(), *_within(Rollup, *stretch))
    )


def _within(
    kind: Any, grain: Grain, begins_at: datetime, ends_at: datetime
) -> tuple[ColumnElement[bool], ...]:
    return (kind.grain == grain.value, kind.starts_at >= begins_at, kind.starts_at < ends_at)


def _totals(rows: Sequence[_Row]) -> Totals:
    if not rows:
        return NOTHING
    _, handed_over, arrived, *counts = zip(*rows, strict=True)
    by_status = dict(zip(MessageStatus, map(sum, counts), strict=True))
    return Totals(by_status, histograms.loaded(handed_over), histograms.loaded(arrived))


@dataclass(frozen=True, slots=True)
class Part:
    """The messages that share a trait. `value` is the slug, name or public id; None: without.

    `words` are what people call it where that differs, such as the name of a key.
    """

    value: str | None
    words: str | None
    totals: Totals


def list_parts(
    connection: Connection, scope: Scope, window: Window, facet: Facet
) -> tuple[list[Part], bool]:
    """The messages of the window by one trait, the largest part first, and whether there are
    more parts than these."""
    column = _COLUMNS[facet]
    sums = [func.sum(column) for column in _STATUS_COLUMNS]
    accepted = sum(sums[1:], start=sums[0])
    statement = (
        select(column, *sums)
        .select_from(RollupCell)
        .join(Rollup, Rollup.cell_id == RollupCell.id)
        .where(
            scope.cells(by=facet), *_within(Rollup, window.grain, window.begins_at, window.ends_at)
        )
        .group_by(column)
        .having(accepted > 0)
        .order_by(accepted.desc(), column)
        .limit(MAX_PARTS + 1)
    )
    rows = list(connection.execute(statement))
    names = _key_names(connection, rows) if facet is Facet.KEY else {}
    parts = [_part(row, names) for row in rows[:MAX_PARTS]]
    return parts, len(rows) > MAX_PARTS


def _part(row: _Row, names: Mapping[int, tuple[str, str]]) -> Part:
    # Postgres adds integers up to a Decimal.
    by_status = {status: int(n) for status, n in zip(MessageStatus, row[1:], strict=True)}
    value, words = names.get(row[0], (row[0], None))
    return Part(value, words, Totals(by_status))


def _key_names(connection: Connection, rows: Iterable[_Row]) -> dict[int, tuple[str, str]]:
    """Public id and name by the key's number."""
    ids = [row[0] for row in rows if row[0] is not None]
    statement = select(ApiKey.id, ApiKey.public_id, ApiKey.name).where(ApiKey.id.in_(ids))
    return {row[0]: (row[1], row[2]) for row in connection.execute(statement)}


# -- failures ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Messages that failed for one reason; `words` is empty where none was given.

    `newest_at` is when the newest of them was accepted.
    """

    reason_key: str
    words: str
    count: int
    newest_at: datetime


def list_failures(
    connection: Connection, scope: Scope, window: Window
) -> tuple[list[FailureGroup], bool]:
    """The failures of the window by reason, newest first, and whether there are more reasons."""
    newest = func.max(FailureRollup.newest_at)
    statement = (
        select(
            FailureRollup.reason_key, FailureReason.words, func.sum(FailureRollup.failed), newest
        )
        .select_from(RollupCell)
        .join(FailureRollup, FailureRollup.cell_id == RollupCell.id)
        .join(FailureReason, FailureReason.key == FailureRollup.reason_key)
        .where(
            scope.cells(),
            *_within(FailureRollup, window.grain, window.begins_at, window.ends_at),
        )
        .group_by(FailureRollup.reason_key, FailureReason.words)
        .order_by(newest.desc(), FailureRollup.reason_key)
        .limit(MAX_FAILURES + 1)
    )
    rows = list(connection.execute(statement))
    groups = [FailureGroup(row[0], row[1], int(row[2]), row[3]) for row in rows[:MAX_FAILURES]]
    return groups, len(rows) > MAX_FAILURES


# -- what there is to ask for -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choices:
    """The traits that messages of a mode have, at most `MAX_CHOICES` of each kind.

    `keys` are public ids and names, the newest first.
    """

    templates: tuple[str, ...]
    providers: tuple[str, ...]
    keys: tuple[tuple[str, str], ...]


def list_choices(connection: Connection, scope: Scope) -> Choices:
    """What the filters offer."""
    keys = (
        select(ApiKey.public_id, ApiKey.name)
        .join(RollupCell, RollupCell.api_key_id == ApiKey.id)
        .where(scope.facet(Facet.KEY))
        .order_by(ApiKey.id.desc())
        .limit(MAX_CHOICES)
    )
    return Choices(
        _values(connection, scope, Facet.TEMPLATE),
        _values(connection, scope, Facet.PROVIDER),
        tuple((row[0], row[1]) for row in connection.execute(keys)),
    )


def _values(connection: Connection, scope: Scope, facet: Facet) -> tuple[str, ...]:
    column = _COLUMNS[facet]
    statement = select(column).where(scope.facet(facet), column.is_not(None))
    return tuple(connection.scalars(statement.order_by(column).limit(MAX_CHOICES)))


def find_lag(connection: Connection, *, now: datetime) -> datetime | None:
    """Until when changes are counted, unless that is as good as now.

    Moments that a provider told may be long past, so only our own steps are asked.
    """
    position = (
        select(ChangeFollower.position).where(ChangeFollower.name == Rollups.name).scalar_subquery()
    )
    ours = (TimelineEvent.QUEUED, TimelineEvent.SCHEDULED, TimelineEvent.SENT)
    statement = (
        select(TimelineEntry.at)
        .where(
            TimelineEntry.change_seq > func.coalesce(position, 0),
            TimelineEntry.event.in_([event.value for event in ours]),
        )
        .order_by(TimelineEntry.change_seq)
        .limit(1)
    )
    first = connection.scalars(statement).one_or_none()
    return first if first is not None and first < now - _LATE else None
