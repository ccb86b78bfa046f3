"""Providers' reports in the database: which message each is about, and what it changes.

A batch is one transaction: the messages are locked first, then recipients are suppressed, then the
changes are applied, so that two batches never wait for each other in a circle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, Row, select

from senderkit.commands import check_recipient
from senderkit.database import is_outage
from senderkit.domain import (
    Channel,
    EventKind,
    MessageStatus,
    ProviderEvent,
    SuppressionReason,
    TimelineEvent,
)
from senderkit.errors import InvalidRequest
from senderkit.models import Message, TimelineEntry
from senderkit.outbox import lock_messages
from senderkit.services import delivery, suppressions
from senderkit.services.connections import Source
from senderkit.services.event_steps import Reported, Told, find_change
from senderkit.services.rounds import Past
from senderkit.services.steps import Change

_log = structlog.get_logger(__name__)

_AT_ONCE: Final = 100
_REPORTED: Final = tuple(
    event.value
    for event in (
        TimelineEvent.DELIVERED,
        TimelineEvent.OPENED,
        TimelineEvent.CLICKED,
        TimelineEvent.COMPLAINED,
        TimelineEvent.OPTED_OUT,
    )
)
_SUPPRESSING: Final = {
    EventKind.COMPLAINED: SuppressionReason.COMPLAINED,
    EventKind.OPTED_OUT: SuppressionReason.UNSUBSCRIBED,
}


def apply_events(
    engine: Engine, source: Source, events: Sequence[ProviderEvent], now: datetime
) -> list[ProviderEvent]:
    """Take in what a provider reported, and return what is about no message that is known.

    Repeats change nothing. Raises only when the database cannot be used; what of the events is
    stored by then is whole.
    """
    unknown: list[ProviderEvent] = []
    for start in range(0, len(events), _AT_ONCE):
        batch = events[start : start + _AT_ONCE]
        try:
            with engine.begin() as connection:
                found = _apply(connection, source, batch, now)
            unknown += found
        except Exception as error:
            if is_outage(error):
                raise
            _log.error("events_not_stored", events=len(batch), exc_info=error)
            _apply_one_by_one(engine, source, batch, now)
    return unknown


def _apply_one_by_one(
    engine: Engine, source: Source, events: Sequence[ProviderEvent], now: datetime
) -> None:
    """One event kept the others from being stored: it alone is lost for it, and logged."""
    for event in events:
        try:
            with engine.begin() as connection:
                _apply(connection, source, [event], now)
        except Exception as error:
            if is_outage(error):
                raise
            _log.error("event_not_stored", kind=event.kind.value, exc_info=error)


def _apply(
    connection: Connection, source: Source, events: Sequence[ProviderEvent], now: datetime
) -> list[ProviderEvent]:
    """The events that are about no message that is known."""
    ids = _find_ids(connection, source, events)
    messages = _read_locked(connection, sorted({id_ for id_ in ids if id_ is not None}))
    about = [None if id_ is None else messages.get(id_) for id_ in ids]
    known: list[_Known] = []
    unknown: list[ProviderEvent] = []
    for event, message in zip(events, about, strict=True):
        if message is not None or _names_no_message(event):
            known.append((event, message))
        else:
            unknown.append(event)
    _suppress(connection, source, known, now)
    _change(connection, source, known, now)
    return unknown


# -- which messages -----------------------------------------------------------------------------


def _names_no_message(event: ProviderEvent) -> bool:
    return event.message_id is None and event.provider_message_id is None


def _find_ids(
    connection: Connection, source: Source, events: Sequence[ProviderEvent]
) -> list[int | None]:
    """The message of each event: by our own id, else by the provider's, else None."""
    of_source = (
        Message.workspace_id == source.workspace_id,
        Message.livemode.is_(True),
        Message.channel == source.channel.value,
    )
    ours = list({event.message_id for event in events if event.message_id})
    theirs = list({event.provider_message_id for event in events if event.provider_message_id})
    by_ours = select(Message.public_id, Message.id).where(Message.public_id.in_(ours), *of_source)
    by_theirs = select(Message.provider_message_id, Message.id).where(
        Message.provider_message_id.in_(theirs),
        Message.connection_id == source.connection_id,
        *of_source,
    )
    found_ours = _pairs(connection, by_ours) if ours else {}
    found_theirs = _pairs(connection, by_theirs) if theirs else {}
    return [
        found_ours.get(event.message_id or "") or found_theirs.get(event.provider_message_id or "")
        for event in events
    ]


def _pairs(connection: Connection, statement: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(statement)}


def _read_locked(connection: Connection, message_ids: Sequence[int]) -> dict[int, Reported]:
    if not message_ids:
        return {}
    lock_messages(connection, message_ids)
    pasts = delivery.past_attempts(connection, message_ids)
    told = _read_told(connection, message_ids)
    rows = connection.execute(
        select(
            Message.id,
            Message.public_id,
            Message.status,
            Message.recipient_key,
            Message.connection_id,
            Message.provider_message_id,
            Message.created_at,
            Message.opened_at,
            Message.clicked_at,
        ).where(Message.id.in_(message_ids))
    )
    return {
        row.id: _reported(row, pasts.get(row.id, Past()), tuple(told.get(row.id, ())))
        for row in rows
    }


