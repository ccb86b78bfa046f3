"""How many requests one API key may make in a minute."""

from __future__ import annotations

import math
from typing import Final

from senderkit.domain import Clock
from senderkit.errors import RateLimited
from senderkit.rate_limits import Buckets

_SMALLEST_BURST: Final = 10
_LONGEST_WAIT_SECONDS: Final = 60


class KeyLimits:
    """A bucket for each key: a minute's worth at once, ten in any case, then as it refills.

    `per_minute` 0 limits nothing.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._buckets: Buckets | None = None
        if per_minute:
            burst = max(per_minute, _SMALLEST_BURST)
            self._buckets = Buckets(per_minute=per_minute, burst=burst, clock=clock)

    def check(self, key_public_id: str) -> None:
        """Count one request. Raises `RateLimited` when the key's bucket is empty."""
        wait = None if self._buckets is None else self._buckets.take(key_public_id)
        if wait is None:
            return
        seconds = min(max(1, math.ceil(wait)), _LONGEST_WAIT_SECONDS)
        raise RateLimited(limit=self._per_minute, retry_after_seconds=seconds)
