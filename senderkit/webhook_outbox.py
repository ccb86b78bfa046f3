"""The outbox of webhooks: claim and finish deliveries, as `outbox` does with messages.

A claim is one conditional UPDATE that sets a lease and counts the try; whoever finishes needs the
lease's token. Each endpoint is claimed from by itself: a backlog at one does not hide the others.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from senderkit.domain import WebhookEventType
from senderkit.models import UtcDateTime, WebhookDelivery, WebhookEndpoint, WebhookEvent


@dataclass(frozen=True, slots=True)
class WebhookClaim:
    """A delivery that this process may make until its lease ends.

    `attempt` counts every try from 1, `tries` those of the schedule, this one included.
    """

    id: int
    public_id: str
    endpoint_id: int
    attempt: int
    tries: int
    lease_token: str
    lease_until: datetime
    event_id: str
    event_type: WebhookEventType
    body: str = field(repr=False)

    @property
    def is_test(self) -> bool:
        return self.event_type is WebhookEventType.TEST


# The statements are made once: making them costs more than running them.
_NOW: Final = bindparam("now", type_=UtcDateTime())
_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_IS_FREE: Final = or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until <= _NOW)


def _due_statement() -> Select[*tuple[Any, ...]]:
    """Every endpoint with the moment of its next delivery, found by its index."""
    first = (
        select(WebhookDelivery.due_at)
        .where(
            WebhookDelivery.endpoint_id == WebhookEndpoint.id,
            WebhookDelivery.due_at.is_not(None),
            _IS_FREE,
        )
        .order_by(WebhookDelivery.due_at)
        .limit(1)
    )
    return select(WebhookEndpoint.id, first.scalar_subquery())


def _claim_statement(which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    due = (
        select(WebhookDelivery.id)
        .where(which, WebhookDelivery.due_at <= _NOW, _IS_FREE)
        .order_by(WebhookDelivery.due_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        # A CTE runs once; as a subquery a planner might run it, and its limit, again and again.
        .cte("due")
    )
    leased = update(WebhookDelivery).where(WebhookDelivery.id.in_(select(due.c.id)))
    leased = leased.values(
        lease_until=bindparam("until"),
        lease_token=bindparam("token"),
        attempts=WebhookDelivery.attempts + 1,
        tries=WebhookDelivery.tries + 1,
    )
    return leased.returning(WebhookDelivery.__table__)


_DUE: Final = _due_statement()
_CLAIM: Final = _claim_statement(WebhookDelivery.endpoint_id == bindparam("of_endpoint"))
_CLAIM_ONE: Final = _claim_statement(WebhookDelivery.public_id == bindparam("of_delivery"))
_EVENTS: Final = select(
    WebhookEvent.id, WebhookEvent.public_id, WebhookEvent.type, WebhookEvent.body
).where(WebhookEvent.id.in_(_IDS))
_LOCK: Final = (
    select(WebhookDelivery.id, WebhookDelivery.lease_token)
    .where(WebhookDelivery.id.in_(_IDS))
    .order_by(WebhookDelivery.id)
    .with_for_update()
)


def find_due(connection: Connection, *, now: datetime) -> dict[int, datetime]:
    """When the next delivery of each endpoint can be claimed; one with nothing is not there."""
    rows = connection.execute(_DUE, {"now": now})
    return {row[0]: row[1] for row in rows if row[1] is not None}


def claim(
    connection: Connection, *, endpoint_id: int, now: datetime, limit: int, lease_seconds: float
) -> list[WebhookClaim]:
    """Lease up to `limit` deliveries to an endpoint that are due, the longest waiting first."""
    values = {"of_endpoint": endpoint_id} | _lease(now, limit, lease_seconds)
    return _claims(connection, _CLAIM, values)


def claim_one(
    connection: Connection, *, delivery_id: str, now: datetime, lease_seconds: float
) -> WebhookClaim | None:
    """Lease one delivery, unless it is not due or somebody else was faster."""
    values = {"of_delivery": delivery_id} | _lease(now, 1, lease_seconds)
    return next(iter(_claims(connection, _CLAIM_ONE, values)), None)


def _lease(now: datetime, limit: int, lease_seconds: float) -> dict[str, Any]:
    return {
        "now": now,
        "most": limit,
        "until": now + timedelta(seconds=lease_seconds),
        "token": secrets.token_hex(16),
    }


def _claims(
    connection: Connection, statement: ReturningUpdate[Any], values: Mapping[str, Any]
) -> list[WebhookClaim]:
    rows = sorted(connection.execute(statement, values), key=lambda row: (row.due_at, row.id))
    if not rows:
        return []
    found = connection.execute(_EVENTS, {"ids": [row.event_id for row in rows]})
    events = {event.id: event for event in found}
    return [_claim_of(row, events[row.event_id]) for row in rows]


def _claim_of(row: Row[*tuple[Any, ...]], event: Row[*tuple[Any, ...]]) -> WebhookClaim:
    return WebhookClaim(
        id=row.id,
        public_id=row.public_id,
        endpoint_id=row.endpoint_id,
        attempt=row.attempts,
        tries=row.tries,
        lease_token=row.lease_token,
        lease_until=row.lease_until,
        event_id=event.public_id,
        event_type=WebhookEventType(event.type),
        body=event.body,
    )


def still_ours(connection: Connection, leases: Mapping[int, str]) -> set[int]:
    """Lock deliveries, given by id and token; return those whose lease is still ours."""
    if not leases:
        return set()
    rows = connection.execute(_LOCK, {"ids": sorted(leases)})
    return {row[0] for row in rows if row[1] == leases[row[0]]}


def finish(connection: Connection, ends: Sequence[Mapping[str, Any]]) -> None:
    """Write how far locked deliveries have come: `of_id`, `new_state`, `new_reason`, `new_due_at`.

    Their leases end.
    """
    if ends:
        connection.execute(_FINISH, ends)


_FINISH: Final = (
    update(WebhookDelivery)
    .where(WebhookDelivery.__table__.c.id == bindparam("of_id"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        due_at=bindparam("new_due_at"),
        lease_until=None,
        lease_token=None,
    )
)
