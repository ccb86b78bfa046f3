"""API keys: mint, parse, checksum, hash. Nothing else, and no database.

A token is ``sk_live_`` or ``sk_test_``, then 43 base62 characters that carry 256 random bits, then
the CRC-32 of everything before as 6 base62 characters. The checksum lets a typo or a made-up string
be refused without a database read; the secret is the whole token, and only its SHA-256 is kept.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field
from typing import Final

from senderkit.domain import Mode

TOKEN_PATTERN: Final = r"sk_(?:live|test)_[0-9A-Za-z]{49}"
"""What a token looks like, for secret scanners."""

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_BITS: Final = 256
_RANDOM_CHARACTERS: Final = 43
_CHECKSUM_CHARACTERS: Final = 6
_PREFIXES: Final = {Mode.LIVE: "sk_live_", Mode.TEST: "sk_test_"}
_PREFIX_LENGTH: Final = 8
_TOKEN: Final = re.compile(TOKEN_PATTERN)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_CHARACTERS)


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key: `token` is shown once and forgotten, the rest is stored."""

    token: str = field(repr=False)
    token_hash: str
    prefix: str
    last_four: str


def mint(mode: Mode) -> MintedKey:
    """Make a new key for `mode`, with 256 bits from the system's secure source."""
    prefix = _PREFIXES[mode]
    body = prefix + _base62(secrets.randbits(_RANDOM_BITS), _RANDOM_CHARACTERS)
    token = body + _checksum(body)
    return MintedKey(token, hash_token(token), prefix, token[-4:])


def hash_token(token: str) -> str:
    """SHA-256 of the whole token, in hex: what the database keeps."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


def is_well_formed(token: str) -> bool:
    """Whether `token` has a key's shape and its checksum is right; says nothing of the database."""
    if _TOKEN.fullmatch(token) is None:
        return False
    return _checksum(token[:-_CHECKSUM_CHARACTERS]) == token[-_CHECKSUM_CHARACTERS:]


def mode_of(token: str) -> Mode:
    """The mode that a well-formed token's prefix selects."""
    return Mode.LIVE if token[:_PREFIX_LENGTH] == _PREFIXES[Mode.LIVE] else Mode.TEST


def prefix_of(mode: Mode) -> str:
    """`sk_live_` or `sk_test_`."""
    return _PREFIXES[mode]
