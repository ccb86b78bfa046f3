"""Webhook events: which of them a change of a message is, stored in the change's own transaction.

So an event exists if and only if what it tells of was committed. Only live messages are told of,
and only where an endpoint that is switched on wants to hear that type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from senderkit.domain import (
    Channel,
    JsonObject,
    MessageStatus,
    TimelineEvent,
    WebhookEventType,
    WebhookState,
    new_public_id,
    shown_moment,
)
from senderkit.models import Message, WebhookDelivery, WebhookEndpoint, WebhookEvent
from senderkit.services.steps import Change, Entry


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to tell about a message; `link` is what was clicked."""

    message_id: int
    type: WebhookEventType
    link: str | None = None


_OF_STATUS: Final = {
    TimelineEvent.SENT: WebhookEventType.SENT,
    TimelineEvent.DELIVERED: WebhookEventType.DELIVERED,
    TimelineEvent.FAILED: WebhookEventType.FAILED,
}
"""Told when the status changes: a mere remark that a failed message arrived after all is not."""

_OF_REMARK: Final = {
    TimelineEvent.OPTED_OUT: (WebhookEventType.OPTED_OUT,),
    TimelineEvent.COMPLAINED: (WebhookEventType.COMPLAINED, WebhookEventType.OPTED_OUT),
}
_OF_FIRST: Final = {
    TimelineEvent.OPENED: (WebhookEventType.OPENED, "opened_at"),
    TimelineEvent.CLICKED: (WebhookEventType.CLICKED, "clicked_at"),
}
"""Told the first time only, when the change sets this column."""

_STATUSES: Final = {
    WebhookEventType.SENT: MessageStatus.SENT,
    WebhookEventType.DELIVERED: MessageStatus.DELIVERED,
    WebhookEventType.FAILED: MessageStatus.FAILED,
}
"""One change may take several steps at once: each event tells the status of its own."""


def told_by(change: Change) -> tuple[Told, ...]:
    """What a change is to be told as, in the order of its steps, each type once."""
    found = {told.type: told for entry in change.entries for told in _told(change, entry)}
    return tuple(found.values())


def _told(change: Change, entry: Entry) -> Iterator[Told]:
    if entry.event in _OF_STATUS and change.status is not None:
        yield Told(change.message_id, _OF_STATUS[entry.event])
    for kind in _OF_REMARK.get(entry.event, ()):
        yield Told(change.message_id, kind)
    if entry.event in _OF_FIRST:
        kind, column = _OF_FIRST[entry.event]
        if column in change.values:
            yield Told(change.message_id, kind, entry.detail.get("link"))


# -- storing ------------------------------------------------------------------------------------

# The statements are made once: making them costs more than running them.
# The lock keeps an endpoint from being removed between here and the foreign key's own look.
_LISTENING: Final = (
    select(WebhookEndpoint.id, WebhookEndpoint.workspace_id, WebhookEndpoint.events)
    .where(WebhookEndpoint.is_enabled.is_(True))
    .order_by(WebhookEndpoint.id)
    .with_for_update(read=True, key_share=True)
)
_MESSAGES: Final = select(
    Message.id,
    Message.workspace_id,
    Message.public_id,
    Message.status,
    Message.channel,
    Message.recipient,
    Message.provider,
    Message.metadata_,
    Message.error,
    Message.opened_at,
    Message.clicked_at,
    Message.created_at,
).where(Message.id.in_(bindparam("ids", expanding=True)), Message.livemode.is_(True))
_ADD_DELIVERY: Final = insert(WebhookDelivery)
# Whoever complained may opt out as well later: that was told with the complaint.
_ADD_EVENT: Final = {
    name: dialect.insert(WebhookEvent)
    .on_conflict_do_nothing(index_elements=["message_id", "type"])
    .returning(WebhookEvent.id, WebhookEvent.public_id)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}

