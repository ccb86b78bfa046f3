"""Answers that are made while they are sent: part by part, each only when the one before is taken.

No thread waits for a slow reader: one of a few makes the next part, the event loop hands it on.
granian keeps all that its own streams are given until the reader takes it, which may be gigabytes;
a file it reads as fast as the reader. So such an answer goes to it through a named pipe, which
holds 64 kB and then lets us wait.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flask import request

_STREAM: Final = "senderkit.stream"
_OPENING_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.002
_ENDING_SECONDS: Final = 2.0
"""How long a reader has to take the end of an answer when the server stops."""

Run = Callable[[Callable[[], Any]], "asyncio.Future[Any]"]


@dataclass(slots=True, eq=False)
class Stream:
    """An answer under way. Once it `is_cut` whoever makes it is to come to an end."""

    is_cut: bool = False


def begin_stream() -> Stream:
    """Have this request's answer sent part by part. Other servers do so anyway."""
    stream: Stream = request.environ.setdefault(_STREAM, Stream())
    return stream


@dataclass(frozen=True, slots=True)
class Parts:
    """The body of a WSGI answer as it comes; `close` is to be called in the end."""

    stream: Stream
    rest: Iterator[bytes]
    close: Callable[[], None]

    def next_part(self) -> bytes | None:
        """The next one that is not empty; None in the end."""
        return next((part for part in self.rest if part), None)


def find_parts(environ: dict[str, Any], body: Any) -> Parts | None:
    """The parts of an answer that is a stream, unread; None for every other one."""
    stream = environ.get(_STREAM)
    if stream is None or environ["REQUEST_METHOD"] == "HEAD":
        return None
    return Parts(stream, iter(body), getattr(body, "close", lambda: None))


class PartSender:
    """Sends the answers that are streams. `run` makes a part in one of a few threads."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._under_way: set[Stream] = set()
        self._is_stopping = False

    async def send(
        self, protocol: Any, status: int, headers: list[tuple[str, str]], parts: Parts
    ) -> None:
        """Send to the end, or until the reader has gone."""
        parts.stream.is_cut = self._is_stopping
        self._under_way.add(parts.stream)
        try:
            async with _open_pipe(protocol, status, headers) as pipe:
                while (part := await self._run(parts.next_part)) is not None:
                    await self._write(pipe, part)
        except (BrokenPipeError, TimeoutError):
            pass  # the reader has gone
        finally:
            self._under_way.discard(parts.stream)
            await self._run(parts.close)

    async def _write(self, pipe: int, part: bytes) -> None:
        """Raises `BrokenPipeError`, and `TimeoutError` when the server stops meanwhile."""
        left = memoryview(part)
        while left:
            try:
                left = left[os.write(pipe, left) :]
            except BlockingIOError:
                await self._wait_for_room(pipe)

    async def _wait_for_room(self, pipe: int) -> None:
        loop = asyncio.get_running_loop()
        has_room: asyncio.Future[None] = loop.create_future()
        loop.add_writer(pipe, _end, has_room)
        began = loop.time()
        try:
            while not has_room.done():
                await asyncio.wait([has_room], timeout=_ENDING_SECONDS / 2)
                if self._is_stopping and loop.time() - began > _ENDING_SECONDS:
                    raise TimeoutError
        finally:
            loop.remove_writer(pipe)

    def stop(self) -> None:
        """Cut off what is being sent: each comes to its end by itself."""
        self._is_stopping = True
        for stream in self._under_way:
            stream.is_cut = True


def _end(waited_for: asyncio.Future[None]) -> None:
    if not waited_for.done():
        waited_for.set_result(None)


@asynccontextmanager
async def _open_pipe(
    protocol: Any, status: int, headers: list[tuple[str, str]]
) -> AsyncIterator[int]:
    """The end to write to, once the server has opened the other. Raises `TimeoutError`."""
    with tempfile.TemporaryDirectory(prefix="senderkit-stream-") as folder:
        path = Path(folder) / "pipe"
        os.mkfifo(path, 0o600)
        protocol.response_file(status, headers, str(path))
        pipe = await _open_for_writing(path)
    try:
        yield pipe
    finally:
        os.close(pipe)


async def _open_for_writing(path: Path) -> int:
    """As soon as somebody reads. Raises `TimeoutError` when nobody comes."""
    async with asyncio.timeout(_OPENING_SECONDS):
        while True:
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
            await asyncio.sleep(_LOOK_SECONDS)
