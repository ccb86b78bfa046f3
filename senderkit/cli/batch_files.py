"""The rows of a CSV or JSONL file as sends."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TextIO

import click

from senderkit.client import RawSend, TemplateSend
from senderkit.client.sends import Send, wire_name

_Read = Callable[[TextIO], Iterator[tuple[int, dict[str, Any]]]]
"""Reads bodies of sends, each with the line that it begins on."""

_TEMPLATE_FIELDS: Final = {wire_name(field.name): field.name for field in fields(TemplateSend)}
_RAW_FIELDS: Final = {wire_name(field.name): field.name for field in fields(RawSend)}


@dataclass(frozen=True)
class Row:
    """One message to send; `line` is the line of the file that it begins on."""

    line: int
    send: Send


class BatchFile:
    """A file as it was when it was opened: what happens to it later changes no row.

    `template` is for the rows that name none. `digest` is the SHA-256 of both, in hex. Raises
    `ClickException` for a file that cannot be read.
    """

    def __init__(self, path: Path, template: str | None = None) -> None:
        self.path = path
        self._template = template
        self._read = _reader_of(path)
        try:
            self._bytes = path.read_bytes()
            self._bytes.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.ClickException(f"cannot read {path}: {error}.") from error
        known = hashlib.sha256(self._bytes)
        known.update(f"\0{template}".encode() if template else b"")
        self.digest = known.hexdigest()

    def rows(self) -> Iterator[Row]:
        """The rows one by one. Raises `ClickException` naming the line of one that is no send."""
        try:
            yield from self._rows()
        except (ValueError, csv.Error) as error:
            raise click.ClickException(f"{self.path}, {error}.") from error

    def _rows(self) -> Iterator[Row]:
        text = io.TextIOWrapper(io.BytesIO(self._bytes), "utf-8-sig", newline="")
        for line, body in self._read(text):
            try:
                yield Row(line, _send(body, self._template))
            except ValueError as error:
                raise ValueError(f"line {line}: {error}") from error


def _reader_of(path: Path) -> _Read:
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise click.ClickException(f"{path} is neither .csv nor .jsonl: the name tells which.")
    return read


def _send(body: dict[str, Any], template: str | None) -> Send:
    """Raises `ValueError`."""
    is_raw = "content" in body
    if template and not is_raw:
        body = {"template": template} | body
    names = _RAW_FIELDS if is_raw else _TEMPLATE_FIELDS
    for name in body:
        if name not in names:
            raise ValueError(_unknown(name, names))
    for name in ("to", "channel" if is_raw else "template"):
        if not body.get(name):
            raise ValueError(f"'{name}' is missing")
    arguments = {names[name]: value for name, value in body.items() if value is not None}
    return RawSend(**arguments) if is_raw else TemplateSend(**arguments)


def _unknown(name: str, names: Mapping[str, str]) -> str:
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}', or 'vars.{name}'" if close else f"is it 'vars.{name}'"
    return f"there is no field '{name}': {hint}"


# -- JSONL ----------------------------------------------------------------------------------------


def _read_jsonl(file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, 1):
        if text.strip():
            yield line, _object(line, text)


def _object(line: int, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"line {line}: this is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"line {line}: a JSON object is expected")
    return found


# -- CSV ------------------------------------------------------------------------------------------


def _read_csv(file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """A column for each field; those of objects are `vars.name`, `metadata.x`, `content.html`."""
    rows = csv.reader(file, strict=True)
    names = [name.strip() for name in next(rows, [])]
    if len(set(names)) < len(names):
        raise ValueError("line 1: two columns have the same name")
    line = rows.line_num + 1
    for cells in rows:
        if any(cells):
            yield line, _body(line, names, cells)
        line = rows.line_num + 1


def _body(line: int, names: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(names):
        raise ValueError(f"line {line}: {len(cells)} cells, but {len(names)} columns")
    body: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=True):
        if cell:
            _place(line, body, name, cell)
    return body


def _place(line: int, body: dict[str, Any], name: str, cell: str) -> None:
    """Put a cell where it belongs; an empty one is as if the column were not there."""
    *parents, last = name.split(".", 1 if name.startswith("metadata.") else -1)
    place = body
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise ValueError(f"line {line}: '{name}' is below a column that has a value itself")
    try:
        place[last] = _CELLS.get(name, str)(cell)
    except ValueError as error:
        raise ValueError(f"line {line}: '{name}' cannot be '{cell}'") from error


def _addresses(cell: str) -> list[str]:
    return [address.strip() for address in cell.split(";") if address.strip()]


def _truth(cell: str) -> bool:
    if cell.lower() not in {"true", "false"}:
        raise ValueError(cell)
    return cell.lower() == "true"


_CELLS: Final[Mapping[str, Callable[[str], Any]]] = {
    "version": int,
    "interpolate": _truth,
    "content.badge": int,
    **dict.fromkeys(("cc", "bcc", "content.cc", "content.bcc"), _addresses),
}

_READERS: Final[Mapping[str, _Read]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
