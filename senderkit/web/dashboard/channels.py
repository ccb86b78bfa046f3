"""Channels: which provider accounts there are, their order, adding, editing, trying out, removing.

Forms are made from what each provider declares. Credentials go in and never come out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit import providers
from senderkit.commands import Place, check_recipient
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest, NotFound
from senderkit.models import Connection
from senderkit.providers import get_provider
from senderkit.providers.base import Provider
from senderkit.services import channel_list, channels, connection_checks
from senderkit.services.channel_list import ConnectionRow
from senderkit.services.channels import Move
from senderkit.services.connection_checks import Outcome, Target
from senderkit.services.connections import ENVIRONMENT_ID, Route
from senderkit.web.callbacks import callback_url
from senderkit.web.dashboard.connection_form import form_fields, read_form, typed_values
from senderkit.web.dashboard.frame import field_errors, page, viewer
from senderkit.web.dashboard.visitors import is_loopback
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("channels", __name__, url_prefix="/channels")

Texts = Mapping[str, str]

_NOTHING: Final[Texts] = {}
_MOVED: Final[Mapping[Move, str]] = {
    Move.UP: "“{}” is tried earlier now.",
    Move.DOWN: "“{}” is tried later now.",
    Move.INTO: "“{}” is in the list now: it is tried after the others.",
    Move.OUT: "“{}” is used only by templates that name it now.",
}


# -- the list ---------------------------------------------------------------------------------


@pages.get("")
def index() -> str:
    """Every channel with its connections in the order in which they are tried."""
    return page("channels/index.html", "channels", rows=_channels())


def _channels() -> tuple[channel_list.ChannelRow, ...]:
    environment = runtime().connections.environment
    return channel_list.list_channels(session(), viewer().workspace_id, environment)


def _row(connection_id: str) -> ConnectionRow:
    """Raises `NotFound`."""
    for channel in _channels():
        found = (*channel.listed, *channel.others, channel.environment)
        for row in found:
            if row is not None and row.connection_id == connection_id:
                return row
    raise NotFound("There is no such connection.")


# -- adding one -------------------------------------------------------------------------------


@pages.get("/new")
def choose() -> str:
    """The providers, by channel."""
    groups = [
        (channel.value, [each for each in providers.PROVIDERS.values() if each.channel is channel])
        for channel in Channel
    ]
    return page("channels/choose.html", "channels", groups=groups)


@pages.get("/new/<provider>")
def new(provider: str) -> str:
    """The form of one provider."""
    return _new_page(get_provider(provider), {"name": get_provider(provider).label}, {})


def _new_page(kind: Provider, values: Texts, errors: Texts) -> str:
    listed = next(row for row in _channels() if row.channel is kind.channel).listed
    return page(
        "channels/new.html",
        "channels",
        provider=kind,
        fields=form_fields(kind, values, _NOTHING),
        values={"place": Place.LAST if listed else Place.FIRST} | dict(values),
        errors=errors,
        listed=[row.name for row in listed],
    )


@pages.post("/new/<provider>")
def create(provider: str) -> ResponseReturnValue:
    """Store a connection; whatever its channel held is tried through it."""
    kind, form = get_provider(provider), request.form
    workspace_id, now = viewer().workspace_id, runtime().clock()
    try:
        made = kind.new_secrets() if "make" in form else _NOTHING
        command, credentials = read_form(kind, form, request.files, made)
        added = runtime().channels.add(
            session(), workspace_id, provider, command, credentials, now=now
        )
    except InvalidRequest as error:
        return _new_page(kind, _typed(kind), field_errors(error)), 422
    connection_id = added.uuid
    flash(f"“{command.name}” is added. {_tried(_release(kind.channel))}".rstrip(), "success")
    return redirect(url_for("channels.show", connection_id=connection_id))


def _typed(kind: Provider) -> dict[str, str]:
    form = request.form
    return typed_values(kind, form) | {
        "name": form.get("name", ""),
        "place": form.get("place", ""),
    }


def _release(channel: Channel, connection_id: str | None = None) -> int:
    """Try what the channel holds. The request's own transaction must be over on SQLite."""
    at_hand, looking = runtime(), viewer()
    workspace_id, by = looking.workspace_id, looking.member.public_id
    session().rollback()
    count = channels.release(
        at_hand.engine, workspace_id, channel, connection_id, now=at_hand.clock(), by=by
    )
    at_hand.dispatcher.wake()
    return count


def _tried(count: int) -> str:
    if count == 0:
        return ""
    return f"{count:,} held {'message is' if count == 1 else 'messages are'} being tried again."


# -- one connection ---------------------------------------------------------------------------


@pages.get("/<connection_id>")
def show(connection_id: str) -> str:
    """Its form, its tries, where its provider reports to, and its end."""
    return _show_page(connection_id)


def _show_page(
    connection_id: str,
    *,
    typed: Texts | None = None,
    errors: Texts = _NOTHING,
    outcome: Outcome | None = None,
    to: str | None = None,
) -> str:
    row, target = _row(connection_id), _target(connection_id)
    kind, stored = providers.PROVIDERS.get(target.provider), target.fields or {}
    shown = {"name": row.name} | dict(stored if typed is None else typed)
    return page(
        "channels/show.html",
        "channels",
        row=row,
        fields=form_fields(kind, shown, stored) if kind else [],
        values=shown,
        errors=errors,
        outcome=outcome,
        checks_alone=bool(kind and kind.checks_alone),
        opens=target.fields is not None,
        facts=kind.public_facts(stored) if kind else (),
        to=viewer().member.email if to is None and row.channel is Channel.EMAIL else to or "",
        **_reporting(row, kind),
    )


