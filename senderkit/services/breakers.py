"""Circuit breakers: a connection that fails again and again is left alone for a while.

Some transient faults in a row open a connection's breaker. After a pause one message may try it: a
probe. Its success closes the breaker, its fault opens it again for twice as long. One process keeps
them in memory: what other processes see of the provider they find out by themselves.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from senderkit.domain import Clock

FAULTS_TO_OPEN: Final = 5
FIRST_PAUSE_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 300.0
PROBE_SECONDS: Final = 60.0
"""A probe that has not reported for so long is forgotten."""

_LOOK_AGAIN_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Probe:
    ticket: int
    expires_at: datetime


@dataclass(slots=True)
class _Breaker:
    """Closed while `retry_at` is None; else nothing goes through before it, then one probe."""

    faults: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    retry_at: datetime | None = None
    probe: _Probe | None = None


class Breakers:
    """The breakers of all connections, by connection id. Safe to share between threads.

    A ticket is whatever tells one message from the others: its number.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[str, _Breaker] = {}
        self._lock = threading.Lock()

    def admits(self, connection_id: str, ticket: int) -> bool:
        """Whether this message may try the connection now; as its probe where that is due."""
        now = self._clock()
        with self._lock:
            breaker = self._breakers.get(connection_id)
            if breaker is None or breaker.retry_at is None:
                return True
            holder = _holder(breaker, now)
            if holder is not None:
                return holder.ticket == ticket
            if now < breaker.retry_at:
                return False
            breaker.probe = _Probe(ticket, now + timedelta(seconds=PROBE_SECONDS))
            return True

    def is_open(self, connection_id: str) -> bool:
        """Whether no message may try the connection now."""
        return self.retry_at(connection_id) > self._clock()

    def retry_at(self, connection_id: str) -> datetime:
        """When it is worth asking again: now, when the next probe is due, or soon if one runs."""
        now = self._clock()
        with self._lock:
            breaker = self._breakers.get(connection_id)
            if breaker is None or breaker.retry_at is None:
                return now
            holder = _holder(breaker, now)
            if holder is not None:
                return min(holder.expires_at, now + timedelta(seconds=_LOOK_AGAIN_SECONDS))
            return max(now, breaker.retry_at)

    def answered(self, connection_id: str) -> None:
        """The provider gave an answer, be it a refusal: it is there, and the breaker closes."""
        with self._lock:
            self._breakers.pop(connection_id, None)

    def failed(self, connection_id: str, ticket: int) -> None:
        """A try ended in a transient fault. Of an open breaker only the probe's counts."""
        now = self._clock()
        with self._lock:
            breaker = self._breakers.setdefault(connection_id, _Breaker())
            if breaker.retry_at is None:
                breaker.faults += 1
                if breaker.faults >= FAULTS_TO_OPEN:
                    breaker.retry_at = now + timedelta(seconds=breaker.pause_seconds)
            elif breaker.probe is not None and breaker.probe.ticket == ticket:
                breaker.pause_seconds = min(2 * breaker.pause_seconds, LONGEST_PAUSE_SECONDS)
                breaker.retry_at = now + timedelta(seconds=breaker.pause_seconds)
                breaker.probe = None

    def abandoned(self, connection_id: str, ticket: int) -> None:
        """A try came to nothing that says anything about the provider: another may probe."""
        with self._lock:
            breaker = self._breakers.get(connection_id)
            if breaker and breaker.probe is not None and breaker.probe.ticket == ticket:
                breaker.probe = None


def _holder(breaker: _Breaker, now: datetime) -> _Probe | None:
    """The probe that is under way."""
    probe = breaker.probe
    return probe if probe is not None and now < probe.expires_at else None
