"""`GET /v1/context`: whose key this is."""

from __future__ import annotations

from flask import Blueprint, Response

from senderkit.domain import Scope
from senderkit.web import wire
from senderkit.web.auth import principal
from senderkit.web.errors import json_response
from senderkit.web.operations import Operation


def add_context_routes(api: Blueprint) -> None:
    @api.get("/context")
    @Operation(Scope.READ, answer=wire.ContextJson)
    def get_context() -> Response:
        """The workspace and mode of the key that asks."""
        return json_response(wire.context_json(principal()))
