"""The text of an event stream, `text/event-stream` as browsers define it."""

from __future__ import annotations

from typing import Any, Final

import orjson

from senderkit.errors import ApiError
from senderkit.web.wire import error_json

HEARTBEAT: Final = b": still here\n\n"
RETRY: Final = b"retry: 1000\n\n"
"""How long a client waits before it comes back, in milliseconds."""


def event(kind: str, data: Any, number: int | None = None) -> bytes:
    """One event with `data` as JSON, which stands on one line. With `number` as its id, a client
    that was cut off after it goes on with what changed later."""
    id_line = b"" if number is None else b"id: %d\n" % number
    return b"event: %b\n%bdata: %b\n\n" % (kind.encode("ascii"), id_line, orjson.dumps(data))


def message(data: Any, number: int | None = None) -> bytes:
    """A new or changed message."""
    return event("message", data, number)


def ready(number: int) -> bytes:
    """All that was there is told: from here on it is news."""
    return event("ready", {}, number)


def fault(error: ApiError) -> bytes:
    """Why the stream ends; it is the last event."""
    return event("error", error_json(error))
