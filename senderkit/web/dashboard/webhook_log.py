"""The log of one webhook endpoint: what was told, what it answered, and telling it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import (
    BrowseDeliveries,
    parse_browse_deliveries,
    parse_replay_deliveries,
)
from senderkit.domain import WebhookState
from senderkit.errors import InvalidRequest
from senderkit.services import webhook_log
from senderkit.services.webhook_log import PAGE, DeliveryPage, DeliveryRow
from senderkit.web.dashboard.frame import field_errors, page
from senderkit.web.dashboard.webhooks import endpoint_row, get_endpoint
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("webhook_log", __name__, url_prefix="/webhooks/<public_id>")

_MINUTE: Final = "%Y-%m-%dT%H:%M"
_CHOICES: Final = (
    (None, "All"),
    (WebhookState.PENDING.value, "Waiting"),
    (WebhookState.DELIVERED.value, "Delivered"),
    (WebhookState.GIVEN_UP.value, "Given up"),
)


@pages.get("")
def show(public_id: str) -> ResponseReturnValue:
    """One page of what was told to the endpoint, newest first."""
    try:
        query = parse_browse_deliveries(request.args)
    except InvalidRequest as error:
        return _log_page(public_id, BrowseDeliveries(), DeliveryPage(()), error.message), 400
    endpoint_id = get_endpoint(public_id).id
    with runtime().reader.connect() as connection:
        found = webhook_log.browse(connection, endpoint_id, query)
    return _log_page(public_id, query, found)


def _log_page(
    public_id: str, query: BrowseDeliveries, found: DeliveryPage, problem: str = ""
) -> str:
    state = None if query.state is None else query.state.value

    def url(**place: str | None) -> str | None:
        if not any(place.values()):
            return None
        values: dict[str, Any] = {"state": state, **place}
        return url_for("webhook_log.show", public_id=public_id, **values)

    return page(
        "webhooks/show.html",
        "webhooks",
        row=endpoint_row(get_endpoint(public_id)),
        choices=_CHOICES,
        state=state,
        deliveries=[_shown(each) for each in found.rows],
        newer_url=url(after=found.newer),
        older_url=url(before=found.older),
        shown=f"{len(found.rows)}{'+' if len(found.rows) == PAGE and found.older else ''}",
        problem=problem,
    )


def _shown(row: DeliveryRow) -> dict[str, Any]:
    """A delivery as lists and its own page show it; `pill` is a state's shape and word."""
    return {
        "public_id": row.public_id,
        "type": row.type,
        "event_id": row.event_id,
        "message_id": row.message_id,
        "created_at": row.created_at,
        "attempts": row.attempts,
        "status_code": row.status_code,
        "duration_ms": row.duration_ms,
        "error": row.error,
        "reason": row.reason,
        "next_at": row.due_at if _waits(row) else None,
        "pill": _pill(row),
    }


def _waits(row: DeliveryRow) -> bool:
    return row.due_at is not None and not _is_under_way(row)


def _is_under_way(row: DeliveryRow) -> bool:
    return row.lease_until is not None and row.lease_until > runtime().clock()


def _pill(row: DeliveryRow) -> tuple[str, str]:
    if row.state == WebhookState.DELIVERED:
        return "delivered", "Delivered"
    if row.state == WebhookState.GIVEN_UP:
        return "failed", "Given up"
    if _is_under_way(row):
        return "dispatched", "Under way"
    return ("retry", "Retrying") if row.attempts else ("queued", "Waiting")


# -- one delivery -----------------------------------------------------------------------------


@pages.get("/deliveries/<delivery_id>")
def delivery(public_id: str, delivery_id: str) -> str:
    """One delivery with every try and the text that was sent."""
    endpoint = get_endpoint(public_id)
    with runtime().reader.connect() as connection:
        found = webhook_log.get_delivery(connection, endpoint.id, delivery_id)
    return page(
        "webhooks/delivery.html",
        "webhooks",
        row=endpoint_row(endpoint),
        delivery=_shown(found.row),
        attempts=found.attempts,
        payload=_pretty(found.body),
    )


def _pretty(body: str) -> str:
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode("utf-8")


@pages.post("/deliveries/<delivery_id>/replay")
def replay_one(public_id: str, delivery_id: str) -> ResponseReturnValue:
    """Tell it again, under the same ids."""
    endpoint_id, at_hand = get_endpoint(public_id).id, runtime()
    _end_own_transaction()
    count = webhook_log.replay(at_hand.engine, endpoint_id, delivery_id, now=at_hand.clock())
    at_hand.webhooks.wake()
    flash(*_said(count))
    return redirect(url_for("webhook_log.delivery", public_id=public_id, delivery_id=delivery_id))


# -- a time range -----------------------------------------------------------------------------


@pages.get("/replay")
def replay(public_id: str) -> str:
    """Which events to tell again: those of the last day unless said otherwise."""
    now = runtime().clock()
    values = {
        "from": _minute(now - timedelta(days=1)),
        "to": _minute(now + timedelta(minutes=1)),
        "which": "given_up",
    }
    return _replay_page(public_id, values, {})


def _minute(at: datetime) -> str:
    return at.strftime(_MINUTE)


def _replay_page(public_id: str, values: Mapping[str, str], errors: Mapping[str, str]) -> str:
    row = endpoint_row(get_endpoint(public_id))
    return page("webhooks/replay.html", "webhooks", row=row, values=values, errors=errors)


@pages.post("/replay")
def replay_now(public_id: str) -> ResponseReturnValue:
    """Tell the events of a time range again, each under its own ids."""
    typed = {name: request.form.get(name, "") for name in ("from", "to", "which")}
    try:
        command = parse_replay_deliveries(typed["from"], typed["to"], typed["which"])
    except InvalidRequest as error:
        return _replay_page(public_id, typed, field_errors(error)), 422
    endpoint_id, at_hand = get_endpoint(public_id).id, runtime()
    _end_own_transaction()
    count = webhook_log.replay_range(at_hand.engine, endpoint_id, command, now=at_hand.clock())
    at_hand.webhooks.wake()
    flash(*_said(count))
    return redirect(url_for("webhook_log.show", public_id=public_id))


def _said(count: int) -> tuple[str, str]:
    """What is to be flashed, and as what."""
    if count == 0:
        return "Nothing is replayed: no such event, or the endpoint is off or being called.", "info"
    events = "event is" if count == 1 else "events are"
    return f"{count:,} {events} being told again.", "success"


def _end_own_transaction() -> None:
    """On SQLite a form's request holds the one write lock, which the service waits for."""
    session().rollback()
