"""Messages: the list with its filters, one message with its life and preview, cancel, release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

import orjson
from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import HELD, BrowseMessages, parse_browse_messages
from senderkit.domain import CANCELABLE, PENDING, Channel, MessageStatus, Mode, TimelineEvent
from senderkit.errors import InvalidRequest, Issue, NotCancelable, NotFound
from senderkit.services import api_keys, browsing, delivery, details, reports, templates
from senderkit.services.browsing import NO_MESSAGES, MessagePage
from senderkit.services.channel_list import provider_label
from senderkit.services.details import MessageDetails
from senderkit.services.following import newest_number
from senderkit.services.reports import TimelineRow
from senderkit.services.resends import Repetition
from senderkit.services.sending import stored_envelope
from senderkit.web.dashboard import wording
from senderkit.web.dashboard.frame import Viewer, page, viewer
from senderkit.web.dashboard.message_stream import find_stream_url
from senderkit.web.dashboard.preview import shown_html, shows_pictures_from_elsewhere
from senderkit.web.dashboard.visitors import base_url
from senderkit.web.extensions import session
from senderkit.web.headers import as_preview
from senderkit.web.runtime import runtime

pages = Blueprint("messages", __name__, url_prefix="/messages")
pages.add_app_template_filter(wording.shown_recipient, "recipient")
pages.add_app_template_filter(wording.shown_size, "size")
pages.add_app_template_filter(provider_label, "provider")
pages.add_app_template_filter(wording.shown_duration, "milliseconds")

FILTERS: Final = (
    *("status", "channel", "template", "provider", "key", "reason", "batch", "q", "from", "to"),
)
_PLACES: Final = ("before", "after")
_NOT_ARRIVED: Final = frozenset(
    {
        MessageStatus.FAILED.value,
        MessageStatus.CANCELED.value,
        MessageStatus.OPTED_OUT.value,
        MessageStatus.SUPPRESSED.value,
    }
)
_MAX_CHOICES: Final = 100
_MAX_JSON: Final = 50_000
_CUT: Final = "… cut here: GET /v1/messages/{id} answers all of it"
_PARTS: Final = {
    "html": ("html", "text/html"),
    "text": ("text", "text/plain"),
    "source": ("html", "text/plain"),
}
"""What a preview shows: the part of the rendered email, and as what."""


# -- the list ---------------------------------------------------------------------------------


@pages.get("")
def index() -> ResponseReturnValue:
    """One page of the mode shown, newest first; a filter that cannot be read is told, not 500."""
    looking = viewer()
    chosen = {name: request.args.get(name) or None for name in FILTERS}
    seen = _newest_number()  # before the page is read: what comes in between is news
    try:
        query = parse_browse_messages({name: request.args[name] for name in _asked()})
        return _list_page(looking, chosen, _browse(looking, query), (), seen=seen)
    except InvalidRequest as error:
        return _list_page(looking, chosen, NO_MESSAGES, error.issues), 400


def _newest_number() -> int:
    with runtime().reader.connect() as connection:
        return newest_number(connection)


def _asked() -> Iterable[str]:
    return [name for name in (*FILTERS, *_PLACES) if name in request.args]


def _browse(looking: Viewer, query: BrowseMessages) -> MessagePage:
    with runtime().reader.connect() as connection:
        return browsing.browse_messages(connection, looking.workspace_id, looking.livemode, query)


def _list_page(
    looking: Viewer,
    chosen: Mapping[str, str | None],
    found: MessagePage,
    issues: Iterable[Issue],
    *,
    seen: int | None = None,
) -> str:
    problems = {_field_of(issue): issue.message for issue in reversed(list(issues))}
    return page(
        "messages/index.html",
        "messages",
        rows=found.rows,
        chosen=chosen,
        problems=problems,
        any=bool(found.rows) or _has_messages(looking),
        shown=f"{len(found.rows)}{'+' if found.older else ''}",
        newer_url=_place_url(chosen, after=found.newer),
        older_url=_place_url(chosen, before=found.older),
        resend_url=_resend_url(chosen),
        base_url=base_url(request, runtime().settings.public_url),
        stream_url=None if seen is None else find_stream_url(looking, chosen, seen),
        reason_words=None if problems else _find_reason_words(chosen["reason"]),
        **_choices(looking),
    )


def _field_of(issue: Issue) -> str:
    """A cursor that an older page gave is named as the API's list names it."""
    name = str(issue.path[0]) if issue.path else "before"
    return "before" if name in {"cursor", *_PLACES} else name


