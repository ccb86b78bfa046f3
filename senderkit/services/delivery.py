"""The only writer of a message's status: every change goes through `apply_changes`.

A change locks its message, is checked against the lease and the legal moves, takes numbers from the
change sequence and appends to the timeline, all in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from senderkit.changes import take_numbers
from senderkit.domain import (
    CANCELABLE,
    AttemptOutcome,
    JsonObject,
    MessageStatus,
    Receipt,
    TimelineEvent,
    may_move,
)
from senderkit.errors import NotCancelable, NotFound
from senderkit.models import Attempt, Message, MessageContent, TimelineEntry
from senderkit.outbox import Claim, LockedMessage, lock_messages

_DONE: Final[Mapping[str, Any]] = {"due_at": None, "lease_until": None, "lease_token": None}
_MAX_ERROR: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One step for the timeline; `detail` holds the step's own extra fields."""

    event: TimelineEvent
    at: datetime
    detail: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one message.

    `status` None leaves it as it is. With a `lease_token`, the change is dropped unless the lease
    is still ours. `rendered` is kept for the dashboard; `attempt` ends the attempt of that number.
    """

    message_id: int
    entries: tuple[Entry, ...]
    status: MessageStatus | None = None
    lease_token: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    rendered: JsonObject | None = None
    attempt: AttemptEnd | None = None


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How the attempt `number` of a message ended."""

    number: int
    outcome: AttemptOutcome
    finished_at: datetime
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """A provider call about to be made: committed before it, so that a crash leaves a trace."""

    claim: Claim
    connection_id: str
    provider: str
    rendered: JsonObject

    @property
    def number(self) -> int:
        return self.claim.attempts + 1


def apply_changes(connection: Connection, changes: Sequence[Change]) -> set[int]:
    """Apply what is still allowed; return the ids of the messages that were changed."""
    locked = lock_messages(connection, [change.message_id for change in changes])
    allowed = [change for change in changes if _is_allowed(change, locked.get(change.message_id))]
    if not allowed:
        return set()
    numbers = iter(take_numbers(connection, sum(len(change.entries) for change in allowed)))
    entries: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    for change in allowed:
        rows = [_entry_row(change.message_id, next(numbers), entry) for entry in change.entries]
        entries.extend(rows)
        updates.append(_message_update(change, rows))
    connection.execute(insert(TimelineEntry), entries)
    _update_messages(connection, updates)
    _update_contents(connection, allowed)
    _end_attempts(connection, allowed)
    return {change.message_id for change in allowed}


def _is_allowed(change: Change, message: LockedMessage | None) -> bool:
    if message is None:
        return False
    if change.lease_token is not None and change.lease_token != message.lease_token:
        return False
    if change.status is None or change.status is message.status:
        return True
    return may_move(message.status, change.status)


def _entry_row(message_id: int, number: int, entry: Entry) -> dict[str, Any]:
    return {
        "change_seq": number,
        "message_id": message_id,
        "at": entry.at,
        "event": entry.event.value,
        "detail": dict(entry.detail),
    }