_Listener = Row[*tuple[Any, ...]]
_Message = Row[*tuple[Any, ...]]


def record(connection: Connection, changes: Iterable[Change], *, now: datetime) -> None:
    """Store what is to be told of changes that were just applied, due at once."""
    told = [each for change in changes for each in told_by(change)]
    listeners = list(connection.execute(_LISTENING)) if told else []
    if not listeners:
        return
    rows = connection.execute(_MESSAGES, {"ids": list({each.message_id for each in told})})
    messages = {row.id: row for row in rows}
    wanted: dict[str, list[int]] = {}
    events: list[dict[str, Any]] = []
    for each in told:
        message = messages.get(each.message_id)
        endpoint_ids = [] if message is None else _wanting(listeners, message, each.type)
        if message is not None and endpoint_ids:
            event_id = new_public_id("evt", now)
            wanted[event_id] = endpoint_ids
            events.append(_event_row(event_id, message, each, now))
    _store(connection, events, wanted, now)


def _wanting(
    listeners: Sequence[_Listener], message: _Message, kind: WebhookEventType
) -> list[int]:
    return [
        listener.id
        for listener in listeners
        if listener.workspace_id == message.workspace_id
        and (not listener.events or kind.value in listener.events.split())
    ]


def _event_row(event_id: str, message: _Message, told: Told, now: datetime) -> dict[str, Any]:
    data: dict[str, Any] = {"message": message_json(message, told.type)}
    if told.type is WebhookEventType.CLICKED:
        data["link"] = told.link
    return {
        "public_id": event_id,
        "workspace_id": message.workspace_id,
        "type": told.type.value,
        "message_id": message.id,
        "body": event_text(event_id, told.type, now, data, livemode=True),
        "created_at": now,
    }


def _store(
    connection: Connection,
    events: Sequence[Mapping[str, Any]],
    wanted: Mapping[str, Sequence[int]],
    now: datetime,
) -> None:
    if not events:
        return
    added = connection.execute(_ADD_EVENT[connection.dialect.name], events).all()
    rows = [
        delivery_row(event_id, endpoint_id, now)
        for event_id, public_id in added
        for endpoint_id in wanted[public_id]
    ]
    if rows:
        connection.execute(_ADD_DELIVERY, rows)


def delivery_row(event_id: int, endpoint_id: int, now: datetime) -> dict[str, Any]:
    """A delivery that is due at once."""
    return {
        "public_id": new_public_id("whd", now),
        "event_id": event_id,
        "endpoint_id": endpoint_id,
        "state": WebhookState.PENDING.value,
        "due_at": now,
        "attempts": 0,
        "tries": 0,
        "created_at": now,
    }


# -- the wire -----------------------------------------------------------------------------------


def event_text(
    event_id: str, kind: WebhookEventType, at: datetime, data: JsonObject, *, livemode: bool
) -> str:
    """An event as JSON: what is signed and sent, byte by byte, with every try."""
    event = {
        "id": event_id,
        "type": kind.value,
        "created": shown_moment(at),
        "livemode": livemode,
        "data": data,
    }
    return orjson.dumps(event).decode("utf-8")


def message_json(row: _Message, kind: WebhookEventType) -> dict[str, Any]:
    """The message as it stands after what the event tells of."""
    status = _STATUSES.get(kind, MessageStatus(row.status))
    is_well = status in {MessageStatus.SENT, MessageStatus.DELIVERED}
    return {
        "id": row.public_id,
        "status": status.value,
        "channel": Channel(row.channel).value,
        "recipient": row.recipient,
        "provider": row.provider,
        "metadata": row.metadata,
        "error": None if is_well else row.error,
        "openedAt": _find_moment(row.opened_at),
        "clickedAt": _find_moment(row.clicked_at),
        "createdAt": shown_moment(row.created_at),
    }


def _find_moment(at: datetime | None) -> str | None:
    return None if at is None else shown_moment(at)
