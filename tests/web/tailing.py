"""Streams of messages as tests read them: the events in some bytes, and a socket to a server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.web.raw_http import SECONDS


@dataclass(frozen=True)
class Event:
    kind: str
    number: int | None
    data: Any

    @property
    def message_id(self) -> str:
        found: str = self.data["publicId"]
        return found

    @property
    def state(self) -> tuple[str, str]:
        return self.data["publicId"], self.data["status"]


def events_of(content: bytes) -> list[Event]:
    """The events; comments and what only sets the time to wait are none."""
    return [event for block in content.split(b"\n\n") if (event := _event(block))]


def _event(block: bytes) -> Event | None:
    lines = block.decode().split("\n")
    fields = dict(line.split(": ", 1) for line in lines if line and not line.startswith(":"))
    if "data" not in fields:
        return None
    number = int(fields["id"]) if "id" in fields else None
    return Event(fields["event"], number, json.loads(fields["data"]))


@dataclass
class Tail:
    """One open stream over a socket of its own. Use it in a `with` block."""

    port: int
    token: str
    query: str = "tail=1"
    path: str = "/v1/messages"
    last_event_id: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        self._stream = self._socket.makefile("rb")
        self._rest = b""

    def __enter__(self) -> Tail:
        more = f"Authorization: Bearer {self.token}\r\n"
        if self.last_event_id is not None:
            more += f"Last-Event-ID: {self.last_event_id}\r\n"
        head = f"GET {self.path}?{self.query} HTTP/1.1\r\nHost: x\r\n{more}\r\n"
        self._socket.sendall(head.encode())
        self.status = int(self._stream.readline().split()[1])
        while line := self._stream.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.lower()] = value.strip()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stream.close()
        self._socket.close()

    def blocks(self) -> Iterator[bytes]:
        """What stands between empty lines, comments too, as it comes; ends with the stream."""
        while size := int(self._stream.readline() or b"0", 16):
            self._rest += self._stream.read(size)
            self._stream.readline()
            *whole, self._rest = self._rest.split(b"\n\n")
            yield from whole

    def events(self) -> Iterator[Event]:
        for block in self.blocks():
            if event := _event(block):
                yield event

    def until_ready(self) -> list[Event]:
        """What comes before the news, `ready` being the last of it."""
        found: list[Event] = []
        for event in self.events():
            found.append(event)
            if event.kind == "ready":
                break
        return found
