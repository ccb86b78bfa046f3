"""Histograms of durations: how many fell into each bucket; a bucket is a tenth wider than the last.

So a percentile is told to within a twentieth, from a few dozen numbers however many were counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

_GROWTH: Final = 1.1
_LOG_GROWTH: Final = math.log(_GROWTH)
_MIDDLE: Final = math.sqrt(_GROWTH)

Histogram = Mapping[int, int]
"""How many durations by bucket."""


def bucket_of(milliseconds: int) -> int:
    """The bucket of a duration: 0 for less than a millisecond."""
    return 1 + int(math.log(milliseconds) / _LOG_GROWTH) if milliseconds >= 1 else 0


def milliseconds_of(bucket: int) -> float:
    """The duration in the middle of a bucket."""
    return _MIDDLE * _GROWTH ** (bucket - 1) if bucket else 0.0


def merged(histograms: Iterable[Histogram]) -> dict[int, int]:
    """All of them as one."""
    found: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram.items():
            found[bucket] = found.get(bucket, 0) + count
    return found


def percentile(histogram: Histogram, share: float) -> float | None:
    """The duration in milliseconds that `share` (0 to 1) of them do not exceed; None of none."""
    rank = math.ceil(share * sum(histogram.values()))
    for bucket in sorted(histogram):
        rank -= histogram[bucket]
        if rank <= 0 and histogram[bucket]:
            return milliseconds_of(bucket)
    return None


def loaded(documents: Iterable[Mapping[str, int]]) -> dict[int, int]:
    """Those that JSON keeps, with text for keys, as one."""
    found: dict[str, int] = {}
    for document in documents:
        for bucket, count in document.items():
            found[bucket] = found.get(bucket, 0) + count
    return {int(bucket): count for bucket, count in found.items()}
