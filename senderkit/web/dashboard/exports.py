"""The messages of a filtered list as a file, read while it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from senderkit.commands import parse_browse_messages
from senderkit.errors import InvalidRequest
from senderkit.services import access, browsing
from senderkit.web.dashboard import sessions
from senderkit.web.dashboard.frame import Viewer, viewer
from senderkit.web.exports import MIMETYPES, parts
from senderkit.web.extensions import session
from senderkit.web.parts import begin_stream
from senderkit.web.runtime import runtime

pages = Blueprint("exports", __name__, url_prefix="/messages")


@pages.get("/export.<kind>")
def export(kind: str) -> ResponseReturnValue:
    """Every message that the list's filters let through, newest first."""
    if kind not in MIMETYPES:
        raise NotFound
    looking = viewer()
    try:
        query = parse_browse_messages({**request.args, "before": "", "after": ""})
    except InvalidRequest:  # the list says what is wrong with it
        asked: dict[str, Any] = request.args.to_dict()
        return redirect(url_for("messages.index", **asked))
    found = browsing.iterate(runtime().reader, looking.workspace_id, looking.livemode, query)
    body = parts(kind, found, looking.member.workspace.uuid, _goes_on())
    session().rollback()  # nothing of this request is held while its answer is read
    answer = Response(body, mimetype=MIMETYPES[kind])
    answer.headers["Content-Disposition"] = f'attachment; filename="{_name(looking, kind)}"'
    return answer


def _goes_on() -> Callable[[], bool]:
    """Asked before each page: the person is still signed in, and the server does not stop."""
    stream, at_hand = begin_stream(), runtime()
    token = sessions.get_signed_in().token

    def goes_on() -> bool:
        if stream.is_cut:
            return False
        with at_hand.reader.connect() as connection:
            return access.is_session_open(connection, token, now=at_hand.clock())

    return goes_on


def _name(looking: Viewer, kind: str) -> str:
    return f"messages-{looking.mode.value}-{runtime().clock():%Y-%m-%d-%H%M}.{kind}"
