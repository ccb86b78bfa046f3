"""Idle connections to other servers, kept for the next call to the same one."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final

import httpcore2

from senderkit.errors import Unavailable
from senderkit.http_client.network import Call, Dialer

MOST_CALLS: Final = 512
MOST_IDLE: Final = 128


class Connection:
    """One connection to one server. It serves one call at a time, over HTTP/2 as well: so a call
    never waits for another's bytes, and its time limit is its own."""

    def __init__(self, core: httpcore2.HTTPConnection, dialer: Dialer) -> None:
        self._core = core
        self._dialer = dialer
        self.idle_since = 0.0

    def exchange(self, request: httpcore2.Request, call: Call) -> httpcore2.Response:
        """The head of the reply; its body is still to be read."""
        self._dialer.call = call
        return self._core.handle_request(request)

    def serves(self, origin: httpcore2.Origin) -> bool:
        return self._core.can_handle_request(origin)

    def is_done(self) -> bool:
        """Whether it has read its reply to the end, nothing more, and may serve another call."""
        return self._core.is_idle() and not self._core.is_closed() and not self._has_more()

    def is_reusable(self) -> bool:
        return self._dialer.line is not None and self._dialer.line.is_reusable()

    def _has_more(self) -> bool:
        """Whether bytes came behind an HTTP/1.1 reply: they would pass for the next one.

        Only the library's parser knows where the reply ended, and it has no public way to ask.
        """
        parser = vars(vars(self._core)["_connection"]).get("_h11_state")
        return parser is not None and parser.trailing_data[0] != b""

    def close(self) -> None:
        """Hang up without a word; what is still under way fails."""
        if self._dialer.line is not None:
            self._dialer.line.close()


class Pool:
    """Connections of one kind: with `http2` offered or not. Safe to use from several threads.

    At most `most_calls` calls run at a time; at most `most_idle` connections wait, each for
    `idle_seconds`. `new_dialer` makes what opens a connection.
    """

    def __init__(
        self,
        new_dialer: Callable[[], Dialer],
        *,
        http2: bool,
        idle_seconds: float,
        most_calls: int = MOST_CALLS,
        most_idle: int = MOST_IDLE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_dialer = new_dialer
        self._http2 = http2
        self._idle_seconds = idle_seconds
        self._most_idle = most_idle
        self._monotonic = monotonic
        self._places = threading.Semaphore(most_calls)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._is_closed = False

    @contextmanager
    def place(self, call: Call) -> Iterator[None]:
        """Room for one call. Raises `Unavailable` when there is none in time."""
        if not self._places.acquire(timeout=call.connect_wait()):
            raise Unavailable("Too many calls to other servers are under way.")
        try:
            yield
        finally:
            self._places.release()

    def fresh(self, origin: httpcore2.Origin) -> Connection:
        """A connection that opens with its first call."""
        dialer = self._new_dialer()
        core = httpcore2.HTTPConnection(
            origin, ssl_context=self._tls, http2=self._http2, network_backend=dialer
        )
        return Connection(core, dialer)

    def find_idle(self, origin: httpcore2.Origin) -> Connection | None:
        """The connection to this server that was used last, if one is still good."""
        while (connection := self._take(origin)) is not None:
            if connection.is_reusable():
                return connection
            connection.close()
        return None

    def give_back(self, connection: Connection) -> None:
        """Keep it for later if it is worth it."""
        with self._lock:
            is_kept = connection.is_done() and not self._is_closed
            if is_kept:
                connection.idle_since = self._monotonic()
                self._idle.append(connection)
            surplus = self._idle[: max(0, len(self._idle) - self._most_idle)]
            del self._idle[: len(surplus)]
        for old in surplus if is_kept else [*surplus, connection]:
            old.close()

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self, origin: httpcore2.Origin) -> Connection | None:
        oldest = self._monotonic() - self._idle_seconds
        with self._lock:
            # They stand in the order in which they came to rest.
            expired = [c for c in self._idle if c.idle_since < oldest]
            del self._idle[: len(expired)]
            found = next((c for c in reversed(self._idle) if c.serves(origin)), None)
            if found is not None:
                self._idle.remove(found)
        for connection in expired:
            connection.close()
        return found

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # The library writes the protocols that are offered into it: one for each kind of pool.
        return ssl.create_default_context()
