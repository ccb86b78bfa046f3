"""JSON Web Tokens (RFC 7519) by which a provider proves a callback, signed with a shared secret.

Not PyJWT's `decode`: it warns of every secret shorter than the hash, and how long a secret is was
the provider's choice; and it reads the system's clock.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, TypeGuard

from senderkit.domain import JsonObject
from senderkit.errors import CallbackRefused
from senderkit.providers.callbacks import is_same_secret, json_object

HS256: Final = "HS256"

_DIGESTS: Final[Mapping[str, str]] = {HS256: "sha256", "HS384": "sha384", "HS512": "sha512"}

ALGORITHMS: Final = frozenset(_DIGESTS)
"""All that sign with a shared secret."""


def read_claims(
    token: str, secret: str, algorithms: Collection[str] = frozenset({HS256})
) -> JsonObject:
    """The claims of a token that was signed with this secret, by one of these algorithms.

    Raises `CallbackRefused`. What the claims say is still to be checked.
    """
    if not secret:
        raise CallbackRefused("This connection has no secret for callbacks.")
    signed, _, signature = token.rpartition(".")
    head, _, claims = signed.partition(".")
    algorithm = str(_part(head).get("alg"))
    is_known = algorithm in algorithms and algorithm in _DIGESTS
    if not is_known or not is_same_secret(signature, _signature(signed, secret, algorithm)):
        raise CallbackRefused("The callback's token is missing, or not signed with the secret.")
    return _part(claims)


def check_period(now: datetime, starts_at: object, ends_at: object, leeway: timedelta) -> None:
    """Raises `CallbackRefused` unless `now` lies within a token's own time, give or take `leeway`.

    Both ends are claims in seconds since 1970; a token without them is refused.
    """
    seconds, more = now.timestamp(), leeway.total_seconds()
    if not _is_number(starts_at) or not _is_number(ends_at):
        raise CallbackRefused("The callback's token does not say when it is valid.")
    if not (starts_at <= seconds + more and seconds - more <= ends_at):
        raise CallbackRefused("The callback's token is stale, or not valid yet.")


def is_hash_of(claim: object, content: bytes) -> bool:
    """Whether a claim is the SHA-256 of the content, in hexadecimal."""
    return isinstance(claim, str) and is_same_secret(claim.lower(), sha256(content).hexdigest())


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _part(text: str) -> JsonObject:
    """One part of a token, or an empty object."""
    try:
        return json_object(urlsafe_b64decode(text + "=="))
    except ValueError:
        return {}


def _signature(signed: str, secret: str, algorithm: str) -> str:
    digest = hmac.digest(secret.encode(), signed.encode("utf-8", "replace"), _DIGESTS[algorithm])
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
