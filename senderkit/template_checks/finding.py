"""What a check found: where, how bad, and what to do about it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Final

MAX_OF_A_KIND: Final = 50
"""Findings of one code in one field that are told one by one."""
_MAX_NAME: Final = 60


class Level(StrEnum):
    """An error stops a send or gives readers something broken; a warning is likely a mistake; a
    hint is good to know."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


_ORDER: Final = {level: i for i, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Check:
    """`field` is a wire name (`data.key` within data), or `variables`. `line` and `column` count
    from 1, None for a field as a whole. `language` is the tag of a translation, None for the
    template's own content."""

    level: Level
    field: str
    line: int | None
    column: int | None
    message: str
    advice: str
    code: str
    language: str | None = None


class Lines:
    """Places in a text by the index of their character. Linear to make, quick to ask."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]

    def place(self, index: int) -> tuple[int, int]:
        """The line and the column, from 1."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1


def quoted(name: str) -> str:
    """`name` in quotes, cut when it would fill the page."""
    return f"'{name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + '…'}'"


def in_order(checks: Iterable[Check], fields: Iterable[str]) -> list[Check]:
    """The worst first, then by language, by the order of `fields`, and by place.

    Of the same kind in one field only the first are kept, and the last of them says how many more
    there are.
    """
    places = {name: i for i, name in enumerate(fields)}

    def place(check: Check) -> tuple[int, str, int, str, int, int]:
        root = check.field.partition(".")[0]
        return (
            _ORDER[check.level],
            check.language or "",
            places.get(root, len(places)),
            check.field,
            check.line or 0,
            check.column or 0,
        )

    return list(_capped(sorted(checks, key=place)))


def _capped(checks: list[Check]) -> Iterator[Check]:
    seen: Counter[tuple[str, str, str | None]] = Counter()
    kinds = [(check.code, check.field, check.language) for check in checks]
    total = Counter(kinds)
    for check, kind in zip(checks, kinds, strict=True):
        seen[kind] += 1
        if seen[kind] <= MAX_OF_A_KIND:
            yield check
        elif seen[kind] == MAX_OF_A_KIND + 1:
            yield _rest_of(check, total[kind] - MAX_OF_A_KIND)


def _rest_of(check: Check, count: int) -> Check:
    message = f"{count:,} more of this kind, from here on."
    return Check(
        check.level,
        check.field,
        check.line,
        check.column,
        message,
        check.advice,
        check.code,
        check.language,
    )