def _find_reason_words(reason: str | None) -> str | None:
    if reason is None:
        return None
    with runtime().reader.connect() as connection:
        return browsing.find_reason_words(connection, reason)


def _has_messages(looking: Viewer) -> bool:
    with runtime().reader.connect() as connection:
        return reports.has_messages(connection, looking.workspace_id, looking.livemode)


def _place_url(chosen: Mapping[str, str | None], **place: str | None) -> str | None:
    if not any(place.values()):
        return None
    query: dict[str, Any] = {**chosen, **place}
    return url_for("messages.index", **query)


def _resend_url(chosen: Mapping[str, str | None]) -> str | None:
    """For a list of what did not arrive."""
    query: dict[str, Any] = dict(chosen)
    return url_for("resends.ask_all", **query) if chosen["status"] in _NOT_ARRIVED else None


def _choices(looking: Viewer) -> dict[str, Any]:
    """What the filters offer: (value, words) each. The newest keys and all slugs, within reason."""
    keys = api_keys.list_keys(session(), looking.workspace_id, livemode=looking.livemode)
    found = templates.list_templates(session(), looking.workspace_id)
    return {
        "statuses": [*(status.value for status in MessageStatus), HELD],
        "channels": [channel.value for channel in Channel],
        "keys": [(key.public_id, key.name) for key in keys[:_MAX_CHOICES]],
        "slugs": [template.slug for template in found[:_MAX_CHOICES]],
        "days": _days(runtime().clock().date()),
    }


def _days(today: date) -> list[tuple[str, str, str | None]]:
    """Quick choices: words, first day, last day."""

    def before(days: int) -> str:
        return (today - timedelta(days=days)).isoformat()

    return [
        ("Today", before(0), before(0)),
        ("Yesterday", before(1), before(1)),
        ("Last 7 days", before(6), None),
        ("Last 30 days", before(29), None),
    ]


# -- one message ------------------------------------------------------------------------------


@pages.get("/<public_id>")
def show(public_id: str) -> str:
    """One message of the mode shown."""
    looking = viewer()
    found = get_message_details(looking, public_id)
    return page("messages/show.html", "messages", **_show_context(looking, found))


def get_message_details(looking: Viewer, public_id: str) -> MessageDetails:
    """Raises `NotFound`, which tells when it is a message of the other mode."""
    with runtime().reader.connect() as connection:
        read = partial(details.get_details, connection, looking.workspace_id)
        try:
            return read(looking.livemode, public_id)
        except NotFound:
            read(not looking.livemode, public_id)
    other = Mode.of(not looking.livemode).value
    raise NotFound(f"This is a {other} message: switch to {other.capitalize()} to see it.")


def _show_context(looking: Viewer, found: MessageDetails) -> dict[str, Any]:
    row = found.view.row
    state = HELD if row.held_reason else found.status.value
    parts = list(_PARTS) if found.channel is Channel.EMAIL and found.rendered else []
    asked = request.args.get("part", "")
    data = (found.rendered or {}).get("data")
    return {
        "message": row,
        "key": found.key,
        "state": state,
        "state_meaning": wording.meaning_of(state, livemode=looking.livemode),
        "timeline": _timeline(found),
        "original": found.original,
        "repetitions": found.repetitions,
        "parts": parts,
        "part": asked if asked in parts else "html",
        "pictures": "pictures" in request.args,
        "has_pictures": shows_pictures_from_elsewhere((found.rendered or {}).get("html") or ""),
        "rendered": found.rendered,
        "headers": _headers(found),
        "attachments": found.attachments,
        "error_from_provider": looking.livemode and row.provider is not None,
        "variables_json": _pretty(row.vars) if row.vars else None,
        "data_json": _pretty(data) if data else None,
        "metadata": row.metadata,
        "is_pending": found.status in PENDING,
        "can_cancel": found.status in CANCELABLE,
    }


