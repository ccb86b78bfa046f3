"""`send_batch`: order, bounds, failures, progress, interruption; threads and tasks alike."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from senderkit.client import (
    AsyncSenderKit,
    BatchProgress,
    BatchResult,
    SenderKit,
    SenderKitAuthenticationError,
    SenderKitValidationError,
    TemplateSend,
)
from senderkit.domain import Mode
from senderkit.keys import mint
from tests.client import scripted as play
from tests.client.conftest import Home
from tests.client.scripted import Handler, Request, scripted

KEY = mint(Mode.TEST).token

Batch = Callable[..., list[BatchResult]]


def batch_plain(key: str, base_url: str, requests: Any, **more: Any) -> list[BatchResult]:
    with SenderKit(key, base_url=base_url, max_retries=0) as sk:
        return sk.send_batch(requests, **more)


def batch_awaited(key: str, base_url: str, requests: Any, **more: Any) -> list[BatchResult]:
    async def main() -> list[BatchResult]:
        async with AsyncSenderKit(key, base_url=base_url, max_retries=0) as sk:
            return await sk.send_batch(requests, **more)

    return asyncio.run(main())


@pytest.fixture(params=[batch_plain, batch_awaited], ids=["plain", "awaited"])
def batch(request: pytest.FixtureRequest) -> Batch:
    chosen: Batch = request.param
    return chosen


def sends(count: int, **more: Any) -> list[TemplateSend]:
    return [TemplateSend("welcome", f"user{n}@example.com", **more) for n in range(count)]


def echo_index(handler: Handler, request: Request) -> None:
    """Accept with an id made of the recipient's number; the first ones answer last."""
    number = request.json["to"].partition("@")[0].removeprefix("user")
    play.accepted(f"msg_{number}")(handler, request)


class Gauge:
    """Counts how many requests are under way at once; holds each until `expected` are."""

    def __init__(self, expected: int) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(expected)

    def __call__(self, handler: Handler, request: Request) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._barrier.wait(30)
        with self._lock:
            self._now -= 1
        echo_index(handler, request)


def test_results_are_in_input_order(batch: Batch) -> None:
    with scripted(echo_index) as server:
        results = batch(KEY, server.url, sends(100), concurrency=16)

    assert [item.index for item in results] == list(range(100))
    assert [item.result.id for item in results if item.result] == [f"msg_{n}" for n in range(100)]
    assert all(item.ok and item.error is None for item in results)


def test_as_many_are_under_way_as_allowed_and_no_more(batch: Batch) -> None:
    gauge = Gauge(8)
    with scripted(gauge) as server:
        results = batch(KEY, server.url, sends(64), concurrency=8)

    assert all(item.ok for item in results)
    assert gauge.most == 8


def test_no_failure_aborts_the_rest(home: Home, batch: Batch) -> None:
    good = TemplateSend("welcome", "ada@example.com")
    mixed: list[Any] = [
        good,
        TemplateSend("nowhere", "ada@example.com"),
        TemplateSend("welcome", "no address"),
        TemplateSend("welcome", "ada@example.com", vars={"x": object()}),
        TemplateSend("welcome", "ada@example.com", idempotency_key="a\nb"),
        "not a send",
        good,
    ]
    results = batch(home.test_key, home.url, mixed, concurrency=3)

    kinds = [type(item.error).__name__ for item in results]
    assert [item.ok for item in results] == [True, False, False, False, False, False, True]
    assert kinds[1:6] == [
        "SenderKitApiError",
        "SenderKitValidationError",
        "TypeError",
        "ValueError",
        "TypeError",
    ]
    assert isinstance(results[2].error, SenderKitValidationError)


def test_a_key_that_nobody_knows_fails_every_one(home: Home, batch: Batch) -> None:
    results = batch(KEY, home.url, sends(5))

    assert [type(item.error) for item in results] == [SenderKitAuthenticationError] * 5


