"""Is this webhook ours? Verifies the signature of what SenderKit posts to a backend."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from typing import Any, Final

from senderkit.client.configuration import find_setting
from senderkit.client.errors import SenderKitSignatureError

DEFAULT_TOLERANCE_SECONDS: Final = 300

_TIMESTAMP: Final = re.compile(r"[0-9]{1,15}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def unix_now() -> int:
    """Seconds since 1970: the client's only look at a clock on the wall."""
    return int(time.time())


@dataclass
class WebhookEvent:
    """A verified event.

    `type` is such as `message.delivered`; `delivery_id` (`whd_…`) stays the same over the retries
    of one event to one endpoint, so that a repeat can be told; `payload` is the whole body;
    `timestamp` is when it was signed, in Unix seconds.
    """

    type: str | None
    delivery_id: str | None
    payload: dict[str, Any]
    timestamp: int

    @property
    def id(self) -> str | None:
        """The event's id (`evt_…`), the same for every endpoint."""
        return self.payload.get("id")


class WebhookVerifier:
    """Verifies webhooks with an endpoint's signing secret (`whsec_…`, never an API key).

    `secret` may be given here or with each call; without either it is `SENDERKIT_WEBHOOK_SECRET`.
    """

    def __init__(self, secret: str | None = None) -> None:
        self._secret = secret

    def verify(
        self,
        payload: str | bytes,
        signature_header: str,
        *,
        secret: str | None = None,
        tolerance: int = DEFAULT_TOLERANCE_SECONDS,
        now: int | None = None,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> WebhookEvent:
        """Return the event, or raise `SenderKitSignatureError`.

        `payload` is the raw body, exactly as received; `signature_header` is the text of
        `X-SenderKit-Signature`. `tolerance` is how many seconds the signature may be off from
        `now` (Unix seconds; the present unless given). `delivery_id` is the text of
        `X-SenderKit-Delivery`. The type is the signed body's own; `event_type` (the text of
        `X-SenderKit-Event`, which is not signed) stands in only where the body has none.

        >>> body = b'{"id":"evt_1","type":"message.delivered"}'
        >>> header = (
        ...     "t=1764000000,"
        ...     "v1=6119cf5d2707d5a9c9dfd3fcd6c0304c7fd318e35c280e4789e646bfa4834f11"
        ... )
        >>> verifier = WebhookVerifier("whsec_example")
        >>> verifier.verify(body, header, now=1764000000).type
        'message.delivered'
        >>> verifier.verify(body + b" ", header, now=1764000000)
        Traceback (most recent call last):
        senderkit.client.errors.SenderKitSignatureError: the webhook is not signed with this secret
        """
        key = secret or self._secret or find_setting("WEBHOOK_SECRET")
        if not key:
            raise SenderKitSignatureError(
                "no webhook secret: pass secret=, or set SENDERKIT_WEBHOOK_SECRET"
            )
        body = payload.encode("utf-8") if isinstance(payload, str) else bytes(payload)
        timestamp = _verified_timestamp(body, signature_header, key)
        present = unix_now() if now is None else now
        if abs(present - timestamp) > tolerance:
            raise SenderKitSignatureError(
                f"the webhook was signed {present - timestamp} seconds ago: "
                f"only {tolerance} are allowed"
            )
        fields = _json_object(body)
        return WebhookEvent(fields.get("type") or event_type, delivery_id, fields, timestamp)


def _verified_timestamp(body: bytes, header: str, key: str) -> int:
    """The time in the header, once one of its signatures proves to be over it and `body`."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t" and _TIMESTAMP.fullmatch(value)]
    given = [value for name, _, value in parts if name == "v1" and _SIGNATURE.fullmatch(value)]
    if len(times) != 1 or not given:
        raise SenderKitSignatureError("the signature header is missing or malformed")
    signed = times[0].encode("ascii") + b"." + body
    expected = hmac.new(key.encode("utf-8"), signed, hashlib.sha256).hexdigest()
    if not any(hmac.compare_digest(expected, signature) for signature in given):
        raise SenderKitSignatureError("the webhook is not signed with this secret")
    return int(times[0])


def _json_object(body: bytes) -> dict[str, Any]:
    """The body's object; empty when it is something else, which SenderKit never sends."""
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
