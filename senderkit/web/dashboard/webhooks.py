"""Webhooks: the endpoints, adding one, its settings and secret, a test event, its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import DescribeEndpoint, parse_describe_endpoint
from senderkit.domain import WEBHOOK_CHOICES
from senderkit.errors import InvalidRequest
from senderkit.models import WebhookEndpoint
from senderkit.services import webhook_endpoints
from senderkit.services.webhook_endpoints import OVERLAP, SecretShown
from senderkit.web.dashboard.frame import field_errors, page, viewer
from senderkit.web.dashboard.nonces import find_nonce, new_nonce
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("webhooks", __name__, url_prefix="/webhooks")

_WORDS: Final[Mapping[str, str]] = {
    "message.sent": "A provider took the message.",
    "message.delivered": "It arrived.",
    "message.failed": "It was refused, or given up.",
    "message.opted_out": "The recipient wants no more of that channel.",
    "message.complained": "The recipient called it spam.",
    "message.opened": "It was opened for the first time.",
    "message.clicked": "A link was clicked for the first time.",
}
_OLD_FORM: Final = "This form was opened before you logged in. Send it again."


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint as the pages show it. No events at all means every type."""

    public_id: str
    url: str
    events: list[str]
    is_enabled: bool
    disabled_reason: str | None
    failing_since: datetime | None
    overlap_until: datetime | None
    created_at: datetime


def endpoint_row(endpoint: WebhookEndpoint) -> EndpointRow:
    until = endpoint.overlap_until
    return EndpointRow(
        public_id=endpoint.public_id,
        url=endpoint.url,
        events=endpoint.events.split(),
        is_enabled=endpoint.is_enabled,
        disabled_reason=endpoint.disabled_reason,
        failing_since=endpoint.failing_since,
        overlap_until=until if until is not None and until > runtime().clock() else None,
        created_at=endpoint.created_at,
    )


def get_endpoint(public_id: str) -> WebhookEndpoint:
    """Raises `NotFound`."""
    return webhook_endpoints.get_endpoint(session(), viewer().workspace_id, public_id)


# -- the list ---------------------------------------------------------------------------------


@pages.get("")
def index() -> str:
    """Every endpoint, with how it stands."""
    return _list_page()


def _list_page(**about_created: Any) -> str:
    found = webhook_endpoints.list_endpoints(session(), viewer().workspace_id)
    rows = [endpoint_row(each) for each in found]
    return page("webhooks/index.html", "webhooks", rows=rows, **about_created)


# -- adding one -------------------------------------------------------------------------------


@pages.get("/new")
def new() -> str:
    """The form of a new endpoint, with every event chosen."""
    return _new_page({"url": "", "events": list(WEBHOOK_CHOICES)}, {})


