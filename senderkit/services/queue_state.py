"""What is still to go out: what is due and waits, what is scheduled ahead, what is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, func, or_, select, union_all

from senderkit.domain import MessageStatus
from senderkit.models import Message
from senderkit.outbox import find_due
from senderkit.services.browsing import of_held
from senderkit.services.reports import Count, count_up_to, of_room

MAX_WAITING: Final = 10_000
MAX_SCHEDULED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Queue:
    """`waiting` counts what is due and nobody is at; `oldest_due_at` is when the first of it
    was due, None when nothing waits."""

    waiting: Count
    oldest_due_at: datetime | None
    scheduled: Count
    held: Count


def find_queue(
    connection: Connection, workspace_id: int, livemode: bool, *, now: datetime
) -> Queue:
    """The queue of one mode. Reads no more than some thousand rows, however long the queue is."""
    room = of_room(workspace_id, livemode)
    waiting, oldest_due_at = _find_waiting(connection, workspace_id, livemode, now)
    scheduled = (*room, Message.status == MessageStatus.SCHEDULED.value)
    return Queue(
        waiting,
        oldest_due_at,
        count_up_to(connection, scheduled, MAX_SCHEDULED),
        count_up_to(connection, of_held(workspace_id, livemode), MAX_SCHEDULED),
    )


def _find_waiting(
    connection: Connection, workspace_id: int, livemode: bool, now: datetime
) -> tuple[Count, datetime | None]:
    """Lane by lane, the longest waiting of each, as the dispatcher looks for them."""
    lanes = [lane for lane, due_at in find_due(connection, now=now).items() if due_at <= now]
    if not lanes:
        return Count(0), None
    is_free = or_(Message.lease_until.is_(None), Message.lease_until <= now)
    firsts = [
        select(Message.workspace_id, Message.livemode, Message.due_at)
        .where(Message.lane == lane, Message.due_at <= now, is_free)
        .order_by(Message.due_at)
        .limit(MAX_WAITING + 1)
        .subquery()
        for lane in lanes
    ]
    due = union_all(*(select(first) for first in firsts)).subquery()
    is_ours = and_(due.c.workspace_id == workspace_id, due.c.livemode == livemode)
    statement = select(func.count(), func.min(due.c.due_at)).where(is_ours)
    number, oldest_due_at = connection.execute(statement).one()
    return Count(min(number, MAX_WAITING), number > MAX_WAITING), oldest_due_at
