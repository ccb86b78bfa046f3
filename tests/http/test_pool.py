from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpcore2
import pytest

from senderkit.errors import Unavailable
from senderkit.http_client.network import Call, Dialer, Timeouts, resolve
from senderkit.http_client.pool import Connection, Pool
from tests.fakes_http import LOOPBACK, Answer, FakeProvider

Use = Callable[[FakeProvider], Connection]


class Stopwatch:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def pool(watch: Stopwatch) -> Iterator[Pool]:
    pool = Pool(
        lambda: Dialer(resolve, allow_private=True),
        http2=False,
        idle_seconds=4,
        most_calls=2,
        most_idle=3,
        monotonic=watch,
    )
    yield pool
    pool.close()


@pytest.fixture
def other() -> Iterator[FakeProvider]:
    with FakeProvider() as other:
        yield other


def origin_of(provider: FakeProvider) -> httpcore2.Origin:
    return httpcore2.URL(provider.url).origin


@pytest.fixture
def use(pool: Pool) -> Iterator[Use]:
    """Makes connections that have served one call; they close with the test."""
    with ExitStack() as connections:

        def make(provider: FakeProvider) -> Connection:
            provider.answer("GET /", Answer())
            connection = pool.find_idle(origin_of(provider)) or pool.fresh(origin_of(provider))
            connections.callback(connection.close)
            response = connection.exchange(request_to(provider), Call(Timeouts()))
            response.read()
            response.close()
            return connection

        yield make


def request_to(provider: FakeProvider) -> httpcore2.Request:
    headers = [("Host", f"{LOOPBACK}:{provider.port}")]
    return httpcore2.Request("GET", f"{provider.url}/", headers=headers)


def test_the_connection_that_rested_last_is_used_first(
    pool: Pool, use: Use, provider: FakeProvider
) -> None:
    first, second = use(provider), use(provider)
    pool.give_back(first)
    pool.give_back(second)
    assert pool.find_idle(origin_of(provider)) is second
    assert pool.find_idle(origin_of(provider)) is first
    assert pool.find_idle(origin_of(provider)) is None


def test_a_connection_serves_its_own_server_only(
    pool: Pool, use: Use, provider: FakeProvider, other: FakeProvider
) -> None:
    pool.give_back(use(provider))
    assert pool.find_idle(origin_of(other)) is None
    assert pool.find_idle(origin_of(provider)) is not None


def test_a_connection_rests_only_so_long(
    pool: Pool, use: Use, provider: FakeProvider, watch: Stopwatch
) -> None:
    pool.give_back(use(provider))
    watch.now += 3.9
    pool.give_back(use(provider))
    assert provider.connections == 1
    watch.now += 4.1
    assert pool.find_idle(origin_of(provider)) is None


def test_whoever_rests_too_long_is_closed_by_a_call_to_anybody(
    pool: Pool, use: Use, provider: FakeProvider, other: FakeProvider, watch: Stopwatch
) -> None:
    connection = use(provider)
    pool.give_back(connection)
    watch.now += 4.1
    pool.find_idle(origin_of(other))
    assert not connection.is_reusable()


def test_the_oldest_goes_when_too_many_rest(pool: Pool, use: Use, provider: FakeProvider) -> None:
    connections = [use(provider) for _ in range(4)]
    for connection in connections:
        pool.give_back(connection)
    assert [c.is_reusable() for c in connections] == [False, True, True, True]


def test_a_connection_that_comes_back_to_a_closed_pool_is_closed(
    pool: Pool, use: Use, provider: FakeProvider
) -> None:
    connection = use(provider)
    pool.close()
    pool.give_back(connection)
    assert not connection.is_reusable()
    assert pool.find_idle(origin_of(provider)) is None


def test_only_so_many_calls_run_at_a_time(pool: Pool) -> None:
    brief = Call(Timeouts(connect_seconds=0.05))
    with ExitStack() as places:
        for _ in range(2):
            places.enter_context(pool.place(brief))
        with pytest.raises(Unavailable, match="Too many calls"):
            places.enter_context(pool.place(brief))
    with pool.place(brief):
        pass


def test_a_call_that_waits_for_room_gets_it_when_another_ends(pool: Pool) -> None:
    leave = threading.Event()
    inside = threading.Barrier(3)

    def occupy() -> None:
        with pool.place(Call(Timeouts())):
            inside.wait(5)
            leave.wait(5)

    for _ in range(2):
        threading.Thread(target=occupy, daemon=True).start()
    inside.wait(5)
    began = time.monotonic()
    threading.Timer(0.1, leave.set).start()
    with pool.place(Call(Timeouts())):
        assert time.monotonic() - began >= 0.05
