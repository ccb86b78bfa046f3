"""Idle conversations with one mail server, kept for the next message."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from senderkit.errors import DeliveryError
from senderkit.providers.smtp_sessions import Session


class Pool:
    """Idle sessions of one server, the freshest on top. Safe to use from several threads."""

    def __init__(
        self,
        open_session: Callable[[], Session],
        *,
        most_idle: int = 8,
        most_messages: int = 100,
        idle_seconds: float = 30,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_session = open_session
        self._most_idle = most_idle
        self._most_messages = most_messages
        self._idle_seconds = idle_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._is_closed = False

    @contextmanager
    def fresh(self) -> Iterator[Session]:
        """A new session, kept for later if it is still good at the end."""
        session = self._open_session()
        with self._given_back(session):
            yield session

    @contextmanager
    def reused(self) -> Iterator[Session | None]:
        """An idle session, or None when there is none."""
        session = self._take()
        if session is None:
            yield None
            return
        with self._given_back(session):
            yield session

    def close(self) -> None:
        """Close the idle sessions; those in use close when they come back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for session in idle:
            session.quit()

    @contextmanager
    def _given_back(self, session: Session) -> Iterator[None]:
        try:
            yield
        finally:
            self._give_back(session)

    def _take(self) -> Session | None:
        oldest = self._monotonic() - self._idle_seconds
        with self._lock:
            stale = [s for s in self._idle if s.idle_since < oldest]
            self._idle = [s for s in self._idle if s.idle_since >= oldest]
            found = self._idle.pop() if self._idle else None
        for session in stale:
            session.abandon()
        return found

    def _give_back(self, session: Session) -> None:
        if not (self._is_reusable(session) and self._keep(session)):
            session.quit()

    def _is_reusable(self, session: Session) -> bool:
        if not session.is_open or session.sent_count >= self._most_messages:
            return False
        try:
            session.reset()
        except DeliveryError:
            return False
        return True

    def _keep(self, session: Session) -> bool:
        with self._lock:
            if self._is_closed or len(self._idle) >= self._most_idle:
                return False
            session.idle_since = self._monotonic()
            self._idle.append(session)
            return True
