"""`/v1/messages`: list, get, cancel."""

from __future__ import annotations

from flask import Blueprint, Response

from senderkit.commands import parse_list_messages
from senderkit.domain import Scope
from senderkit.services import delivery, reports
from senderkit.web import wire
from senderkit.web.auth import principal, requires
from senderkit.web.bodies import read_query
from senderkit.web.errors import json_response
from senderkit.web.runtime import runtime


def add_message_routes(api: Blueprint) -> None:
    @api.get("/messages")
    @requires(Scope.READ, query=True)
    def list_messages() -> Response:
        """One page, newest first."""
        caller, query = principal(), parse_list_messages(read_query())
        with runtime().reader.connect() as connection:
            page = reports.list_messages(
                connection, caller.workspace_id, caller.mode.livemode, query
            )
        return json_response(wire.page_json(page, caller.workspace_uuid))

    @api.get("/messages/<public_id>")
    @requires(Scope.READ)
    def get_message(public_id: str) -> Response:
        """One message with its timeline."""
        caller = principal()
        with runtime().reader.connect() as connection:
            view = reports.get_message(
                connection, caller.workspace_id, caller.mode.livemode, public_id
            )
        return json_response(wire.message_json(view, caller.workspace_uuid))

    @api.delete("/messages/<public_id>")
    @requires(Scope.CANCEL)
    def cancel_message(public_id: str) -> Response:
        """Cancel a scheduled or queued message."""
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
