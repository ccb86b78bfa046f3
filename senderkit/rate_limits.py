"""How often something may be tried: buckets that refill, in memory, one for each key.

Each process has its own. A server that starts anew has forgotten every try.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from senderkit.domain import Clock

_MOST_KEYS: Final = 50_000


class Buckets:
    """A bucket for each key: `burst` tries at once, then `per_minute` of them.

    Memory is bounded: a bucket that is full again is dropped, and past `most_keys` the one that was
    left alone for the longest time.
    """

    def __init__(
        self, *, per_minute: float, burst: int, clock: Clock, most_keys: int = _MOST_KEYS
    ) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._refill = timedelta(seconds=burst / self._per_second)
        self._clock = clock
        self._most_keys = most_keys
        self._lock = threading.Lock()
        # key -> (tries left, at that moment); the key that was tried last stands last
        self._buckets: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def take(self, key: str) -> float | None:
        """None when a try was left and is now taken, else the seconds until there is one."""
        now = self._clock()
        with self._lock:
            left = self._left(key, now)
            is_free = left >= 1
            self._buckets[key] = (left - 1 if is_free else left, now)
            self._buckets.move_to_end(key)
            self._drop_oldest(now)
        return None if is_free else (1 - left) / self._per_second

    def forget(self, key: str) -> None:
        """Fill a key's bucket, as after a try that succeeded."""
        with self._lock:
            self._buckets.pop(key, None)

    def __len__(self) -> int:
        return len(self._buckets)

    def _left(self, key: str, now: datetime) -> float:
        left, at = self._buckets.get(key, (float(self._burst), now))
        elapsed = max(0.0, (now - at).total_seconds())  # a clock set back refills nothing
        return min(self._burst, left + elapsed * self._per_second)

    def _drop_oldest(self, now: datetime) -> None:
        """At most two at a time: one is added at a time, so what is full again soon is gone."""
        for _ in range(2):
            key, (_, at) = next(iter(self._buckets.items()))
            if len(self._buckets) <= self._most_keys and at + self._refill > now:
                return
            del self._buckets[key]
