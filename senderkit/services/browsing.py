"""The dashboard's list of messages: keyset pages both ways, and one row for each message.

A page is asked for by what stands just outside it, so it stays the same while messages arrive:
going older and newer again repeats and skips nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, exists, select, tuple_

from senderkit.commands import BrowseMessages
from senderkit.domain import Channel, MessageStatus, TimelineEvent
from senderkit.models import ApiKey, FailureReason, Message, MessageFailure
from senderkit.services.reports import (
    MESSAGE_COLUMNS,
    MessageRow,
    MessageView,
    all_conditions,
    cursor_position,
    encode_cursor,
    list_conditions,
    of_room,
    views_of,
)
from senderkit.services.resends import is_of_batch
from senderkit.services.searching import Search, find_ids, in_order

_AT_A_TIME: Final = 500
"""Messages that are read together where all of them are."""

_COLUMNS: Final[tuple[Any, ...]] = (
    Message.id,
    Message.public_id,
    Message.created_at,
    Message.channel,
    Message.recipient,
    Message.template_slug,
    Message.status,
    Message.provider,
    Message.error,
    Message.held_reason,
)


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message as a list shows it."""

    public_id: str
    created_at: datetime
    channel: Channel
    recipient: str
    template_slug: str | None
    status: MessageStatus
    provider: str | None
    error: str | None
    held_reason: str | None

    @property
    def state(self) -> str:
        """The status, or `held` for a message that waits for a connection to be repaired."""
        return TimelineEvent.HELD.value if self.held_reason else self.status.value

    @property
    def reason(self) -> str | None:
        """Why it stands where it stands, when somebody said so."""
        return self.held_reason or self.error


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Newest first; a cursor is None where there is nothing more that way."""

    rows: tuple[ListedMessage, ...]
    newer: str | None
    older: str | None


NO_MESSAGES: Final = MessagePage((), None, None)


def browse_messages(
    connection: Connection, workspace_id: int, livemode: bool, query: BrowseMessages
) -> MessagePage:
    """One page of a workspace's messages in one mode. Raises `InvalidRequest` for a bad cursor."""
    limit = query.listing.limit
    rows = _rows_of_page(connection, workspace_id, livemode, query, _COLUMNS)
    has_more, rows = len(rows) > limit, rows[:limit]
    if query.newer_than is not None:
        rows.reverse()
        return _page(rows, has_newer=has_more, has_older=True)
    return _page(rows, has_newer=query.listing.cursor is not None, has_older=has_more)


def iterate(
    reader: Engine, workspace_id: int, livemode: bool, query: BrowseMessages
) -> Iterator[tuple[MessageView, ...]]:
    """All messages that a query lets through, newest first, some at a time.

    Nothing is held in between, and messages that arrive meanwhile are left out.
    """
    cursor: str | None = None
    while True:
        listing = query.listing.model_copy(update={"limit": _AT_A_TIME, "cursor": cursor})
        ahead = query.model_copy(update={"listing": listing})
        with reader.connect() as connection:
            rows = _rows_of_page(connection, workspace_id, livemode, ahead, MESSAGE_COLUMNS)
            has_more, rows = len(rows) > _AT_A_TIME, rows[:_AT_A_TIME]
            views = views_of(connection, rows)
        if views:
            yield views
        if not has_more:
            return
        cursor = encode_cursor(rows[-1])


def _page(
    rows: Sequence[Row[*tuple[Any, ...]]], *, has_newer: bool, has_older: bool
) -> MessagePage:
    if not rows:
        return NO_MESSAGES
    return MessagePage(
        tuple(listed_message(row) for row in rows),
        encode_cursor(rows[0]) if has_newer else None,
        encode_cursor(rows[-1]) if has_older else None,
    )


def listed_message(row: Row[*tuple[Any, ...]]) -> ListedMessage:
    """From a row of `_COLUMNS`."""
    return ListedMessage(
        public_id=row[1],
        created_at=row[2],
        channel=Channel(row[3]),
        recipient=row[4],
        template_slug=row[5],
        status=MessageStatus(row[6]),
        provider=row[7],
        error=row[8],
        held_reason=row[9],
    )


def listed_from(row: MessageRow) -> ListedMessage:
    """From a row of `MESSAGE_COLUMNS`."""
    return ListedMessage(
        public_id=row.public_id,
        created_at=row.created_at,
        channel=Channel(row.channel),
        recipient=row.recipient,
        template_slug=row.template_slug,
        status=MessageStatus(row.status),
        provider=row.provider,
        error=row.error,
        held_reason=row.held_reason,
    )


