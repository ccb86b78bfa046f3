"""Two texts side by side: which lines are the same, and what differs within those that are not.

Made for texts that anybody may have written. Comparing costs the square of the lines in the worst
case, so it works off a budget of steps: texts that would take more are told apart as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from enum import StrEnum
from itertools import islice
from typing import Final

CONTEXT_LINES: Final = 3
"""Of a long unchanged stretch so many lines stay in sight at each end."""
MAX_ROWS: Final = 1_500
"""Of one text; what comes after them is not told."""

_STEPS: Final = 1_500_000
_LINE_LENGTH: Final = 600
_AROUND: Final = 120
_ALIKE: Final = 0.35
_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")
_WORD: Final = re.compile(r"\w")
_LAST_WORD: Final = re.compile(r"\w+\Z")
_MAX_WORDWISE: Final = 20_000
_SIGHT: Final = "…"


class _TooMuch(Exception):
    """The budget is spent."""


class Budget:
    """Steps that comparisons may take together; `is_spent` once one had to be left off."""

    def __init__(self, steps: int = _STEPS) -> None:
        self._left = steps
        self.is_spent = False

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            self.is_spent = True
            raise _TooMuch


class RowKind(StrEnum):
    SAME = "same"
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"
    FOLDED = "folded"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; `is_changed` when the other side says something else there."""

    text: str
    is_changed: bool = False


Pieces = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of each side, numbered from 1; None on the side that has none.

    `count` is how many lines a folded row stands for, and how many rows a cut one.
    """

    kind: RowKind
    old_number: int | None = None
    new_number: int | None = None
    old: Pieces = ()
    new: Pieces = ()
    count: int = 0


class _Counting(SequenceMatcher[str]):
    """Says what it costs before it does it."""

    def __init__(self, old: Sequence[str], new: Sequence[str], budget: Budget) -> None:
        super().__init__(None, old, new, autojunk=False)
        self._budget = budget
        self._costs = [0]
        occurrences = self.b2j  # type: ignore[attr-defined]
        for item in old:
            self._costs.append(self._costs[-1] + 1 + len(occurrences.get(item, ())))

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> Match:
        end = len(self._costs) - 1 if ahi is None else ahi
        self._budget.spend(self._costs[end] - self._costs[alo])
        return super().find_longest_match(alo, ahi, blo, bhi)


Opcode = tuple[str, int, int, int, int]


def compare(old: str, new: str, budget: Budget | None = None) -> tuple[Row, ...]:
    """The rows of two texts; none for texts without a line.

    When `budget` is spent, what is left is shown as removed and added in whole.
    """
    budget = budget or Budget()
    before, after = _lines(old), _lines(new)
    opcodes = _opcodes(before, after, budget)
    rows = (row for opcode in opcodes for row in _rows(opcode, before, after, budget))
    shown = list(islice(rows, MAX_ROWS))
    left = sum(_row_count(opcode, before, after) for opcode in opcodes) - len(shown)
    return (*shown, Row(RowKind.CUT, count=left)) if left else tuple(shown)


def _lines(text: str) -> list[str]:
    """Without the end that each has; a text of nothing has no line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [] if lines == [""] else lines


def _opcodes(old: Sequence[str], new: Sequence[str], budget: Budget) -> list[Opcode]:
    """What both begin and end with is taken off first: it costs next to nothing."""
    start, end = _common_ends(old, new)
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    found: list[Opcode] = [("equal", 0, start, 0, start)] if start else []
    for tag, a, b, c, d in _middle(middle_old, middle_new, budget):
        found.append((tag, a + start, b + start, c + start, d + start))
    if end:
        found.append(("equal", len(old) - end, len(old), len(new) - end, len(new)))
    return found


def _common_ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    most = min(len(old), len(new))
    start = next((i for i in range(most) if old[i] != new[i]), most)
    rest = most - start
    end = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    return start, end


def _middle(old: Sequence[str], new: Sequence[str], budget: Budget) -> list[Opcode]:
    if not old and not new:
        return []
    try:
        return list(_Counting(old, new, budget).get_opcodes())
    except _TooMuch:
        return [("replace", 0, len(old), 0, len(new))]


def _rows(opcode: Opcode, old: Sequence[str], new: Sequence[str], budget: Budget) -> Iterator[Row]:
    tag, old_from, old_to, new_from, new_to = opcode
    if tag == "equal":
        yield from _unchanged(opcode, old, new)
        return
    both = min(old_to - old_from, new_to - new_from)
    for i in range(both):
        pieces = compare_lines(old[old_from + i], new[new_from + i], budget)
        yield Row(RowKind.CHANGED, old_from + i + 1, new_from + i + 1, *pieces)
    for i in range(old_from + both, old_to):
        yield Row(RowKind.REMOVED, old_number=i + 1, old=(Piece(_short(old[i]), True),))
    for i in range(new_from + both, new_to):
        yield Row(RowKind.ADDED, new_number=i + 1, new=(Piece(_short(new[i]), True),))


