"""Carries calls over HTTPX 2, the only file that knows it: one class waits, the other awaits.

An HTTP client of the caller's own may be one of HTTPX 1 as well, whose errors are its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx2

from senderkit import __version__
from senderkit.client.configuration import Configuration
from senderkit.client.errors import SenderKitNetworkError, SenderKitTimeoutError
from senderkit.client.exchange import Call, Exchange, Fault, Outcome, Reply

if TYPE_CHECKING:
    from senderkit.client.http_clients import (
        Answer,
        AsyncHttpClient,
        Headers,
        HttpClient,
        TimeLimits,
    )

T = TypeVar("T")

LIMITS: Final = httpx2.Limits(
    max_connections=None, max_keepalive_connections=100, keepalive_expiry=5.0
)
"""As many connections as calls are made at once; up to 100 idle ones are kept for 5 seconds."""

STREAM_SILENCE_SECONDS: Final = 60.0
"""A stream that says nothing for so long (not even a heartbeat) is taken for dead."""


class _Line:
    """What both transports know: where to, with which key, and what the library's errors mean."""

    def __init__(self, configuration: Configuration, http_client: object) -> None:
        self._configuration = configuration
        self._library = _library_of(http_client)
        self._is_ours = http_client is None
        self._common_headers: Headers = {
            b"Authorization": f"Bearer {configuration.api_key}".encode("ascii"),
            b"Accept": b"application/json",
            b"User-Agent": f"senderkit-python/{__version__}".encode("ascii"),
        }
        """A client of our own is made with them; to another they are given with each call."""

    @property
    def max_retries(self) -> int:
        return self._configuration.max_retries

    def _exchange(self, call: Call[T]) -> Exchange[T]:
        return Exchange(call, self._configuration.max_retries)

    def _headers(self, call: Call[Any]) -> Headers:
        return call.headers if self._is_ours else {**self._common_headers, **call.headers}

    def _url(self, call: Call[Any]) -> str:
        return self._configuration.base_url + call.path

    def _stream_limits(self) -> TimeLimits:
        seconds = self._configuration.timeout
        return (seconds, STREAM_SILENCE_SECONDS, seconds, seconds)

    def _fault(self, error: Exception) -> Fault:
        """What an exception of the library means."""
        library = self._library
        no_connection = (library.ConnectError, library.ConnectTimeout, library.PoolTimeout)
        may_have_arrived = not isinstance(error, no_connection)
        base_url, words = self._configuration.base_url, str(error) or type(error).__name__
        if isinstance(error, library.TimeoutException):
            told = SenderKitTimeoutError(f"{base_url} did not answer in time: {words}")
            told.__cause__ = error
            return Fault(told, may_have_arrived)
        broken = SenderKitNetworkError(f"{base_url} could not be reached: {words}")
        broken.__cause__ = error
        return Fault(broken, may_have_arrived)


def _library_of(http_client: object) -> Any:
    """The module whose exceptions `http_client` raises: `httpx` for a client of that library."""
    origins = {kind.__module__.partition(".")[0] for kind in type(http_client).__mro__}
    return sys.modules["httpx"] if "httpx" in origins else httpx2


def _reply(answer: Answer) -> Reply:
    return Reply(answer.status_code, answer.headers, answer.content)


def _ended(base_url: str) -> Fault:
    return Fault(SenderKitNetworkError(f"{base_url} ended the stream"), may_have_arrived=True)


class Transport(_Line):
    """Blocks while it sends and while it waits; safe to share between threads."""

    def __init__(self, configuration: Configuration, http_client: HttpClient | None) -> None:
        super().__init__(configuration, http_client)
        self._client: HttpClient = http_client or httpx2.Client(
            headers=self._common_headers, timeout=configuration.timeout, limits=LIMITS
        )

    def run(self, call: Call[T]) -> T:
        """Carry `call` out, with retries; return its result or raise a `SenderKitError`."""
        exchange = self._exchange(call)
        while True:
            outcome = self._attempt(call)
            seconds = exchange.wait_after(outcome)
            if seconds is None:
                return exchange.result_of(outcome)
            time.sleep(seconds)

    def _attempt(self, call: Call[Any]) -> Outcome:
        try:
            answer = self._client.request(
                call.method,
                self._url(call),
                content=call.body,
                headers=self._headers(call),
                follow_redirects=False,
            )
        except self._library.RequestError as error:
            return self._fault(error)
        return _reply(answer)

    def stream(self, call: Call[Any]) -> Iterator[bytes | Outcome]:
        """The bytes of an endless answer as they come, and at last why there are no more."""
        try:
            with self._client.stream(
                call.method,
                self._url(call),
                headers=self._headers(call),
                follow_redirects=False,
                timeout=self._stream_limits(),
            ) as answer:
                if not 200 <= answer.status_code < 300:
                    answer.read()
                    yield _reply(answer)
                    return
                yield from answer.iter_bytes()
        except self._library.RequestError as error:
            yield self._fault(error)
            return
        yield _ended(self._configuration.base_url)

    def close(self) -> None:
        """Close the connections, unless they belong to the caller's own HTTP client."""
        if self._is_ours:
            self._client.close()


class AsyncTransport(_Line):
    """The same for asyncio; belongs to the event loop that it was first used in."""

    def __init__(self, configuration: Configuration, http_client: AsyncHttpClient | None) -> None:
        super().__init__(configuration, http_client)
        self._client: AsyncHttpClient = http_client or httpx2.AsyncClient(
            headers=self._common_headers, timeout=configuration.timeout, limits=LIMITS
        )

    async def run(self, call: Call[T]) -> T:
        """Carry `call` out, with retries; return its result or raise a `SenderKitError`."""
        exchange = self._exchange(call)
        while True:
            outcome = await self._attempt(call)
            seconds = exchange.wait_after(outcome)
            if seconds is None:
                return exchange.result_of(outcome)
            await pause(seconds)

    async def _attempt(self, call: Call[Any]) -> Outcome:
        try:
            answer = await self._client.request(
                call.method,
                self._url(call),
                content=call.body,
                headers=self._headers(call),
                follow_redirects=False,
            )
        except self._library.RequestError as error:
            return self._fault(error)
        return _reply(answer)

    async def stream(self, call: Call[Any]) -> AsyncGenerator[bytes | Outcome]:
        """The bytes of an endless answer as they come, and at last why there are no more."""
        try:
            async with self._client.stream(
                call.method,
                self._url(call),
                headers=self._headers(call),
                follow_redirects=False,
                timeout=self._stream_limits(),
            ) as answer:
                if not 200 <= answer.status_code < 300:
                    await answer.aread()
                    yield _reply(answer)
                    return
                async for chunk in answer.aiter_bytes():
                    yield chunk
        except self._library.RequestError as error:
            yield self._fault(error)
            return
        yield _ended(self._configuration.base_url)

    async def aclose(self) -> None:
        """Close the connections, unless they belong to the caller's own HTTP client."""
        if self._is_ours:
            await self._client.aclose()


async def pause(seconds: float) -> None:
    """Wait without holding the event loop."""
    import asyncio  # noqa: PLC0415 - costs half as much as HTTPX; whoever awaits has it loaded

    await asyncio.sleep(seconds)
