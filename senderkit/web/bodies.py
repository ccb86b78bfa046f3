"""How long a body may be, and the functions that read one under /v1 and /hooks."""

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
"""Of everything outside /v1 and /hooks."""
MAX_CALLBACK_BODY_BYTES: Final = 1024 * 1024
"""Of a provider's report: strangers may send one, and the largest batches have 768 kB."""
CALLBACK_PREFIX: Final = "/hooks"
BODY_FAULT: Final = "senderkit.body_fault"
"""In the WSGI environment: the error to answer when the front gave up on a body, or None."""


def is_callback_path(path: str) -> bool:
    return path.startswith(f"{CALLBACK_PREFIX}/")


def refuse_unread_body() -> None:
    """Raise what the front found wrong with the body, on any path."""
    fault: ApiError | None = request.environ.get(BODY_FAULT)
    if fault is not None:
        raise fault


def read_body() -> bytes:
    """The whole body, counted to the limit plus one: a longer one is refused, never cut.

    Raises `PayloadTooLarge`, or `UnsupportedMediaType` for any `Content-Encoding` or another
    content type than JSON.
    """
    body = _read(MAX_BODY_BYTES)
    if body and not is_json(current_request().content_type or ""):
        raise UnsupportedMediaType("Send the body as application/json.")
    return body


def read_callback_body() -> bytes:
    """The whole body of a provider's report, of whatever type: its signature is over the bytes.

    Raises `PayloadTooLarge`, or `UnsupportedMediaType` for any `Content-Encoding`.
    """
    return _read(MAX_CALLBACK_BODY_BYTES)


def _read(limit: int) -> bytes:
    asked = current_request()
    encoding = asked.headers.get("Content-Encoding", "").strip()
    if encoding and encoding.lower() != "identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    if (asked.content_length or 0) > limit:
        raise _too_large(limit)
    body = asked.stream.read(limit + 1)
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body may have at most {limit // (1024 * 1024)} MiB.")


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
