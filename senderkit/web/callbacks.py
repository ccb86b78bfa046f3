"""Where providers report what became of messages: `/hooks/<provider>/<connection>`.

Strangers reach it, so the adapter checks a signature or secret before anything is looked at. What
is verified is answered with 200, whatever it says, since providers repeat what is not; a 503 asks
for a repetition. Answers are plain words, for whoever sets the callback up.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, NotFound

from senderkit.database import is_outage
from senderkit.domain import ProviderEvent
from senderkit.errors import (
    ApiError,
    CallbackRefused,
    DeliveryError,
    ReportedTooEarly,
    ServiceUnavailable,
    Unavailable,
)
from senderkit.providers.base import Callback
from senderkit.services import events
from senderkit.services.connections import Source
from senderkit.web.bodies import CALLBACK_PREFIX, read_callback_body
from senderkit.web.errors import headers_of, status_of
from senderkit.web.extensions import current_request
from senderkit.web.runtime import runtime

_log = structlog.get_logger(__name__)

hooks: Final = Blueprint("hooks", __name__, url_prefix=CALLBACK_PREFIX)


@hooks.route("/<provider>/<connection_id>", methods=["GET", "POST"])
def take(provider: str, connection_id: str) -> Response:
    """Take in what the provider of a connection reports. Repeats change nothing."""
    at_hand = runtime()
    with at_hand.reader.connect() as connection:
        found = at_hand.connections.find_source(connection, provider, connection_id)
    if found is None:
        raise NotFound
    source, route = found
    reported = at_hand.connections.adapter(route).events_from(_callback())
    unknown = events.apply_events(at_hand.engine, source, reported, at_hand.clock())
    at_hand.webhooks.wake()
    if unknown:
        _look_again(source, unknown)
    return _plain(200, "ok")


def _look_again(source: Source, unknown: Sequence[ProviderEvent]) -> None:
    """Raises `ReportedTooEarly` while one may be about a call that is under way."""
    at_hand = runtime()
    at_hand.early_reports.check(source, unknown, at_hand.clock())
    # A call may have ended in between, and its message be known now.
    unknown = events.apply_events(at_hand.engine, source, unknown, at_hand.clock())
    at_hand.webhooks.wake()
    if unknown:
        _log.info(
            "events_of_unknown_messages", connection_id=source.connection_id, events=len(unknown)
        )


def callback_url(provider: str, connection_id: str) -> str:
    """The address at which the provider of a connection finds `take`."""
    return f"{runtime().settings.public_url}{CALLBACK_PREFIX}/{provider}/{connection_id}"


def _callback() -> Callback:
    """The call as the provider made it: it knows us by the public address."""
    asked = current_request()
    query = asked.query_string.decode("latin-1")
    path = f"{asked.path}?{query}" if query else asked.path
    headers = {name.lower(): value for name, value in asked.headers.items()}
    return Callback(runtime().settings.public_url + path, headers, read_callback_body())


def answer_for(error: Exception) -> Response:
    """The answer to whatever went wrong with a callback; no detail of a crash leaks."""
    if isinstance(error, CallbackRefused | DeliveryError):
        return _of_adapter(error)
    if isinstance(error, ReportedTooEarly):
        _log.info("callback_too_early", path=request.path)
        return _try_again(str(error))
    if isinstance(error, HTTPException) and error.code is not None:
        return _plain(error.code, HTTPStatus(error.code).phrase)
    if isinstance(error, ApiError) and status_of(type(error)) < 500:
        return _plain(status_of(type(error)), error.message)
    if isinstance(error, ServiceUnavailable) or is_outage(error):
        _log.error("database_error", error=type(error).__name__)
        return _try_again(ServiceUnavailable().message)
    _log.error("request_crashed", exc_info=error)
    return _plain(500, "Something went wrong on this server. It was logged.")


def _of_adapter(error: CallbackRefused | DeliveryError) -> Response:
    """The callback is not verified: it does not prove itself, or cannot be checked."""
    _log.warning("callback_not_verified", path=request.path, reason=str(error))
    if isinstance(error, Unavailable):
        return _try_again("What proves this callback cannot be fetched just now.")
    if isinstance(error, DeliveryError):
        return _plain(401, "The credentials of this connection cannot be used.")
    return _plain(401, str(error))


def _try_again(words: str) -> Response:
    answer = _plain(503, words)
    answer.headers.extend(headers_of(ServiceUnavailable()))
    return answer


def _plain(status: int, words: str) -> Response:
    return Response(f"{words}\n", status=status, mimetype="text/plain")
