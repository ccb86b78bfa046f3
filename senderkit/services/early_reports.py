"""Reports that overtake our own bookkeeping.

A provider may report on a message before its answer to our call is stored. An event that brings our
own id finds its message even then; one that names the provider's id alone finds nothing, as does
one about a message that is not ours. So the provider is asked to say it again for as long as a call
that was under way when it first came has not ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, bindparam, select

from senderkit.domain import MessageStatus, ProviderEvent
from senderkit.errors import ReportedTooEarly
from senderkit.models import Attempt, Message, UtcDateTime
from senderkit.services.connections import Source

_MOST_REMEMBERED: Final = 1_000

_NOW: Final = bindparam("now", type_=UtcDateTime())
_UNDER_WAY: Final = (
    select(Message.id)
    .join(Attempt, Attempt.message_id == Message.id)
    .where(
        Message.lane == bindparam("of_lane"),
        Message.due_at <= _NOW,
        Message.lease_until > _NOW,
        Message.status == MessageStatus.RENDERED.value,
        Attempt.connection_id == bindparam("of_lane"),
        Attempt.outcome.is_(None),
        Attempt.started_at <= bindparam("seen_at", type_=UtcDateTime()),
    )
    .limit(1)
)


class EarlyReports:
    """When each id that nobody knew was first reported, for the last of them."""

    def __init__(self, reader: Engine) -> None:
        self._reader = reader
        self._seen_at: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def check(self, source: Source, unknown: Iterable[ProviderEvent], now: datetime) -> None:
        """Raises `ReportedTooEarly` while one of these events may be about a call under way.

        A call that began after an event first came cannot be what it is about, so a message that
        is not ours is asked for again for no longer than one call takes.
        """
        ids = [event.provider_message_id for event in unknown if event.message_id is None]
        seen_at = [self._first_seen(source.connection_id, id_, now) for id_ in ids if id_]
        if seen_at and self._is_under_way(source.connection_id, max(seen_at), now):
            raise ReportedTooEarly("The message may be under way: say it again in a moment.")

    def _first_seen(self, connection_id: str, provider_message_id: str, now: datetime) -> datetime:
        key = (connection_id, provider_message_id)
        with self._lock:
            seen_at = self._seen_at.setdefault(key, now)
            if len(self._seen_at) > _MOST_REMEMBERED:
                del self._seen_at[next(iter(self._seen_at))]
        return seen_at

    def _is_under_way(self, connection_id: str, seen_at: datetime, now: datetime) -> bool:
        values = {"of_lane": connection_id, "seen_at": seen_at, "now": now}
        with self._reader.connect() as connection:
            return connection.execute(_UNDER_WAY, values).first() is not None