def _rows_of_page(
    connection: Connection,
    workspace_id: int,
    livemode: bool,
    query: BrowseMessages,
    columns: Iterable[Any],
) -> list[Row[*tuple[Any, ...]]]:
    """One row more than the page takes, when there are as many."""
    limit, text = query.listing.limit + 1, query.listing.search
    if text is None:
        statement = _statement(workspace_id, livemode, query, columns)
        return list(connection.execute(statement.limit(limit)))
    search = Search(
        text=text,
        workspace_id=workspace_id,
        livemode=livemode,
        walk=_statement(workspace_id, livemode, query, (Message.id, Message.created_at)),
        fits=[*list_conditions(query.listing), *_single_conditions(workspace_id, query)],
        limit=limit,
        is_upwards=query.newer_than is not None,
    )
    ids = find_ids(connection, search)
    return in_order(list(connection.execute(select(*columns).where(Message.id.in_(ids)))), ids)


def _statement(
    workspace_id: int, livemode: bool, query: BrowseMessages, columns: Iterable[Any]
) -> Select[Any]:
    """`columns` of the messages that a query lets through but for its search, from its place on."""
    source, order = _source(workspace_id, livemode, query, columns)
    further = _further_conditions(workspace_id, query, order[0])
    statement = source.where(*list_conditions(query.listing), *further)
    if query.newer_than is not None:
        beyond = tuple_(*order) > tuple_(*cursor_position(query.newer_than))
        return statement.where(beyond).order_by(*order)
    if query.listing.cursor is not None:
        beyond = tuple_(*order) < tuple_(*cursor_position(query.listing.cursor))
        statement = statement.where(beyond)
    return statement.order_by(*(column.desc() for column in order))


def browse_conditions(workspace_id: int, query: BrowseMessages) -> list[ColumnElement[bool]]:
    """Every filter of a page, each a condition on a message by itself."""
    return [*all_conditions(query.listing), *_single_conditions(workspace_id, query)]


def _single_conditions(workspace_id: int, query: BrowseMessages) -> list[ColumnElement[bool]]:
    """What a page filters by beyond the API's list, each a condition on a message by itself."""
    found = _further_conditions(workspace_id, query, Message.created_at)
    if query.reason is not None:
        failed_so = exists().where(
            MessageFailure.message_id == Message.id, MessageFailure.reason_key == query.reason
        )
        found.append(failed_so)
    return found


def _source(
    workspace_id: int, livemode: bool, query: BrowseMessages, columns: Iterable[Any]
) -> tuple[Select[Any], tuple[Any, Any]]:
    """Where to read from, and the columns that are the page's order there.

    Messages that are held, or that failed for one reason, stand together in indexes of their own.
    """
    if query.reason is None:
        order: tuple[Any, Any] = (Message.created_at, Message.id)
        room = of_held if query.is_held else of_room
        return select(*columns).where(*room(workspace_id, livemode)), order
    statement: Select[Any] = (
        select(*columns)
        .select_from(MessageFailure)
        .join(Message, Message.id == MessageFailure.message_id)
        .where(
            MessageFailure.workspace_id == workspace_id,
            MessageFailure.livemode == livemode,
            MessageFailure.reason_key == query.reason,
        )
    )
    return statement, (MessageFailure.created_at, MessageFailure.message_id)


def _further_conditions(
    workspace_id: int, query: BrowseMessages, created_at: Any
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.is_held:
        found.append(is_held())
    if query.key is not None:
        key = select(ApiKey.id).where(
            ApiKey.public_id == query.key, ApiKey.workspace_id == workspace_id
        )
        found.append(Message.api_key_id == key.scalar_subquery())
    if query.provider is not None:
        found.append(Message.provider == query.provider)
    if query.batch is not None:
        found.append(is_of_batch(query.batch))
    if query.since is not None:
        found.append(created_at >= query.since)
    if query.until is not None:
        found.append(created_at < query.until)
    return found


def is_held() -> ColumnElement[bool]:
    """The condition of a message that waits for a connection to be repaired."""
    return Message.held_reason.is_not(None)


def of_held(workspace_id: int, livemode: bool) -> tuple[ColumnElement[bool], ...]:
    """What a mode holds, by the index that holds nothing else.

    SQLite has no statistics: comparing the column itself, it would read every message of the mode.
    """
    return (Message.workspace_id + 0 == workspace_id, Message.livemode == livemode, is_held())


def find_reason_words(connection: Connection, reason: str) -> str | None:
    """What a group of failed messages has in common; None for a reason that nothing has."""
    statement = select(FailureReason.words).where(FailureReason.key == reason)
    return connection.scalars(statement).one_or_none()
