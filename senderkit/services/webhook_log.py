"""The log of webhooks: what was told to an endpoint and what it answered, and telling it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from senderkit.commands import BrowseDeliveries, ReplayDeliveries
from senderkit.domain import WebhookState
from senderkit.errors import NotFound
from senderkit.models import (
    Message,
    UtcDateTime,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

PAGE: Final = 50

DeliveryRow = Row[*tuple[Any, ...]]
"""A delivery as lists show it: the columns of `_COLUMNS` by name."""

_COLUMNS: Final = (
    WebhookDelivery.id,
    WebhookDelivery.public_id,
    WebhookDelivery.state,
    WebhookDelivery.reason,
    WebhookDelivery.due_at,
    WebhookDelivery.lease_until,
    WebhookDelivery.attempts,
    WebhookDelivery.created_at,
    WebhookEvent.type,
    WebhookEvent.public_id.label("event_id"),
    Message.public_id.label("message_id"),
    WebhookAttempt.status_code,
    WebhookAttempt.duration_ms,
    WebhookAttempt.error,
)


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Newest first; a place is None where there is nothing more that way."""

    rows: tuple[DeliveryRow, ...]
    newer: str | None = None
    older: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryDetails:
    """A delivery with the text that is signed and every try, the newest first."""

    row: DeliveryRow
    body: str
    attempts: tuple[Row[*tuple[Any, ...]], ...]


def browse(connection: Connection, endpoint_id: int, query: BrowseDeliveries) -> DeliveryPage:
    """One page of an endpoint's log. A place whose delivery is gone is the beginning."""
    rows = list(connection.execute(_page_statement(connection, endpoint_id, query).limit(PAGE + 1)))
    has_more, rows = len(rows) > PAGE, rows[:PAGE]
    if query.after is not None:
        rows.reverse()
        return _page(rows, has_newer=has_more, has_older=True)
    return _page(rows, has_newer=query.before is not None, has_older=has_more)


def _page(rows: Sequence[DeliveryRow], *, has_newer: bool, has_older: bool) -> DeliveryPage:
    if not rows:
        return DeliveryPage(())
    newer = rows[0].public_id if has_newer else None
    return DeliveryPage(tuple(rows), newer, rows[-1].public_id if has_older else None)


def _listed() -> Select[*tuple[Any, ...]]:
    """Deliveries with their events and last tries."""
    last = and_(
        WebhookAttempt.delivery_id == WebhookDelivery.id,
        WebhookAttempt.number == WebhookDelivery.attempts,
    )
    return (
        select(*_COLUMNS)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .outerjoin(Message, Message.id == WebhookEvent.message_id)
        .outerjoin(WebhookAttempt, last)
    )


def _page_statement(
    connection: Connection, endpoint_id: int, query: BrowseDeliveries
) -> Select[*tuple[Any, ...]]:
    order = (WebhookDelivery.created_at, WebhookDelivery.id)
    statement = _listed().where(WebhookDelivery.endpoint_id == endpoint_id)
    if query.state is not None:
        statement = statement.where(WebhookDelivery.state == query.state.value)
    place = _find_place(connection, query.after or query.before)
    if query.after is not None:
        above = () if place is None else (tuple_(*order) > place,)
        return statement.where(*above).order_by(*order)
    below = () if place is None else (tuple_(*order) < place,)
    return statement.where(*below).order_by(*(column.desc() for column in order))


def _find_place(connection: Connection, public_id: str | None) -> Any:
    statement = select(WebhookDelivery.created_at, WebhookDelivery.id)
    statement = statement.where(WebhookDelivery.public_id == public_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else tuple_(literal(row[0], UtcDateTime()), literal(row[1]))


def get_delivery(connection: Connection, endpoint_id: int, public_id: str) -> DeliveryDetails:
    """Raises `NotFound`, for a delivery to another endpoint too."""
    statement = _listed().add_columns(WebhookEvent.body)
    row = connection.execute(
        statement.where(
            WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.public_id == public_id
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such delivery.")
    attempts = connection.execute(
        select(WebhookAttempt.__table__)
        .where(WebhookAttempt.delivery_id == row.id)
        .order_by(WebhookAttempt.number.desc())
    )
    return DeliveryDetails(row, row.body, tuple(attempts))


# -- again --------------------------------------------------------------------------------------


def replay(engine: Engine, endpoint_id: int, public_id: str, *, now: datetime) -> int:
    """Tell one event again, from the beginning of the schedule, under the same ids.

    Return how many it is for: 0 while a call is under way.
    """
    return _replay(engine, endpoint_id, now, WebhookDelivery.public_id == public_id)


def replay_range(
    engine: Engine, endpoint_id: int, command: ReplayDeliveries, *, now: datetime
) -> int:
    """Tell the events of a time range again; return how many. What waits already is not changed."""
    states = [WebhookState.GIVEN_UP.value]
    if command.delivered:
        states.append(WebhookState.DELIVERED.value)
    return _replay(
        engine,
        endpoint_id,
        now,
        WebhookDelivery.state.in_(states),
        WebhookDelivery.created_at >= command.since,
        WebhookDelivery.created_at < command.until,
    )


def _replay(engine: Engine, endpoint_id: int, now: datetime, *which: ColumnElement[bool]) -> int:
    """Only at an endpoint that is switched on: nothing else would come of it."""
    is_free = or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until <= now)
    endpoint = select(WebhookEndpoint.id).where(
        WebhookEndpoint.id == endpoint_id, WebhookEndpoint.is_enabled.is_(True)
    )
    again = (
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint_id, is_free, *which)
        .values(
            state=WebhookState.PENDING.value,
            reason=None,
            due_at=now,
            tries=0,
            lease_until=None,
            lease_token=None,
        )
    )
    with engine.begin() as connection:
        is_on = connection.execute(endpoint.with_for_update(key_share=True)).one_or_none()
        return connection.execute(again).rowcount if is_on else 0
