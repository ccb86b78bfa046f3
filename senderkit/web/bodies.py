"""How long a body may be, and the one function that reads one under /v1."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from flask import request

from senderkit.commands import parse_json_object
from senderkit.errors import ApiError, InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from senderkit.web.extensions import current_request
from senderkit.web.media_types import is_json

MAX_BODY_BYTES: Final = 25 * 1024 * 1024
MAX_PAGE_BODY_BYTES: Final = 4 * 1024 * 1024
"""Of everything outside /v1."""
BODY_FAULT: Final = "senderkit.body_fault"
"""In the WSGI environment: the error to answer when the front gave up on a request, or None."""


def refuse_unread_body() -> None:
    """Raise what the front found wrong with the body or a header, on any path."""
    fault: ApiError | None = request.environ.get(BODY_FAULT)
    if fault is not None:
        raise fault


def read_body() -> bytes:
    """The whole body, counted to the limit plus one: a longer one is refused, never cut.

    Raises `PayloadTooLarge`, or `UnsupportedMediaType` for any `Content-Encoding` or another
    content type than JSON.
    """
    asked = current_request()
    encoding = asked.headers.get("Content-Encoding", "").strip()
    if encoding and encoding.lower() != "identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    if (asked.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large()
    body = asked.stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    if body and not is_json(asked.content_type or ""):
        raise UnsupportedMediaType("Send the body as application/json.")
    return body


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge("The request body may have at most 25 MiB.")


def read_json() -> dict[str, Any]:
    """The body as a JSON object. Raises `InvalidRequest` as well."""
    return parse_json_object(read_body())


def find_json() -> dict[str, Any] | None:
    """The body as a JSON object, or None when there is no body."""
    body = read_body()
    return parse_json_object(body) if body else None


def read_query() -> list[tuple[str, str]]:
    """The decoded query in its order. Raises `InvalidRequest` when it is no UTF-8."""
    try:
        return parse_qsl(
            request.query_string.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=200,
        )
    except ValueError as error:
        raise InvalidRequest("The query could not be read: it must be UTF-8.") from error
