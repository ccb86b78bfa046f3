"""The /v1 blueprint: one file per resource; each view declares its scope."""

from __future__ import annotations

from flask import Blueprint

from senderkit.web.api.context import add_context_routes
from senderkit.web.api.messages import add_message_routes
from senderkit.web.api.sends import add_send_routes
from senderkit.web.api.templates import add_template_routes
from senderkit.web.auth import API_PREFIX


def make_api() -> Blueprint:
    """A new blueprint with every /v1 route."""
    api = Blueprint("api", __name__, url_prefix=API_PREFIX)
    add_context_routes(api)
    add_send_routes(api)
    add_message_routes(api)
    add_template_routes(api)
    return api
