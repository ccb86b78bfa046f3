"""The connections of each channel as people arrange them: list, add, edit, move, remove.

Which of them a message goes through is decided in `connections`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from senderkit.commands import DescribeConnection, Place
from senderkit.crypto import Vault
from senderkit.domain import Channel, new_uuid
from senderkit.errors import NotFound, SealBroken
from senderkit.models import Connection, Workspace
from senderkit.providers import get_provider
from senderkit.services import connections, delivery
from senderkit.services.connections import find_listed, put_in_order

_LEAST_STEP: Final = timedelta(microseconds=1)


class Move(StrEnum):
    """What a person may do with a connection's place in the list of its channel."""

    UP = "up"
    DOWN = "down"
    INTO = "into"
    OUT = "out"


class Channels:
    """Keeps connections, their credentials sealed."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def add(
        self,
        session: Session,
        workspace_id: int,
        provider: str,
        command: DescribeConnection,
        credentials: Mapping[str, str],
        *,
        now: datetime,
    ) -> Connection:
        """Store a connection.

        Raises `NotFound` for an unknown provider and `InvalidRequest` for bad credentials.
        """
        kind = get_provider(provider)
        fields = kind.validate(credentials)
        _lock_order(session, workspace_id)
        added = Connection(
            uuid=new_uuid(),
            workspace_id=workspace_id,
            channel=kind.channel.value,
            provider=provider,
            name=command.name,
            sealed_fields=self._vault.seal(fields),
            created_at=now,
            updated_at=now,
        )
        place = _settled(session, workspace_id, kind.channel, command.place)
        listed = find_listed(session, workspace_id, kind.channel)
        session.add(added)
        session.flush()
        _put(session, added, listed, place)
        session.commit()
        return added

    def find_credentials(self, connection: Connection) -> dict[str, str] | None:
        """The opened fields, for filling a form or an adapter; None when no key opens them."""
        try:
            return self._vault.unseal(connection.sealed_fields)
        except SealBroken:
            return None

    def edit(
        self,
        session: Session,
        connection: Connection,
        command: DescribeConnection,
        credentials: Mapping[str, str],
        *,
        now: datetime,
    ) -> bool:
        """Give it another name and these credentials; whether the credentials are others.

        New credentials count as a repair: what marks the connection as broken is forgotten. Raises
        `NotFound` and `InvalidRequest` as `add` does.
        """
        fields = get_provider(connection.provider).validate(credentials)
        is_changed = fields != self.find_credentials(connection)
        connection.name = command.name
        if is_changed:
            connection.sealed_fields = self._vault.seal(fields)
            # A version of its own, also when the clock stood still or was put back.
            connection.updated_at = max(now, connection.updated_at + _LEAST_STEP)
            connection.broken_reason = None
        session.commit()
        return is_changed


def _settled(session: Session, workspace_id: int, channel: Channel, place: Place) -> Place:
    """What an automatic place comes to."""
    if place is not Place.AUTOMATIC:
        return place
    known = select(Connection.id).where(
        Connection.workspace_id == workspace_id, Connection.channel == channel.value
    )
    is_first = session.scalars(known.limit(1)).one_or_none() is None
    return Place.FIRST if is_first else Place.NAMED


def _put(session: Session, added: Connection, listed: list[str], place: Place) -> None:
    if place is Place.NAMED:
        return
    order = [added.uuid, *listed] if place is Place.FIRST else [*listed, added.uuid]
    put_in_order(session, added.workspace_id, Channel(added.channel), order)


# -- one connection ---------------------------------------------------------------------------


def get_connection(session: Session, workspace_id: int, connection_id: str) -> Connection:
    """By its UUID. Raises `NotFound`."""
    statement = select(Connection).where(
        Connection.workspace_id == workspace_id, Connection.uuid == connection_id
    )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound("There is no such connection.")
    return found


def list_connections(session: Session, workspace_id: int) -> list[Connection]:
    """All of a workspace: by channel, those in its list in their order, then the others by name."""
    statement = select(Connection).where(Connection.workspace_id == workspace_id)
    found = list(session.scalars(statement))
    channels = list(Channel)
    return sorted(found, key=lambda each: (channels.index(Channel(each.channel)), *_rank(each)))


def _rank(connection: Connection) -> tuple[bool, int, str]:
    is_outside = connection.position is None
    return is_outside, connection.position or 0, connection.name.lower()


def move(session: Session, workspace_id: int, connection_id: str, how: Move) -> Connection:
    """Change its place; a move that leads nowhere changes nothing. Raises `NotFound`."""
    _lock_order(session, workspace_id)
    connection = get_connection(session, workspace_id, connection_id)
    channel = Channel(connection.channel)
    listed = find_listed(session, workspace_id, channel)
    order = _moved(listed, connection_id, how)
    if order != listed:
        put_in_order(session, workspace_id, channel, order)
    session.commit()
    return connection


def _moved(listed: Sequence[str], connection_id: str, how: Move) -> list[str]:
    order = [each for each in listed if each != connection_id]
    if how is Move.OUT:
        return order
    if connection_id not in listed:
        return [*order, connection_id] if how is Move.INTO else list(listed)
    step = {Move.UP: -1, Move.DOWN: 1}.get(how, 0)
    order.insert(max(0, listed.index(connection_id) + step), connection_id)
    return order


def remove(session: Session, workspace_id: int, connection_id: str) -> Connection:
    """Forget a connection and its credentials; return what it was. Raises `NotFound`.

    Templates that named it use the list of their channel from then on. What it holds waits until it
    is released.
    """
    _lock_order(session, workspace_id)
    connection = get_connection(session, workspace_id, connection_id)
    channel = Channel(connection.channel)
    listed = find_listed(session, workspace_id, channel)
    session.delete(connection)
    session.flush()
    session.expunge(connection)
    put_in_order(session, workspace_id, channel, [each for each in listed if each != connection_id])
    session.commit()
    return connection


def _lock_order(session: Session, workspace_id: int) -> None:
    """Two people who arrange connections at once wait for each other; sends wait for nobody."""
    statement = select(Workspace.id).where(Workspace.id == workspace_id)
    session.execute(statement.with_for_update(key_share=True))


def release(
    engine: Engine,
    workspace_id: int,
    channel: Channel,
    connection_id: str | None = None,
    *,
    now: datetime,
    by: str,
) -> int:
    """Try again what a channel holds, and the connection named; return how many messages."""
    if connection_id is not None:
        with engine.begin() as connection:
            connections.forget_broken(connection, workspace_id, connection_id)
    return delivery.release_channel(engine, workspace_id, channel, now=now, by=by)
