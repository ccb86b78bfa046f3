"""The outbox: claim, renew, lock. The only file that knows how two databases lock.

The message row is the job. A claim is one conditional UPDATE that sets a lease; whoever finishes
needs the lease's token, so a worker frozen beyond its lease cannot write its late result. An
expired lease is claimable again: delivery is at-least-once.

Each lane (see `Message`) is claimed from by itself: a backlog in one does not hide the others.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, func, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from senderkit.domain import Channel, JsonObject, MessageStatus, Mode
from senderkit.models import Message, MessageContent, UtcDateTime


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process may work on until its lease ends."""

    id: int
    public_id: str
    workspace_id: int
    mode: Mode
    channel: Channel
    status: MessageStatus
    recipient: str
    recipient_key: str
    template_slug: str | None
    template_version_id: int | None
    lane: str
    vars: JsonObject
    from_override: str | None
    attempts: int
    round: int
    created_at: datetime
    lease_token: str
    lease_until: datetime
    request: JsonObject
    scheduled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LockedMessage:
    """What a change of a message is decided on, read under its lock."""

    status: MessageStatus
    lease_token: str | None


_CLAIMED: Final = (
    Message.id,
    Message.public_id,
    Message.workspace_id,
    Message.livemode,
    Message.channel,
    Message.status,
    Message.recipient,
    Message.recipient_key,
    Message.template_slug,
    Message.template_version_id,
    Message.lane,
    Message.vars,
    Message.from_override,
    Message.attempts,
    Message.round,
    Message.created_at,
    Message.lease_token,
    Message.lease_until,
    Message.due_at,
    Message.scheduled_at,
)


# The statements are made once: making them costs more than running them.
_NOW: Final = bindparam("now", type_=UtcDateTime())
_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_WAITS: Final = Message.due_at.is_not(None)
_IS_FREE: Final = or_(Message.lease_until.is_(None), Message.lease_until <= _NOW)


def _due_statement() -> Select[Any]:
    """The lanes that have something waiting, found one by one in the index, and its moment."""
    lanes = select(func.min(Message.lane).label("lane")).where(_WAITS).cte("lanes", recursive=True)
    following = select(func.min(Message.lane)).where(_WAITS, Message.lane > lanes.c.lane)
    lanes = lanes.union_all(select(following.scalar_subquery()).where(lanes.c.lane.is_not(None)))
    first = (
        select(Message.due_at)
        .where(Message.lane == lanes.c.lane, _WAITS, _IS_FREE)
        .order_by(Message.due_at)
        .limit(1)
    )
    return select(lanes.c.lane, first.scalar_subquery())


def _claim_statement() -> ReturningUpdate[Any]:
    """On Postgres rows that somebody else has locked are passed over; SQLite has one writer."""
    due = (
        select(Message.id)
        .where(Message.lane == bindparam("of_lane"), Message.due_at <= _NOW, _IS_FREE)
        .order_by(Message.due_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        # A CTE runs once; as a subquery a planner might run it, and its limit, again and again.
        .cte("due")
    )
    leased = update(Message).where(Message.id.in_(select(due.c.id)))
    leased = leased.values(lease_until=bindparam("until"), lease_token=bindparam("token"))
    return leased.returning(*_CLAIMED)


_DUE: Final = _due_statement()
_CLAIM: Final = _claim_statement()
_REQUESTS: Final = select(MessageContent.message_id, MessageContent.request).where(
    MessageContent.message_id.in_(_IDS)
)
_LOCK: Final = (
    select(Message.id, Message.status, Message.lease_token)
    .where(Message.id.in_(_IDS))
    .order_by(Message.id)
    .with_for_update()
)


def find_due(connection: Connection, *, now: datetime) -> dict[str, datetime]:
    """When the next message of each lane can be claimed; a lane with nothing is not there."""
    rows = connection.execute(_DUE, {"now": now})
    return {row[0]: row[1] for row in rows if row[1] is not None}


def claim(
    connection: Connection, *, lane: str, now: datetime, limit: int, lease_seconds: float
) -> list[Claim]:
    """Lease up to `limit` messages of a lane that are due, the longest waiting first."""
    values = {
        "of_lane": lane,
        "now": now,
        "most": limit,
        "until": now + timedelta(seconds=lease_seconds),
        "token": secrets.token_hex(16),
    }
    rows = sorted(connection.execute(_CLAIM, values), key=lambda row: (row.due_at, row.id))
    if not rows:
        return []
    contents = connection.execute(_REQUESTS, {"ids": [row.id for row in rows]})
    requests: dict[int, JsonObject] = {row[0]: row[1] for row in contents}
    # Without its request a message fails by itself when it is prepared, not its whole batch here.
    return [_claim_of(row, requests.get(row.id, {})) for row in rows]


def _claim_of(row: Row[*tuple[Any, ...]], request: JsonObject) -> Claim:
    return Claim(
        id=row.id,
        public_id=row.public_id,
        workspace_id=row.workspace_id,
        mode=Mode.of(row.livemode),
        channel=Channel(row.channel),
        status=MessageStatus(row.status),
        recipient=row.recipient,
        recipient_key=row.recipient_key,
        template_slug=row.template_slug,
        template_version_id=row.template_version_id,
        lane=row.lane,
        vars=row.vars,
        from_override=row.from_override,
        attempts=row.attempts,
        round=row.round,
        created_at=row.created_at,
        lease_token=row.lease_token,
        lease_until=row.lease_until,
        request=request,
        scheduled_at=row.scheduled_at,
    )


def renew(connection: Connection, leases: Mapping[int, str], *, until: datetime) -> set[int]:
    """Lengthen the leases of work under way, given by message id and token.

    Returns the messages that are still ours; a lease that was lost stays lost.
    """
    kept = _still_ours(connection, leases)
    _set(connection, kept, lease_until=until)
    return kept


def release(connection: Connection, leases: Mapping[int, str]) -> None:
    """Give back claimed messages that were not begun, to be claimed anew at once."""
    kept = _still_ours(connection, leases)
    _set(connection, kept, lease_until=None, lease_token=None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message waits: in which lane, and until when unless it is due already."""

    lane: str
    due_at: datetime | None = None


def move(connection: Connection, leases: Mapping[int, str], places: Mapping[int, Place]) -> None:
    """Give back claimed messages that are to wait elsewhere or longer, named by message id."""
    by_place: dict[Place, set[int]] = {}
    for message_id in _still_ours(connection, leases):
        by_place.setdefault(places[message_id], set()).add(message_id)
    for place, message_ids in by_place.items():
        due = {} if place.due_at is None else {"due_at": place.due_at}
        _set(connection, message_ids, lease_until=None, lease_token=None, lane=place.lane, **due)


def _still_ours(connection: Connection, leases: Mapping[int, str]) -> set[int]:
    locked = lock_messages(connection, list(leases))
    return {id_ for id_, message in locked.items() if message.lease_token == leases[id_]}


def _set(connection: Connection, message_ids: Collection[int], **values: Any) -> None:
    if message_ids:
        connection.execute(update(Message).where(Message.id.in_(message_ids)).values(**values))


def lock_messages(connection: Connection, message_ids: Sequence[int]) -> dict[int, LockedMessage]:
    """Lock rows in the order of their ids, so that two batches never wait for each other."""
    if not message_ids:
        return {}
    rows = connection.execute(_LOCK, {"ids": sorted(set(message_ids))})
    return {row[0]: LockedMessage(MessageStatus(row[1]), row[2]) for row in rows}