def _new_page(values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    return page(
        "webhooks/new.html",
        "webhooks",
        nonce=new_nonce(),
        values=values,
        errors=errors,
        choices=_WORDS,
    )


@pages.post("")
def create() -> ResponseReturnValue:
    """Add an endpoint and show its secret in this very answer, which is never to be had again."""
    nonce = find_nonce(request.form.get("nonce", ""))
    try:
        endpoint, secret = runtime().endpoints.add(
            session(), viewer().workspace_id, _read_form(nonce), nonce=nonce, now=runtime().clock()
        )
    except InvalidRequest as error:
        return _new_page(_typed(), field_errors(error)), 422
    except SecretShown:
        assert nonce is not None  # noqa: S101 - only a known one is found a second time
        made = webhook_endpoints.get_created(session(), viewer().workspace_id, nonce)
        return _list_page(already_created=endpoint_row(made))
    return _list_page(secret=secret, created=endpoint_row(endpoint))


def _read_form(nonce: str | None) -> DescribeEndpoint:
    command = _read_description()
    if nonce is None:
        raise InvalidRequest(_OLD_FORM)
    return command


def _read_description() -> DescribeEndpoint:
    return parse_describe_endpoint(request.form.get("url", ""), request.form.getlist("events"))


def _typed() -> dict[str, Any]:
    return {"url": request.form.get("url", ""), "events": request.form.getlist("events")}


# -- one endpoint -----------------------------------------------------------------------------


@pages.get("/<public_id>/settings")
def settings(public_id: str) -> str:
    """Its address and events, its secret, its switch, its end."""
    return _settings_page(public_id)


def _settings_page(
    public_id: str,
    *,
    typed: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    **about_secret: Any,
) -> str:
    row = endpoint_row(get_endpoint(public_id))
    stored = {"url": row.url, "events": row.events or list(WEBHOOK_CHOICES)}
    return page(
        "webhooks/settings.html",
        "webhooks",
        row=row,
        values=stored if typed is None else typed,
        errors=errors or {},
        choices=_WORDS,
        **about_secret,
    )


@pages.post("/<public_id>/settings")
def edit(public_id: str) -> ResponseReturnValue:
    """Store another address or other events."""
    try:
        runtime().endpoints.edit(session(), viewer().workspace_id, public_id, _read_description())
    except InvalidRequest as error:
        return _settings_page(public_id, typed=_typed(), errors=field_errors(error)), 422
    flash("The endpoint is saved.", "success")
    return redirect(url_for("webhooks.settings", public_id=public_id))


@pages.get("/<public_id>/rotate")
def rotate(public_id: str) -> str:
    """Ask before the secret is rotated, with what becomes of the old one."""
    row = endpoint_row(get_endpoint(public_id))
    hours = int(OVERLAP.total_seconds() // 3600)
    return page("webhooks/rotate.html", "webhooks", row=row, nonce=new_nonce(), hours=hours)


@pages.post("/<public_id>/rotate")
def rotate_now(public_id: str) -> ResponseReturnValue:
    """Make a new secret and show it in this very answer."""
    nonce = find_nonce(request.form.get("nonce", ""))
    if nonce is None:
        flash(_OLD_FORM, "error")
        return redirect(url_for("webhooks.settings", public_id=public_id))
    try:
        _, secret = runtime().endpoints.rotate(
            session(), viewer().workspace_id, public_id, nonce=nonce, now=runtime().clock()
        )
    except SecretShown:
        return _settings_page(public_id, already_rotated=True)
    return _settings_page(public_id, secret=secret)


@pages.post("/<public_id>/end-overlap")
def end_overlap(public_id: str) -> ResponseReturnValue:
    """Sign with the new secret alone from now on."""
    runtime().endpoints.end_overlap(session(), viewer().workspace_id, public_id)
    flash("The old secret is forgotten: only the new one signs from now on.", "success")
    return redirect(url_for("webhooks.settings", public_id=public_id))


@pages.post("/<public_id>/on")
def switch_on(public_id: str) -> ResponseReturnValue:
    """Tell it of events from now on."""
    webhook_endpoints.switch_on(session(), viewer().workspace_id, public_id)
    flash("The endpoint is on. What it missed can be replayed.", "success")
    return redirect(url_for("webhook_log.show", public_id=public_id))


@pages.post("/<public_id>/off")
def switch_off(public_id: str) -> ResponseReturnValue:
    """Tell it nothing more; what waits is given up."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    webhook_endpoints.switch_off(session(), workspace_id, public_id, now=now)
    flash("The endpoint is off: nothing is told to it.", "success")
    return redirect(url_for("webhooks.settings", public_id=public_id))


@pages.post("/<public_id>/test")
def send_test(public_id: str) -> ResponseReturnValue:
    """Send a test event, and show what comes of it."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    delivery_id = webhook_endpoints.send_test(session(), workspace_id, public_id, now=now)
    runtime().webhooks.wake()
    flash("The test event is on its way.", "info")
    return redirect(url_for("webhook_log.delivery", public_id=public_id, delivery_id=delivery_id))


# -- its end ----------------------------------------------------------------------------------


@pages.get("/<public_id>/remove")
def remove(public_id: str) -> str:
    """Ask before it is removed."""
    return page("webhooks/remove.html", "webhooks", row=endpoint_row(get_endpoint(public_id)))


@pages.post("/<public_id>/remove")
def remove_now(public_id: str) -> ResponseReturnValue:
    """Forget it, its secret and its log."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    url = webhook_endpoints.remove(session(), workspace_id, public_id, now=now)
    flash(f"{url} is removed.", "success")
    return redirect(url_for("webhooks.index"))
