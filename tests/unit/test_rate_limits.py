"""Buckets that refill."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from senderkit.rate_limits import Buckets
from tests.make import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_burst_is_free_and_then_the_wait_is_told(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=6, burst=3, clock=clock)
    assert [buckets.take("ada") for _ in range(3)] == [None] * 3
    assert buckets.take("ada") == pytest.approx(10)
    clock.advance(seconds=4)
    assert buckets.take("ada") == pytest.approx(6)


def test_a_bucket_refills_as_time_goes_by(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=6, burst=3, clock=clock)
    for _ in range(4):
        buckets.take("ada")
    clock.advance(seconds=10)
    assert buckets.take("ada") is None
    assert buckets.take("ada") == pytest.approx(10)


def test_a_bucket_never_holds_more_than_its_burst(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=60, burst=2, clock=clock)
    buckets.take("ada")
    clock.advance(days=1)
    assert [buckets.take("ada") for _ in range(3)] == [None, None, pytest.approx(1)]


def test_in_the_long_run_the_rate_holds(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=30, burst=5, clock=clock)
    taken = 0
    for _ in range(6_000):  # ten minutes, a try each tenth of a second
        taken += buckets.take("ada") is None
        clock.advance(seconds=0.1)
    assert taken in range(300, 306)


def test_keys_do_not_share_a_bucket(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=1, burst=1, clock=clock)
    assert buckets.take("ada") is None
    assert buckets.take("bob") is None
    assert buckets.take("ada") is not None


def test_a_success_fills_the_bucket(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=1, burst=1, clock=clock)
    buckets.take("ada")
    buckets.forget("ada")
    buckets.forget("nobody")
    assert buckets.take("ada") is None


def test_a_clock_that_steps_back_neither_refills_nor_locks(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=60, burst=1, clock=clock)
    assert buckets.take("ada") is None
    clock.advance(hours=-1)
    assert buckets.take("ada") == pytest.approx(1)
    clock.advance(seconds=1)
    assert buckets.take("ada") is None


def test_memory_is_bounded_and_the_newest_keys_are_kept(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=1, burst=1, clock=clock, most_keys=100)
    for number in range(1_000):
        buckets.take(f"key {number}")
    assert len(buckets) == 100
    assert buckets.take("key 999") is not None
    assert buckets.take("key 0") is None


def test_a_key_that_is_tried_again_and_again_is_not_dropped(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=1, burst=1, clock=clock, most_keys=10)
    buckets.take("guessed")
    for number in range(1_000):
        buckets.take(f"key {number}")
        assert buckets.take("guessed") is not None


def test_full_buckets_are_dropped(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=60, burst=2, clock=clock)
    for number in range(50):
        buckets.take(f"key {number}")
    clock.advance(seconds=2)
    for number in range(25):
        buckets.take(f"other {number}")
    assert len(buckets) == 25


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_of_tries_at_the_same_instant_no_more_than_the_burst_succeed(clock: FakeClock) -> None:
    buckets = Buckets(per_minute=1, burst=400, clock=clock)
    taken: list[bool] = []

    def take() -> None:
        taken.extend(buckets.take("ada") is None for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), sum(taken)) == (800, 400)
