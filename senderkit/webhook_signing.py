"""Signatures of webhooks, in two schemes at once: pure, over the very bytes that are sent.

Ours keys the HMAC with the whole text of the secret, `whsec_` included; Standard Webhooks with the
32 bytes that follow it in base64. Receivers refuse what was signed minutes ago, so each attempt is
signed anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
_KEY_BYTES: Final = 32


def new_webhook_secret() -> str:
    """`whsec_` and 256 random bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode("ascii")


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """The secret of an endpoint and, while a rotation's overlap lasts, the one before."""

    secret: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)

    def all(self) -> tuple[str, ...]:
        """The new one first."""
        return (self.secret,) if self.previous is None else (self.secret, self.previous)

    def of_attempt(self, number: int) -> str:
        """The one of our own header, which holds a single signature: they take turns.

        The published Python verifier looks at one signature only, so whoever knows only one of the
        two secrets believes every other attempt.
        """
        both = self.all()
        return both[(number - 1) % len(both)]


def signed_headers(
    body: bytes,
    keys: SigningSecrets,
    *,
    event_type: str,
    event_id: str,
    delivery_id: str,
    attempt: int,
    now: datetime,
) -> Mapping[str, str]:
    """Every header of one attempt; `attempt` counts from 1."""
    seconds = int(now.timestamp())
    own = _own_signature(keys.of_attempt(attempt), seconds, body)
    standard = [_standard_signature(key, event_id, seconds, body) for key in keys.all()]
    return {
        "Content-Type": "application/json",
        "X-SenderKit-Event": event_type,
        "X-SenderKit-Delivery": delivery_id,
        "X-SenderKit-Signature": f"t={seconds},v1={own}",
        "webhook-id": event_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{each}" for each in standard),
    }


def _own_signature(secret: str, seconds: int, body: bytes) -> str:
    signed = b"%d.%s" % (seconds, body)
    return hmac.new(secret.encode("utf-8"), signed, hashlib.sha256).hexdigest()


def _standard_signature(secret: str, event_id: str, seconds: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b"%s.%d.%s" % (event_id.encode("ascii"), seconds, body)
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
