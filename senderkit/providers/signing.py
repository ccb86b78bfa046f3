"""What adapters sign with: private keys as people paste them, tokens kept until they run out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from senderkit.domain import Clock
from senderkit.providers.over_http import Credentials

SMALLEST_RSA_BITS: Final = 2048


class BadKey(ValueError):
    """A private key that cannot be used; the text says why and repeats nothing of it."""


def read_p256_key(pem: str) -> EllipticCurvePrivateKey:
    """The key of a .p8 file, for ES256. Raises `BadKey`."""
    key = _read(pem)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise BadKey("it is a private key of another kind than P-256")
    return key


def read_rsa_key(pem: str) -> RSAPrivateKey:
    """A key for RS256, its numbers checked, which takes a while. Raises `BadKey`."""
    key = _read(pem)
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST_RSA_BITS:
        raise BadKey(f"it is no RSA private key of {SMALLEST_RSA_BITS} bits or more")
    return key


def load_rsa_key(pem: str) -> RSAPrivateKey:
    """A key that `read_rsa_key` has taken before, in no time."""
    key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    return cast(RSAPrivateKey, key)


def _read(pem: str) -> object:
    if "-----BEGIN" not in pem:
        raise BadKey("it must begin with -----BEGIN PRIVATE KEY-----")
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise BadKey("it is protected by a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("it is cut off or damaged") from None


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and the moment from which a new one is used in its place."""

    text: str = field(repr=False)
    renew_at: datetime


class CachedToken:
    """One token for all threads of an adapter. `mint` makes a new one, for one thread at a time.

    The token in use and the one before it, which may still be under way, are kept out of every
    text.
    """

    def __init__(self, mint: Callable[[], Token], clock: Clock, credentials: Credentials) -> None:
        self._mint = mint
        self._clock = clock
        self._credentials = credentials
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._previous = ""

    def get(self) -> str:
        """The token. Raises what `mint` raises."""
        with self._lock:
            token = self._token
            if token is None or token.renew_at <= self._clock():
                token = self._renew()
            return token.text

    def renew(self, refused: str) -> str:
        """A token other than `refused`, which the provider did not take; minted once for all."""
        with self._lock:
            token = self._token
            if token is None or token.text == refused:
                token = self._renew()
            return token.text

    def _renew(self) -> Token:
        token = self._mint()
        self._credentials.hide(token.text)
        self._credentials.stop_hiding(self._previous)
        self._previous = self._token.text if self._token else ""
        self._token = token
        return token
