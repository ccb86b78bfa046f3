"""Sending messages again: one from its page, or all that a filtered list shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import MAX_RESENDS, SendAgain, parse_browse_messages, parse_send_again
from senderkit.domain import PENDING
from senderkit.errors import InvalidRequest, Issue
from senderkit.services import browsing, resending, resends
from senderkit.services.browsing import ListedMessage
from senderkit.services.resending import Outcome, Repeater, new_batch
from senderkit.web.dashboard.frame import Viewer, field_errors, page, viewer
from senderkit.web.dashboard.messages import FILTERS, get_message_details
from senderkit.web.dashboard.nonces import find_nonce, new_nonce
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("resends", __name__, url_prefix="/messages")

_EXAMPLES: Final = 5
_FIRST_VALUES: Final[Mapping[str, str]] = {"reason": "", "version": "then"}
_STALE_FORM: Final = Issue("invalid_value", ("form",), "This form is too old: send it once more.")


# -- one message ------------------------------------------------------------------------------


@pages.get("/<public_id>/resend")
def ask(public_id: str) -> ResponseReturnValue:
    """The form for one message that has ended."""
    return _ask_page(public_id, _FIRST_VALUES, {})


@pages.post("/<public_id>/resend")
def send(public_id: str) -> ResponseReturnValue:
    """Send it again as a new message, and go there."""
    typed = _typed()
    try:
        command, batch = _command([public_id], typed), _batch()
    except InvalidRequest as error:
        return _ask_page(public_id, typed, field_errors(error))
    outcome = _send_again(command, batch)
    new_id = outcome.sent.get(public_id)
    if new_id is None:
        return _ask_page(public_id, typed, {"form": "".join(outcome.left_out)})
    flash("Sent again: this is the new message.", "success")
    return redirect(url_for("messages.show", public_id=new_id))


def _ask_page(
    public_id: str, values: Mapping[str, str], errors: Mapping[str, str]
) -> ResponseReturnValue:
    looking = viewer()
    found = get_message_details(looking, public_id)
    row = found.view.row
    if found.status in PENDING:
        flash("This message is still on its way: it can be sent again once it has ended.", "error")
        return redirect(url_for("messages.show", public_id=public_id))
    shown = page(
        "messages/resend.html",
        "messages",
        message=row,
        repetitions=found.repetitions,
        current_version=_find_current_version(looking, row.template_slug),
        nonce=new_nonce(),
        values=values,
        errors=errors,
    )
    return (shown, 422) if errors else shown


def _find_current_version(looking: Viewer, slug: str | None) -> int | None:
    if slug is None:
        return None
    with runtime().reader.connect() as connection:
        return resending.find_current_version(connection, looking.workspace_id, looking.mode, slug)


# -- a filtered list --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Choice:
    """What of a list can be sent again: `rows`; the others of the first `MAX_RESENDS` cannot."""

    rows: Sequence[ListedMessage]
    repeated: int
    has_more: bool


@pages.get("/resend")
def ask_all() -> ResponseReturnValue:
    """Ask before all messages of a filtered list are sent again, with how many they are."""
    looking = viewer()
    try:
        found = _choose(looking)
    except InvalidRequest:
        return redirect(url_for("messages.index", **_filters()))
    if not found.rows:
        flash(_nothing_words(found), "info")
        return redirect(url_for("messages.index", **_filters()))
    context = {
        "examples": found.rows[:_EXAMPLES],
        "repeated": found.repeated,
        "has_more": found.has_more,
        "has_templates": any(row.template_slug for row in found.rows),
    }
    return _ask_all_page([row.public_id for row in found.rows], _FIRST_VALUES, {}, **context)


def _choose(looking: Viewer) -> _Choice:
    query = parse_browse_messages(request.args)
    listing = query.listing.model_copy(update={"limit": MAX_RESENDS, "cursor": None})
    query = query.model_copy(update={"listing": listing, "newer_than": None})
    with runtime().reader.connect() as connection:
        found = browsing.browse_messages(connection, looking.workspace_id, looking.livemode, query)
        ended = [row for row in found.rows if row.status not in PENDING]
        ids = [row.public_id for row in ended]
        repeated = resends.public_ids_sent_again(connection, ids)
    rows = [row for row in ended if row.public_id not in repeated]
    return _Choice(rows, len(repeated), found.older is not None)


def _nothing_words(found: _Choice) -> str:
    if found.repeated:
        return "Each of these messages was sent again already: its page says as which."
    return "There is nothing to send again: no message of this list has ended."


@pages.post("/resend")
def send_all() -> ResponseReturnValue:
    """Send those that the form listed; posted twice, the second time sends nothing."""
    typed, ids = _typed(), request.form.get("ids", "").split()
    try:
        command, batch = _command(ids, typed), _batch()
    except InvalidRequest as error:
        has_choice = "version" in request.form
        more = {"repeated": 0, "has_more": False, "has_templates": has_choice, "examples": ()}
        return _ask_all_page(ids, typed, field_errors(error), **more), 422
    outcome = _send_again(command, batch, leaves_out_repeated=True)
    flash(*_said(outcome))
    filters = {"batch": batch} if outcome.sent else _filters()
    return redirect(url_for("messages.index", **filters))


def _ask_all_page(
    ids: Sequence[str], values: Mapping[str, str], errors: Mapping[str, str], **more: Any
) -> str:
    return page(
        "messages/resend_all.html",
        "messages",
        ids=ids,
        most=MAX_RESENDS,
        filters=_filters(),
        nonce=new_nonce(),
        values=values,
        errors=errors,
        **more,
    )


def _said(outcome: Outcome) -> tuple[str, str]:
    """What is to be flashed, and as what."""
    words = [f"{len(outcome.sent):,} {_messages(len(outcome.sent))} sent again."]
    words += [f"{count:,} left out: {reason}" for reason, count in outcome.left_out.most_common(3)]
    return " ".join(words), "success" if outcome.sent else "error"


def _messages(count: int) -> str:
    return "message is" if count == 1 else "messages are"


# -- both -------------------------------------------------------------------------------------


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, first) for name, first in _FIRST_VALUES.items()}


def _command(ids: Sequence[str], typed: Mapping[str, str]) -> SendAgain:
    return parse_send_again(ids, typed["reason"], typed["version"])


def _batch() -> str:
    """Raises `InvalidRequest` for a form that this session did not get from us."""
    nonce = find_nonce(request.form.get("nonce", ""))
    if nonce is None:
        raise InvalidRequest(_STALE_FORM.message, [_STALE_FORM])
    return new_batch(nonce)


def _send_again(command: SendAgain, batch: str, *, leaves_out_repeated: bool = False) -> Outcome:
    looking = viewer()
    who = Repeater(
        looking.workspace_id, looking.mode, batch, looking.member.id, looking.member.public_id
    )
    session().rollback()  # on SQLite this request holds the write lock, which the writer waits for
    return runtime().resending.send_again(who, command, leaves_out_repeated=leaves_out_repeated)


def _filters() -> dict[str, Any]:
    return {name: request.args[name] for name in FILTERS if request.args.get(name)}
