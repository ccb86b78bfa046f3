"""Why messages failed, in groups: a reason without what differs from one message to the next.

A provider's words name the recipient, a transaction, a moment; without those the same fault of a
thousand messages is one group.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

MAX_WORDS: Final = 300

_LEFT_OUT: Final = "…"
# Characters that an id may be made of; a run of them that has a digit and is long is one.
_VOLATILE: Final = re.compile(
    r"""
      https?://[^\s<>\"',;)\]]+                        # addresses of pages
    | [^\s<>()\[\]"',;:=]{1,64}@[^\s<>()\[\]"',;]+\w         # of people
    | \b\d{4}-\d\d-\d\d(?:[T\ ]\d\d:\d\d[:\d.]*(?:Z|[+-]\d\d:?\d\d)?)?  # moments
    | \b\d\d:\d\d:\d\d\b
    | \b\d{1,3}(?:\.\d{1,3}){3}\b                       # of machines
    | (?<![\w-])(?=[\w-]{12,})(?=[\w-]*\d[\w-]*\d)[\w-]+  # ids
    | \+?\d{6,}                                         # numbers of people and of things
    """,
    re.VERBOSE | re.ASCII,
)
_REPEATED: Final = re.compile(f"{_LEFT_OUT}(?:[ .,:/<>-]*{_LEFT_OUT})+")
_SPACE: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Reason:
    """A group of failures. `key` stands for it in links and is the same for the same words."""

    key: str
    words: str


def reason_of(text: str | None) -> Reason:
    """The group that a failed message belongs to by what was said; no words at all are one, too."""
    words = _REPEATED.sub(_LEFT_OUT, _VOLATILE.sub(_LEFT_OUT, text or ""))
    words = _SPACE.sub(" ", words).strip()
    if len(words) > MAX_WORDS:
        words = f"{words[:MAX_WORDS]}{_LEFT_OUT}"
    digest = hashlib.blake2b(words.encode(), digest_size=8)
    return Reason(digest.hexdigest(), words)
