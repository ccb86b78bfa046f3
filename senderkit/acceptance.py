"""Group commit of accepted sends: one writer thread commits all waiting sends as one batch.

A request hands over plain values and waits for its own commit. One bad row never sinks its batch,
batches are capped by bytes and count, the queue is bounded, and `close` drains it. The rest of the
house knows `AcceptanceWriter.accept` and nothing of how it is done.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from senderkit.changes import take_numbers
from senderkit.commands import MetadataRow
from senderkit.domain import Attachment, Clock, JsonObject, MessageStatus, TimelineEvent
from senderkit.errors import ServiceUnavailable
from senderkit.models import (
    IdempotencyKey,
    Message,
    MessageAttachment,
    MessageContent,
    MessageMetadata,
    TimelineEntry,
)

_log = structlog.get_logger(__name__)

_MAX_BATCH: Final = 256
_MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
_MAX_WAITING: Final = 4096
_MAX_WAITING_BYTES: Final = 256 * 1024 * 1024
_WAIT_SECONDS: Final = 20
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One send, checked and resolved, in plain values. `size_bytes` is the request body's size."""

    public_id: str
    uuid: str
    workspace_id: int
    livemode: bool
    channel: str
    recipient: str
    recipient_key: str
    vars: JsonObject
    metadata: JsonObject
    metadata_rows: tuple[MetadataRow, ...]
    request: JsonObject
    api_key_id: int | None = None
    template_slug: str | None = None
    template_version: int | None = None
    template_version_id: int | None = None
    from_override: str | None = None
    scheduled_at: datetime | None = None
    attachments: tuple[Attachment, ...] = ()
    idempotency_hash: str | None = None
    body_hash: str = ""
    size_bytes: int = 0

    @property
    def status(self) -> MessageStatus:
        return MessageStatus.SCHEDULED if self.scheduled_at else MessageStatus.QUEUED

    @property
    def idempotency_key(self) -> tuple[int, bool, str] | None:
        if self.idempotency_hash is None:
            return None
        return (self.workspace_id, self.livemode, self.idempotency_hash)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to one send, after its commit. `is_replay` when an earlier send had its key."""

    public_id: str
    status: str
    is_replay: bool


@dataclass(slots=True)
class _Waiting:
    acceptance: Acceptance
    done: threading.Event = field(default_factory=threading.Event)
    answer: Accepted | None = None
    fault: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What an idempotency key already stands for."""

    message_id: int
    public_id: str
    status: str
    body_hash: str

    def answer(self) -> Accepted:
        return Accepted(self.public_id, self.status, is_replay=True)


