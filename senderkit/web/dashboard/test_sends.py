"""A template sent to oneself: a saved version with the sample values, through the same acceptance
as an app's send, in the mode that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from senderkit.commands import parse_json, parse_send
from senderkit.commands.issues import IssueCode
from senderkit.crypto import hash_secret
from senderkit.domain import Channel, Mode
from senderkit.errors import InvalidRequest, Issue
from senderkit.models import Template
from senderkit.services.sending import Sender
from senderkit.web.dashboard.frame import Viewer
from senderkit.web.dashboard.nonces import find_nonce
from senderkit.web.dashboard.template_desk import Desk
from senderkit.web.dashboard.template_samples import read_sample
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime


@dataclass(frozen=True, slots=True)
class Sent:
    """A test send that was accepted; `is_repeat` when the same form was sent before."""

    message_id: str
    to: str
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class RouteWords:
    """What becomes of a test send, before it is made; `can_send` when something can take it."""

    can_send: bool
    words: str


def route_words(template: Template, looking: Viewer) -> RouteWords:
    if looking.mode is Mode.TEST:
        return RouteWords(
            True,
            "You are in test mode: nothing leaves this server. The message is rendered and "
            "recorded, and you can look at it under Messages.",
        )
    channel = Channel(template.channel)
    with runtime().reader.connect() as connection:
        route = runtime().connections.find_route(
            connection, looking.workspace_id, channel, template.slug
        )
    if route is None:
        return RouteWords(False, "You are in live mode, and no provider is connected for this.")
    return RouteWords(True, f"You are in live mode: it really goes out, through “{route.name}”.")


def send_to_oneself(desk: Desk, form: Mapping[str, str], looking: Viewer) -> Sent:
    """Accept the version that the editor was opened with. The same form twice sends once.

    Raises `ApiError`s; what is wrong with the recipient is an issue of `to`.
    """
    nonce = find_nonce(form.get("send_nonce", ""))
    if nonce is None:
        raise InvalidRequest("This form is out of date: reload the page and send again.")
    to, body = form.get("to", "").strip(), _body(desk, form)
    sender = Sender(looking.workspace_id, looking.mode, None)
    # On SQLite a form's request holds the one write lock, which the acceptance waits for.
    session().rollback()
    accepted = runtime().sending.accept(
        sender,
        lambda: parse_send(body, now=runtime().clock()),
        idempotency_hash=hash_secret(f"test-send {nonce}"),
        body=orjson.dumps(body),
    )
    return Sent(accepted.public_id, to, accepted.is_replay)


def _body(desk: Desk, form: Mapping[str, str]) -> dict[str, Any]:
    variables = tuple(desk.version.variables)
    body: dict[str, Any] = {
        "template": desk.template.slug,
        "version": desk.version.number,
        "to": _recipient(form.get("to", "").strip()),
        "vars": read_sample(form, desk.template, variables, variables),
    }
    return body | ({"locale": desk.language} if desk.language else {})


def _recipient(to: str) -> Any:
    """A web-push subscription is JSON; everything else is text."""
    if not to:
        issue = Issue(IssueCode.REQUIRED, ("to",), "Say whom to send it to.")
        raise InvalidRequest("Say whom to send it to.", [issue])
    if not to.startswith("{"):
        return to
    try:
        return parse_json(to.encode("utf-8", "surrogatepass"))
    except InvalidRequest as error:
        message = "This is not the JSON of a subscription."
        raise InvalidRequest(message, [Issue(IssueCode.INVALID_VALUE, ("to",), message)]) from error
