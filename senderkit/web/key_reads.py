"""Reads key rows for the requests of one event loop, once for all that wait at the moment.

Every request's key is read after the request has arrived, so a revocation counts from the next one
on, whichever process made it. But a read gives up the interpreter's lock a dozen times, and on
Postgres it is a round trip: requests that arrive during one share the next.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from senderkit.services.api_keys import Principal

KEY_READ: Final = "senderkit.key_read"
"""In the WSGI environment: what was read for the request's `Authorization` header."""

Found = Principal | None | SQLAlchemyError
"""Whose key it is; None when it is nobody's; or why it could not be read."""

_Waiting = Mapping[str, list[asyncio.Future[Found]]]


class KeyReads:
    """`find` reads the key in a header; it is called in this object's own thread."""

    def __init__(self, find: Callable[[str], Found], loop: asyncio.AbstractEventLoop) -> None:
        self._find = find
        self._loop = loop
        self._waiting: dict[str, list[asyncio.Future[Found]]] = {}
        self._is_reading = False
        self._batches: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="key-reads", daemon=True)
        self._thread.start()

    def read(self, authorization: str) -> asyncio.Future[Found]:
        """What a read that begins now or later finds; called in the loop's thread only."""
        future: asyncio.Future[Found] = self._loop.create_future()
        self._waiting.setdefault(authorization, []).append(future)
        if not self._is_reading:
            self._begin()
        return future

    def close(self) -> None:
        """Finish the read that is under way, end the thread."""
        self._batches.put(None)
        self._thread.join()

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._is_reading = True
        self._batches.put(waiting)

    def _work(self) -> None:
        while (waiting := self._batches.get()) is not None:
            found = [(futures, self._find(header)) for header, futures in waiting.items()]
            self._loop.call_soon_threadsafe(self._settle, found)

    def _settle(self, found: Sequence[tuple[list[asyncio.Future[Found]], Found]]) -> None:
        for futures, outcome in found:
            for future in futures:
                if not future.cancelled():
                    future.set_result(outcome)
        self._is_reading = False
        if self._waiting:
            self._begin()
