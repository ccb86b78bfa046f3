"""What people see when something went wrong: what it was, a way back, and the request's id."""

from __future__ import annotations

from typing import Any, Final

import structlog
from flask import Response, g, make_response, render_template
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from senderkit.database import is_outage
from senderkit.errors import ApiError, ServiceUnavailable
from senderkit.web.dashboard.frame import find_viewer, frame_context
from senderkit.web.dashboard.guard import ForeignForm
from senderkit.web.errors import headers_of, status_of
from senderkit.web.extensions import session

_log = structlog.get_logger(__name__)

_WORDS: Final[dict[int, tuple[str, str]]] = {
    400: (
        "This request could not be read",
        "Something in its address or form is not as this server expects it. "
        "Go back, reload the page and try again.",
    ),
    404: (
        "There is nothing here",
        "The address may be mistyped, or what stood here is gone. Check it, or start over.",
    ),
    405: (
        "This page cannot be used like that",
        "The address exists, but not for this kind of request. Open it from a page of the "
        "dashboard instead.",
    ),
    413: (
        "This is too much at once",
        "What you sent is larger than a page may take. Go back, shorten it and try again.",
    ),
    415: (
        "Only forms are taken here",
        "Pages of the dashboard answer to their own forms. An app uses the API under /v1.",
    ),
    503: (
        "The database cannot be reached",
        "Nothing was changed. The server tries again by itself: wait a moment, then reload.",
    ),
}
_CRASH: Final = (
    "Something went wrong on this server",
    "It was logged under the request id below. Go back and try again; if it happens again, give "
    "the id to whoever runs this server.",
)
_OUT_OF_DATE: Final = (
    "This form is out of date",
    "It was opened before you logged in, or too long ago. Nothing was changed. Go back, reload the "
    "page and send the form again.",
)
_FOREIGN: Final = (
    "This form came from elsewhere",
    "It was sent from another address than the one this server answers at, so nothing was changed. "
    "Behind a proxy, SENDERKIT_PUBLIC_URL must be the address that people open.",
)


def page_for(error: Exception) -> Response:
    """The page for whatever went wrong outside /v1; no detail of a crash leaks."""
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, ApiError) and status_of(type(error)) < 500:
        status = status_of(type(error))
        return _page(status, _words(status)[0], error.message, headers_of(error))
    if isinstance(error, ServiceUnavailable) or is_outage(error):
        _log.error("database_error", error=type(error).__name__)
        return _page(503, *_words(503), headers_of(ServiceUnavailable()))
    _log.error("request_crashed", exc_info=error)
    return _page(500, *_CRASH)


def _of_http(error: HTTPException) -> Response:
    """Redirects and the like are answers already; a crash has been wrapped by Flask."""
    if error.response is not None or error.code is None or error.code < 400:
        return make_response(error.get_response())
    if isinstance(error, CSRFError):
        return _page(400, *_OUT_OF_DATE)
    if isinstance(error, ForeignForm):
        return _page(400, *_FOREIGN)
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return _page(error.code, *_words(error.code), headers)


def _words(status: int) -> tuple[str, str]:
    return _WORDS.get(status, _WORDS[400] if status < 500 else _CRASH)


def _page(status: int, title: str, message: str, headers: dict[str, str] | None = None) -> Response:
    text = render_template(
        "error.html",
        status=status,
        title=title,
        message=message,
        request_id=g.get("request_id", ""),
        **_frame(),
    )
    return make_response(text, status, headers or {})


def _frame() -> dict[str, Any]:
    """The frame of whoever is logged in; none when the database cannot say who that is."""
    try:
        session().rollback()
        looking = find_viewer()
        return frame_context(looking) if looking else {}
    except SQLAlchemyError:
        return {}
