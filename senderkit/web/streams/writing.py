"""The event loop's part of streams: what the hub left goes to the socket, until somebody goes away.

An idle stream is a task that waits for its bell, nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]
from sqlalchemy.exc import SQLAlchemyError

from senderkit.errors import ServiceUnavailable
from senderkit.web.streams import events
from senderkit.web.streams.backlog import Backlog
from senderkit.web.streams.hub import TOO_SLOW, Hub, Listener
from senderkit.web.streams.opening import Opened

_log = structlog.get_logger(__name__)

_LAST_WORDS_SECONDS: Final = 1.0

Headers = list[tuple[str, str]]
RunJob = Callable[[Callable[[], Any]], asyncio.Future[Any]]


class Streams:
    """The streams of one event loop. `run` has a job done by a request thread."""

    def __init__(self, hub: Hub, run: RunJob, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._run = run
        self._loop = loop
        self._bells: dict[Listener, asyncio.Event] = {}
        self._are_over = asyncio.Event()
        hub.serve(self._ring)

    async def write(self, opened: Opened, scope: Any, protocol: Any, headers: Headers) -> None:
        """One stream from its head to its end; the caller closes it."""
        bell = self._bells[opened.listener] = asyncio.Event()
        bell.set()  # something may have been left already
        transport = protocol.response_stream(200, headers)
        hung_up = asyncio.ensure_future(protocol.client_disconnect())
        hung_up.add_done_callback(lambda _: bell.set())
        try:
            with suppress(ProtocolClosed):
                stream = _Stream(transport, Backlog(scope.client), hung_up)
                if await self._tell_pages(stream, opened):
                    await _tell_news(stream, opened.listener, bell)
        finally:
            hung_up.cancel()
            del self._bells[opened.listener]
            if not self._bells:
                self._are_over.set()

    async def close(self) -> None:
        """End all streams; a little later all of them have ended."""
        self._hub.end_all()
        self._are_over.clear()
        if self._bells:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self._are_over.wait()

    async def _tell_pages(self, stream: _Stream, opened: Opened) -> bool:
        """What comes before the news; False when the stream ends with it."""
        is_going_on = await stream.send(opened.first)
        while is_going_on and opened.has_pages:
            try:
                page = await self._run(opened.next_page)
            except SQLAlchemyError as error:
                _log.error("stream_broken_off", error=type(error).__name__)
                await stream.send(events.fault(ServiceUnavailable()))
                return False
            is_going_on = await stream.send(page)
        return is_going_on

    def _ring(self, listeners: Sequence[Listener]) -> None:
        """From any thread: these have something to take. One wake-up of the loop for all."""
        if listeners:
            with suppress(RuntimeError):  # the loop is closed, and all streams with it
                self._loop.call_soon_threadsafe(self._ring_here, listeners)

    def _ring_here(self, listeners: Sequence[Listener]) -> None:
        for listener in listeners:
            bell = self._bells.get(listener)
            if bell is not None:
                bell.set()


class _Stream:
    """The way to one client; `hung_up` is done once it has gone."""

    def __init__(self, transport: Any, backlog: Backlog, hung_up: asyncio.Future[None]) -> None:
        self._transport = transport
        self._backlog = backlog
        self._hung_up = hung_up

    async def send(self, content: bytes) -> bool:
        """Send; False when that was the last: the client has gone, or is too slow."""
        if self._hung_up.done():
            return False
        if not content:
            return True
        await self._transport.send_bytes(content)
        if self._backlog.is_too_long_after(content):
            await self._transport.send_bytes(events.fault(TOO_SLOW))
            return False
        return True


async def _tell_news(stream: _Stream, listener: Listener, bell: asyncio.Event) -> None:
    is_over = False
    while not is_over:
        await bell.wait()
        bell.clear()
        content, is_over = listener.take()
        if not await stream.send(content):
            return
