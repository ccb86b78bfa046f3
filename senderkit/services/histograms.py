"""Histograms of durations: how many fell into each bucket; a bucket is a tenth wider than the last.

So a percentile is told to within a twentieth, from a few dozen numbers however many were counted.
"""

from __future__ import annotations

import math
from collections import Counter
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


def merged(histograms: Iterable[Histogram]) -> Counter[int]:
    """All of them as one."""
    found: Counter[int] = Counter()
    for histogram in histograms:
        found.update(histogram)
    return found


def percentile(histogram: Histogram, share: float) -> float | None:
    """The duration in milliseconds that `share` (0 to 1) of them do not exceed; None of none."""
    rank = math.ceil(share * sum(histogram.values()))
    for bucket in sorted(histogram):
        rank -= histogram[bucket]
        if rank <= 0 and histogram[bucket]:
            return milliseconds_of(bucket)
    return None


def stored(histogram: Histogram) -> dict[str, int]:
    """As JSON keeps it: text for keys, nothing that is nought."""
    return {str(bucket): count for bucket, count in histogram.items() if count}


def loaded(document: Mapping[str, int]) -> Counter[int]:
    """From what `stored` made."""
    return Counter({int(bucket): count for bucket, count in document.items()})