def _message_update(change: Change, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = {"of_id": change.message_id, "change_seq": rows[-1]["change_seq"], **change.values}
    if change.status is not None:
        values["status"] = change.status.value
    return values


def _update_messages(connection: Connection, updates: Iterable[dict[str, Any]]) -> None:
    """One UPDATE for each set of columns, run over all its rows."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for values in updates:
        by_columns[tuple(sorted(values))].append(values)
    table = Message.__table__
    for columns, rows in by_columns.items():
        names = [name for name in columns if name != "of_id"]
        statement = (
            update(Message)
            .where(table.c.id == bindparam("of_id"))
            .values({name: bindparam(f"new_{name}") for name in names})
        )
        connection.execute(
            statement,
            [
                {"of_id": row["of_id"], **{f"new_{name}": row[name] for name in names}}
                for row in rows
            ],
        )


def _update_contents(connection: Connection, changes: Iterable[Change]) -> None:
    rows = [
        {"of_id": change.message_id, "output": dict(change.rendered)}
        for change in changes
        if change.rendered is not None
    ]
    if rows:
        connection.execute(
            update(MessageContent)
            .where(MessageContent.__table__.c.message_id == bindparam("of_id"))
            .values(rendered=bindparam("output")),
            rows,
        )


def _end_attempts(connection: Connection, changes: Iterable[Change]) -> None:
    for change in changes:
        if change.attempt is None:
            continue
        connection.execute(
            update(Attempt)
            .where(Attempt.message_id == change.message_id, Attempt.number == change.attempt.number)
            .values(
                outcome=change.attempt.outcome.value,
                finished_at=change.attempt.finished_at,
                detail=change.attempt.detail,
            )
        )


# -- the dispatcher's changes -----------------------------------------------------------------


def begin_attempts(
    connection: Connection, beginnings: Sequence[Beginning], now: datetime
) -> set[int]:
    """Mark messages `rendered` and their attempts begun; return the ids that may be sent.

    A message that was canceled, or whose lease was lost, is not among them.
    """
    cut_off = _cut_off_attempts(connection, [begin.claim.id for begin in beginnings])
    changes = [_beginning_change(begin, cut_off.get(begin.claim.id), now) for begin in beginnings]
    begun = apply_changes(connection, changes)
    rows = [_attempt_row(begin, now) for begin in beginnings if begin.claim.id in begun]
    if rows:
        connection.execute(insert(Attempt), rows)
    return begun


def _cut_off_attempts(connection: Connection, message_ids: Sequence[int]) -> dict[int, int]:
    """The attempts that a crash left without an outcome, by message."""
    statement = select(Attempt.message_id, Attempt.number).where(
        Attempt.message_id.in_(message_ids), Attempt.outcome.is_(None)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def _beginning_change(begin: Beginning, cut_off: int | None, now: datetime) -> Change:
    entries: list[Entry] = []
    end = None
    if cut_off is not None:
        reason = "The process stopped during the attempt: the provider may have taken the message."
        entries.append(Entry(TimelineEvent.IN_DOUBT, now, {"attempt": cut_off, "reason": reason}))
        end = AttemptEnd(cut_off, AttemptOutcome.UNKNOWN, now, reason)
    if begin.claim.status is MessageStatus.SCHEDULED:
        entries.append(Entry(TimelineEvent.QUEUED, now))
    if begin.claim.status is not MessageStatus.RENDERED:
        entries.append(Entry(TimelineEvent.RENDERED, now))
    detail = {"provider": begin.provider, "attempt": begin.number}
    entries.append(Entry(TimelineEvent.DISPATCHED, now, detail))
    return Change(
        begin.claim.id,
        tuple(entries),
        MessageStatus.RENDERED,
        begin.claim.lease_token,
        {
            "attempts": begin.number,
            "provider": begin.provider,
            "connection_id": begin.connection_id,
        },
        begin.rendered,
        end,
    )


def _attempt_row(begin: Beginning, now: datetime) -> dict[str, Any]:
    return {
        "message_id": begin.claim.id,
        "number": begin.number,
        "connection_id": begin.connection_id,
        "provider": begin.provider,
        "started_at": now,
    }


def accepted(begin: Beginning, receipt: Receipt, now: datetime) -> Change:
    """The provider took the message."""
    detail: dict[str, Any] = {"provider": begin.provider}
    if receipt.provider_message_id:
        detail["providerMessageId"] = receipt.provider_message_id
    if receipt.detail:
        detail["detail"] = receipt.detail
    return Change(
        begin.claim.id,
        (Entry(TimelineEvent.SENT, now, detail),),
        MessageStatus.SENT,
        begin.claim.lease_token,
        {
            **_DONE,
            "provider_message_id": receipt.provider_message_id,
            "latency_ms": latency_ms(begin.claim, now),
            "error": None,
        },
        attempt=AttemptEnd(begin.number, AttemptOutcome.ACCEPTED, now, receipt.detail),
    )


def latency_ms(claim: Claim, now: datetime) -> int:
    """Milliseconds from acceptance to the hand-over."""
    return max(0, (now - claim.created_at) // timedelta(milliseconds=1))


_END_EVENTS: Final = {
    MessageStatus.FAILED: TimelineEvent.FAILED,
    MessageStatus.SUPPRESSED: TimelineEvent.SUPPRESSED,
    MessageStatus.OPTED_OUT: TimelineEvent.OPTED_OUT,
}


def ended(
    claim: Claim,
    status: MessageStatus,
    reason: str,
    now: datetime,
    *,
    attempt: AttemptEnd | None = None,
    rendered: JsonObject | None = None,
) -> Change:
    """The message ends as failed, suppressed or opted out, for a reason that people read."""
    text = reason[:_MAX_ERROR]
    return Change(
        claim.id,
        (*_late_queued(claim, now), Entry(_END_EVENTS[status], now, {"reason": text})),
        status,
        claim.lease_token,
        {**_DONE, "error": text},
        rendered,
        attempt,
    )


def retried(begin: Beginning, end: AttemptEnd, delay_seconds: float, *, in_doubt: bool) -> Change:
    """Try again after `delay_seconds`. An attempt of unknown outcome is marked as in doubt."""
    now, reason = end.finished_at, (end.detail or "")[:_MAX_ERROR]
    detail = {"reason": reason, "attempt": end.number, "inSeconds": round(delay_seconds)}
    doubt = Entry(TimelineEvent.IN_DOUBT, now, {"attempt": end.number, "reason": reason})
    return Change(
        begin.claim.id,
        (*((doubt,) if in_doubt else ()), Entry(TimelineEvent.RETRY, now, detail)),
        None,
        begin.claim.lease_token,
        {
            "due_at": now + timedelta(seconds=delay_seconds),
            "lease_until": None,
            "lease_token": None,
            "error": reason,
        },
        attempt=end,
    )


def held(claim: Claim, reason: str, now: datetime, *, attempt: AttemptEnd | None = None) -> Change:
    """Keep the message until its connection is repaired: no status change, nothing due."""
    text = reason[:_MAX_ERROR]
    return Change(
        claim.id,
        (Entry(TimelineEvent.HELD, now, {"reason": text}),),
        None,
        claim.lease_token,
        {**_DONE, "held_reason": text},
        attempt=attempt,
    )


def _late_queued(claim: Claim, now: datetime) -> tuple[Entry, ...]:
    return (Entry(TimelineEvent.QUEUED, now),) if claim.status is MessageStatus.SCHEDULED else ()


def simulated_delivery(claim: Claim, rendered: JsonObject, now: datetime) -> Change:
    """A test message's whole way to `delivered`, in one step."""
    detail = {"simulated": True}
    entries = (
        *_late_queued(claim, now),
        *(() if claim.status is MessageStatus.RENDERED else (Entry(TimelineEvent.RENDERED, now),)),
        Entry(TimelineEvent.SENT, now, detail),
        Entry(TimelineEvent.DELIVERED, now, detail),
    )
    values = {**_DONE, "latency_ms": latency_ms(claim, now), "error": None}
    return Change(claim.id, entries, MessageStatus.DELIVERED, claim.lease_token, values, rendered)


def simulated_delay(
    claim: Claim, rendered: JsonObject, reason: str, delay_seconds: float, now: datetime
) -> Change:
    """A test message whose first try meets a simulated transient fault."""
    entries = (
        *_late_queued(claim, now),
        Entry(TimelineEvent.RENDERED, now),
        Entry(TimelineEvent.RETRY, now, {"reason": reason, "inSeconds": round(delay_seconds)}),
    )
    values = {
        "due_at": now + timedelta(seconds=delay_seconds),
        "lease_until": None,
        "lease_token": None,
        "attempts": claim.attempts + 1,
        "error": reason,
    }
    return Change(claim.id, entries, MessageStatus.RENDERED, claim.lease_token, values, rendered)


# -- from outside -----------------------------------------------------------------------------


def cancel(
    engine: Engine, workspace_id: int, livemode: bool, public_id: str, *, now: datetime, by: str
) -> None:
    """Cancel a scheduled or queued message; whichever of this and a claim commits first wins.

    Raises `NotFound`, or `NotCancelable` naming the status just observed.
    """
    with engine.begin() as connection:
        statement = select(Message.id).where(
            Message.public_id == public_id,
            Message.workspace_id == workspace_id,
            Message.livemode == livemode,
        )
        message_id = connection.execute(statement).scalar_one_or_none()
        if message_id is None:
            raise NotFound("There is no such message.")
        status = lock_messages(connection, [message_id])[message_id].status
        if status not in CANCELABLE:
            raise NotCancelable(f"This message is {status.value}: it can no longer be canceled.")
        entry = Entry(TimelineEvent.CANCELED, now, {"by": by})
        change = Change(message_id, (entry,), MessageStatus.CANCELED, None, _DONE)
        apply_changes(connection, [change])


def note(connection: Connection, message_id: int, entry: Entry) -> None:
    """Remark something on a message's timeline; its status stays."""
    apply_changes(connection, [Change(message_id, (entry,))])
