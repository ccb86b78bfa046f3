"""Receipts: providers that never call us are asked what became of their messages, now and then.

A message is asked about from some minutes after it was sent until its provider has forgotten it,
less and less often. What a provider says is taken in like its callbacks would be.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Engine, literal_column, select
from sqlalchemy.exc import SQLAlchemyError

from senderkit import providers
from senderkit.database import read_only
from senderkit.domain import Clock
from senderkit.errors import DeliveryError
from senderkit.models import Message
from senderkit.providers.base import Provider
from senderkit.services.connections import Connections, Route, Source
from senderkit.services.events import apply_events

_log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Awaiting:
    id: int
    provider_message_id: str
    sent_at: datetime


class ReceiptPoller:
    """Asks in a thread of its own, between `start` and `close`."""

    def __init__(self, engine: Engine, connections: Connections, clock: Clock) -> None:
        self._engine = engine
        self._reader = read_only(engine)
        self._connections = connections
        self._clock = clock
        self._ask_again_at: dict[int, datetime] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Ask in the background."""
        self._thread = threading.Thread(target=self._run, name="receipts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask no more; a call that is under way is left to itself."""
        self._stopping.set()

    def poll(self) -> None:
        """Ask once about all that is due. Raises when the database cannot be used."""
        polled = [name for name, provider in providers.PROVIDERS.items() if provider.polls_receipts]
        with self._reader.connect() as connection:
            sources = self._connections.find_sources(connection, polled)
        awaited: set[int] = set()
        for source, route in sources:
            if self._stopping.is_set():
                return
            awaited.update(self._poll_one(source, route))
        self._ask_again_at = {
            id_: moment for id_, moment in self._ask_again_at.items() if id_ in awaited
        }

    def _run(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            try:
                self.poll()
            except SQLAlchemyError as error:
                _log.warning("receipts_not_polled", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the loop must go on
                _log.exception("receipt_polling_failed")

    def _poll_one(self, source: Source, route: Route) -> set[int]:
        """Ask one connection; return the messages whose receipts are awaited."""
        provider = providers.PROVIDERS[source.provider]
        awaiting = self._find_awaiting(source, provider)
        due = [each for each in awaiting if self._is_due(each, provider)]
        size = provider.receipt_batch_size
        try:
            for start in range(0, len(due), size):
                self._ask(source, route, due[start : start + size])
        except DeliveryError as error:
            # The next round asks again.
            _log.warning("receipts_not_read", connection_id=source.connection_id, reason=str(error))
        return {each.id for each in awaiting}

    def _ask(self, source: Source, route: Route, batch: Sequence[_Awaiting]) -> None:
        adapter = self._connections.adapter(route)
        found = adapter.receipts_of([each.provider_message_id for each in batch])
        now = self._clock()
        for each in batch:
            self._ask_again_at[each.id] = now + (now - each.sent_at) / 4
        apply_events(self._engine, source, found, now)

    def _is_due(self, each: _Awaiting, provider: Provider) -> bool:
        now = self._clock()
        earliest = each.sent_at + timedelta(seconds=provider.receipt_delay_seconds)
        return self._ask_again_at.get(each.id, earliest) <= now

    def _find_awaiting(self, source: Source, provider: Provider) -> list[_Awaiting]:
        """What the provider took and has not told about yet, unless it has forgotten it."""
        oldest = self._clock() - timedelta(seconds=provider.receipt_lifetime_seconds)
        return [each for each in self._read_awaiting(source) if each.sent_at > oldest]

    def _read_awaiting(self, source: Source) -> Iterator[_Awaiting]:
        statement = (
            select(Message.id, Message.provider_message_id, Message.created_at, Message.latency_ms)
            .where(
                Message.connection_id == source.connection_id,
                # As words, not as parameters: the index is for these very values.
                Message.status == literal_column("'sent'"),
                Message.channel == literal_column(f"'{source.channel.value}'"),
            )
            .order_by(Message.id)
        )
        with self._reader.connect() as connection:
            for id_, their_id, created_at, latency_ms in connection.execute(statement):
                sent_at = created_at + timedelta(milliseconds=latency_ms or 0)
                if their_id is not None:
                    yield _Awaiting(id_, their_id, sent_at)
