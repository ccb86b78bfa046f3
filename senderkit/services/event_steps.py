"""What a provider's report makes of a message: pure decisions, as `steps` has them.

Reports come in any order, repeated and late. A status only ever moves forward (sent, delivered,
failed); what a message has been told already changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from senderkit.domain import (
    AttemptOutcome,
    EventKind,
    JsonObject,
    MessageStatus,
    ProviderEvent,
    TimelineEvent,
)
from senderkit.services.connections import Source
from senderkit.services.rounds import Past, Try
from senderkit.services.steps import AttemptEnd, Change, Entry, settled_values, shown

MOST_NOTED: Final = 50
"""How many opens and clicks of one message are noted: some mail programs report thousands."""

_TOLD_ONCE: Final = {
    EventKind.COMPLAINED: TimelineEvent.COMPLAINED,
    EventKind.OPTED_OUT: TimelineEvent.OPTED_OUT,
}
_MARKS: Final = {
    EventKind.OPENED: (TimelineEvent.OPENED, "opened_at"),
    EventKind.CLICKED: (TimelineEvent.CLICKED, "clicked_at"),
}
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Told:
    """A step that an earlier report put on the timeline."""

    event: TimelineEvent
    at: datetime
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """What a message is when a report about it comes in."""

    id: int
    public_id: str
    status: MessageStatus
    recipient_key: str
    connection_id: str | None
    provider_message_id: str | None
    created_at: datetime
    marked: frozenset[str]
    """Those of `opened_at` and `clicked_at` that are set."""
    past: Past
    told: tuple[Told, ...] = field(default=())


def find_change(
    message: Reported, event: ProviderEvent, source: Source, now: datetime
) -> Change | None:
    """What becomes of the message, or None when the report says nothing new about it."""
    if not message.past.tries:
        return None
    at = _moment(event, message, now)
    if event.kind is EventKind.DELIVERED:
        return _delivered(message, event, source, at, now)
    if event.kind is EventKind.FAILED:
        return _failed(message, event, source, at, now)
    return _noted(message, event, source, at, now)


def _moment(event: ProviderEvent, message: Reported, now: datetime) -> datetime:
    """When it happened; one that cannot be is the present."""
    is_possible = message.created_at - _DAY <= event.at <= now + _DAY
    return event.at if is_possible else now


def _delivered(
    message: Reported, event: ProviderEvent, source: Source, at: datetime, now: datetime
) -> Change | None:
    detail = _detail(source, detail=shown(event.detail))
    entry = Entry(TimelineEvent.DELIVERED, at, detail)
    if message.status is MessageStatus.RENDERED:
        return _settled(message, event, source, now, MessageStatus.DELIVERED, entry)
    if message.status is MessageStatus.SENT:
        values = _late_id(message, event)
        return Change(message.id, (entry,), MessageStatus.DELIVERED, values=values)
    is_given_up = message.status is MessageStatus.FAILED and _is_doubtful(message.past.tries[-1])
    if is_given_up and not _has(message, entry.event):
        return Change(message.id, (entry,))  # it was in doubt, and it did arrive
    return None


def _failed(
    message: Reported, event: ProviderEvent, source: Source, at: datetime, now: datetime
) -> Change | None:
    """An earlier connection of a message that was passed on does not end it any more."""
    reason = shown(event.detail) or "The provider could not deliver the message."
    entry = Entry(TimelineEvent.FAILED, at, _detail(source, reason=reason))
    if message.status is MessageStatus.RENDERED:
        if _open_try(message, source) is None:
            return None
        return _settled(message, event, source, now, MessageStatus.FAILED, entry, error=reason)
    if message.status not in {MessageStatus.SENT, MessageStatus.DELIVERED}:
        return None
    if message.connection_id != source.connection_id and _tries(message, source):
        return None
    values = {**_late_id(message, event), "error": reason}
    return Change(message.id, (entry,), MessageStatus.FAILED, values=values)


def _noted(
    message: Reported, event: ProviderEvent, source: Source, at: datetime, now: datetime
) -> Change | None:
    """Opened, clicked, complained or opted out: the message was taken, whatever we know of it."""
    entries, values = _note(message, event, source, at)
    is_open = message.status is MessageStatus.RENDERED and _open_try(message, source) is not None
    if is_open:
        return _settled(
            message, event, source, now, MessageStatus.SENT, *entries, error=None, **values
        )
    return Change(message.id, entries, values=values) if entries else None


def _note(
    message: Reported, event: ProviderEvent, source: Source, at: datetime
) -> tuple[tuple[Entry, ...], dict[str, Any]]:
    if event.kind in _TOLD_ONCE:
        word = _TOLD_ONCE[event.kind]
        by = "recipient" if word is TimelineEvent.OPTED_OUT else None
        detail = _detail(source, by=by, detail=shown(event.detail))
        return ((), {}) if _has(message, word) else ((Entry(word, at, detail),), {})
    word, mark = _MARKS[event.kind]
    is_repeat = Told(word, at, event.link) in message.told
    is_enough = mark in message.marked and len(message.told) >= MOST_NOTED
    if is_repeat or is_enough:
        return (), {}
    values = {} if mark in message.marked else {mark: at}
    return (Entry(word, at, _detail(source, link=event.link)),), values


def _settled(
    message: Reported,
    event: ProviderEvent,
    source: Source,
    now: datetime,
    status: MessageStatus,
    *entries: Entry,
    error: str | None = None,
    **values: Any,
) -> Change:
    """The provider took a message whose call is under way, in doubt, or failed for a time.

    The lease ends with it, so that the call's own late result is dropped.
    """
    open_try = _open_try(message, source)
    end = open_try and AttemptEnd(open_try.number, AttemptOutcome.ACCEPTED, now)
    their_id = shown(event.provider_message_id)
    sent = Entry(TimelineEvent.SENT, now, _detail(source, providerMessageId=their_id))
    found = {
        **settled_values(message.created_at, now),
        "provider": source.provider,
        "connection_id": source.connection_id,
        "provider_message_id": their_id or message.provider_message_id,
        "error": error,
        **values,
    }
    return Change(message.id, (sent, *entries), status, values=found, attempt=end or None)


def _open_try(message: Reported, source: Source) -> Try | None:
    """The last try through this connection, if what came of it is not known."""
    last = _tries(message, source)[-1:]
    return last[0] if last and _is_doubtful(last[0]) else None


def _is_doubtful(each: Try) -> bool:
    return each.outcome in {None, AttemptOutcome.UNKNOWN}


def _tries(message: Reported, source: Source) -> list[Try]:
    return [each for each in message.past.tries if each.connection_id == source.connection_id]


def _has(message: Reported, word: TimelineEvent) -> bool:
    return any(told.event is word for told in message.told)


def _late_id(message: Reported, event: ProviderEvent) -> Mapping[str, Any]:
    """The provider's id of a message, for one that was sent without learning it."""
    their_id = shown(event.provider_message_id)
    is_news = message.provider_message_id is None and their_id is not None
    return {"provider_message_id": their_id} if is_news else {}


def _detail(source: Source, **parts: str | None) -> JsonObject:
    named = {"provider": source.provider, **parts}
    return {name: value for name, value in named.items() if value}