def test_a_batch_that_is_run_again_sends_nothing_twice(home: Home, batch: Batch) -> None:
    key = f"again-{batch.__name__}"
    first = batch(home.test_key, home.url, sends(10), idempotency_key=key, concurrency=4)
    again = batch(home.test_key, home.url, sends(10), idempotency_key=key, concurrency=4)

    assert [item.result.id for item in first if item.result] == [
        item.result.id for item in again if item.result
    ]
    assert [item.result.replayed for item in again if item.result] == [True] * 10


def test_each_send_has_its_own_key(batch: Batch) -> None:
    with scripted(play.accepted()) as server:
        batch(KEY, server.url, sends(3), idempotency_key="base")
        batch(KEY, server.url, [TemplateSend("welcome", "a", idempotency_key="mine"), *sends(2)])

    given = [request.headers["idempotency-key"] for request in server.requests]
    assert sorted(given[:3]) == ["base-0", "base-1", "base-2"]
    assert "mine" in given
    assert len(set(given)) == 6


def test_progress_is_told_after_each_in_the_callers_thread(batch: Batch) -> None:
    told: list[BatchProgress] = []
    threads = set()

    def on_progress(progress: BatchProgress) -> None:
        told.append(progress)
        threads.add(threading.current_thread())

    with scripted(echo_index) as server:
        results = batch(KEY, server.url, sends(20), concurrency=4, on_progress=on_progress)

    assert [progress.done for progress in told] == list(range(1, 21))
    assert {progress.total for progress in told} == {20}
    assert sorted((p.result for p in told), key=lambda result: result.index) == results
    assert threads == {threading.current_thread()}


def test_a_generator_is_taken_as_needed(batch: Batch) -> None:
    made: list[int] = []
    told: list[tuple[int, int | None]] = []

    def generate() -> Iterator[TemplateSend]:
        for number, send in enumerate(sends(30)):
            made.append(number)
            yield send

    def on_progress(progress: BatchProgress) -> None:
        told.append((len(made) - progress.done, progress.total))

    with scripted(echo_index) as server:
        results = batch(KEY, server.url, generate(), concurrency=2, on_progress=on_progress)

    assert len(results) == 30
    assert {total for _, total in told} == {None}


@pytest.mark.parametrize("concurrency", [-1, 0, 1, 1000])
def test_any_concurrency_will_do(batch: Batch, concurrency: int) -> None:
    with scripted(echo_index) as server:
        assert len(batch(KEY, server.url, sends(3), concurrency=concurrency)) == 3


def test_an_empty_batch_is_no_trouble(batch: Batch) -> None:
    assert batch(KEY, "http://127.0.0.1:9", []) == []
    assert batch(KEY, "http://127.0.0.1:9", iter(())) == []


def test_what_the_progress_callback_raises_ends_the_batch(batch: Batch) -> None:
    def stop(progress: BatchProgress) -> None:
        if progress.done == 3:
            raise KeyError("enough")

    before = threading.active_count()
    with scripted(echo_index) as server, pytest.raises(KeyError, match="enough"):
        batch(KEY, server.url, sends(500), concurrency=2, on_progress=stop)

    assert len(server.requests) < 50
    assert threading.active_count() <= before + 4  # the server's own


def test_what_a_generator_raises_ends_the_batch(batch: Batch) -> None:
    def broken() -> Iterator[TemplateSend]:
        yield from sends(3)
        raise OSError("the file is cut off")

    with scripted(echo_index) as server, pytest.raises(OSError, match="cut off"):
        batch(KEY, server.url, broken(), concurrency=2)


def test_a_cancelled_batch_leaves_nothing_under_way() -> None:
    async def main(url: str) -> None:
        async with AsyncSenderKit(KEY, base_url=url) as sk:
            batch = asyncio.create_task(sk.send_batch(sends(8), concurrency=4))
            while len(server.requests) < 4:
                await asyncio.sleep(0.01)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with scripted(play.stay_silent) as server:
        asyncio.run(main(server.url))

    assert len(server.requests) == 4
