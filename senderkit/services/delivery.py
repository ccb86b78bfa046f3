"""The only writer of a message's status: every change goes through `apply_changes`.

A change locks its message, is checked against the lease and the legal moves, takes numbers from the
change sequence and appends to the timeline, all in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Update,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from senderkit.changes import take_numbers
from senderkit.domain import CANCELABLE, AttemptOutcome, Channel, may_move
from senderkit.errors import NotCancelable, NotFound
from senderkit.models import Attempt, Message, MessageContent, TimelineEntry
from senderkit.outbox import LockedMessage, lock_messages
from senderkit.services import connections, steps, webhook_events
from senderkit.services.rounds import Past, Try
from senderkit.services.steps import Change, Entry

_RELEASED_AT_ONCE: Final = 500

# The statements are made once: making them costs more than running them.
_ADD_ENTRY: Final = insert(TimelineEntry)
_BEGIN_ATTEMPT: Final = insert(Attempt)
_END_ATTEMPT: Final = (
    update(Attempt)
    .where(
        Attempt.__table__.c.message_id == bindparam("of_id"),
        Attempt.__table__.c.number == bindparam("of_number"),
    )
    .values(
        outcome=bindparam("ended_as"), finished_at=bindparam("ended_at"), detail=bindparam("words")
    )
)
_KEEP_RENDERED: Final = (
    update(MessageContent)
    .where(MessageContent.__table__.c.message_id == bindparam("of_id"))
    .values(rendered=bindparam("output"))
)


def apply_changes(connection: Connection, changes: Sequence[Change], *, now: datetime) -> set[int]:
    """Apply what is still allowed; return the ids of the messages that were changed.

    What webhooks are to tell of it is stored with it.
    """
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
    connection.execute(_ADD_ENTRY, entries)
    _update_messages(connection, updates)
    _update_contents(connection, allowed)
    _end_attempts(connection, allowed)
    _begin_attempts(connection, allowed)
    webhook_events.record(connection, allowed, now=now)
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
    """Its keys name the parameters of `_message_statement`."""
    values = {"of_id": change.message_id, "new_change_seq": rows[-1]["change_seq"]}
    values |= {f"new_{name}": value for name, value in change.values.items()}
    if change.status is not None:
        values["new_status"] = change.status.value
    return values


def _update_messages(connection: Connection, updates: Iterable[dict[str, Any]]) -> None:
    """One UPDATE for each set of columns, run over all its rows."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for values in updates:
        by_columns[tuple(values)].append(values)
    for columns, rows in by_columns.items():
        connection.execute(_message_statement(columns), rows)


@cache
def _message_statement(names: tuple[str, ...]) -> Update:
    columns = [name for name in names if name != "of_id"]
    return (
        update(Message)
        .where(Message.__table__.c.id == bindparam("of_id"))
        .values({name.removeprefix("new_"): bindparam(name) for name in columns})
    )


def _update_contents(connection: Connection, changes: Iterable[Change]) -> None:
    rows = [
        {"of_id": change.message_id, "output": dict(change.rendered)}
        for change in changes
        if change.rendered is not None
    ]
    if rows:
        connection.execute(_KEEP_RENDERED, rows)


def _end_attempts(connection: Connection, changes: Iterable[Change]) -> None:
    rows = [
        {
            "of_id": change.message_id,
            "of_number": change.attempt.number,
            "ended_as": change.attempt.outcome.value,
            "ended_at": change.attempt.finished_at,
            "words": change.attempt.detail,
        }
        for change in changes
        if change.attempt is not None
    ]
    if rows:
        connection.execute(_END_ATTEMPT, rows)


def _begin_attempts(connection: Connection, changes: Iterable[Change]) -> None:
    rows = [
        {
            "message_id": change.message_id,
            "number": change.begins.number,
            "round": change.begins.claim.round,
            "connection_id": change.begins.connection_id,
            "provider": change.begins.provider,
            "started_at": change.entries[-1].at,
        }
        for change in changes
        if change.begins is not None
    ]
    if rows:
        connection.execute(_BEGIN_ATTEMPT, rows)


def past_attempts(connection: Connection, message_ids: Sequence[int]) -> dict[int, Past]:
    """The earlier attempts of messages, by message id; one that had none is not there."""
    if not message_ids:
        return {}
    rows = connection.execute(
        select(
            Attempt.message_id,
            Attempt.number,
            Attempt.round,
            Attempt.connection_id,
            Attempt.outcome,
        )
        .where(Attempt.message_id.in_(message_ids))
        .order_by(Attempt.message_id, Attempt.number)
    )
    found: dict[int, list[Try]] = defaultdict(list)
    for message_id, number, round_, connection_id, outcome in rows:
        ended_as = None if outcome is None else AttemptOutcome(outcome)
        found[message_id].append(Try(number, round_, connection_id, ended_as))
    return {message_id: Past(tuple(tries)) for message_id, tries in found.items()}


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
        apply_changes(connection, [steps.canceled(message_id, by, now)], now=now)


def release_held(
    engine: Engine,
    workspace_id: int,
    *,
    connection_id: str | None = None,
    now: datetime,
    by: str,
) -> int:
    """Try held messages again, all or those of one connection; return how many they were.

    What marks their connections as broken is forgotten: the next failure marks them anew. `by` is
    the public id of a person or key, or what else released them.
    """
    of_connection = () if connection_id is None else (Message.connection_id == connection_id,)
    with engine.begin() as connection:
        connections.forget_broken(connection, workspace_id, connection_id)
    return _release(engine, now, by, Message.workspace_id == workspace_id, *of_connection)


def release_channel(
    engine: Engine, workspace_id: int, channel: Channel, *, now: datetime, by: str
) -> int:
    """Try again what a channel holds: another connection may deliver it now; return how many."""
    of_channel = Message.channel == channel.value
    return _release(engine, now, by, Message.workspace_id == workspace_id, of_channel)


def release_unconnected(engine: Engine, *, now: datetime, by: str) -> int:
    """Try again what waits for the environment's connection, or for any; return how many."""
    without_one = or_(
        Message.connection_id.is_(None), Message.connection_id == connections.ENVIRONMENT_ID
    )
    return _release(engine, now, by, without_one)


def _release(engine: Engine, now: datetime, by: str, *which: ColumnElement[bool]) -> int:
    """Some at a time, so that no transaction is long; each at most once, held anew or not."""
    count, last_id = 0, 0
    while True:
        with engine.begin() as connection:
            statement = (
                select(Message.id)
                .where(Message.held_reason.is_not(None), Message.id > last_id, *which)
                .order_by(Message.id)
                .limit(_RELEASED_AT_ONCE)
                .with_for_update()
            )
            held_ids = list(connection.execute(statement).scalars())
            changes = [steps.released(id_, by, now) for id_ in held_ids]
            apply_changes(connection, changes, now=now)
        count += len(held_ids)
        if len(held_ids) < _RELEASED_AT_ONCE:
            return count
        last_id = held_ids[-1]


def note(connection: Connection, message_id: int, entry: Entry) -> None:
    """Remark on a message's timeline something that happens now; its status stays."""
    apply_changes(connection, [Change(message_id, (entry,))], now=entry.at)
