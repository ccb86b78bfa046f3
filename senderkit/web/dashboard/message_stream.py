"""The list of messages, live: its rows as they come and change, for the page that shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

from flask import Blueprint, Flask, current_app, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import parse_browse_messages, parse_change_number
from senderkit.services.browsing import listed_from
from senderkit.services.following import Changed, Room
from senderkit.services.listening import session_ticket
from senderkit.web.dashboard.frame import Viewer, viewer
from senderkit.web.dashboard.sessions import get_signed_in
from senderkit.web.streams import events
from senderkit.web.streams.hub import Topic
from senderkit.web.streams.opening import answer_stream, are_streams_served

pages = Blueprint("message_stream", __name__, url_prefix="/messages")

_SEEN: Final = "seen"
_MODE: Final = "mode"
_RESUMES: Final = "Last-Event-ID"


@dataclass(frozen=True, slots=True)
class RowForm:
    """A change as the page shows it: the row. One that does not pass the filters is told as well,
    since the page may show it: it did pass them when the page was made."""

    app: Flask
    livemode: bool
    only_fitting: ClassVar = False

    def tell(self, changed: Changed, *, fits: bool) -> bytes | None:
        with self.app.test_request_context():  # for the links of the row
            macros: Any = self.app.jinja_env.get_template("messages/_row.html").module
            row = str(macros.message_row(listed_from(changed.view.row), self.livemode))
        return events.message({"fits": fits, "row": row}, changed.number)


@pages.get("/stream")
def stream() -> ResponseReturnValue:
    """What changes on a page from `seen` on; over for good once another mode is shown."""
    looking = viewer()
    if request.args.get(_MODE) != looking.mode.value or not are_streams_served():
        return "", HTTPStatus.NO_CONTENT
    query = parse_browse_messages({name: request.args[name] for name in request.args})
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    room = Room(looking.workspace_id, looking.livemode)
    resumed = parse_change_number(request.headers.get(_RESUMES), _RESUMES)
    seen = parse_change_number(request.args.get(_SEEN), _SEEN)
    return answer_stream(
        Topic(room, query.filters, RowForm(app, looking.livemode)),
        session_ticket(get_signed_in().token, livemode=looking.livemode),
        after=seen if resumed is None else resumed,
    )


def find_stream_url(looking: Viewer, chosen: Mapping[str, str | None], seen: int) -> str | None:
    """Of a page with these filters, read when `seen` was the newest change; None where the server
    in front serves no streams."""
    if not are_streams_served():
        return None
    query: dict[str, Any] = {**chosen, _MODE: looking.mode.value, _SEEN: seen}
    return url_for("message_stream.stream", **query)
