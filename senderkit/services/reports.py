"""The read side of messages: pages, filters, one message with its timeline, counts.

Pages are keyset pages over (created_at, id), newest first: they cost the same at any depth and stay
stable while messages arrive. Nothing here counts to the end or skips rows.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from senderkit.commands import ListMessages, MetadataTerm
from senderkit.domain import MessageStatus, TimelineEvent
from senderkit.errors import InvalidRequest, Issue, NotFound
from senderkit.models import (
    Attempt,
    Message,
    MessageContent,
    MessageMetadata,
    TimelineEntry,
    UtcDateTime,
)
from senderkit.services.searching import Search, find_ids, in_order, search_condition

MessageRow = Row[*tuple[Any, ...]]
"""A row with the columns of `MESSAGE_COLUMNS`, by name."""

MESSAGE_COLUMNS: Final = (
    Message.id,
    Message.public_id,
    Message.uuid,
    Message.livemode,
    Message.channel,
    Message.status,
    Message.recipient,
    Message.template_slug,
    Message.template_version,
    Message.vars,
    Message.metadata_,
    Message.from_override,
    Message.provider,
    Message.connection_id,
    Message.provider_message_id,
    Message.latency_ms,
    Message.error,
    Message.held_reason,
    Message.scheduled_at,
    Message.opened_at,
    Message.clicked_at,
    Message.created_at,
    Message.change_seq,
    Message.due_at,
)


@dataclass(frozen=True, slots=True)
class TimelineRow:
    at: datetime
    event: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message with its timeline, oldest step first."""

    row: MessageRow
    timeline: tuple[TimelineRow, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, newest first; a cursor is None where there is nothing more that way."""

    messages: tuple[MessageView, ...]
    older: str | None
    newer: str | None = None


# -- cursors ----------------------------------------------------------------------------------

_MESSAGE_ID: Final = re.compile("msg_[0-9a-z]{26}")
_BAD_CURSOR: Final = Issue(
    "invalid_value", ("cursor",), "Must be a nextCursor of an earlier page, unchanged."
)


def encode_cursor(row: MessageRow) -> str:
    """The place of a row, of which `created_at` and `public_id` are read."""
    return _cursor_of(row.created_at, row.public_id)


def _cursor_of(created_at: datetime, public_id: str) -> str:
    text = f"{created_at.isoformat()}|{public_id}"
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def _decode_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        moment, _, public_id = text.partition("|")
        created_at = datetime.fromisoformat(moment)
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("The cursor is not one of ours.", [_BAD_CURSOR]) from error
    is_ours = created_at.utcoffset() == timedelta() and _MESSAGE_ID.fullmatch(public_id)
    if not is_ours or _cursor_of(created_at, public_id) != cursor:
        raise InvalidRequest("The cursor is not one of ours.", [_BAD_CURSOR])
    return created_at, public_id


def cursor_position(cursor: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Where a cursor stands in (created_at, id); still right when its message is gone."""
    created_at, public_id = _decode_cursor(cursor)
    at_cursor = select(Message.id).where(Message.public_id == public_id).scalar_subquery()
    return literal(created_at, UtcDateTime()), func.coalesce(at_cursor, 0)


# -- filters ----------------------------------------------------------------------------------


def _metadata_condition(term: MetadataTerm) -> ColumnElement[bool]:
    return and_(
        MessageMetadata.key == term.key,
        MessageMetadata.lookup == term.lookup,
        or_(MessageMetadata.kind != "s", MessageMetadata.value == term.text),
    )


def _status_condition(status: str) -> ColumnElement[bool]:
    if status == TimelineEvent.DISPATCHED.value:  # handed over, and no answer yet
        return and_(Message.status == MessageStatus.RENDERED.value, Message.attempts > 0)
    return Message.status == status


def list_conditions(query: ListMessages) -> list[ColumnElement[bool]]:
    """Every filter of a query but its metadata and its search."""
    found: list[ColumnElement[bool]] = []
    if query.status is not None:
        found.append(_status_condition(query.status))
    if query.channel is not None:
        found.append(Message.channel == query.channel.value)
    if query.template is not None:
        found.append(Message.template_slug == query.template)
    return found


def all_conditions(query: ListMessages) -> list[ColumnElement[bool]]:
    """Every filter of a query, each a condition on a message by itself."""
    found = [*list_conditions(query), *(_has_metadata(term) for term in query.metadata)]
    return found if query.search is None else [*found, search_condition(query.search)]


def of_room(workspace_id: int, livemode: bool) -> tuple[ColumnElement[bool], ...]:
    """A message is seen in its own workspace and mode only."""
    return (Message.workspace_id == workspace_id, Message.livemode == livemode)


def _page_statement(
    workspace_id: int, livemode: bool, query: ListMessages, columns: Iterable[Any]
) -> Select[Any]:
    """`columns` of what a query lets through but for its search, from its cursor on."""
    statement: Select[Any] = select(*columns)
    if not query.metadata:
        order: tuple[Any, Any] = (Message.created_at, Message.id)
        statement = statement.where(*of_room(workspace_id, livemode))
    else:
        # The first term's index range is the page's order; the other terms are looked up.
        first, *others = query.metadata
        order = (MessageMetadata.created_at, MessageMetadata.message_id)
        statement = (
            statement.select_from(MessageMetadata)
            .join(Message, Message.id == MessageMetadata.message_id)
            .where(
                MessageMetadata.workspace_id == workspace_id,
                MessageMetadata.livemode == livemode,
                _metadata_condition(first),
            )
        )
        statement = statement.where(*(_has_metadata(term) for term in others))
    statement = statement.where(*list_conditions(query))
    if query.cursor is not None:
        statement = statement.where(tuple_(*order) < tuple_(*cursor_position(query.cursor)))
    return statement.order_by(order[0].desc(), order[1].desc())


def _search(workspace_id: int, livemode: bool, query: ListMessages, text: str) -> Search:
    ids = (Message.id, Message.created_at)
    return Search(
        text=text,
        workspace_id=workspace_id,
        livemode=livemode,
        walk=_page_statement(workspace_id, livemode, query, ids),
        fits=[*list_conditions(query), *(_has_metadata(term) for term in query.metadata)],
        limit=query.limit + 1,
    )


def _rows_of_page(
    connection: Connection, workspace_id: int, livemode: bool, query: ListMessages
) -> list[MessageRow]:
    """One row more than the page takes, when there are as many."""
    if query.search is None:
        statement = _page_statement(workspace_id, livemode, query, MESSAGE_COLUMNS)
        return list(connection.execute(statement.limit(query.limit + 1)))
    ids = find_ids(connection, _search(workspace_id, livemode, query, query.search))
    found = connection.execute(select(*MESSAGE_COLUMNS).where(Message.id.in_(ids)))
    return in_order(list(found), ids)


def _has_metadata(term: MetadataTerm) -> ColumnElement[bool]:
    other = MessageMetadata.__table__.alias()
    return exists().where(
        other.c.message_id == Message.id,
        other.c.key == term.key,
        other.c.lookup == term.lookup,
        or_(other.c.kind != "s", other.c.value == term.text),
    )


# -- reading ----------------------------------------------------------------------------------


def list_messages(
    connection: Connection, workspace_id: int, livemode: bool, query: ListMessages
) -> Page:
    """One page of a workspace's messages in one mode. Raises `InvalidRequest` for a bad cursor."""
    rows = _rows_of_page(connection, workspace_id, livemode, query)
    has_more = len(rows) > query.limit
    rows = rows[: query.limit]
    return Page(views_of(connection, rows), encode_cursor(rows[-1]) if has_more else None)


def views_of(connection: Connection, rows: Sequence[MessageRow]) -> tuple[MessageView, ...]:
    """Messages with their timelines."""
    timelines = timelines_of(connection, [row.id for row in rows])
    return tuple(MessageView(row, timelines.get(row.id, ())) for row in rows)


def get_message(
    connection: Connection, workspace_id: int, livemode: bool, public_id: str
) -> MessageView:
    """Raises `NotFound`, for another workspace's or mode's message too."""
    statement = select(*MESSAGE_COLUMNS).where(
        Message.public_id == public_id, *of_room(workspace_id, livemode)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise NotFound("There is no such message.")
    return MessageView(row, timelines_of(connection, [row.id]).get(row.id, ()))


def timelines_of(
    connection: Connection, message_ids: Sequence[int]
) -> dict[int, tuple[TimelineRow, ...]]:
    """The steps of each message, oldest first, by message id."""
    if not message_ids:
        return {}
    rows = connection.execute(
        select(
            TimelineEntry.message_id, TimelineEntry.at, TimelineEntry.event, TimelineEntry.detail
        )
        .where(TimelineEntry.message_id.in_(message_ids))
        .order_by(TimelineEntry.message_id, TimelineEntry.change_seq)
    )
    found: dict[int, list[TimelineRow]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(TimelineRow(row[1], row[2], row[3]))
    return {message_id: tuple(entries) for message_id, entries in found.items()}


def find_rendered(connection: Connection, message_id: int) -> Mapping[str, Any] | None:
    """The output as it was handed over, or None while there is none."""
    statement = select(MessageContent.rendered).where(MessageContent.message_id == message_id)
    return connection.execute(statement).scalar_one_or_none()


def find_request(connection: Connection, message_id: int) -> Mapping[str, Any]:
    """What was asked for beyond the template: raw content, envelope, locale."""
    statement = select(MessageContent.request).where(MessageContent.message_id == message_id)
    found: Mapping[str, Any] | None = connection.execute(statement).scalar_one_or_none()
    return found or {}


def list_attempts(connection: Connection, message_id: int) -> list[Row[*tuple[Any, ...]]]:
    """The provider calls of a message, first to last."""
    statement = (
        select(
            Attempt.number,
            Attempt.provider,
            Attempt.started_at,
            Attempt.finished_at,
            Attempt.outcome,
            Attempt.detail,
        )
        .where(Attempt.message_id == message_id)
        .order_by(Attempt.number)
    )
    return list(connection.execute(statement))


@dataclass(frozen=True, slots=True)
class Count:
    """A number, or at least that many when counting stopped there."""

    number: int
    is_capped: bool = False


def count_up_to(
    connection: Connection, conditions: Iterable[ColumnElement[bool]], most: int
) -> Count:
    """How many messages there are, read no further than `most`."""
    found = select(literal(1)).where(*conditions).limit(most + 1).subquery()
    number = connection.scalars(select(func.count()).select_from(found)).one()
    return Count(min(number, most), is_capped=number > most)


def has_messages(connection: Connection, workspace_id: int, livemode: bool) -> bool:
    statement = select(Message.id).where(*of_room(workspace_id, livemode)).limit(1)
    return connection.execute(statement).one_or_none() is not None