class AcceptanceWriter:
    """The one writer of accepted sends. `on_commit` is called after each batch."""

    def __init__(self, engine: Engine, clock: Clock, on_commit: Callable[[], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._on_commit = on_commit
        self._last_created_at: datetime | None = None
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def accept(self, acceptance: Acceptance) -> Accepted:
        """Store one send durably and answer after its commit.

        Raises `ServiceUnavailable` when the database does not take it, the queue is full, or the
        wait ran out; in the last case the send may yet be stored.
        """
        waiting = _Waiting(acceptance)
        self._enqueue(waiting)
        if not waiting.done.wait(_WAIT_SECONDS):
            raise ServiceUnavailable
        if waiting.answer is None:
            raise ServiceUnavailable from waiting.fault
        return waiting.answer

    def close(self) -> None:
        """Take nothing more, commit what waits, end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _enqueue(self, waiting: _Waiting) -> None:
        size = waiting.acceptance.size_bytes
        with self._changed:
            is_full = len(self._waiting) >= _MAX_WAITING
            if self._is_closed or is_full or self._waiting_bytes + size > _MAX_WAITING_BYTES:
                raise ServiceUnavailable
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="acceptance", daemon=True)
                self._thread.start()
            self._waiting.append(waiting)
            self._waiting_bytes += size
            self._changed.notify()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._commit(batch)
            for waiting in batch:
                waiting.done.set()
            self._on_commit()

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            while self._waiting and len(batch) < _MAX_BATCH and size < _MAX_BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += batch[-1].acceptance.size_bytes
            self._waiting_bytes -= size
        return batch

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        try:
            self._store(batch)
        except DatabaseError as error:
            if len(batch) == 1 or error.connection_invalidated:
                self._fail(batch, error)
            else:
                self._commit_one_by_one(batch)
        except (SQLAlchemyError, OSError, ValueError) as error:
            self._fail(batch, error)

    def _commit_one_by_one(self, batch: Sequence[_Waiting]) -> None:
        """The batch failed as a whole: find the bad row by giving each its own transaction."""
        for waiting in batch:
            try:
                self._store([waiting])
            except (SQLAlchemyError, OSError, ValueError) as error:
                self._fail([waiting], error)

    def _fail(self, batch: Iterable[_Waiting], error: Exception) -> None:
        _log.error("acceptance_failed", error=type(error).__name__)
        for waiting in batch:
            waiting.fault = error

    def _store(self, batch: Sequence[_Waiting]) -> None:
        with self._engine.begin() as connection:
            numbers = take_numbers(connection, len(batch))
            created_at = self._next_created_at(len(batch))
            earlier = _claim_keys(connection, batch, numbers, created_at)
            fresh = [
                (number, created_at + place * _MICROSECOND, waiting.acceptance)
                for place, (number, waiting) in enumerate(zip(numbers, batch, strict=True))
                if waiting.acceptance.public_id not in earlier
            ]
            _insert_messages(connection, fresh)
        self._answer(batch, earlier)

    def _next_created_at(self, count: int) -> datetime:
        """The clock, but never at or before a moment this writer gave away already."""
        now = self._clock()
        if self._last_created_at is not None:
            now = max(now, self._last_created_at + _MICROSECOND)
        self._last_created_at = now + count * _MICROSECOND
        return now

    def _answer(self, batch: Sequence[_Waiting], earlier: dict[str, _Earlier]) -> None:
        differing: list[int] = []
        for waiting in batch:
            acceptance = waiting.acceptance
            first = earlier.get(acceptance.public_id)
            if first is None:
                waiting.answer = Accepted(acceptance.public_id, acceptance.status, is_replay=False)
                continue
            waiting.answer = first.answer()
            if first.body_hash != acceptance.body_hash:
                differing.append(first.message_id)
        if differing:
            self.note_duplicates(differing)

    def note_duplicates(self, message_ids: Sequence[int]) -> None:
        """Remark on the timelines that a repeated key came with a body that differs.

        In a transaction of its own, since here the messages are locked before the counter.
        """
        try:
            with self._engine.begin() as connection:
                _note_duplicates(connection, message_ids, self._clock())
        except SQLAlchemyError as error:
            # The answers stand; only the remark on the timeline is lost.
            _log.error("duplicate_not_noted", error=type(error).__name__)


def _note_duplicates(connection: Connection, message_ids: Iterable[int], now: datetime) -> None:
    noted = sorted(set(message_ids))
    locked = select(Message.id).where(Message.id.in_(noted)).order_by(Message.id).with_for_update()
    present = list(connection.execute(locked).scalars())
    for message_id, number in zip(present, take_numbers(connection, len(present)), strict=True):
        connection.execute(
            update(Message).where(Message.id == message_id).values(change_seq=number)
        )
        entry = {
            "change_seq": number,
            "message_id": message_id,
            "at": now,
            "event": TimelineEvent.DUPLICATE.value,
            "detail": {"reason": "A repeated Idempotency-Key came with a different body."},
        }
        connection.execute(insert(TimelineEntry), [entry])


def find_earlier(
    connection: Connection, workspace_id: int, livemode: bool, key_hash: str
) -> tuple[Accepted, int, str] | None:
    """The first answer given under a key, its message's id and the hash of its body."""
    found = _earlier_by_key(connection, [(workspace_id, livemode, key_hash)])
    if not found:
        return None
    first = next(iter(found.values()))
    return first.answer(), first.message_id, first.body_hash


def _claim_keys(
    connection: Connection, batch: Sequence[_Waiting], numbers: range, now: datetime
) -> dict[str, _Earlier]:
    """Store the batch's idempotency keys; return what stands behind those that were taken.

    The result goes by the public id of the send that lost.
    """
    rows = [
        _key_row(waiting.acceptance, number, now)
        for number, waiting in zip(numbers, batch, strict=True)
        if waiting.acceptance.idempotency_hash is not None
    ]
    if not rows:
        return {}
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(IdempotencyKey).on_conflict_do_nothing()
    returned = statement.returning(IdempotencyKey.public_id)
    won = set(connection.execute(returned.values(rows)).scalars())
    lost = [row for row in rows if row["public_id"] not in won]
    if not lost:
        return {}
    keys = [(row["workspace_id"], row["livemode"], row["key_hash"]) for row in lost]
    found = _earlier_by_key(connection, keys)
    return {row["public_id"]: found[key] for row, key in zip(lost, keys, strict=True)}


def _key_row(acceptance: Acceptance, number: int, now: datetime) -> dict[str, Any]:
    return {
        "workspace_id": acceptance.workspace_id,
        "livemode": acceptance.livemode,
        "key_hash": acceptance.idempotency_hash,
        "body_hash": acceptance.body_hash,
        "message_id": number,
        "public_id": acceptance.public_id,
        "answered_status": acceptance.status.value,
        "created_at": now,
    }


_Key = tuple[int, bool, str]


def _earlier_by_key(connection: Connection, keys: Sequence[_Key]) -> dict[_Key, _Earlier]:
    columns = (IdempotencyKey.workspace_id, IdempotencyKey.livemode, IdempotencyKey.key_hash)
    rows = connection.execute(
        select(
            *columns,
            IdempotencyKey.message_id,
            IdempotencyKey.public_id,
            IdempotencyKey.answered_status,
            IdempotencyKey.body_hash,
        ).where(tuple_(*columns).in_(keys))
    )
    return {(row[0], row[1], row[2]): _Earlier(row[3], row[4], row[5], row[6]) for row in rows}


# -- rows -------------------------------------------------------------------------------------

_Fresh = tuple[int, datetime, Acceptance]


def _insert_messages(connection: Connection, fresh: Sequence[_Fresh]) -> None:
    if not fresh:
        return
    connection.execute(insert(Message), [_message_row(*item) for item in fresh])
    connection.execute(insert(TimelineEntry), [_timeline_row(*item) for item in fresh])
    connection.execute(insert(MessageContent), [_content_row(*item) for item in fresh])
    metadata = [row for item in fresh for row in _metadata_rows(*item)]
    if metadata:
        connection.execute(insert(MessageMetadata), metadata)
    attachments = [row for item in fresh for row in _attachment_rows(*item)]
    if attachments:
        connection.execute(insert(MessageAttachment), attachments)


def _message_row(number: int, created_at: datetime, acceptance: Acceptance) -> dict[str, Any]:
    return {
        "id": number,
        "public_id": acceptance.public_id,
        "uuid": acceptance.uuid,
        "workspace_id": acceptance.workspace_id,
        "livemode": acceptance.livemode,
        "channel": acceptance.channel,
        "status": acceptance.status.value,
        "recipient": acceptance.recipient,
        "recipient_key": acceptance.recipient_key,
        "template_slug": acceptance.template_slug,
        "template_version": acceptance.template_version,
        "template_version_id": acceptance.template_version_id,
        "vars": acceptance.vars,
        "metadata": acceptance.metadata,
        "from_override": acceptance.from_override,
        "api_key_id": acceptance.api_key_id,
        "scheduled_at": acceptance.scheduled_at,
        "created_at": created_at,
        "change_seq": number,
        "due_at": acceptance.scheduled_at or created_at,
        "attempts": 0,
    }


def _timeline_row(number: int, created_at: datetime, acceptance: Acceptance) -> dict[str, Any]:
    is_scheduled = acceptance.scheduled_at is not None
    event = TimelineEvent.SCHEDULED if is_scheduled else TimelineEvent.QUEUED
    return {
        "change_seq": number,
        "message_id": number,
        "at": created_at,
        "event": event.value,
        "detail": {},
    }


def _content_row(number: int, _created_at: datetime, acceptance: Acceptance) -> dict[str, Any]:
    return {"message_id": number, "request": acceptance.request}


def _metadata_rows(
    number: int, created_at: datetime, acceptance: Acceptance
) -> Iterable[dict[str, Any]]:
    for row in acceptance.metadata_rows:
        yield {
            "message_id": number,
            "key": row.key,
            "workspace_id": acceptance.workspace_id,
            "livemode": acceptance.livemode,
            "lookup": row.lookup,
            "kind": row.kind,
            "value": row.text,
            "created_at": created_at,
        }


def _attachment_rows(
    number: int, _created_at: datetime, acceptance: Acceptance
) -> Iterable[dict[str, Any]]:
    for position, attachment in enumerate(acceptance.attachments):
        yield {
            "message_id": number,
            "position": position,
            "filename": attachment.filename,
            "content_type": attachment.content_type,
            "is_inline": attachment.inline,
            "content_id": attachment.content_id,
            "content": attachment.content,
        }
