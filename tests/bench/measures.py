"""What is measured and what is to be reached: figures, their targets, rounds taken alternately."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """How long and how much. `messages` is the size of the big log, `seconds` that of one round."""

    messages: int = 1_000_000
    rounds: int = 5
    seconds: float = 2.0
    connections: int = 16
    databases: Sequence[str] = ()


@dataclass(frozen=True)
class Target:
    bound: float
    is_minimum: bool

    def __str__(self) -> str:
        return f"{'≥' if self.is_minimum else '≤'} {self.bound:g}"

    def is_reached_by(self, value: float) -> bool:
        return value >= self.bound if self.is_minimum else value <= self.bound


def at_least(bound: float) -> Target:
    return Target(bound, is_minimum=True)


def at_most(bound: float) -> Target:
    return Target(bound, is_minimum=False)


@dataclass(frozen=True)
class Figure:
    """One line of the table: a value for each round; the median of them is what counts."""

    name: str
    unit: str
    values: tuple[float, ...]
    target: Target | None = None

    @property
    def reached(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return "figure only"
        return "reached" if self.target.is_reached_by(self.reached) else "MISSED"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "target": None if self.target is None else str(self.target),
            "reached": self.reached,
            "values": list(self.values),
            "verdict": self.verdict,
        }


def alternately(works: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Do each of the works once a round, every other round in reverse order."""
    results: dict[str, list[T]] = {name: [] for name in works}
    for number in range(rounds):
        names = list(works) if number % 2 == 0 else list(works)[::-1]
        for name in names:
            results[name].append(works[name]())
    return results


def ratios(values: Iterable[float], bases: Iterable[float]) -> tuple[float, ...]:
    """Round by round, since the machine may be slower in one than in another."""
    return tuple(value / base for value, base in zip(values, bases, strict=True))


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes, once."""
    began_at = time.perf_counter()
    work()
    return time.perf_counter() - began_at


# -- the table --------------------------------------------------------------------------------

_HEAD = ("figure", "unit", "target", "reached", "from", "to", "verdict")


def table(figures: Sequence[Figure]) -> str:
    """The figures as text in columns."""
    rows = [_HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        figure.unit,
        "" if figure.target is None else str(figure.target),
        _short(figure.reached),
        _short(min(figure.values)),
        _short(max(figure.values)),
        figure.verdict,
    )


def _short(value: float) -> str:
    """Three digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
