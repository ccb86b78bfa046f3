"""`POST /v1/send` and `POST /v1/send-raw`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from senderkit.commands import (
    RawSend,
    TemplateSend,
    parse_idempotency_key,
    parse_json_object,
    parse_raw_send,
    parse_send,
)
from senderkit.domain import Scope
from senderkit.services.sending import Sender
from senderkit.web import wire
from senderkit.web.auth import principal, requires
from senderkit.web.bodies import read_body
from senderkit.web.errors import json_response
from senderkit.web.runtime import runtime

Parse = Callable[[dict[str, Any], datetime], TemplateSend | RawSend]


def add_send_routes(api: Blueprint) -> None:
    @api.post("/send")
    @requires(Scope.SEND)
    def send() -> Response:
        """Accept a template send or a raw send; durable when answered."""
        return _accept(lambda body, now: parse_send(body, now=now))

    @api.post("/send-raw")
    @requires(Scope.SEND)
    def send_raw() -> Response:
        """Accept a send with its own content; durable when answered."""
        return _accept(lambda body, now: parse_raw_send(body, now=now))


def _accept(parse: Parse) -> Response:
    at_hand, caller = runtime(), principal()
    idempotency_hash = parse_idempotency_key(request.headers.get("Idempotency-Key"))
    body = read_body()
    accepted = at_hand.sending.accept(
        Sender(caller.workspace_id, caller.mode, caller.key_id),
        lambda: parse(parse_json_object(body), at_hand.clock()),
        idempotency_hash=idempotency_hash,
        body=body,
    )
    response = json_response(wire.accepted_json(accepted, caller.mode), 202)
    if accepted.is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response
