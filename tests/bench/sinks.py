"""Providers that take everything after a set time, in a process of their own.

`python -m tests.bench.sinks KIND MILLISECONDS` listens on a free port, which it prints.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final

from tests.serving import TOP

_HEAD_END: Final = b"\r\n\r\n"
_MAIL_END: Final = b"\r\n.\r\n"
_REPLY: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_OK: Final = b'{"ok":true}'
_TAKEN: Final = b'{"ErrorCode":0,"Message":"OK","MessageID":"883953f4-6105-42a2-a16a-77a8eac79483"}'


@contextlib.contextmanager
def http_sink(milliseconds: int) -> Iterator[int]:
    """Answers 200 to every request, at the port that this yields."""
    with _running("http", milliseconds) as port:
        yield port


@contextlib.contextmanager
def postmark_sink(milliseconds: int) -> Iterator[int]:
    """Takes every mail as Postmark's API does."""
    with _running("postmark", milliseconds) as port:
        yield port


@contextlib.contextmanager
def smtp_sink(milliseconds: int = 0) -> Iterator[int]:
    """Takes every mail; the time passes before it says so."""
    with _running("smtp", milliseconds) as port:
        yield port


@contextlib.contextmanager
def _running(kind: str, milliseconds: int) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.sinks", kind, str(milliseconds)],
        cwd=TOP,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


# -- the process ------------------------------------------------------------------------------


class _Protocol(asyncio.Protocol):
    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def _write_later(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._delay_seconds, self._transport.write, data)


class _Http(_Protocol):
    """One request at a time on each connection, as clients without pipelining send them."""

    _reply = _REPLY % (len(_OK), _OK)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, separator, body = self._data.partition(_HEAD_END)
        if separator and len(body) >= _length(head):
            self._data = b""
            self._write_later(self._reply)


class _Postmark(_Http):
    _reply = _REPLY % (len(_TAKEN), _TAKEN)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


class _Smtp(_Protocol):
    """Just enough to take mail."""

    _is_in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._data += data
        while self._is_in_mail or b"\r\n" in self._data:
            end = _MAIL_END if self._is_in_mail else b"\r\n"
            line, separator, rest = self._data.partition(end)
            if not separator:
                return
            self._data = rest
            if self._is_in_mail:
                self._is_in_mail = False
                self._write_later(b"250 taken\r\n")
            else:
                self._answer(line[:4].upper())

    def _answer(self, verb: bytes) -> None:
        self._is_in_mail = verb == b"DATA"
        if verb == b"EHLO":
            self._transport.write(b"250-sink\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"354 go on\r\n" if self._is_in_mail else b"250 ok\r\n")


_KINDS: Final[dict[str, Callable[[float], asyncio.Protocol]]] = {
    "http": _Http,
    "postmark": _Postmark,
    "smtp": _Smtp,
}


async def _serve(kind: str, delay_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _KINDS[kind](delay_seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]) / 1000))
