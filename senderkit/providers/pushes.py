"""What all push providers share: the message, and how long and how urgently it is kept."""

from __future__ import annotations

import json
from typing import Any, Final

from senderkit.domain import Outgoing, PushBody, WebPushBody
from senderkit.errors import Unsupported

TTL_SECONDS: Final = 4 * 7 * 86_400
"""How long a push service keeps a message for a device that is switched off: four weeks, which is
the most that FCM takes and what the others cap at."""

GONE: Final = "The device no longer accepts notifications: its token is unregistered."


def utf8_json(payload: Any) -> bytes:
    """The payload as JSON in UTF-8: where its bytes are counted, escapes would take the room of
    half a Japanese sentence. Raises `ValueError` for a number JSON cannot say."""
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def read_push(outgoing: Outgoing) -> PushBody:
    """The content for a device. Raises `Unsupported` when the message is of another channel."""
    if not isinstance(outgoing.body, PushBody):
        raise Unsupported("This connection delivers mobile push only.")
    return outgoing.body


def read_web_push(outgoing: Outgoing) -> WebPushBody:
    """The content for a browser. Raises `Unsupported` when the message is of another channel."""
    if not isinstance(outgoing.body, WebPushBody):
        raise Unsupported("This connection delivers web push only.")
    return outgoing.body
