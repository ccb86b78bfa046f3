"""The circuit breaker of a connection: open after faults in a row, probed, closed by an answer."""

from __future__ import annotations

import threading

import pytest

from senderkit.services.breakers import (
    FAULTS_TO_OPEN,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PROBE_SECONDS,
    Breakers,
)
from tests.make import FakeClock

CONNECTION = "a connection"


@pytest.fixture
def breakers(clock: FakeClock) -> Breakers:
    return Breakers(clock)


@pytest.fixture
def opened(breakers: Breakers) -> Breakers:
    for ticket in range(FAULTS_TO_OPEN):
        breakers.failed(CONNECTION, ticket)
    return breakers


def seconds_left(breakers: Breakers, clock: FakeClock) -> float:
    return (breakers.retry_at(CONNECTION) - clock()).total_seconds()


def test_a_connection_that_nothing_is_known_of_is_closed(breakers: Breakers) -> None:
    assert breakers.admits(CONNECTION, 1)
    assert not breakers.is_open(CONNECTION)


def test_the_fifth_fault_in_a_row_opens_it(breakers: Breakers, clock: FakeClock) -> None:
    for ticket in range(FAULTS_TO_OPEN - 1):
        breakers.failed(CONNECTION, ticket)
    assert breakers.admits(CONNECTION, 7)

    breakers.failed(CONNECTION, 7)

    assert FAULTS_TO_OPEN == 5
    assert not breakers.admits(CONNECTION, 8)
    assert seconds_left(breakers, clock) == FIRST_PAUSE_SECONDS == 30


def test_an_answer_begins_the_count_anew(breakers: Breakers) -> None:
    for ticket in range(FAULTS_TO_OPEN - 1):
        breakers.failed(CONNECTION, ticket)
    breakers.answered(CONNECTION)
    for ticket in range(FAULTS_TO_OPEN - 1):
        breakers.failed(CONNECTION, ticket)

    assert not breakers.is_open(CONNECTION)


def test_each_connection_has_its_own(opened: Breakers) -> None:
    assert opened.admits("another", 1)


def test_after_the_pause_one_message_probes_it(opened: Breakers, clock: FakeClock) -> None:
    clock.advance(seconds=FIRST_PAUSE_SECONDS)

    assert not opened.is_open(CONNECTION)
    assert opened.admits(CONNECTION, 1)
    assert not opened.admits(CONNECTION, 2)
    assert opened.admits(CONNECTION, 1)
    assert opened.is_open(CONNECTION)
    assert seconds_left(opened, clock) == 5


def test_a_probe_that_is_answered_closes_it(opened: Breakers, clock: FakeClock) -> None:
    clock.advance(seconds=FIRST_PAUSE_SECONDS)
    opened.admits(CONNECTION, 1)
    opened.answered(CONNECTION)

    assert opened.admits(CONNECTION, 2)
    assert opened.admits(CONNECTION, 3)


def test_each_probe_that_fails_doubles_the_pause_up_to_a_limit(
    opened: Breakers, clock: FakeClock
) -> None:
    pauses = []
    for ticket in range(6):
        clock.now = opened.retry_at(CONNECTION)
        assert opened.admits(CONNECTION, ticket)
        opened.failed(CONNECTION, ticket)
        pauses.append(seconds_left(opened, clock))

    assert pauses == [60, 120, 240, 300, 300, 300]
    assert LONGEST_PAUSE_SECONDS == 300


def test_late_faults_of_an_open_one_change_nothing(opened: Breakers, clock: FakeClock) -> None:
    opened.failed(CONNECTION, 99)
    clock.advance(seconds=FIRST_PAUSE_SECONDS)
    opened.admits(CONNECTION, 1)
    opened.failed(CONNECTION, 99)

    assert opened.admits(CONNECTION, 1)
    opened.failed(CONNECTION, 1)
    assert seconds_left(opened, clock) == 2 * FIRST_PAUSE_SECONDS


def test_once_closed_the_pause_is_the_first_again(opened: Breakers, clock: FakeClock) -> None:
    clock.advance(seconds=FIRST_PAUSE_SECONDS)
    opened.admits(CONNECTION, 1)
    opened.failed(CONNECTION, 1)
    opened.answered(CONNECTION)
    for ticket in range(FAULTS_TO_OPEN):
        opened.failed(CONNECTION, ticket)

    assert seconds_left(opened, clock) == FIRST_PAUSE_SECONDS


def test_a_probe_that_never_reports_is_forgotten(opened: Breakers, clock: FakeClock) -> None:
    clock.advance(seconds=FIRST_PAUSE_SECONDS)
    opened.admits(CONNECTION, 1)
    clock.advance(seconds=PROBE_SECONDS - 1)
    assert seconds_left(opened, clock) == 1
    assert not opened.admits(CONNECTION, 2)
    clock.advance(seconds=1)

    assert opened.admits(CONNECTION, 2)
    assert not opened.admits(CONNECTION, 1)


def test_a_probe_that_came_to_nothing_makes_room_for_another(
    opened: Breakers, clock: FakeClock
) -> None:
    clock.advance(seconds=FIRST_PAUSE_SECONDS)
    opened.admits(CONNECTION, 1)
    opened.abandoned(CONNECTION, 2)
    assert not opened.admits(CONNECTION, 2)
    opened.abandoned(CONNECTION, 1)

    assert opened.admits(CONNECTION, 2)


def test_of_many_threads_one_gets_the_probe(opened: Breakers, clock: FakeClock) -> None:
    clock.advance(seconds=FIRST_PAUSE_SECONDS)
    admitted: list[int] = []
    barrier = threading.Barrier(16)

    def ask(ticket: int) -> None:
        barrier.wait(10)
        if opened.admits(CONNECTION, ticket):
            admitted.append(ticket)

    threads = [threading.Thread(target=ask, args=(ticket,)) for ticket in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(admitted) == 1
