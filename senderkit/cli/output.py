"""What a command says: tables for people, the API's own answers for scripts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor or turns text around. Servers store texts of strangers."""

_HIGH_CONTROLS: Final = re.compile(r"[\x7f-\x9f]")

_COLOURS: Final[Mapping[str, str]] = {
    "delivered": "green",
    "active": "green",
    "sent": "cyan",
    "failed": "red",
    "suppressed": "red",
    "blocked": "red",
    "opted_out": "yellow",
    "canceled": "yellow",
    "live": "yellow",
}


def plain(value: object) -> str:
    """`value` on one line, without what a terminal would obey; `-` for nothing."""
    if value is None or value == "":
        return "-"
    return _CONTROLS.sub(" ", value if isinstance(value, str) else compact(value))


def compact(value: object) -> str:
    """JSON on one line."""
    text = json.dumps(value, ensure_ascii=False, default=dict)
    return _HIGH_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: object) -> None:
    """JSON on several lines, indented."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=dict)
    click.echo(_HIGH_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns as wide as their widest cell; a status has its colour on a terminal."""
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(headings, *cells, strict=True)]
    titles = [_padded(*cell) for cell in zip(headings, widths, strict=True)]
    click.echo(click.style(_line(titles), bold=True))
    for row in cells:
        click.echo(_line([_coloured(*cell) for cell in zip(row, widths, strict=True)]))


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """One line for each name and value; None and empty ones are left out."""
    shown = [(name, plain(value)) for name, value in fields if value not in (None, "", {}, [])]
    width = max((_width(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{click.style(_padded(name, width), dim=True)}  {_coloured(value)}")


def say(words: str) -> None:
    """Words for a person, on standard error: never part of a result."""
    click.echo(words, err=True)


def _line(cells: Sequence[str]) -> str:
    return "  ".join(cells).rstrip()


def _coloured(cell: str, width: int = 0) -> str:
    colour = _COLOURS.get(cell)
    return click.style(_padded(cell, width), fg=colour) if colour else _padded(cell, width)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
