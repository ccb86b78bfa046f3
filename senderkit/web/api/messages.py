"""`/v1/messages`: list or follow, get, cancel."""

from __future__ import annotations

from flask import Blueprint, Response

from senderkit.commands import LIST_MESSAGES_QUERY, parse_list_messages
from senderkit.domain import Scope
from senderkit.errors import NotCancelable, NotFound, StreamsNotServed
from senderkit.services import delivery, reports
from senderkit.web import wire
from senderkit.web.api.tail import follow_messages
from senderkit.web.auth import principal
from senderkit.web.bodies import read_query
from senderkit.web.errors import json_response
from senderkit.web.operations import Operation
from senderkit.web.runtime import runtime


def add_message_routes(api: Blueprint) -> None:
    @api.get("/messages")
    @Operation(
        Scope.READ,
        answer=wire.MessagePageJson,
        query=LIST_MESSAGES_QUERY,
        streams_by="tail",
        raises=(StreamsNotServed,),
    )
    def list_messages() -> Response:
        """List messages, newest first, or follow them.

        Pages are stable: messages that arrive while you page are neither repeated nor skipped.
        Only the key's own mode is visible.

        With `tail=1` the answer is a stream: the newest messages, oldest first, as `message` events
        (50 unless `limit` says otherwise), then one `ready`, then each new or changed message that
        passes the filters, as it is then. Comments keep the connection alive. Before the stream
        ends for a fault it tells it in an `error` event, whose data is an error body. Come back
        with the last event's id as `Last-Event-ID` and nothing is missed; the same message may
        come again.
        """
        caller, query = principal(), parse_list_messages(read_query())
        if query.is_tail:
            return follow_messages(caller, query)
        with runtime().reader.connect() as connection:
            page = reports.list_messages(
                connection, caller.workspace_id, caller.mode.livemode, query
            )
        return json_response(wire.page_json(page, caller.workspace_uuid))

    @api.get("/messages/<public_id>")
    @Operation(Scope.READ, answer=wire.MessageJson, raises=(NotFound,))
    def get_message(public_id: str) -> Response:
        """Get one message with its timeline."""
        caller = principal()
        with runtime().reader.connect() as connection:
            view = reports.get_message(
                connection, caller.workspace_id, caller.mode.livemode, public_id
            )
        return json_response(wire.message_json(view, caller.workspace_uuid))

    @api.delete("/messages/<public_id>")
    @Operation(Scope.CANCEL, answer=wire.CanceledJson, raises=(NotFound, NotCancelable))
    def cancel_message(public_id: str) -> Response:
        """Cancel a scheduled or queued message.

        A message that is being delivered can no longer be canceled; the error says its status.
        """
        at_hand, caller = runtime(), principal()
        delivery.cancel(
            at_hand.engine,
            caller.workspace_id,
            caller.mode.livemode,
            public_id,
            now=at_hand.clock(),
            by=caller.key_public_id,
        )
        return json_response(wire.canceled_json(public_id))
