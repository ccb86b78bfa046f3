"""The connections of each channel as people arrange them: list, add, edit, move, remove.

Which of them a message goes through is decided in `connections`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from senderkit.commands import DescribeConnection, Place
from senderkit.crypto import Vault
from senderkit.domain import Channel, new_uuid
from senderkit.models import Connection
from senderkit.providers import get_provider
from senderkit.services.connections import find_listed, put_in_order


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
