"""HTTP by hand: bytes to a socket, and what comes back of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """One response; `is_closed` when the server ended the connection after it."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_closed: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a JSON error."""
        assert self.headers["content-type"] == "application/json", self.body
        found: str = self.json["error"]["code"]
        return found


class Connection:
    """One connection to a server. Use it in a `with` block."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_until_refused(self, parts: Iterable[bytes]) -> None:
        """Send on until there are no more parts or the server hangs up."""
        try:
            for part in parts:
                self._socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            return

    def end_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self, *, is_head: bool = False) -> Answer:
        """The next answer but interim ones (100 Continue)."""
        status = 100
        while status == 100:
            status = int(self._stream.readline().split()[1])
            headers = self._headers()
        length = 0 if is_head else int(headers.get("content-length", "0"))
        body = self._stream.read(length)
        is_closed = headers.get("connection") == "close" and self._stream.read(1) == b""
        return Answer(status, headers, body, is_closed)

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._stream.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.decode().lower()] = value.strip().decode("latin-1")
        return headers

    def is_hung_up(self) -> bool:
        """Whether the server ends the connection without another byte."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:
            return True


def ask(port: int, data: bytes) -> Answer:
    """One request on a connection of its own."""
    with Connection(port) as connection:
        connection.send(data)
        return connection.receive(is_head=data.startswith(b"HEAD "))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
