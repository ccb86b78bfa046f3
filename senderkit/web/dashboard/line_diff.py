"""Two texts compared line by line, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Final

MAX_LINES: Final = 600
"""Of what differs: comparing takes time with the square of it."""
_CONTEXT: Final = 3


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`kind` is added, removed, same, or gap for lines left out."""

    kind: str
    text: str


def line_diff(old: str, new: str) -> list[DiffLine] | None:
    """What makes `new` of `old`, with a few lines around each change: nothing if both say the same,
    None if it is too much."""
    before, after = old.splitlines(), new.splitlines()
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    middle_before, middle_after = _without(before, start, end), _without(after, start, end)
    if max(len(middle_before), len(middle_after)) > MAX_LINES:
        return None
    if not middle_before and not middle_after:
        return []
    lines = [DiffLine("same", text) for text in before[:start]]
    lines += _changes(middle_before, middle_after)
    lines += [DiffLine("same", text) for text in before[len(before) - end :]]
    return list(_folded(lines))


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _without(lines: Sequence[str], start: int, end: int) -> Sequence[str]:
    return lines[start : len(lines) - end]


def _changes(before: Sequence[str], after: Sequence[str]) -> Iterator[DiffLine]:
    matcher = SequenceMatcher(None, before, after)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag == "equal":
            yield from (DiffLine("same", text) for text in before[old_from:old_to])
            continue
        yield from (DiffLine("removed", text) for text in before[old_from:old_to])
        yield from (DiffLine("added", text) for text in after[new_from:new_to])


def _folded(lines: Sequence[DiffLine]) -> Iterator[DiffLine]:
    """Without what is far from any change; one gap stands for each stretch that is left out."""
    near = [False] * len(lines)
    for place, line in enumerate(lines):
        if line.kind != "same":
            for close in range(max(0, place - _CONTEXT), min(len(lines), place + _CONTEXT + 1)):
                near[close] = True
    is_in_gap = False
    for line, is_near in zip(lines, near, strict=True):
        if is_near:
            yield line
        elif not is_in_gap:
            yield DiffLine("gap", "…")
        is_in_gap = not is_near
