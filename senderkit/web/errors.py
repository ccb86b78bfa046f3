"""Error -> HTTP status and JSON body, in one place for everything under /v1."""

from __future__ import annotations

from typing import Any, Final

import orjson
import structlog
from flask import Response
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed

from senderkit.database import is_outage
from senderkit.errors import (
    ApiError,
    InsufficientScope,
    InvalidRequest,
    MethodNotAllowed,
    NotAcceptable,
    NotCancelable,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServiceUnavailable,
    SlugTaken,
    StreamsNotServed,
    TemplateArchived,
    Unauthorized,
    UnsupportedMediaType,
)
from senderkit.web.wire import error_json

_log = structlog.get_logger(__name__)

STATUSES: Final[tuple[tuple[type[ApiError], int], ...]] = (
    (InvalidRequest, 400),
    (Unauthorized, 401),
    (InsufficientScope, 403),
    (NotFound, 404),
    (MethodNotAllowed, 405),
    (NotAcceptable, 406),
    (NotCancelable, 409),
    (SlugTaken, 409),
    (PayloadTooLarge, 413),
    (UnsupportedMediaType, 415),
    (TemplateArchived, 422),
    (RateLimited, 429),
    (StreamsNotServed, 501),
    (ServiceUnavailable, 503),
)

_RETRY_AFTER_SECONDS: Final = 5


def status_of(kind: type[ApiError]) -> int:
    """The HTTP status of a kind of error; 500 for one that nobody gave a status."""
    return next((status for parent, status in STATUSES if issubclass(kind, parent)), 500)


def json_response(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(value), status=status, mimetype="application/json")


def error_response(error: ApiError) -> Response:
    """The contract's error body with the headers that go with it."""
    response = json_response(error_json(error), status_of(type(error)))
    response.headers.extend(headers_of(error))
    return response


def headers_of(error: ApiError) -> dict[str, str]:
    """The headers that an error's answer carries."""
    if isinstance(error, Unauthorized):
        detail = ' error="invalid_token"' if error.token_given else ""
        return {"WWW-Authenticate": f"Bearer{detail}"}
    if isinstance(error, InsufficientScope):
        challenge = f'Bearer error="insufficient_scope", scope="{error.scope}"'
        return {"WWW-Authenticate": challenge}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, ServiceUnavailable):
        return {"Retry-After": str(_RETRY_AFTER_SECONDS)}
    return {}


def response_for(error: Exception, request_id: str | None) -> Response:
    """The JSON answer to whatever went wrong under /v1; no detail of a crash leaks.

    The request's id goes into the log beside it.
    """
    if isinstance(error, ApiError):
        return error_response(error)
    if isinstance(error, WerkzeugMethodNotAllowed):
        response = error_response(MethodNotAllowed("This route does not take that method."))
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response
    if isinstance(error, HTTPException):
        return error_response(_of_http(error))
    if is_outage(error):
        _log.error("database_error", request_id=request_id, error=type(error).__name__)
        return error_response(ServiceUnavailable())
    _log.error("request_crashed", request_id=request_id, exc_info=error)
    return error_response(ApiError("Something went wrong on this server. It was logged."))


def _of_http(error: HTTPException) -> ApiError:
    if error.code == 404:
        return NotFound("There is no such route.")
    if error.code == 413:
        return PayloadTooLarge("The request body is too large.")
    return InvalidRequest("The request could not be read.")
