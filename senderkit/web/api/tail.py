"""`GET /v1/messages?tail=1`: messages as they come and change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from flask import Response, request

from senderkit.commands import ListMessages, parse_change_number
from senderkit.services import reports
from senderkit.services.api_keys import Principal
from senderkit.services.following import Changed, Room
from senderkit.services.listening import KeyTicket
from senderkit.web import wire
from senderkit.web.runtime import runtime
from senderkit.web.streams import events
from senderkit.web.streams.hub import Topic
from senderkit.web.streams.opening import answer_stream

_RESUMES: Final = "Last-Event-ID"


@dataclass(frozen=True, slots=True)
class MessageForm:
    """A change as the API tells it: the whole message, if it passes the filters."""

    workspace_uuid: str
    only_fitting: ClassVar = True

    def tell(self, changed: Changed, *, fits: bool) -> bytes | None:
        if not fits:
            return None
        return events.message(wire.message_json(changed.view, self.workspace_uuid), changed.number)


def follow_messages(caller: Principal, query: ListMessages) -> Response:
    """A stream of the caller's messages that pass the query's filters.

    The newest ones come without ids: who is cut off among them gets them anew.
    """
    room = Room(caller.workspace_id, caller.mode.livemode)
    topic = Topic(room, query.filters, MessageForm(caller.workspace_uuid))
    return answer_stream(
        topic,
        KeyTicket(caller.key_id),
        after=parse_change_number(request.headers.get(_RESUMES), _RESUMES),
        begin=partial(_tell_newest, caller, query),
    )


def _tell_newest(caller: Principal, query: ListMessages) -> bytes:
    """The newest messages, oldest first."""
    with runtime().reader.connect() as connection:
        page = reports.list_messages(connection, caller.workspace_id, caller.mode.livemode, query)
    views = reversed(page.messages)
    return b"".join(events.message(wire.message_json(v, caller.workspace_uuid)) for v in views)
