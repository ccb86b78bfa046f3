"""The geometry of charts: numbers into places, lines across and words along the sides.

A chart is `WIDTH` wide for each of its columns and `HEIGHT` high; the page stretches it. Lines
across stand at equal distances, so that the words beside them can.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from senderkit.web.dashboard.wording import shown_duration

WIDTH: Final = 12
HEIGHT: Final = 100
_GAP: Final = 2
_LEAST: Final = 1.5
_LINES: Final = 4
_STEPS: Final = (1, 2, 5, 10)
_DURATIONS: Final = (
    *(1, 10, 100, 1_000, 10_000),
    *(60_000, 600_000, 3_600_000, 21_600_000, 86_400_000, 604_800_000),
)
"""Milliseconds at which the lines across a chart of durations may stand."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What stands at the side, from the top down, and how high the lines across are."""

    words: tuple[str, ...]
    lines: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a column."""

    place: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Columns:
    """Stacked columns: for each the blocks of its parts that are more than nought."""

    axis: Axis
    width: int
    blocks: tuple[tuple[Block, ...], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over the columns, each as the path of an SVG; one without a point is empty."""

    axis: Axis
    width: int
    paths: tuple[str, ...]


# -- counts -----------------------------------------------------------------------------------


def stacked_columns(columns: Sequence[Sequence[int]]) -> Columns:
    """Columns of parts, the first part at the bottom; every column has as many parts."""
    axis, top = _counting_axis(max((sum(column) for column in columns), default=0))
    blocks = tuple(_blocks(place, column, top) for place, column in enumerate(columns))
    return Columns(axis, WIDTH * len(columns), blocks)


def _counting_axis(most: int) -> tuple[Axis, int]:
    """Lines at round numbers, and the number at the top."""
    rough = max(1.0, most / _LINES)
    power = 10 ** math.floor(math.log10(rough))
    step = int(next(step * power for step in _STEPS if step * power >= rough))
    count = max(1, math.ceil(most / step))
    words = tuple(f"{step * place:,}" for place in reversed(range(count + 1)))
    return Axis(words, _even_lines(count)), step * count


def _even_lines(count: int) -> tuple[float, ...]:
    return tuple(round(HEIGHT * place / count, 2) for place in range(count + 1))


def _blocks(place: int, column: Sequence[int], top: int) -> tuple[Block, ...]:
    """The smallest part is still high enough to be seen."""
    found, y = [], float(HEIGHT)
    for part, number in enumerate(column):
        if number:
            height = max(number / top * HEIGHT, _LEAST)
            y -= height
            x = WIDTH * place + _GAP
            found.append(Block(part, x, round(y, 2), WIDTH - 2 * _GAP, round(height, 2)))
    return tuple(found)


# -- durations --------------------------------------------------------------------------------


def duration_lines(series: Sequence[Sequence[float | None]]) -> Lines:
    """Lines of durations in milliseconds, None where there is none; each of the lines across is a
    multiple of the one below."""
    values = [value for line in series for value in line if value is not None]
    marks = _marks(min(values, default=1), max(values, default=1))
    words = tuple(shown_duration(mark) for mark in reversed(marks))
    axis = Axis(words, _even_lines(len(marks) - 1))
    width = WIDTH * max((len(line) for line in series), default=0)
    return Lines(axis, width, tuple(_path(line, marks) for line in series))


def _marks(least: float, most: float) -> tuple[int, ...]:
    first = max((place for place, mark in enumerate(_DURATIONS) if mark <= least), default=0)
    last = next(
        (place for place, mark in enumerate(_DURATIONS) if mark >= most), len(_DURATIONS) - 1
    )
    first = min(first, len(_DURATIONS) - 2)
    return _DURATIONS[first : max(last, first + 1) + 1]


def _path(line: Sequence[float | None], marks: Sequence[int]) -> str:
    """A dot where a value has no neighbour."""
    parts, is_drawing = [], False
    for place, value in enumerate(line):
        if value is not None:
            x, y = WIDTH * place + WIDTH // 2, _height_of(value, marks)
            parts.append(f"L{x} {y}" if is_drawing else f"M{x} {y}h0")
        is_drawing = value is not None
    return "".join(parts)


def _height_of(value: float, marks: Sequence[int]) -> float:
    """From the top; between two marks by the logarithm."""
    steps = len(marks) - 1
    value = min(max(value, marks[0]), marks[-1])
    for place, (lower, upper) in enumerate(pairwise(marks)):
        if value <= upper:
            share = math.log(value / lower) / math.log(upper / lower)
            return round(HEIGHT * (1 - (place + share) / steps), 2)
    return 0.0
