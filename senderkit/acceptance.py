"""Group commit of accepted sends: one writer thread commits all waiting sends as one batch.

A request hands over plain values and waits for its own commit. One bad row never sinks its batch,
batches are capped by bytes and count, the queue is bounded, and `close` drains it. The rest of the
house knows `AcceptanceWriter.accept`, `submit` where no thread may wait, and nothing else of it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, bindparam, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from senderkit.changes import take_numbers
from senderkit.commands import MetadataRow
from senderkit.database import is_cut_off, is_outage
from senderkit.domain import Attachment, Clock, JsonObject, MessageStatus, Mode, TimelineEvent
from senderkit.errors import ServiceUnavailable
from senderkit.metrics import Metrics
from senderkit.models import (
    IdempotencyKey,
    Message,
    MessageAttachment,
    MessageContent,
    MessageMetadata,
    Resend,
    TimelineEntry,
)

_log = structlog.get_logger(__name__)

_MAX_BATCH: Final = 256
_MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
_MAX_WAITING: Final = 4096
_MAX_WAITING_BYTES: Final = 256 * 1024 * 1024
WAIT_SECONDS: Final = 20
"""How long somebody waits for a commit before giving up on it."""
_SORTING_OUT_SECONDS: Final = 5
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Which earlier message a send repeats, and who wanted it why: `by` is a member's public id.

    `batch` is shared by all that was sent again together.
    """

    of_message_id: int
    of_public_id: str
    batch: str
    reason: str
    member_id: int | None = None
    by: str | None = None

    @property
    def detail(self) -> dict[str, str]:
        """For the first entry of the timeline."""
        said = {"resendOf": self.of_public_id, "reason": self.reason, "by": self.by}
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One send, checked and resolved, in plain values. `size_bytes` is the request body's size.

    `connection_id` is the connection that a live one would go through now.
    """

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
    connection_id: str | None = None
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
    repeat: Repeat | None = None

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
class Pending:
    """A send on its way to its commit. `on_done` is called once, in any thread, when it is there.

    `answer` and `fault` are the writer's to set, before that call.
    """

    on_done: Callable[[], None]
    expected: Accepted
    answer: Accepted | None = None
    fault: Exception | None = None
    is_given_up: bool = False

    def result(self) -> Accepted:
        """What was stored. To be asked once it is done, or when the wait has been too long.

        Raises `ServiceUnavailable` when the database cannot be used or the wait ran out; the send
        may be stored after all when its transaction had begun by then. Any other fault of storing
        it is raised as it is.
        """
        if self.answer is not None:
            return self.answer
        if self.fault is None:
            self.is_given_up = True
        if self.fault is None or is_outage(self.fault):
            raise ServiceUnavailable from self.fault
        raise self.fault


def already(answer: Accepted, on_done: Callable[[], None]) -> Pending:
    """A pending send that has its answer."""
    on_done()
    return Pending(on_done, answer, answer)


def wait_for(submit: Callable[[Callable[[], None]], Pending]) -> Accepted:
    """Wait in this thread for the commit of what `submit` hands in with the given `on_done`.

    Raises what `Pending.result` raises.
    """
    done = threading.Event()
    pending = submit(done.set)
    done.wait(WAIT_SECONDS)
    return pending.result()


@dataclass(slots=True)
class _Waiting:
    acceptance: Acceptance
    pending: Pending


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

    def __init__(
        self, engine: Engine, clock: Clock, on_commit: Callable[[], None], metrics: Metrics
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._on_commit = on_commit
        self._metrics = metrics
        self._last_created_at: datetime | None = None
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def accept(self, acceptance: Acceptance) -> Accepted:
        """Store one send durably and answer after its commit. Raises what `submit` raises, and
        what `Pending.result` does."""
        return wait_for(partial(self.submit, acceptance))

    def submit(self, acceptance: Acceptance, on_done: Callable[[], None]) -> Pending:
        """Have one send stored durably; `on_done` is called after its commit, or when it failed.

        Raises `ServiceUnavailable` when too many wait already.
        """
        expected = Accepted(acceptance.public_id, acceptance.status, is_replay=False)
        pending = Pending(on_done, expected)
        self._enqueue(_Waiting(acceptance, pending))
        return pending

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
                waiting.pending.on_done()
            self._on_commit()

    def _next_batch(self) -> list[_Waiting]:
        """What is to be committed next; empty once closed and drained."""
        while True:
            with self._changed:
                while not self._waiting and not self._is_closed:
                    self._changed.wait()
                taken = self._take()
            batch = [waiting for waiting in taken if not waiting.pending.is_given_up]
            if batch or not taken:
                return batch

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and len(taken) < _MAX_BATCH and size < _MAX_BATCH_BYTES:
            taken.append(self._waiting.popleft())
            size += taken[-1].acceptance.size_bytes
        self._waiting_bytes -= size
        return taken

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        """Store a batch. Whatever goes wrong, this thread goes on and everybody is answered."""
        began = time.monotonic()
        error = self._find_fault(batch)
        if error is None:
            return
        if len(batch) > 1 and not is_cut_off(error):
            patience = _SORTING_OUT_SECONDS - (time.monotonic() - began)
            self._commit_one_by_one(batch, patience)
        failed = [waiting.pending for waiting in batch if waiting.pending.answer is None]
        for pending in failed:
            pending.fault = error if pending.fault is None else pending.fault
        _log_failure(failed)

    def _commit_one_by_one(self, batch: Sequence[_Waiting], patience: float) -> None:
        """The batch failed as a whole: find the bad row by giving each its own transaction.

        A database that takes long to say no, `patience` seconds in all, is not asked any more.
        """
        for waiting in batch:
            if patience <= 0:
                return
            began = time.monotonic()
            waiting.pending.fault = self._find_fault([waiting])
            if waiting.pending.fault is not None:
                patience -= time.monotonic() - began

    def _find_fault(self, batch: Sequence[_Waiting]) -> Exception | None:
        """Store and answer a batch, or return why it cannot be stored."""
        began = time.monotonic()
        try:
            earlier = self._store(batch)
        except Exception as error:  # noqa: BLE001 - raised again in each request's thread
            return error
        self._count(batch, earlier, time.monotonic() - began)
        self._answer(batch, earlier)
        return None

    def _count(
        self, batch: Sequence[_Waiting], earlier: dict[str, _Earlier], seconds: float
    ) -> None:
        fresh = [item.acceptance for item in batch if item.acceptance.public_id not in earlier]
        rooms = [(Mode.of(acceptance.livemode), acceptance.channel) for acceptance in fresh]
        self._metrics.accepted(rooms, seconds)

    def _store(self, batch: Sequence[_Waiting]) -> dict[str, _Earlier]:
        """One transaction. What stands behind keys that were taken, by the public id that lost."""
        with self._engine.begin() as connection:
            numbers = take_numbers(connection, len(batch))
            now = self._clock()
            created_at = self._next_created_at(now, len(batch))
            earlier = _claim_keys(connection, batch, numbers, created_at)
            fresh = [
                _Fresh(number, created_at + place * _MICROSECOND, now, waiting.acceptance)
                for place, (number, waiting) in enumerate(zip(numbers, batch, strict=True))
                if waiting.acceptance.public_id not in earlier
            ]
            _insert_messages(connection, fresh)
        return earlier

    def _next_created_at(self, now: datetime, count: int) -> datetime:
        """The clock, but never at or before a moment this writer gave away already."""
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
                waiting.pending.answer = waiting.pending.expected
                continue
            waiting.pending.answer = first.answer()
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


def _log_failure(failed: Sequence[Pending]) -> None:
    """One line for all, with a trace when the database is not to blame."""
    fault = next((pending.fault for pending in failed), None)
    if fault is not None:
        trace = None if is_outage(fault) else fault
        name = type(fault).__name__
        _log.error("acceptance_failed", sends=len(failed), error=name, exc_info=trace)


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
        connection.execute(_ADD_ENTRY, [entry])


def find_earlier(
    connection: Connection, workspace_id: int, livemode: bool, key_hash: str
) -> tuple[Accepted, int, str] | None:
    """The first answer given under a key, its message's id and the hash of its body."""
    found = _earlier_by_key(connection, [(workspace_id, livemode, key_hash)])
    if not found:
        return None
    first = next(iter(found.values()))
    return first.answer(), first.message_id, first.body_hash