def _reporting(row: ConnectionRow, kind: Provider | None) -> dict[str, Any]:
    """What its provider reports, and how."""
    public_url = runtime().settings.public_url
    is_reachable = not is_loopback(urlsplit(public_url).hostname or "")
    return {
        "callback_url": callback_url(row.provider, row.connection_id)
        if kind and kind.reports_by_callback and not row.is_environment
        else None,
        "callback_help": kind.callback_help if kind else "",
        "public_url_fault": None
        if is_reachable and public_url.startswith("https:")
        else ("http" if is_reachable else "loopback"),
    }


def _target(connection_id: str) -> Target:
    """Raises `NotFound`."""
    if connection_id == ENVIRONMENT_ID:
        route = _get_environment()
        return Target(route.name, Channel.EMAIL, route.provider, route.fields)
    connection = _get(connection_id)
    fields = runtime().channels.find_credentials(connection)
    return Target(connection.name, Channel(connection.channel), connection.provider, fields)


def _get(connection_id: str) -> Connection:
    return channels.get_connection(session(), viewer().workspace_id, connection_id)


def _get_environment() -> Route:
    route = runtime().connections.environment
    if route is None:
        raise NotFound("The environment declares no connection.")
    return route


@pages.post("/<connection_id>")
def edit(connection_id: str) -> ResponseReturnValue:
    """Store what was changed; secrets that were left empty stay. A repair releases messages."""
    connection, at_hand = _get(connection_id), runtime()
    kind, channel = get_provider(connection.provider), Channel(connection.channel)
    stored = at_hand.channels.find_credentials(connection) or {}
    try:
        command, credentials = read_form(kind, request.form, request.files, stored)
        is_changed = at_hand.channels.edit(
            session(), connection, command, credentials, now=at_hand.clock()
        )
    except InvalidRequest as error:
        errors = field_errors(error)
        return _show_page(connection_id, typed=_typed(kind), errors=errors), 422
    count = _release(channel) if is_changed else 0
    flash(f"“{command.name}” is saved. {_tried(count)}".rstrip(), "success")
    return redirect(url_for("channels.show", connection_id=connection_id))


@pages.post("/<connection_id>/place")
def place(connection_id: str) -> ResponseReturnValue:
    """Move it in the list of its channel, into it or out of it."""
    wanted = request.form.get("move", "")
    if wanted not in set(Move):
        flash("Choose where to move it.", "error")
        return redirect(url_for("channels.index"))
    how = Move(wanted)
    moved = channels.move(session(), viewer().workspace_id, connection_id, how)
    words, channel = _MOVED[how].format(moved.name), Channel(moved.channel)
    count = _release(channel) if how is Move.INTO else 0
    flash(f"{words} {_tried(count)}".rstrip(), "success")
    return redirect(url_for("channels.index"))


# -- trying it out ----------------------------------------------------------------------------


@pages.post("/<connection_id>/check")
def check(connection_id: str) -> str:
    """Ask the provider whether the stored credentials are right; nothing is sent."""
    outcome = _try(connection_id, connection_checks.check)
    return _show_page(connection_id, outcome=outcome)


@pages.post("/<connection_id>/send-test")
def send_test(connection_id: str) -> ResponseReturnValue:
    """Send a small message for real, to an address that the person gives."""
    to = request.form.get("to", "").strip()
    try:
        recipient = check_recipient(_row(connection_id).channel, to).text
    except InvalidRequest as error:
        return _show_page(connection_id, errors=field_errors(error), to=to), 422
    outcome = _try(
        connection_id,
        lambda target, clock, http: connection_checks.send_test(target, recipient, clock, http),
    )
    return _show_page(connection_id, outcome=_to_whom(outcome, to), to=to)


def _to_whom(outcome: Outcome, to: str) -> Outcome:
    return replace(outcome, title=f"{outcome.title} to {to}") if outcome.is_good else outcome


def _try(connection_id: str, how: Callable[..., Outcome]) -> Outcome:
    """No database connection is held while the provider is asked."""
    at_hand, target = runtime(), _target(connection_id)
    session().rollback()
    return how(target, at_hand.clock, at_hand.http)


@pages.post("/<connection_id>/release")
def release(connection_id: str) -> ResponseReturnValue:
    """Try it again, and what its channel holds."""
    row = _row(connection_id)
    count = _release(row.channel, connection_id)
    flash(_tried(count) or f"“{row.name}” is tried again with the next message.", "info")
    return redirect(url_for("channels.index"))


# -- its end ----------------------------------------------------------------------------------


@pages.get("/<connection_id>/remove")
def remove(connection_id: str) -> str:
    """Ask before it is removed, with what becomes of its messages and templates."""
    connection = _get(connection_id)
    row = _row(connection.uuid)
    channel = next(each for each in _channels() if each.channel is row.channel)
    rest = [each for each in channel.listed if each.connection_id != connection_id]
    successor = rest[0] if rest else channel.environment
    return page("channels/remove.html", "channels", row=row, successor=successor)


@pages.post("/<connection_id>/remove")
def remove_now(connection_id: str) -> ResponseReturnValue:
    """Forget it and its credentials; what it held goes to the next connection, if there is one."""
    removed = channels.remove(session(), viewer().workspace_id, connection_id)
    name, channel = removed.name, Channel(removed.channel)
    count = _release(channel)
    flash(f"“{name}” is removed. {_tried(count)}".rstrip(), "success")
    return redirect(url_for("channels.index"))
