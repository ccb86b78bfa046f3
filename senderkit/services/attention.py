"""What the team must be told on every page: live messages are held, a connection is broken, or a
webhook endpoint was switched off.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Select, select

from senderkit.domain import Channel
from senderkit.models import Connection as ProviderConnection
from senderkit.models import Message, WebhookEndpoint
from senderkit.services.browsing import of_held
from senderkit.services.reports import Count

MAX_HELD_COUNTED: Final = 100
_REASONS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class BrokenConnection:
    """A connection whose provider refused our credentials."""

    name: str
    channel: Channel
    reason: str


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """A webhook endpoint that this server itself has switched off."""

    public_id: str
    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Attention:
    """Live messages that wait for a repair: how many, why (commonest first), and what is broken."""

    held: Count
    reasons: tuple[str, ...]
    broken: tuple[BrokenConnection, ...]
    endpoints: tuple[SwitchedOff, ...] = ()


def find_attention(connection: Connection, workspace_id: int) -> Attention | None:
    """None while everything goes out. Cheap: it is asked on every page."""
    held = connection.scalars(held_statement(workspace_id)).all()
    broken = _broken_connections(connection, workspace_id)
    endpoints = _switched_off(connection, workspace_id)
    if not held and not broken and not endpoints:
        return None
    count = Count(min(len(held), MAX_HELD_COUNTED), is_capped=len(held) > MAX_HELD_COUNTED)
    commonest = Counter(reason for reason in held if reason).most_common(_REASONS_SHOWN)
    return Attention(count, tuple(reason for reason, _ in commonest), broken, endpoints)


def held_statement(workspace_id: int) -> Select[str | None]:
    """Why live messages are held, of as many as are counted: in no order, which would cost one."""
    room = of_held(workspace_id, livemode=True)
    return select(Message.held_reason).where(*room).limit(MAX_HELD_COUNTED + 1)


def _broken_connections(connection: Connection, workspace_id: int) -> tuple[BrokenConnection, ...]:
    rows = connection.execute(
        select(
            ProviderConnection.name, ProviderConnection.channel, ProviderConnection.broken_reason
        )
        .where(
            ProviderConnection.workspace_id == workspace_id,
            ProviderConnection.broken_reason.is_not(None),
        )
        .order_by(ProviderConnection.id)
    )
    return tuple(BrokenConnection(row[0], Channel(row[1]), row[2] or "") for row in rows)


def _switched_off(connection: Connection, workspace_id: int) -> tuple[SwitchedOff, ...]:
    rows = connection.execute(
        select(WebhookEndpoint.public_id, WebhookEndpoint.url, WebhookEndpoint.disabled_reason)
        .where(
            WebhookEndpoint.workspace_id == workspace_id,
            WebhookEndpoint.disabled_reason.is_not(None),
        )
        .order_by(WebhookEndpoint.id)
    )
    return tuple(SwitchedOff(row[0], row[1], row[2] or "") for row in rows)
