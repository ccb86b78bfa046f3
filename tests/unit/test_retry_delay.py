"""The retry policy: a pure function from the number of failed attempts to seconds."""

from __future__ import annotations

import pytest

from senderkit.dispatcher import RETRY_DELAYS_SECONDS, retry_delay


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def lowest(low: float, _high: float) -> float:
    return low


def highest(_low: float, high: float) -> float:
    return high


TABLE = [
    (1, 5.0),
    (2, 30.0),
    (3, 120.0),
    (4, 600.0),
    (5, 1_800.0),
    (6, 3_600.0),
    (7, 7_200.0),
    (8, 14_400.0),
    (9, 28_800.0),
]


@pytest.mark.parametrize(("tries", "seconds"), TABLE)
def test_the_delay_grows_with_each_failure(tries: int, seconds: float) -> None:
    assert retry_delay(tries, None, middle) == pytest.approx(seconds)


def test_the_tenth_failure_is_the_last() -> None:
    assert len(TABLE) == len(RETRY_DELAYS_SECONDS)
    assert retry_delay(10, None, middle) is None
    assert retry_delay(10, 60.0, middle) is None


@pytest.mark.parametrize(("tries", "seconds"), TABLE)
def test_a_jitter_of_a_fifth_spreads_the_retries(tries: int, seconds: float) -> None:
    assert retry_delay(tries, None, lowest) == pytest.approx(0.8 * seconds)
    assert retry_delay(tries, None, highest) == pytest.approx(1.2 * seconds)


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [(7.5, 7.5), (600.0, 600.0), (0.0, 1.0), (-3.0, 1.0), (86_400.0, 86_400.0)],
)
@pytest.mark.parametrize("tries", [1, 9])
def test_a_hint_from_the_provider_wins_as_it_is(tries: int, hint: float, seconds: float) -> None:
    assert retry_delay(tries, hint, highest) == seconds


@pytest.mark.parametrize("hint", [1e9, float("inf")])
def test_no_hint_puts_a_message_off_for_more_than_a_day(hint: float) -> None:
    assert retry_delay(1, hint, middle) == 86_400.0


def test_a_hint_that_is_no_number_means_soon() -> None:
    assert retry_delay(1, float("nan"), middle) == 1.0
