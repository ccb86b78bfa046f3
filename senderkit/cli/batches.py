"""`senderkit send-batch`: one message for each row of a file, resumable, nothing sent twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from senderkit.cli.batch_files import BatchFile, Row
from senderkit.cli.batch_progress import Batch, Progress, opened_progress, progress_path
from senderkit.cli.connecting import Access, json_option, with_access, words_of
from senderkit.cli.output import compact, say
from senderkit.client import (
    AuthenticationError,
    BatchProgress,
    BatchResult,
    SenderKit,
    SenderKitApiError,
    SenderKitError,
    SenderKitNetworkError,
    SenderKitTimeoutError,
)
from senderkit.client.configuration import DEFAULT_BASE_URL, find_setting
from senderkit.client.sends import Send

_MAX_RETRIES: Final = 8
"""Thousands of sends meet a rate limit sooner than one; each waits for its turn."""


@click.command("send-batch")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--template", help="The template of rows that name none.")
@click.option(
    "--concurrency", type=click.IntRange(1, 100), default=8, show_default=True, metavar="N"
)
@click.option("--run", default="", help="A name, to send the same file again on purpose.")
@click.option(
    "--progress",
    "progress_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to remember what was sent.  [default: beside FILE]",
)
@json_option
@with_access
def send_batch(
    access: Access,
    file: Path,
    template: str | None,
    concurrency: int,
    run: str,
    progress_file: Path | None,
    as_json: bool,
) -> None:
    """Send one message for each row of a file.

    FILE is a .csv or a .jsonl; docs/command-line.md describes the columns. Run the same command
    again after an interruption: it goes on where it ended, and nothing is sent twice. Rows that
    failed are tried again.
    """
    batch_file = BatchFile(file, template)
    total = sum(1 for _ in batch_file.rows())
    with _opened(access) as sk:
        batch = Batch(batch_file.digest, run, sk.mode, access.base_url or DEFAULT_BASE_URL)
        with opened_progress(progress_file or progress_path(file, sk.mode), batch) as progress:
            sending = _Sending(batch, progress, total, as_json)
            sending.carry_out(sk, batch_file.rows(), concurrency)
    sending.conclude(access.key_source)


def _opened(access: Access) -> SenderKit:
    given = find_setting("MAX_RETRIES")
    return access.open() if given else access.open(max_retries=_MAX_RETRIES)


class _Sending:
    """One run of a batch: what is still to be sent, and what became of it."""

    def __init__(self, batch: Batch, progress: Progress, total: int, as_json: bool) -> None:
        self._batch = batch
        self._progress = progress
        self._total = total
        self._as_json = as_json
        self._lines: list[int] = []
        self._sent = 0
        self._failed = 0
        self._stopped_by: Exception | None = None

    def carry_out(self, sk: SenderKit, rows: Iterator[Row], concurrency: int) -> None:
        """Send what is left, with a progress bar when a person looks on."""
        left = self._total - len(self._progress.sent)
        say(f"{left} of {self._total} messages are to be sent ({sk.mode}).")
        with click.progressbar(
            length=left, file=sys.stderr, hidden=not sys.stderr.isatty(), show_pos=True
        ) as bar:

            def take(done: BatchProgress) -> None:
                self._take(done.result)
                bar.update(1)

            try:
                sk.send_batch(self._sends(rows), concurrency=concurrency, on_progress=take)
            except _Stop as stop:
                self._stopped_by = stop.error

    def _sends(self, rows: Iterator[Row]) -> Iterator[Send]:
        for row in rows:
            if row.line in self._progress.sent:
                continue
            if not row.send.idempotency_key:
                row.send.idempotency_key = self._batch.key_of(row.line)
            self._lines.append(row.line)
            yield row.send

    def _take(self, result: BatchResult) -> None:
        line, error = self._lines[result.index], result.error
        if result.result is not None:
            self._sent += 1
            self._progress.note(line, result.result.id)
            self._print({"line": line, **result.result.raw})
        elif error is not None:
            self._refuse(line, error)

    def _refuse(self, line: int, error: Exception) -> None:
        if _concerns_all(error):
            raise _Stop(error)
        self._failed += 1
        words = _words(error, "the key")
        say(f"line {line}: {words}")
        self._print({"line": line, "error": words})

    def _print(self, entry: dict[str, Any]) -> None:
        if self._as_json:
            click.echo(compact(entry))

    def conclude(self, key_source: str) -> None:
        """Say what came of it; raises `ClickException` unless every row was sent."""
        before = len(self._progress.sent)
        say(f"{self._sent} sent" + (f", {before} before." if before else "."))
        if self._stopped_by is not None:
            raise click.ClickException(
                f"stopped, since every row would fail: {_words(self._stopped_by, key_source)} "
                "Then run the same command again: it goes on from here."
            )
        if self._failed:
            raise click.ClickException(f"{self._failed} of {self._total} rows failed, see above.")


def _words(error: Exception, key_source: str) -> str:
    return words_of(error, key_source) if isinstance(error, SenderKitError) else str(error)


class _Stop(Exception):
    """Raised within a batch to end it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _concerns_all(error: Exception) -> bool:
    """Whether the other rows would meet the same: the key, the network, the server itself."""
    if isinstance(error, SenderKitApiError) and error.status >= 500:
        return True
    return isinstance(error, AuthenticationError | SenderKitNetworkError | SenderKitTimeoutError)
