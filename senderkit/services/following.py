"""New and changed messages after a number of the change sequence, for those who look on.

Numbers commit in their own order, so whoever has seen all changes up to a number asks for those
after it and misses none. A message that changed several times in between is read once, as it is
now, under the number of its last change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from senderkit.commands import BrowseMessages, ListMessages
from senderkit.models import ChangeCounter, Message, TimelineEntry
from senderkit.services.browsing import browse_conditions
from senderkit.services.reports import (
    MESSAGE_COLUMNS,
    MessageView,
    all_conditions,
    of_room,
    timelines_of,
)

Query = ListMessages | BrowseMessages


@dataclass(frozen=True, slots=True)
class Room:
    """A workspace's messages of one mode: nobody sees more."""

    workspace_id: int
    livemode: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A message as it is now, and the number of its last change."""

    number: int
    room: Room
    view: MessageView

    @property
    def id(self) -> int:
        found: int = self.view.row.id
        return found


_NEWEST: Final = select(ChangeCounter.value)
_CHANGED: Final = select(*MESSAGE_COLUMNS, Message.workspace_id).join_from(
    TimelineEntry,
    Message,
    and_(Message.id == TimelineEntry.message_id, Message.change_seq == TimelineEntry.change_seq),
)


def newest_number(connection: Connection) -> int:
    """The number of the newest change that is committed; 0 before the first."""
    return connection.execute(_NEWEST).scalar_one()


def conditions_of(room: Room, query: Query) -> list[ColumnElement[bool]]:
    """The filters of a query; an empty list lets every message of its room pass."""
    if isinstance(query, BrowseMessages):
        return browse_conditions(room.workspace_id, query)
    return all_conditions(query)


def list_changed(
    connection: Connection,
    rooms: Collection[Room],
    after: int,
    last: int,
    *,
    limit: int,
    conditions: Sequence[ColumnElement[bool]] = (),
) -> list[Changed]:
    """The messages of `rooms` whose last change has a number above `after`, up to `last`.

    In the order of those numbers, `limit` at most. One that has changed after `last` is left out:
    its time comes. Every number up to `last` must be committed.
    """
    number = TimelineEntry.change_seq
    found = connection.execute(
        _CHANGED.where(number > after, number <= last, _in_one_of(rooms), *conditions)
        .order_by(number)
        .limit(limit)
    )
    rows = list(found)
    timelines = timelines_of(connection, [row.id for row in rows])
    return [
        Changed(
            row.change_seq,
            Room(row.workspace_id, row.livemode),
            MessageView(row, timelines.get(row.id, ())),
        )
        for row in rows
    ]


def _in_one_of(rooms: Iterable[Room]) -> ColumnElement[bool]:
    conditions = (and_(*of_room(room.workspace_id, room.livemode)) for room in rooms)
    return or_(*conditions)


def find_fitting(
    connection: Connection, room: Room, query: Query, changed: Sequence[Changed]
) -> frozenset[int]:
    """The ids of those messages, all of `room`, that pass a query's filters."""
    ids = [each.id for each in changed]
    conditions: list[Any] = conditions_of(room, query)
    if not conditions or not ids:
        return frozenset(ids)
    statement = select(Message.id).where(Message.id.in_(ids), *conditions)
    return frozenset(connection.execute(statement).scalars())
