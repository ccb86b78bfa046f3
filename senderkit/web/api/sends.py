"""`POST /v1/send` and `POST /v1/send-raw`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from flask import Blueprint, Response, request

from senderkit.acceptance import Accepted
from senderkit.commands import (
    RawSend,
    TemplateSend,
    parse_idempotency_key,
    parse_json_object,
    parse_raw_send,
    parse_send,
)
from senderkit.domain import Mode, Scope
from senderkit.errors import (
    ChannelMismatch,
    EnvelopeNotSupported,
    ProviderNotConfigured,
    TemplateArchived,
    TemplateNotFound,
    TemplateNotPublished,
    VersionNotFound,
)
from senderkit.services.sending import Sender
from senderkit.web import wire
from senderkit.web.auth import principal
from senderkit.web.bodies import read_body
from senderkit.web.deferral import answer_when_stored
from senderkit.web.errors import json_response
from senderkit.web.operations import JsonBody, Operation
from senderkit.web.runtime import runtime

Parse = Callable[[dict[str, Any], datetime], TemplateSend | RawSend]


_RAISES: Final = (EnvelopeNotSupported, ProviderNotConfigured)
_RAISES_WITH_TEMPLATE: Final = (
    *_RAISES,
    ChannelMismatch,
    TemplateNotFound,
    TemplateNotPublished,
    VersionNotFound,
    TemplateArchived,
)
_TEMPLATE_SEND: Final = {
    "template": "welcome",
    "to": "ada@example.com",
    "vars": {"name": "Ada"},
    "metadata": {"order": 1234},
}
_RAW_SEND: Final = {
    "channel": "email",
    "to": "ada@example.com",
    "content": {"subject": "Hello", "html": "<p>Hello, Ada.</p>"},
}
_LINKS: Final = {
    "get_message": {"public_id": "$response.body#/id"},
    "cancel_message": {"public_id": "$response.body#/id"},
}


def add_send_routes(api: Blueprint) -> None:
    @api.post("/send")
    @Operation(
        Scope.SEND,
        answer=wire.AcceptedJson,
        status=202,
        body=JsonBody("Send", _TEMPLATE_SEND),
        is_idempotent_by_key=True,
        raises=_RAISES_WITH_TEMPLATE,
        links=_LINKS,
    )
    def send() -> Response:
        """Send a message.

        Takes a template send (`template`) or a raw send (`channel` and `content`). The answer
        comes once the message is stored durably; delivery follows in the background.
        """
        return _accept(lambda body, now: parse_send(body, now=now))

    @api.post("/send-raw")
    @Operation(
        Scope.SEND,
        answer=wire.AcceptedJson,
        status=202,
        body=JsonBody("RawSend", _RAW_SEND),
        is_idempotent_by_key=True,
        raises=_RAISES,
        links=_LINKS,
    )
    def send_raw() -> Response:
        """Send a message that brings its own content.

        The same as `POST /v1/send` without the template sends.
        """
        return _accept(lambda body, now: parse_raw_send(body, now=now))


def _accept(parse: Parse) -> Response:
    at_hand, caller = runtime(), principal()
    idempotency_hash = parse_idempotency_key(request.headers.get("Idempotency-Key"))
    body = read_body()
    submit = partial(
        at_hand.sending.submit,
        Sender(caller.workspace_id, caller.mode, caller.key_id),
        lambda: parse(parse_json_object(body), at_hand.clock()),
        idempotency_hash=idempotency_hash,
        body=body,
    )
    return answer_when_stored(
        lambda on_done: submit(on_done=on_done), partial(_accepted, caller.mode)
    )


def _accepted(mode: Mode, accepted: Accepted) -> Response:
    response = json_response(wire.accepted_json(accepted, mode), 202)
    if accepted.is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response
