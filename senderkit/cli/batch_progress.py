"""What of a batch was sent already: a file beside the batch that grows by a line per message.

It saves time, and is not what keeps a message from going out twice: that is each row's
idempotency key, which follows from the file's content and the row's line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

import click

_KEY_DIGITS: Final = 40


@dataclass(frozen=True)
class Batch:
    """What tells one batch from another.

    `digest` is that of the file and its template; `run` tells apart batches of one file, where that
    is meant.
    """

    digest: str
    run: str
    mode: str
    base_url: str

    def key_of(self, line: int) -> str:
        """The idempotency key of the row on this line: the same however often it is sent."""
        run = f"{self.run}-" if self.run else ""
        return f"batch-{run}{self.digest[:_KEY_DIGITS]}-{line}"

    @property
    def heading(self) -> dict[str, str]:
        return {"file": self.digest, "run": self.run, "server": self.base_url}


class Progress:
    """The lines that were sent; `note` adds one. Made by `opened_progress`."""

    def __init__(self, file: TextIO, sent: frozenset[int]) -> None:
        self._file = file
        self.sent = sent

    def note(self, line: int, message_id: str) -> None:
        self._file.write(json.dumps({"line": line, "id": message_id}) + "\n")
        self._file.flush()


def progress_path(path: Path, mode: str) -> Path:
    """`people.csv.test.progress`: a test of a batch says nothing about the live one."""
    return path.with_name(f"{path.name}.{mode}.progress")


@contextmanager
def opened_progress(path: Path, batch: Batch) -> Iterator[Progress]:
    """Raises `ClickException` for the progress of another batch, and when it cannot be written."""
    try:
        entries = _entries(path)
        if entries and entries[0] != batch.heading:
            raise click.ClickException(_another(path, entries[0], batch))
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" if _is_cut_off(path) else "")
            file.write("" if entries else json.dumps(batch.heading) + "\n")
            yield Progress(file, frozenset(entry["line"] for entry in entries[1:]))
    except OSError as error:
        raise click.ClickException(f"cannot keep {path}: {error.strerror}.") from error


def _entries(path: Path) -> list[dict[str, Any]]:
    """Every whole line; the last may have been cut off when the power went."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = []
    for text in path.read_text("utf-8").splitlines():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def _is_cut_off(path: Path) -> bool:
    return not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0


def _another(path: Path, heading: dict[str, Any], batch: Batch) -> str:
    if heading.get("file") != batch.digest:
        what = "the file or its template was changed since. Put it back to go on, and mend"
        what += " rows that failed in a file of their own"
    elif heading.get("run") != batch.run:
        what = f"that was --run '{heading.get('run', '')}'"
    else:
        what = f"that went to {heading.get('server')}"
    return (
        f"{path} is the progress of another batch: {what}. "
        "To begin a new batch, and send every row, delete it."
    )
