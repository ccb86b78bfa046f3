"""Takes in request bodies in the event loop: whole or not at all, and within bounds.

A body may be only so long and take only so long, and large ones share a bounded room in memory.
Until a body is complete it holds no thread, so that a sender who dawdles costs a socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from senderkit.errors import ApiError, InvalidRequest, PayloadTooLarge, ServiceUnavailable
from senderkit.web.auth import is_api_path
from senderkit.web.bodies import (
    MAX_BODY_BYTES,
    MAX_CALLBACK_BODY_BYTES,
    MAX_PAGE_BODY_BYTES,
    is_callback_path,
)

_LARGE_BYTES: Final = 64 * 1024
_ROOM_BYTES: Final = 128 * 1024 * 1024
_ROOM_WAIT_SECONDS: Final = 10.0
_GRACE_SECONDS: Final = 30.0
_SLOWEST_BYTES_PER_SECOND: Final = 16 * 1024
_SWEEP_SECONDS: Final = 5.0

KnowsKey = Callable[[str], Awaitable[bool]]
"""Says whether an `Authorization` header holds a valid key."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A body, or what is to be answered instead of looking at it. `reserved` is in bytes."""

    body: bytes = b""
    fault: ApiError | None = None
    reserved: int = 0


class Intake:
    """Takes in the bodies of one event loop's requests."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        knows_key: KnowsKey,
        *,
        room_bytes: int = _ROOM_BYTES,
        wait_seconds: float = _ROOM_WAIT_SECONDS,
        grace_seconds: float = _GRACE_SECONDS,
        sweep_seconds: float = _SWEEP_SECONDS,
    ) -> None:
        self._loop = loop
        self._knows_key = knows_key
        self._room = _Room(room_bytes, wait_seconds)
        self._grace_seconds = grace_seconds
        self._sweep_seconds = sweep_seconds
        self._arriving: set[_Arriving] = set()
        loop.call_later(sweep_seconds, self._sweep)

    async def take(self, scope: Any, protocol: Any) -> Taken:
        """The whole body of a request. The answer given, call `give_back`."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - granian runs each request in one
        arriving = _Arriving(scope, task, self._loop.time())
        self._arriving.add(arriving)
        try:
            return Taken(await self._read(arriving, protocol), reserved=arriving.reserved)
        except ApiError as fault:
            return Taken(fault=fault, reserved=arriving.reserved)
        except asyncio.CancelledError:
            if not arriving.is_too_slow:
                raise
            task.uncancel()
            too_slow = InvalidRequest("The body did not arrive in time.")
            return Taken(fault=too_slow, reserved=arriving.reserved)
        finally:
            self._arriving.discard(arriving)

    def give_back(self, taken: Taken) -> None:
        """Its body is not needed any more."""
        if taken.reserved:
            self._room.give_back(taken.reserved)

    async def _read(self, arriving: _Arriving, protocol: Any) -> bytes:
        """Raises when the body is longer than its limit, or ends before it is whole."""
        declared = arriving.declared
        if declared is not None and declared > _LARGE_BYTES:
            await self._reserve(arriving, declared)
        parts: list[bytes] = []
        ends = 0
        async for part in protocol:
            if not part:
                # granian ends every body by an empty part, and puts one in the place of a fault.
                ends += 1
                continue
            arriving.received += len(part)
            if arriving.received > _LARGE_BYTES and not arriving.reserved:
                await self._reserve(arriving, arriving.limit)
            if arriving.received > arriving.limit:
                raise _too_large(arriving.limit)
            parts.append(bytes(part))
        if ends > 1 or declared not in {None, arriving.received}:
            raise InvalidRequest("The body ended before it was complete.")
        return b"".join(parts)

    async def _reserve(self, arriving: _Arriving, size: int) -> None:
        """Wait until there is room for a large body. Only small ones are taken from strangers."""
        if size > arriving.limit:
            raise _too_large(arriving.limit)
        if is_api_path(arriving.path) and not await self._knows_key(arriving.authorization):
            raise ServiceUnavailable  # nobody sees it: the guard says 401 before
        await self._room.take(size)
        arriving.reserved = size

    def _sweep(self) -> None:
        """Give up on bodies that arrive too slowly."""
        now = self._loop.time()
        for arriving in list(self._arriving):
            allowed = self._grace_seconds + arriving.received / _SLOWEST_BYTES_PER_SECOND
            if now - arriving.since > allowed and not arriving.is_too_slow:
                arriving.is_too_slow = True
                arriving.task.cancel()
        self._loop.call_later(self._sweep_seconds, self._sweep)


class _Arriving:
    """A body under way, since a moment of the loop's clock.

    `declared` is what Content-Length says, None for a chunked body; `limit` what its path allows.
    """

    __slots__ = ("is_too_slow", "received", "reserved", "scope", "since", "task")

    def __init__(self, scope: Any, task: asyncio.Task[Any], since: float) -> None:
        self.scope = scope
        self.task = task
        self.since = since
        self.received = 0
        self.reserved = 0
        self.is_too_slow = False

    @property
    def path(self) -> str:
        path: str = self.scope.path
        return path

    @property
    def limit(self) -> int:
        if is_api_path(self.path):
            return MAX_BODY_BYTES
        return MAX_CALLBACK_BODY_BYTES if is_callback_path(self.path) else MAX_PAGE_BODY_BYTES

    @property
    def declared(self) -> int | None:
        headers = self.scope.headers
        if "transfer-encoding" in headers:
            return None
        return int(headers.get("content-length") or 0)

    @property
    def authorization(self) -> str:
        return self.scope.headers.get("authorization") or ""


class _Room:
    """Memory for large bodies: whoever wants some waits until those before have had theirs."""

    def __init__(self, size_bytes: int, wait_seconds: float) -> None:
        self._free = size_bytes
        self._wait_seconds = wait_seconds
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Raises `ServiceUnavailable` when there is no room for too long."""
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if not turn.cancelled():  # its turn came at the same moment
                self.give_back(size)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise ServiceUnavailable("Too many large requests at once. Try again.") from error

    def give_back(self, size: int) -> None:
        self._free += size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if turn.cancelled():
                self._waiting.popleft()
                continue
            if wanted > self._free:
                return
            self._waiting.popleft()
            self._free -= wanted
            turn.set_result(None)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body may have at most {limit // (1024 * 1024)} MiB.")
