"""API keys declared by their hash in `SENDERKIT_SEED_KEYS`: how one is written and read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from senderkit.domain import Mode

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SeedKey:
    """An API key declared by its hash before the first start, for Compose and CI."""

    name: str
    mode: Mode
    token_hash: str
    last_four: str
    scopes: tuple[str, ...]


def parse_seed_keys(text: str) -> tuple[SeedKey, ...]:
    """Declarations separated by commas or new lines. Raises `ValueError`."""
    return tuple(_parse_one(item.strip()) for item in re.split(r"[,\n]", text) if item.strip())


def _parse_one(text: str) -> SeedKey:
    parts = text.split(":")
    if len(parts) not in {4, 5} or not parts[0].strip():
        raise ValueError("each key is name:mode:sha256:last-four or the same with :scope+scope")
    name, mode, token_hash, last_four, *rest = (part.strip() for part in parts)
    if mode not in {"live", "test"} or not _SHA256.fullmatch(token_hash.lower()):
        raise ValueError(f"key '{name}' needs mode live or test and a SHA-256 of 64 hex digits")
    if len(last_four) != 4 or not last_four.isalnum():
        raise ValueError(f"key '{name}' needs the last four characters of its token")
    scopes = tuple(scope for scope in rest[0].split("+") if scope) if rest else ()
    if set(scopes) - {"read", "send", "cancel"}:
        raise ValueError(f"key '{name}' has an unknown scope: use read, send, cancel")
    return SeedKey(name, Mode(mode), token_hash.lower(), last_four, scopes)
