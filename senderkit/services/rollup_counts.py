"""Where the counts are kept: cells, their rows by hour and by day, failures by their reason.

Whoever calls holds the lock of the follower's position, so that rows can be read, added to and
written without anybody else coming between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from senderkit.domain import Facet, Grain, MessageStatus, Mode
from senderkit.models import (
    FailureReason,
    FailureRollup,
    MessageFailure,
    Rollup,
    RollupCell,
    UtcDateTime,
)
from senderkit.services.reasons import Reason
from senderkit.services.rollup_folds import Standing


class Traits(NamedTuple):
    """By what a message may be counted."""

    workspace_id: int
    livemode: bool
    channel: str | None
    template_slug: str | None
    provider: str | None
    api_key_id: int | None


class Source(NamedTuple):
    """What of a message never changes."""

    id: int
    workspace_id: int
    livemode: bool
    created_at: datetime
    channel: str
    template_slug: str | None
    api_key_id: int | None


_Counts = dict[str, int]


@dataclass(slots=True)
class Tally:
    """What is to be added to the counts of some messages; it may be below nought.

    `statuses` goes by status, the other two by bucket.
    """

    statuses: _Counts = field(default_factory=dict)
    handed_over: _Counts = field(default_factory=dict)
    arrived: _Counts = field(default_factory=dict)

    def count(self, standing: Standing, by: int) -> None:
        _add(self.statuses, {standing.status.value: by})
        if standing.handed_over is not None:
            _add(self.handed_over, {str(standing.handed_over): by})
        if standing.arrived is not None:
            _add(self.arrived, {str(standing.arrived): by})

    def add(self, other: Tally) -> None:
        _add(self.statuses, other.statuses)
        _add(self.handed_over, other.handed_over)
        _add(self.arrived, other.arrived)


def _add(counts: _Counts, more: Mapping[str, int]) -> None:
    """A plain loop: `Counter` takes several times as long for so few."""
    for name, by in more.items():
        counts[name] = counts.get(name, 0) + by


@dataclass(slots=True)
class _Failures:
    """Failed messages of one reason: how many, and when the newest was accepted."""

    failed: int
    newest_at: datetime

    def add(self, other: _Failures) -> None:
        self.failed += other.failed
        self.newest_at = max(self.newest_at, other.newest_at)


class Failed(NamedTuple):
    """A message that has just failed."""

    source: Source
    traits: Traits
    reason: Reason


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


# -- cells ------------------------------------------------------------------------------------

_INSERTS: Final[Mapping[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_KNOWN_TRAITS: Final = 10_000


def _put(kind: Any, *keys: str) -> dict[str, Any]:
    """For each database the statement that writes whole rows, there already or not."""
    found = {}
    for name, insert in _INSERTS.items():
        statement = insert(kind)
        values = {column.name: column for column in statement.excluded if column.name not in keys}
        found[name] = statement.on_conflict_do_update(index_elements=list(keys), set_=values)
    return found


def _add_new(kind: Any) -> dict[str, Any]:
    return {name: insert(kind).on_conflict_do_nothing() for name, insert in _INSERTS.items()}


_ADD_CELLS: Final = _add_new(RollupCell)
_FIND_CELLS: Final = select(RollupCell.name, RollupCell.id).where(
    RollupCell.name.in_(bindparam("names", expanding=True))
)

CellIds = Mapping[Traits, Sequence[int]]
"""The ids of the cells that messages with these traits belong to."""


@lru_cache(_KNOWN_TRAITS)
def _cells_of(traits: Traits) -> Mapping[str, dict[str, Any]]:
    """Every set that messages with these traits belong to: its row by its name."""
    room: dict[str, Any] = {"workspace_id": traits.workspace_id, "livemode": traits.livemode}
    told_by: dict[Facet, tuple[str, ...]] = {
        Facet.ALL: (),
        Facet.CHANNEL: ("channel",),
        Facet.TEMPLATE: ("template_slug",),
        Facet.PROVIDER: ("provider",),
        Facet.KEY: ("api_key_id",),
        Facet.FULL: ("channel", "template_slug", "provider", "api_key_id"),
    }
    found = {}
    for facet, names in told_by.items():
        values = {name: getattr(traits, name) for name in names}
        # Nothing that comes here has a slash.
        shown = ("" if value is None else str(value) for value in values.values())
        mode = Mode.of(traits.livemode).value
        name = "/".join((str(traits.workspace_id), mode, facet.value, *shown))
        found[name] = {"name": name, "facet": facet.value, **room, **_NO_TRAITS, **values}
    return found


_NO_TRAITS: Final = dict.fromkeys(("channel", "template_slug", "provider", "api_key_id"))


def find_cells(connection: Connection, all_traits: Iterable[Traits]) -> CellIds:
    """New cells are stored."""
    by_traits = {traits: _cells_of(traits) for traits in all_traits}
    rows = {name: row for cells in by_traits.values() for name, row in cells.items()}
    ids = _known_ids(connection, rows)
    new = [row for name, row in rows.items() if name not in ids]
    if new:
        connection.execute(_ADD_CELLS[connection.dialect.name], new)
        ids |= _known_ids(connection, (row["name"] for row in new))
    return {traits: [ids[name] for name in cells] for traits, cells in by_traits.items()}


def _known_ids(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(_FIND_CELLS, {"names": list(names)})}


# -- counts -----------------------------------------------------------------------------------

_Place = tuple[int, str, datetime]
"""A row: its cell's id, its grain and when its time begins."""

