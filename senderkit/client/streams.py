"""Server-sent events, and how a tail of messages resumes after a break. No socket in sight."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from senderkit.client.answers import Message
from senderkit.client.errors import SenderKitNetworkError
from senderkit.client.exchange import (
    Call,
    Fault,
    Outcome,
    Reply,
    error_of,
    is_passing,
    unreadable,
    wait_seconds,
)

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Event:
    """One event: its `kind` (`message` unless the server names another) and its text."""

    kind: str
    data: str


class EventReader:
    """Takes the bytes of a `text/event-stream` as they come and gives its events.

    `last_event_id` is what the newest complete event left behind: where a later request resumes.
    `retry_seconds` is how long the server wants clients to wait before they come back.
    """

    def __init__(self, last_event_id: str | None = None) -> None:
        self.last_event_id = last_event_id
        self.retry_seconds = 0.0
        self.start_anew()

    def start_anew(self) -> None:
        """Forget what was cut off: a new connection begins."""
        self._rest = b""
        self._is_at_start = True
        self._clear()

    def _clear(self) -> None:
        self._kind = "message"
        self._data: list[str] = []
        self._id = self.last_event_id

    def feed(self, chunk: bytes) -> Iterator[Event]:
        self._rest += chunk
        if self._is_at_start and len(self._rest) >= len(_BYTE_ORDER_MARK):
            self._rest = self._rest.removeprefix(_BYTE_ORDER_MARK)
            self._is_at_start = False
        for line in self._lines():
            if line:
                self._take(line.decode("utf-8", "replace"))
            else:
                yield from self._dispatch()

    def _lines(self) -> list[bytes]:
        """Whole lines; they end in LF, CR or CRLF, and a last CR may be half of a CRLF."""
        held = b"\r" if self._rest.endswith(b"\r") else b""
        text = self._rest.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = rest + held
        return lines

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value or "message"
        elif name == "id" and "\x00" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_seconds = int(value) / 1000

    def _dispatch(self) -> Iterator[Event]:
        event = Event(self._kind, "\n".join(self._data)) if self._data else None
        self.last_event_id = self._id
        self._clear()
        if event:
            yield event


class Tail:
    """One tail over all its connections: what to ask next, and when to give up.

    Until the server was reached once, `max_retries` counts as for every call. After that a break
    (a restart, a lost network) is waited out however long it takes, as browsers do; only an answer
    that will not change, such as a revoked key, ends it.
    """

    def __init__(
        self,
        path: str,
        max_retries: int,
        last_event_id: str | None = None,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self._path = path
        self._max_retries = max_retries
        self._reader = EventReader(last_event_id)
        self._roll = roll
        self._was_connected = False
        self._failures = 0
        self._told: Fault | None = None

    def call(self) -> Call[None]:
        """The next request: from the start, or from the last event that came whole."""
        self._reader.start_anew()
        self._told = None
        headers = {b"Accept": b"text/event-stream"}
        if self._reader.last_event_id:
            headers[b"Last-Event-ID"] = self._reader.last_event_id.encode("utf-8")
        return Call("GET", self._path, lambda _: None, headers=headers)

    def read(self, chunk: bytes) -> Iterator[Message]:
        """The messages that `chunk` completes."""
        for event in self._reader.feed(chunk):
            if event.kind == "error":
                error = SenderKitNetworkError(f"the server broke the stream off: {event.data}")
                self._told = Fault(error, may_have_arrived=True)
                continue
            self._was_connected, self._failures = True, 0
            if event.kind == "message":
                yield _message(event.data)

    def wait_after(self, outcome: Outcome) -> float:
        """Seconds to wait before the next connection; raises when there is no use in one."""
        outcome = self._told or outcome
        is_hopeless = not self._was_connected and self._failures >= self._max_retries
        if is_hopeless or not is_passing(outcome):
            raise outcome.error if isinstance(outcome, Fault) else error_of(outcome)
        seconds = wait_seconds(outcome, self._failures, self._roll)
        self._failures += 1
        return max(seconds, self._reader.retry_seconds)


def _message(data: str) -> Message:
    try:
        return Message.from_dict(json.loads(data))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise unreadable(Reply(200, {}, b"")) from error
