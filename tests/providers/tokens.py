"""Tokens as a provider makes them, by their standard and without our own code."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def token_of(claims: Any, secret: str, algorithm: str = "HS256", **head: Any) -> str:
    """A JSON Web Token with these claims; keywords change its head."""
    parts: list[Mapping[str, Any]] = [{"alg": algorithm, "typ": "JWT"} | head, claims]
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), DIGESTS[algorithm]))}"


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