def _timeline(found: MessageDetails) -> list[dict[str, Any]]:
    """Its own steps, and among them the times that it was sent again as another message."""
    steps = [_entry(entry, found.actors) for entry in found.view.timeline]
    again = [_entry_of(repetition) for repetition in found.repetitions]
    return sorted([*steps, *again], key=lambda step: step["at"])


def _entry_of(repetition: Repetition) -> dict[str, Any]:
    return {
        "at": repetition.at,
        "event": TimelineEvent.RETRY.value,
        "title": "Sent again",
        "summary": wording.sent_again(repetition),
        "detail": {},
    }


def _entry(entry: TimelineRow, actors: Mapping[str, str]) -> dict[str, Any]:
    return {
        "at": entry.at,
        "event": entry.event,
        "summary": wording.summary_of(entry.event, entry.detail, actors),
        "detail": {name: _text(value) for name, value in entry.detail.items()},
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode("utf-8")


def _pretty(value: Any) -> str:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode("utf-8")
    return text if len(text) <= _MAX_JSON else f"{text[:_MAX_JSON]}\n{_CUT}"


def _headers(found: MessageDetails) -> dict[str, str]:
    """The header fields that the send asked for."""
    envelope = stored_envelope(found.request)
    fields = {
        "From": found.view.row.from_override,
        "Cc": ", ".join(envelope.cc),
        "Bcc": ", ".join(envelope.bcc),
        "Reply-To": envelope.reply_to,
        "Preheader": (found.rendered or {}).get("preheader"),
        "Locale": found.request.get("locale"),
    }
    return {name: value for name, value in fields.items() if value}


@pages.get("/<public_id>/preview")
def preview(public_id: str) -> Response:
    """A part of the email as it was handed over, for the sandboxed frame of its page."""
    looking, part = viewer(), request.args.get("part", "html")
    field, mimetype = _PARTS.get(part, _PARTS["html"])
    with runtime().reader.connect() as connection:
        view = reports.get_message(connection, looking.workspace_id, looking.livemode, public_id)
        text = (reports.find_rendered(connection, view.row.id) or {}).get(field)
        if text is None:
            raise NotFound("There is no preview of this message.")
        if mimetype == "text/html":
            images = details.list_inline_images(connection, view.row.id)
            text = shown_html(text, images, from_elsewhere="pictures" in request.args)
    return as_preview(Response(text, mimetype=mimetype))


# -- changes ----------------------------------------------------------------------------------


@pages.get("/<public_id>/cancel")
def cancel(public_id: str) -> ResponseReturnValue:
    """Ask before a message is canceled."""
    found = get_message_details(viewer(), public_id)
    if found.status not in CANCELABLE:
        flash(f"This message is {found.status.value}: it can no longer be canceled.", "error")
        return redirect(url_for("messages.show", public_id=public_id))
    return page("messages/cancel.html", "messages", message=found.view.row)


@pages.post("/<public_id>/cancel")
def cancel_now(public_id: str) -> ResponseReturnValue:
    """Cancel it, unless the dispatcher was faster."""
    looking, at_hand = viewer(), runtime()
    workspace_id, livemode, by = looking.workspace_id, looking.livemode, looking.member.public_id
    _end_own_transaction()
    try:
        delivery.cancel(
            at_hand.engine, workspace_id, livemode, public_id, now=at_hand.clock(), by=by
        )
        flash("The message is canceled: it will not be sent.", "success")
    except NotCancelable as error:
        flash(error.message, "error")
    return redirect(url_for("messages.show", public_id=public_id))


@pages.post("/release")
def release() -> ResponseReturnValue:
    """Try everything again that is held, and the connections that were broken."""
    looking, at_hand = viewer(), runtime()
    workspace_id, by = looking.workspace_id, looking.member.public_id
    _end_own_transaction()
    count = delivery.release_held(at_hand.engine, workspace_id, now=at_hand.clock(), by=by)
    at_hand.dispatcher.wake()
    flash(_released_words(count), "info")
    return redirect(url_for("messages.index"))


def _released_words(count: int) -> str:
    if count == 0:
        return "Nothing is held. What was marked as broken is tried again with the next message."
    return f"{count:,} {'message is' if count == 1 else 'messages are'} being tried again."


def _end_own_transaction() -> None:
    """On SQLite a form's request holds the one write lock, which the service waits for."""
    session().rollback()