def _unchanged(opcode: Opcode, old: Sequence[str], new: Sequence[str]) -> Iterator[Row]:
    """A long stretch is one row, but for what stands next to a change."""
    _, start, end, new_start, _ = opcode
    head, tail = _in_sight(opcode, old, new)
    for number in range(start, end):
        if start + head <= number < end - tail:
            continue
        shown = (Piece(_short(old[number])),)
        if number == end - tail and head + tail < end - start:
            yield _fold(opcode, head, tail)
        yield Row(RowKind.SAME, number + 1, number - start + new_start + 1, shown, shown)
    if not tail and head < end - start:
        yield _fold(opcode, head, tail)


def _fold(opcode: Opcode, head: int, tail: int) -> Row:
    _, start, end, new_start, _ = opcode
    hidden = end - start - head - tail
    return Row(RowKind.FOLDED, start + head + 1, new_start + head + 1, count=hidden)


def _in_sight(opcode: Opcode, old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines of an unchanged stretch are shown at its start and at its end.

    One line is never folded: the note of it would take its place.
    """
    _, start, end, _, new_end = opcode
    is_whole = start == 0 and end == len(old) and new_end == len(new)
    head = 0 if start == 0 and not is_whole else CONTEXT_LINES
    tail = 0 if end == len(old) and new_end == len(new) and not is_whole else CONTEXT_LINES
    return (head, tail) if end - start - head - tail > 1 else (end - start, 0)


def _row_count(opcode: Opcode, old: Sequence[str], new: Sequence[str]) -> int:
    """How many rows `_rows` gives, without making them."""
    tag, start, end, new_start, new_end = opcode
    if tag != "equal":
        return max(end - start, new_end - new_start)
    head, tail = _in_sight(opcode, old, new)
    return head + tail + (head + tail < end - start)


# -- within a line ----------------------------------------------------------------------------


def compare_lines(old: str, new: str, budget: Budget) -> tuple[Pieces, Pieces]:
    """Two lines in pieces, word by word. Lines with little in common differ as a whole.

    Of a long line what is far from the first and last difference is left out.
    """
    start, end = _common_text(old, new)
    middles = old[start : len(old) - end], new[start : len(new) - end]
    before, after = _pieces(*middles, budget)
    alike = start + end + sum(len(text) for text, is_changed in before if not is_changed)
    if alike < _ALIKE * max(len(old), len(new)):
        return (Piece(_short(old), True),), (Piece(_short(new), True),)
    first, last = [(old[:start], False)], [(old[len(old) - end :], False)]
    return _sighted([*first, *before, *last]), _sighted([*first, *after, *last])


def _common_text(old: str, new: str) -> tuple[int, int]:
    """How many characters both begin with, and how many both end with, up to whole words."""
    start = _common_start(old, new)
    start -= _back_to_word(old[:start], old[start:], new[start:])
    old, new = old[start:][::-1], new[start:][::-1]
    end = _common_start(old, new)
    return start, end - _back_to_word(old[:end], old[end:], new[end:])


def _back_to_word(common: str, *rests: str) -> int:
    """How many of the last characters of `common` belong to a word that goes on in a rest."""
    last = _LAST_WORD.search(common[-_AROUND:])
    goes_on = any(_WORD.match(rest) for rest in rests)
    return len(last[0]) if last and goes_on else 0


def _common_start(old: str, new: str) -> int:
    """By halves: comparing two slices costs next to nothing."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _pieces(
    old: str, new: str, budget: Budget
) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Texts with whether they differ. What is too long for words is one piece."""
    if len(old) + len(new) > _MAX_WORDWISE:
        return [(old, True)], [(new, True)]
    befores, afters = _WORDS.findall(old), _WORDS.findall(new)
    opcodes = _middle(befores, afters, budget)
    return (
        [("".join(befores[a:b]), tag != "equal") for tag, a, b, _, _ in opcodes],
        [("".join(afters[c:d]), tag != "equal") for tag, _, _, c, d in opcodes],
    )


def _sighted(pieces: Sequence[tuple[str, bool]]) -> Pieces:
    """Without empty pieces, and with long ones shortened."""
    kept = [(text, is_changed) for text, is_changed in pieces if text]
    return tuple(
        Piece(_short(text) if is_changed else _near(text, i == 0, i == len(kept) - 1), is_changed)
        for i, (text, is_changed) in enumerate(kept)
    )


def _near(text: str, is_first: bool, is_last: bool) -> str:
    """An unchanged piece: only what is near to a change."""
    if len(text) <= 3 * _AROUND:
        return text
    start = "" if is_first else text[:_AROUND]
    end = "" if is_last else text[-_AROUND:]
    return f"{start}{_SIGHT}{end}"


def _short(text: str) -> str:
    return text if len(text) <= _LINE_LENGTH else f"{text[:_LINE_LENGTH]}{_SIGHT}"
