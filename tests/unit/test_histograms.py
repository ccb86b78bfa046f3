"""Histograms: percentiles to within a twentieth."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from senderkit.services.histograms import (
    bucket_of,
    loaded,
    merged,
    milliseconds_of,
    percentile,
)


@pytest.mark.parametrize("milliseconds", [1, 2, 10, 999, 60_000, 86_400_000, 10**12])
def test_a_bucket_is_within_a_twentieth_of_what_it_holds(milliseconds: int) -> None:
    assert milliseconds_of(bucket_of(milliseconds)) == pytest.approx(milliseconds, rel=0.05)


def test_less_than_a_millisecond_is_a_bucket_too() -> None:
    assert milliseconds_of(bucket_of(0)) == 0


def test_percentiles_of_many() -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    durations = sorted(int(chance.lognormvariate(7, 2)) + 1 for _ in range(10_000))
    histogram = Counter(map(bucket_of, durations))
    for share in (0.5, 0.95, 0.99, 1.0):
        exact = durations[max(0, round(share * len(durations)) - 1)]
        assert percentile(histogram, share) == pytest.approx(exact, rel=0.06)


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile({}, 0.5) is None


def test_several_are_one() -> None:
    assert merged([{1: 2}, {1: 1, 5: 1}]) == {1: 3, 5: 1}
    assert loaded([{"1": 2}, {"1": 1, "5": 1}]) == {1: 3, 5: 1}
