"""API keys declared by their hash in `SENDERKIT_SEED_KEYS`: how one is written and read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from senderkit.domain import Mode, Scope

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LAST_FOUR: Final = re.compile(r"[0-9A-Za-z]{4}")
_MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class SeedKey:
    """An API key declared by its hash before the first start, for Compose and CI."""

    name: str
    mode: Mode
    token_hash: str
    last_four: str
    scopes: tuple[str, ...]


def parse_seed_keys(text: str) -> tuple[SeedKey, ...]:
    """Declarations separated by commas or new lines. Raises `ValueError` naming all bad ones."""
    declared: list[SeedKey] = []
    problems: list[str] = []
    for item in filter(None, map(str.strip, re.split(r"[,\n]", text))):
        try:
            declared.append(_parse_one(item))
        except ValueError as error:
            problems.append(str(error))
    hashes = [seed.token_hash for seed in declared]
    if len(hashes) != len(set(hashes)):
        problems.append("two keys have the same SHA-256")
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(declared)


def _parse_one(text: str) -> SeedKey:
    parts = [part.strip() for part in text.split(":")]
    if len(parts) not in {4, 5}:
        raise ValueError("each key is name:mode:sha256:last-four or the same with :scope+scope")
    name, mode, token_hash, last_four, *rest = parts
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise ValueError(f"each key needs a name of at most {_MAX_NAME} characters on one line")
    if mode not in set(Mode) or not _SHA256.fullmatch(token_hash.lower()):
        raise ValueError(f"key '{name}' needs mode live or test and a SHA-256 of 64 hex digits")
    if not _LAST_FOUR.fullmatch(last_four):
        raise ValueError(f"key '{name}' needs the last four characters of its token")
    scopes = tuple(scope for scope in rest[0].split("+") if scope) if rest else ()
    if set(scopes) - set(Scope):
        raise ValueError(f"key '{name}' has an unknown scope: use {', '.join(Scope)}")
    return SeedKey(name, Mode(mode), token_hash.lower(), last_four, scopes)
