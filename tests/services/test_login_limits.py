"""How often a login may be tried."""

from __future__ import annotations

import pytest

from senderkit.services.login_limits import LoginLimits
from tests.make import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limits(clock: FakeClock) -> LoginLimits:
    return LoginLimits(clock)


def tries(limits: LoginLimits, email: str, address: str, most: int = 1_000) -> int:
    """How many tries are free before the first wait."""
    free = 0
    while free < most and limits.take(email, address) is None:
        free += 1
    return free


def test_guesses_at_one_account_are_few_wherever_they_come_from(limits: LoginLimits) -> None:
    addresses = [f"192.0.2.{number}" for number in range(100)]
    free = sum(limits.take("ada@example.com", address) is None for address in addresses)
    assert free == 10


def test_guesses_from_one_address_are_few_whomever_they_are_at(limits: LoginLimits) -> None:
    emails = [f"person{number}@example.com" for number in range(100)]
    assert sum(limits.take(email, "192.0.2.1") is None for email in emails) == 40


def test_others_are_not_held_up(limits: LoginLimits) -> None:
    tries(limits, "ada@example.com", "192.0.2.1")
    assert limits.take("ada@example.com", "192.0.2.1") is not None
    assert limits.take("bob@example.com", "192.0.2.2") is None


def test_a_minute_gives_a_few_tries_more(limits: LoginLimits, clock: FakeClock) -> None:
    tries(limits, "ada@example.com", "192.0.2.1")
    clock.advance(minutes=1)
    assert tries(limits, "ada@example.com", "192.0.2.1") == 6


def test_a_success_ends_the_wait_of_the_account_only(limits: LoginLimits) -> None:
    tries(limits, "ada@example.com", "192.0.2.1")
    limits.succeeded("ada@example.com")
    assert limits.take("ada@example.com", "192.0.2.1") is None
    for number in range(100):
        limits.take(f"person{number}@example.com", "192.0.2.1")
    limits.succeeded("ada@example.com")
    assert limits.take("ada@example.com", "192.0.2.1") is not None


@pytest.mark.parametrize(
    "spelling", ["ADA@BÜCHER.example", " ada@bücher.example ", "ada@xn--bcher-kva.example"]
)
def test_another_spelling_of_an_account_has_no_bucket_of_its_own(
    limits: LoginLimits, spelling: str
) -> None:
    tries(limits, "ada@bücher.example", "192.0.2.1")
    assert limits.take(spelling, "192.0.2.2") is not None


def test_what_is_no_address_is_limited_as_well(limits: LoginLimits) -> None:
    assert tries(limits, "nonsense" * 100_000, "192.0.2.1") == 10
    assert tries(limits, "", "") == 10


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_ipv6_host_is_its_network(
    limits: LoginLimits, one: str, other: str, are_same: bool
) -> None:
    for number in range(100):
        limits.take(f"person{number}@example.com", one)
    assert (limits.take("bob@example.com", other) is not None) == are_same
