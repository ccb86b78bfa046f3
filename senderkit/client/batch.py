"""Many sends: only so many under way at once, results in input order, no failure stops the rest.

Workers take the sends one by one from one iterator, so a batch may come from a generator: nothing
is held but what is under way, and the results.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from senderkit.client.answers import BatchResult, SendResult
from senderkit.client.sends import Send

if TYPE_CHECKING:
    from queue import SimpleQueue

SendOne = Callable[[Send, str | None], SendResult]
AsyncSendOne = Callable[[Send, str | None], Awaitable[SendResult]]

DEFAULT_CONCURRENCY: Final = 5


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is: `done` of `total` (None for a generator), and the newest `result`."""

    done: int
    total: int | None
    result: BatchResult


OnProgress = Callable[[BatchProgress], object]


class _Collector:
    """Puts results in order and tells of each; used by one thread only."""

    def __init__(self, requests: Iterable[Send], on_progress: OnProgress | None) -> None:
        self.total = len(requests) if isinstance(requests, Sized) else None
        self.is_watched = on_progress is not None
        self._on_progress = on_progress
        self._results: list[BatchResult] = []

    def workers(self, concurrency: int) -> int:
        wanted = max(1, concurrency)
        return wanted if self.total is None else min(wanted, self.total)

    def take(self, result: BatchResult) -> None:
        self._results.append(result)
        if self._on_progress is not None:
            self._on_progress(BatchProgress(len(self._results), self.total, result))

    def ordered(self) -> list[BatchResult]:
        return sorted(self._results, key=lambda result: result.index)


def _item_key(base: str | None, index: int) -> str | None:
    """The idempotency key of one entry; None leaves it to the send itself."""
    return f"{base}-{index}" if base else None


# -- with threads -------------------------------------------------------------------------------


def send_all(
    send: SendOne,
    requests: Iterable[Send],
    *,
    concurrency: int,
    idempotency_key: str | None,
    on_progress: OnProgress | None,
) -> list[BatchResult]:
    """Send from `concurrency` threads; `on_progress` is called in the caller's own thread.

    What `requests` or `on_progress` raise ends the batch once the sends under way are through.
    """
    collector = _Collector(requests, on_progress)
    workers = collector.workers(concurrency)
    with _Pool(send, requests, idempotency_key, workers) as pool:
        if not collector.is_watched:
            pool.join()  # nobody waits for a single result: this thread need not wake for each
        for result in pool.results():
            collector.take(result)
    return collector.ordered()


class _Pool:
    """Threads that work one iterator off, for the time of a `with` block."""

    def __init__(
        self, send: SendOne, requests: Iterable[Send], base_key: str | None, workers: int
    ) -> None:
        from queue import SimpleQueue  # noqa: PLC0415 - importing the client stays quick

        self._send = send
        self._source = enumerate(requests)
        self._base_key = base_key
        self._lock = threading.Lock()
        self._is_stopped = False
        self._finished: SimpleQueue[BatchResult | Exception | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._is_stopped = True
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def results(self) -> Iterator[BatchResult]:
        """Results as they come; ends with the last, or by what the iterator raised."""
        working = len(self._threads)
        while working:
            item = self._finished.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                working -= 1
            else:
                yield item

    def _work(self) -> None:
        try:
            while (entry := self._next()) is not None:
                self._finished.put(self._result(*entry))
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self._is_stopped = True
            self._finished.put(error)
        self._finished.put(None)

    def _next(self) -> tuple[int, Send] | None:
        with self._lock:
            return None if self._is_stopped else next(self._source, None)

    def _result(self, index: int, request: Send) -> BatchResult:
        try:
            result = self._send(request, _item_key(self._base_key, index))
        except Exception as error:  # noqa: BLE001 - one failure never aborts the rest
            return BatchResult(ok=False, index=index, error=error)
        return BatchResult(ok=True, index=index, result=result)


# -- with asyncio -------------------------------------------------------------------------------


async def send_all_async(
    send: AsyncSendOne,
    requests: Iterable[Send],
    *,
    concurrency: int,
    idempotency_key: str | None,
    on_progress: OnProgress | None,
) -> list[BatchResult]:
    """The same with `concurrency` tasks; what ends the batch cancels the sends under way."""
    import asyncio  # noqa: PLC0415 - see `transport.pause`

    collector = _Collector(requests, on_progress)
    source = enumerate(requests)

    async def work() -> None:
        for index, request in source:
            collector.take(await _async_result(send, index, request, idempotency_key))

    tasks = [asyncio.create_task(work()) for _ in range(collector.workers(concurrency))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return collector.ordered()


async def _async_result(
    send: AsyncSendOne, index: int, request: Send, base_key: str | None
) -> BatchResult:
    try:
        result = await send(request, _item_key(base_key, index))
    except Exception as error:  # noqa: BLE001 - one failure never aborts the rest
        return BatchResult(ok=False, index=index, error=error)
    return BatchResult(ok=True, index=index, result=result)