_STATUSES: Final = tuple(status.value for status in MessageStatus)
_STARTS: Final = bindparam("starts", type_=UtcDateTime(), expanding=True)
_CELLS: Final[BindParameter[Any]] = bindparam("cells", expanding=True)
_COUNTS: Final = select(
    Rollup.cell_id,
    Rollup.grain,
    Rollup.starts_at,
    Rollup.handed_over,
    Rollup.arrived,
    *(getattr(Rollup, status) for status in _STATUSES),
).where(Rollup.cell_id.in_(_CELLS), Rollup.grain.in_(list(Grain)), Rollup.starts_at.in_(_STARTS))
_PUT_COUNTS: Final = _put(Rollup, "cell_id", "grain", "starts_at")


def _places(cell_id: int, hour: datetime) -> tuple[_Place, _Place]:
    return (
        (cell_id, Grain.HOUR.value, hour),
        (cell_id, Grain.DAY.value, hour.replace(hour=0)),
    )


def _wanted(places: Iterable[_Place]) -> dict[str, Any]:
    return {"cells": list({p[0] for p in places}), "starts": list({p[2] for p in places})}


def add_counts(
    connection: Connection,
    cell_ids: CellIds,
    tallies: Mapping[tuple[Traits, datetime], Tally],
) -> None:
    """The rows are read, added to and written: nobody else writes while the position is locked."""
    sums: dict[_Place, Tally] = {}
    for (traits, hour), tally in tallies.items():
        for cell_id in cell_ids[traits]:
            for place in _places(cell_id, hour):
                sums.setdefault(place, Tally()).add(tally)
    stored = {tuple(row[:3]): row for row in connection.execute(_COUNTS, _wanted(sums))}
    written = [_added(place, stored.get(place), tally) for place, tally in sums.items()]
    connection.execute(_PUT_COUNTS[connection.dialect.name], written)


def _added(place: _Place, row: Any, tally: Tally) -> dict[str, Any]:
    values: dict[str, Any] = dict(zip(("cell_id", "grain", "starts_at"), place, strict=True))
    handed_over, arrived, *counts = row[3:] if row else ({}, {}, *(0 for _ in _STATUSES))
    for status, count in zip(_STATUSES, counts, strict=True):
        values[status] = count + tally.statuses.get(status, 0)
    values["handed_over"] = _histogram(handed_over, tally.handed_over)
    values["arrived"] = _histogram(arrived, tally.arrived)
    return values


def _histogram(stored: Any, added: _Counts) -> _Counts:
    _add(stored, added)
    return {bucket: count for bucket, count in stored.items() if count}


# -- failures ---------------------------------------------------------------------------------

_ADD_REASONS: Final = _add_new(FailureReason)
_ADD_MESSAGES: Final = _add_new(MessageFailure)
_FAILURES: Final = select(
    FailureRollup.cell_id,
    FailureRollup.grain,
    FailureRollup.starts_at,
    FailureRollup.reason_key,
    FailureRollup.failed,
    FailureRollup.newest_at,
).where(
    FailureRollup.cell_id.in_(_CELLS),
    FailureRollup.grain.in_(list(Grain)),
    FailureRollup.starts_at.in_(_STARTS),
    FailureRollup.reason_key.in_(bindparam("keys", expanding=True)),
)
_PUT_FAILURES: Final = _put(FailureRollup, "cell_id", "grain", "starts_at", "reason_key")


def add_failures(connection: Connection, cell_ids: CellIds, failed: Sequence[Failed]) -> None:
    """That a message failed is an end, so nothing is ever taken off again."""
    if not failed:
        return
    dialect = connection.dialect.name
    reasons = {each.reason.key: each.reason.words for each in failed}
    named = [{"key": key, "words": words} for key, words in reasons.items()]
    connection.execute(_ADD_REASONS[dialect], named)
    connection.execute(_ADD_MESSAGES[dialect], [_failure_row(each) for each in failed])
    connection.execute(_PUT_FAILURES[dialect], _failure_counts(connection, cell_ids, failed))


def _failure_row(failed: Failed) -> dict[str, Any]:
    return {
        "message_id": failed.source.id,
        "workspace_id": failed.source.workspace_id,
        "livemode": failed.source.livemode,
        "reason_key": failed.reason.key,
        "created_at": failed.source.created_at,
    }


def _failure_counts(
    connection: Connection, cell_ids: CellIds, failed: Sequence[Failed]
) -> list[dict[str, Any]]:
    sums: dict[tuple[_Place, str], _Failures] = {}
    for source, traits, reason in failed:
        for cell_id in cell_ids[traits]:
            for place in _places(cell_id, hour_of(source.created_at)):
                none = _Failures(0, source.created_at)
                one = _Failures(1, source.created_at)
                sums.setdefault((place, reason.key), none).add(one)
    keys = list({key for _, key in sums})
    for row in connection.execute(_FAILURES, _wanted([p for p, _ in sums]) | {"keys": keys}):
        kept = sums.get(((row[0], row[1], row[2]), row[3]))
        if kept is not None:
            kept.add(_Failures(row[4], row[5]))
    names = ("cell_id", "grain", "starts_at", "reason_key", "failed", "newest_at")
    return [
        dict(zip(names, (*place, key, each.failed, each.newest_at), strict=True))
        for (place, key), each in sums.items()
    ]
