"""How each channel stands: its connections in order, which are broken, and what they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from senderkit import providers
from senderkit.domain import Channel
from senderkit.models import Connection, Message, Template
from senderkit.services.browsing import of_held
from senderkit.services.channels import list_connections
from senderkit.services.connections import ENVIRONMENT_ID, Route, find_environment_fault
from senderkit.services.reports import Count

MAX_HELD_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection as lists show it. `templates` are the slugs that name it.

    `position` is None outside the list of its channel. The environment's cannot be edited here.
    """

    connection_id: str
    name: str
    provider: str
    provider_label: str
    channel: Channel
    position: int | None
    broken_reason: str | None
    held: Count
    templates: tuple[str, ...] = ()

    @property
    def is_environment(self) -> bool:
        return self.connection_id == ENVIRONMENT_ID


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """`others` are used only by templates that name them; `held` counts the whole channel."""

    channel: Channel
    listed: tuple[ConnectionRow, ...]
    others: tuple[ConnectionRow, ...]
    environment: ConnectionRow | None
    held: Count

    @property
    def is_empty(self) -> bool:
        return not (self.listed or self.others or self.environment)

    @property
    def is_connected(self) -> bool:
        """Whether a message of this channel goes anywhere."""
        return bool(self.listed or self.environment)


Held = Mapping[tuple[str, str | None], int]
"""How many live messages are held, by channel and connection."""


def list_channels(
    session: Session, workspace_id: int, environment: Route | None
) -> tuple[ChannelRow, ...]:
    """Every channel, in the order of the product."""
    held, is_capped = _count_held(session, workspace_id)
    slugs = _named_by(session, workspace_id)
    rows = [
        _row(each, held, is_capped, slugs.get(each.id, ()))
        for each in list_connections(session, workspace_id)
    ]
    found = _environment_row(session, workspace_id, environment, held, is_capped)
    return tuple(
        _channel_row(
            channel,
            [row for row in rows if row.channel is channel],
            found if channel is Channel.EMAIL else None,
            _count(sum(n for (of, _), n in held.items() if of == channel), is_capped),
        )
        for channel in Channel
    )


def _channel_row(
    channel: Channel, rows: list[ConnectionRow], environment: ConnectionRow | None, held: Count
) -> ChannelRow:
    listed = tuple(row for row in rows if row.position is not None)
    others = tuple(row for row in rows if row.position is None)
    return ChannelRow(channel, listed, others, environment, held)


def _row(each: Connection, held: Held, is_capped: bool, slugs: tuple[str, ...]) -> ConnectionRow:
    return ConnectionRow(
        connection_id=each.uuid,
        name=each.name,
        provider=each.provider,
        provider_label=provider_label(each.provider),
        channel=Channel(each.channel),
        position=each.position,
        broken_reason=each.broken_reason,
        held=_count(held.get((each.channel, each.uuid), 0), is_capped),
        templates=slugs,
    )


def _environment_row(
    session: Session, workspace_id: int, route: Route | None, held: Held, is_capped: bool
) -> ConnectionRow | None:
    if route is None:
        return None
    return ConnectionRow(
        connection_id=route.connection_id,
        name=route.name,
        provider=route.provider,
        provider_label=provider_label(route.provider),
        channel=Channel.EMAIL,
        position=None,
        broken_reason=find_environment_fault(session.connection(), workspace_id),
        held=_count(held.get((Channel.EMAIL, ENVIRONMENT_ID), 0), is_capped),
    )


def provider_label(provider: str) -> str:
    """What people call a provider; its own word when this release does not have it."""
    known = providers.PROVIDERS.get(provider)
    return known.label if known else provider


def _count(number: int, is_capped: bool) -> Count:
    return Count(number, is_capped=is_capped and number > 0)


def _count_held(session: Session, workspace_id: int) -> tuple[Held, bool]:
    """Some of them, and whether there are more."""
    statement = (
        select(Message.channel, Message.connection_id)
        .where(*of_held(workspace_id, livemode=True))
        .limit(MAX_HELD_COUNTED + 1)
    )
    found = [(row[0], row[1]) for row in session.execute(statement)]
    return Counter(found[:MAX_HELD_COUNTED]), len(found) > MAX_HELD_COUNTED


def _named_by(session: Session, workspace_id: int) -> dict[int, tuple[str, ...]]:
    statement = (
        select(Connection.id, Template.slug)
        .join(Template, Template.connection_id == Connection.id)
        .where(Template.workspace_id == workspace_id)
        .order_by(Template.slug)
    )
    found: dict[int, tuple[str, ...]] = {}
    for connection_id, slug in session.execute(statement):
        found[connection_id] = (*found.get(connection_id, ()), slug)
    return found