def _reported(row: Row[*tuple[Any, ...]], past: Past, told: tuple[Told, ...]) -> Reported:
    return Reported(
        id=row.id,
        public_id=row.public_id,
        status=MessageStatus(row.status),
        recipient_key=row.recipient_key,
        connection_id=row.connection_id,
        provider_message_id=row.provider_message_id,
        created_at=row.created_at,
        marked=frozenset(
            name for name in ("opened_at", "clicked_at") if getattr(row, name) is not None
        ),
        past=past,
        told=told,
    )


def _read_told(connection: Connection, message_ids: Sequence[int]) -> dict[int, list[Told]]:
    rows = connection.execute(
        select(
            TimelineEntry.message_id, TimelineEntry.event, TimelineEntry.at, TimelineEntry.detail
        ).where(TimelineEntry.message_id.in_(message_ids), TimelineEntry.event.in_(_REPORTED))
    )
    found: dict[int, list[Told]] = defaultdict(list)
    for message_id, event, at, detail in rows:
        found[message_id].append(Told(TimelineEvent(event), at, detail.get("link")))
    return found


# -- what they change ---------------------------------------------------------------------------

_Known = tuple[ProviderEvent, Reported | None]


def _suppress(
    connection: Connection, source: Source, known: Sequence[_Known], now: datetime
) -> None:
    """Who complained, opted out or cannot be reached goes on the list, in an order of their own."""
    wanted: dict[tuple[str, SuppressionReason], int | None] = {}
    for event, message in known:
        reason = _reason_of(event, source.channel)
        key = _key_of(event, message, source.channel)
        if reason is not None and key is not None:
            is_own = message is not None and message.recipient_key == key
            wanted.setdefault((key, reason), message.id if message and is_own else None)
    for (key, reason), message_id in sorted(wanted.items(), key=lambda item: item[0]):
        suppressions.suppress(
            connection,
            source.workspace_id,
            source.channel,
            key,
            reason=reason,
            now=now,
            message_id=message_id,
        )


def _reason_of(event: ProviderEvent, channel: Channel) -> SuppressionReason | None:
    is_dead = event.kind is EventKind.FAILED and event.is_permanent
    if is_dead and channel is Channel.EMAIL:
        return SuppressionReason.BOUNCED
    return _SUPPRESSING.get(event.kind)


def _key_of(event: ProviderEvent, message: Reported | None, channel: Channel) -> str | None:
    """Whom the event is about: the recipient that it names, else its message's."""
    if event.recipient is not None:
        try:
            return check_recipient(channel, event.recipient).key
        except InvalidRequest:
            _log.info("event_with_an_unreadable_recipient", channel=channel.value)
    return None if message is None else message.recipient_key


def _change(connection: Connection, source: Source, known: Sequence[_Known], now: datetime) -> None:
    """Each message's events one after the other, those of different messages together."""
    by_message: dict[int, list[ProviderEvent]] = defaultdict(list)
    messages: dict[int, Reported] = {}
    for event, message in known:
        if message is not None and _is_about_recipient(event, message, source.channel):
            by_message[message.id].append(event)
            messages[message.id] = message
    for wave in _waves(by_message):
        found = {id_: find_change(messages[id_], event, source, now) for id_, event in wave.items()}
        changes = [change for change in found.values() if change is not None]
        delivery.apply_changes(connection, changes, now=now)
        for change in changes:
            messages[change.message_id] = _after(messages[change.message_id], change)


def _is_about_recipient(event: ProviderEvent, message: Reported, channel: Channel) -> bool:
    """An email may have copies: what happened to one says nothing about the message."""
    is_copy = _key_of(event, message, channel) != message.recipient_key
    return channel is not Channel.EMAIL or not is_copy


def _waves(
    by_message: Mapping[int, Sequence[ProviderEvent]],
) -> Iterator[dict[int, ProviderEvent]]:
    for place in range(max(map(len, by_message.values()), default=0)):
        yield {id_: events[place] for id_, events in by_message.items() if len(events) > place}


def _after(message: Reported, change: Change) -> Reported:
    """The message as the change has left it, for the next event about it."""
    values = change.values
    told = (Told(entry.event, entry.at, entry.detail.get("link")) for entry in change.entries)
    return replace(
        message,
        status=change.status or message.status,
        connection_id=values.get("connection_id", message.connection_id),
        provider_message_id=values.get("provider_message_id", message.provider_message_id),
        marked=message.marked | (values.keys() & {"opened_at", "clicked_at"}),
        past=message.past.with_outcome(change.attempt.number, change.attempt.outcome)
        if change.attempt
        else message.past,
        told=(*message.told, *told),
    )
