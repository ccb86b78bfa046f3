"""What is used of an HTTP client: the types of `http_client`, for type checkers only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

Headers = Mapping[bytes, bytes]
TimeLimits = tuple[float, float, float, float]
"""Seconds to connect, between two reads, between two writes, for a free connection."""


class Answer(Protocol):
    """A response that was read whole."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


class StreamedAnswer(Answer, Protocol):
    """A response that is read piece by piece."""

    def read(self) -> bytes: ...
    def iter_bytes(self) -> Iterator[bytes]: ...


class AsyncStreamedAnswer(Answer, Protocol):
    """The same for asyncio."""

    async def aread(self) -> bytes: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


class HttpClient(Protocol):
    """`httpx2.Client`, or the `httpx.Client` before it."""

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None,
        headers: Headers,
        follow_redirects: bool,
    ) -> Answer: ...
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        follow_redirects: bool,
        timeout: TimeLimits,
    ) -> AbstractContextManager[StreamedAnswer]: ...
    def close(self) -> None: ...


class AsyncHttpClient(Protocol):
    """`httpx2.AsyncClient`, or the `httpx.AsyncClient` before it."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None,
        headers: Headers,
        follow_redirects: bool,
    ) -> Answer: ...
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        follow_redirects: bool,
        timeout: TimeLimits,
    ) -> AbstractAsyncContextManager[AsyncStreamedAnswer]: ...
    async def aclose(self) -> None: ...
