"""The outbox: claim, renew, lock. The only file that knows how two databases lock.

The message row is the job. A claim is one conditional UPDATE that sets a lease; whoever finishes
needs the lease's token, so a worker frozen beyond its lease cannot write its late result. An
expired lease is claimable again: delivery is at-least-once.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select, update
from sqlalchemy.sql import func

from senderkit.domain import Channel, JsonObject, MessageStatus, Mode
from senderkit.models import Message, MessageContent


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
    vars: JsonObject
    from_override: str | None
    attempts: int
    created_at: datetime
    lease_token: str
    request: JsonObject


@dataclass(frozen=True, slots=True)
class LockedMessage:
    """What a change of a message is decided on, read under its lock."""

    id: int
    public_id: str
    workspace_id: int
    livemode: bool
    status: MessageStatus
    lease_token: str | None
    due_at: datetime | None
    attempts: int
    opened_at: datetime | None
    clicked_at: datetime | None


_CLAIMED = (
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
    Message.vars,
    Message.from_override,
    Message.attempts,
    Message.created_at,
    Message.lease_token,
)


def claim(
    connection: Connection, *, now: datetime, limit: int, lease_seconds: float
) -> list[Claim]:
    """Lease up to `limit` messages that are due, the longest waiting first."""
    due = (
        select(Message.id)
        .where(Message.due_at <= now)
        .where(or_(Message.lease_until.is_(None), Message.lease_until <= now))
        .order_by(Message.due_at)
        .limit(limit)
    )
    statement = (
        update(Message)
        .where(Message.id.in_(_skipping_locked(connection, due).scalar_subquery()))
        .values(
            lease_until=now + timedelta(seconds=lease_seconds), lease_token=secrets.token_hex(16)
        )
        .returning(*_CLAIMED)
        .execution_options(synchronize_session=False)
    )
    rows = sorted(connection.execute(statement).all(), key=lambda row: int(row[0]))
    if not rows:
        return []
    requests = _requests(connection, [row[0] for row in rows])
    return [_claim_of(row, requests[row[0]]) for row in rows]


def _skipping_locked(connection: Connection, due: Select[int]) -> Select[int]:
    if connection.dialect.name == "postgresql":
        return due.with_for_update(skip_locked=True)
    return due  # SQLite's one writer has the whole database to itself


def _requests(connection: Connection, message_ids: Sequence[int]) -> dict[int, JsonObject]:
    rows = connection.execute(
        select(MessageContent.message_id, MessageContent.request).where(
            MessageContent.message_id.in_(message_ids)
        )
    )
    return {row[0]: row[1] for row in rows}


def _claim_of(row: Row[*tuple[Any, ...]], request: JsonObject) -> Claim:
    return Claim(
        id=row[0],
        public_id=row[1],
        workspace_id=row[2],
        mode=Mode.of(row[3]),
        channel=Channel(row[4]),
        status=MessageStatus(row[5]),
        recipient=row[6],
        recipient_key=row[7],
        template_slug=row[8],
        template_version_id=row[9],
        vars=row[10],
        from_override=row[11],
        attempts=row[12],
        created_at=row[13],
        lease_token=row[14],
        request=request,
    )


def renew(
    connection: Connection,
    leases: Mapping[int, str],
    *,
    now: datetime,
    lease_seconds: float,
) -> None:
    """Lengthen the leases of work still under way; one that was lost stays lost."""
    until = now + timedelta(seconds=lease_seconds)
    for message_id, token in sorted(leases.items()):
        connection.execute(
            update(Message)
            .where(Message.id == message_id, Message.lease_token == token)
            .values(lease_until=until)
        )


def release(connection: Connection, leases: Mapping[int, str]) -> None:
    """Give back claimed messages that were not begun, so that another process takes them now."""
    for message_id, token in sorted(leases.items()):
        connection.execute(
            update(Message)
            .where(Message.id == message_id, Message.lease_token == token)
            .values(lease_until=None, lease_token=None)
        )


def lock_messages(connection: Connection, message_ids: Sequence[int]) -> dict[int, LockedMessage]:
    """Lock rows in the order of their ids, so that two batches never wait for each other."""
    statement = (
        select(
            Message.id,
            Message.public_id,
            Message.workspace_id,
            Message.livemode,
            Message.status,
            Message.lease_token,
            Message.due_at,
            Message.attempts,
            Message.opened_at,
            Message.clicked_at,
        )
        .where(Message.id.in_(sorted(set(message_ids))))
        .order_by(Message.id)
        .with_for_update()
    )
    rows = connection.execute(statement)
    return {
        row[0]: LockedMessage(
            id=row[0],
            public_id=row[1],
            workspace_id=row[2],
            livemode=row[3],
            status=MessageStatus(row[4]),
            lease_token=row[5],
            due_at=row[6],
            attempts=row[7],
            opened_at=row[8],
            clicked_at=row[9],
        )
        for row in rows
    }


def find_next_due(connection: Connection) -> datetime | None:
    """When the next message becomes due, or None when nothing waits."""
    statement = select(func.min(Message.due_at)).where(Message.due_at.is_not(None))
    return connection.execute(statement).scalar_one()