# The statements are made once: making them costs more than running them.
_CLAIM_KEY: Final = {
    name: dialect.insert(IdempotencyKey)
    .on_conflict_do_nothing()
    .returning(IdempotencyKey.public_id)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}
_KEY_COLUMNS: Final = (
    IdempotencyKey.workspace_id,
    IdempotencyKey.livemode,
    IdempotencyKey.key_hash,
)
_FIND_KEYS: Final = select(
    *_KEY_COLUMNS,
    IdempotencyKey.message_id,
    IdempotencyKey.public_id,
    IdempotencyKey.answered_status,
    IdempotencyKey.body_hash,
).where(tuple_(*_KEY_COLUMNS).in_(bindparam("keys", expanding=True)))


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
    won = set(connection.execute(_CLAIM_KEY[connection.dialect.name], rows).scalars())
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
    rows = connection.execute(_FIND_KEYS, {"keys": list(keys)})
    return {(row[0], row[1], row[2]): _Earlier(row[3], row[4], row[5], row[6]) for row in rows}


# -- rows -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A message to be stored. `number` is its id and the number of its first change.

    Pages are ordered by `created_at`, which is never given twice; the clock said `now`.
    """

    number: int
    created_at: datetime
    now: datetime
    acceptance: Acceptance


_ADD_MESSAGE: Final = insert(Message)
_ADD_ENTRY: Final = insert(TimelineEntry)
_ADD_CONTENT: Final = insert(MessageContent)
_ADD_METADATA: Final = insert(MessageMetadata)
_ADD_ATTACHMENT: Final = insert(MessageAttachment)
_ADD_RESEND: Final = insert(Resend)


def _insert_messages(connection: Connection, fresh: Sequence[_Fresh]) -> None:
    if not fresh:
        return
    connection.execute(_ADD_MESSAGE, [_message_row(item) for item in fresh])
    connection.execute(_ADD_ENTRY, [_timeline_row(item) for item in fresh])
    connection.execute(_ADD_CONTENT, [_content_row(item) for item in fresh])
    metadata = [row for item in fresh for row in _metadata_rows(item)]
    if metadata:
        connection.execute(_ADD_METADATA, metadata)
    attachments = [row for item in fresh for row in _attachment_rows(item)]
    if attachments:
        connection.execute(_ADD_ATTACHMENT, attachments)
    repeats = [row for item in fresh for row in _repeat_rows(item)]
    if repeats:
        connection.execute(_ADD_RESEND, repeats)


def _message_row(item: _Fresh) -> dict[str, Any]:
    acceptance = item.acceptance
    return {
        "id": item.number,
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
        "created_at": item.created_at,
        "change_seq": item.number,
        "due_at": acceptance.scheduled_at or item.now,
        "lane": acceptance.connection_id or "",
        "attempts": 0,
    }


def _timeline_row(item: _Fresh) -> dict[str, Any]:
    is_scheduled = item.acceptance.scheduled_at is not None
    event = TimelineEvent.SCHEDULED if is_scheduled else TimelineEvent.QUEUED
    return {
        "change_seq": item.number,
        "message_id": item.number,
        "at": item.created_at,
        "event": event.value,
        "detail": item.acceptance.repeat.detail if item.acceptance.repeat else {},
    }


def _content_row(item: _Fresh) -> dict[str, Any]:
    return {"message_id": item.number, "request": item.acceptance.request}


def _metadata_rows(item: _Fresh) -> Iterator[dict[str, Any]]:
    for row in item.acceptance.metadata_rows:
        yield {
            "message_id": item.number,
            "key": row.key,
            "workspace_id": item.acceptance.workspace_id,
            "livemode": item.acceptance.livemode,
            "lookup": row.lookup,
            "kind": row.kind,
            "value": row.text,
            "created_at": item.created_at,
        }


def _attachment_rows(item: _Fresh) -> Iterator[dict[str, Any]]:
    for position, attachment in enumerate(item.acceptance.attachments):
        yield {
            "message_id": item.number,
            "position": position,
            "filename": attachment.filename,
            "content_type": attachment.content_type,
            "is_inline": attachment.inline,
            "content_id": attachment.content_id,
            "content": attachment.content,
        }


def _repeat_rows(item: _Fresh) -> Iterator[dict[str, Any]]:
    repeat = item.acceptance.repeat
    if repeat is not None:
        yield {
            "message_id": item.number,
            "of_message_id": repeat.of_message_id,
            "batch": repeat.batch,
            "member_id": repeat.member_id,
            "reason": repeat.reason,
            "created_at": item.created_at,
        }
