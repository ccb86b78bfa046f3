"""What a key looks like: enough to refuse a wrong one before anything is sent.

A key is `sk_live_` or `sk_test_`, 43 base62 characters, and the CRC-32 of all that as 6 base62
characters. Only the server knows which keys exist; a typo is told here.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

_TOKEN: Final = re.compile(r"sk_(?:live|test)_[0-9A-Za-z]{49}")
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_CHARACTERS: Final = 6


def is_well_formed(key: str) -> bool:
    """Whether `key` has a key's shape and its checksum is right."""
    if not _TOKEN.fullmatch(key):
        return False
    body, given = key[:-_CHECKSUM_CHARACTERS], key[-_CHECKSUM_CHARACTERS:]
    return _checksum(body) == given


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(_CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits


def mode_of(key: str) -> str:
    """`live` or `test`, as the key's prefix says."""
    return "test" if key.startswith("sk_test_") else "live"
