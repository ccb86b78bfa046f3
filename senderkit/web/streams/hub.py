"""One thread for all streams of a process: it reads each change once and leaves it for everybody
who wants to hear of it.

It looks when this process has committed something, and every second for what other processes did.
While nobody listens it sleeps. A listener that does not take what is left for it is let go: it
comes back and goes on where it was.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import structlog
from sqlalchemy import Connection, Engine

from senderkit.database import is_outage, single_reads
from senderkit.domain import Clock
from senderkit.errors import ApiError, ServiceUnavailable, TooManyStreams, Unauthorized
from senderkit.services import following
from senderkit.services.following import Changed, Query, Room
from senderkit.services.listening import Ticket, find_valid
from senderkit.web.streams import events

_log = structlog.get_logger(__name__)

MOST_LISTENERS: Final = 4000
"""Of one process: half of the connections that the front takes."""
MOST_LISTENERS_EACH: Final = 2000
"""Of one key, or one person's session."""
HEARTBEAT_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.05
_AT_ONCE: Final = 200
_MOST_BYTES: Final = 1024 * 1024
_RETRY_AFTER_SECONDS: Final = 30


class Form(Protocol):
    """How a change is told. Equal forms tell it in the same bytes.

    With `only_fitting`, what does not pass the filters is never told.
    """

    only_fitting: ClassVar[bool]

    def tell(self, changed: Changed, *, fits: bool) -> bytes | None:
        """The event of a message that passes a stream's filters, or does not; None for none."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Topic:
    """What a stream is about: the messages of a room, by which filters, in which form."""

    room: Room
    query: Query
    form: Form


class Listener:
    """One open stream. The hub leaves bytes here, the event loop takes them.

    `position` is the number of the last change that the hub has looked at for it.
    """

    def __init__(self, topic: Topic, ticket: Ticket, position: int, beat_at: float) -> None:
        self.topic = topic
        self.ticket = ticket
        self.position = position
        self.beat_at = beat_at
        self._left: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self._is_ended = False

    def leave(self, content: bytes) -> bool:
        """Leave bytes for it; False when it has too much to take already."""
        with self._lock:
            if self._size + len(content) > _MOST_BYTES:
                return False
            if not self._is_ended:
                self._left.append(content)
                self._size += len(content)
            return True

    def end(self, last_words: bytes = b"") -> None:
        """Nothing comes after these words. What it has not taken yet stays, but for one that is
        too slow to take it."""
        with self._lock:
            if not self._is_ended:
                self._is_ended = True
                self._left.append(last_words)

    def take(self) -> tuple[bytes, bool]:
        """All that was left, and whether that is the end."""
        with self._lock:
            content = b"".join(self._left)
            self._left.clear()
            self._size = 0
            return content, self._is_ended


class Hub:
    """`ring` is told, in the hub's thread, which listeners have something to take: see `serve`.

    `heartbeat_seconds` is how long a stream may be silent.
    """

    def __init__(
        self, engine: Engine, clock: Clock, *, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._reader = single_reads(engine)
        self._clock = clock
        self._heartbeat_seconds = heartbeat_seconds
        self._ring: Callable[[Sequence[Listener]], None] = lambda _: None
        self._listeners: dict[Listener, None] = {}
        self._by_ticket: Counter[Ticket] = Counter()
        self._changed = threading.Condition()
        self._is_woken = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    # -- from other threads -------------------------------------------------------------------

    def serve(self, ring: Callable[[Sequence[Listener]], None]) -> None:
        """Say who takes what is left for listeners."""
        self._ring = ring

    def join(self, topic: Topic, ticket: Ticket, after: int) -> Listener:
        """Listen to what changes after number `after`, which must be read before this is called.

        Raises `ServiceUnavailable` when the process has no room for more, `TooManyStreams`.
        """
        listener = Listener(topic, ticket, after, time.monotonic() + self._heartbeat_seconds)
        with self._changed:
            if self._is_closed or len(self._listeners) >= MOST_LISTENERS:
                raise ServiceUnavailable("Too many streams are open on this server. Try again.")
            if self._by_ticket[ticket] >= MOST_LISTENERS_EACH:
                raise TooManyStreams(
                    limit=MOST_LISTENERS_EACH, retry_after_seconds=_RETRY_AFTER_SECONDS
                )
            self._listeners[listener] = None
            self._by_ticket[ticket] += 1
            self._start()
            self._notify()
        return listener

    def part(self, listener: Listener) -> None:
        """Its stream is over. Once is enough, more does no harm."""
        with self._changed:
            if self._listeners.pop(listener, listener) is not None:
                return
            self._by_ticket[listener.ticket] -= 1
            if not self._by_ticket[listener.ticket]:
                del self._by_ticket[listener.ticket]

    def wake(self) -> None:
        """There may be something new: called after commits."""
        if self._listeners:
            with self._changed:
                self._notify()

    def end_all(self) -> None:
        """Take no more listeners and let all go, at once."""
        with self._changed:
            self._is_closed = True
            self._notify()
        self._let_go(self._present(), b"")

    def close(self) -> None:
        """Let all go, end the thread."""
        self.end_all()
        if self._thread is not None:
            self._thread.join()

    def __len__(self) -> int:
        return len(self._listeners)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="streams", daemon=True)
            self._thread.start()

    def _notify(self) -> None:
        self._is_woken = True
        self._changed.notify_all()

    def _present(self) -> list[Listener]:
        with self._changed:
            return list(self._listeners)

    # -- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        has_more = False
        while self._wait(has_more):
            try:
                has_more = self._turn()
            except Exception as error:  # noqa: BLE001 - whoever listens is told, and comes back
                has_more = False
                self._break_off(error)

    def _wait(self, has_more: bool) -> bool:
        """Until there may be something to do; False when the hub is closed.

        Who commits often is not followed at every step: what came in a moment is read in one go.
        """
        with self._changed:
            if not has_more:
                self._changed.wait_for(lambda: self._is_closed, _PAUSE_SECONDS)
                silence = _POLL_SECONDS if self._listeners else None
                self._changed.wait_for(lambda: self._is_woken or self._is_closed, silence)
            self._is_woken = False
            return not self._is_closed

    def _turn(self) -> bool:
        """Look once, for all who listen now; return whether there is more."""
        with self._reader.connect() as connection:
            listeners = self._dismiss(connection, self._present())
            if not listeners:
                return False
            after = min(listener.position for listener in listeners)
            last = following.newest_number(connection)
            if last > after:
                told, has_more = self._tell(connection, listeners, after, last)
            else:
                told, has_more = [], False
        self._ring([*told, *self._beat(listeners, {id(listener) for listener in told})])
        return has_more

    def _dismiss(self, connection: Connection, listeners: Sequence[Listener]) -> list[Listener]:
        """Let go whose key was revoked or whose session has ended; return the others."""
        tickets = {listener.ticket for listener in listeners}
        valid = find_valid(connection, tickets, self._clock())
        gone = [listener for listener in listeners if listener.ticket not in valid]
        self._let_go(gone, events.fault(Unauthorized(token_given=True)))
        return [listener for listener in listeners if listener.ticket in valid]

    def _tell(
        self, connection: Connection, listeners: Sequence[Listener], after: int, last: int
    ) -> tuple[list[Listener], bool]:
        """Leave the changes for who wants them; return for whom, and whether there are more."""
        rooms = {listener.topic.room for listener in listeners}
        found = following.list_changed(connection, rooms, after, last, limit=_AT_ONCE)
        has_more = len(found) == _AT_ONCE
        reached = found[-1].number if has_more else last
        stories = _Stories(connection, found)
        told: list[Listener] = []
        for listener in listeners:
            content = stories.since(listener.position, listener.topic)
            listener.position = max(listener.position, reached)
            if content:
                told.append(listener)
                if not listener.leave(content):
                    self._let_go([listener], events.fault(TOO_SLOW))
        return told, has_more

    def _beat(self, listeners: Iterable[Listener], told: set[int]) -> list[Listener]:
        """Leave a heartbeat where nothing else was left for long."""
        now, beaten = time.monotonic(), []
        for listener in listeners:
            if id(listener) in told:
                listener.beat_at = now + self._heartbeat_seconds
            elif now >= listener.beat_at:
                listener.beat_at = now + self._heartbeat_seconds
                listener.leave(events.HEARTBEAT)
                beaten.append(listener)
        return beaten

    def _break_off(self, error: Exception) -> None:
        is_passing = is_outage(error)
        trace = None if is_passing else error
        _log.error("streams_broken_off", error=type(error).__name__, exc_info=trace)
        told = ServiceUnavailable() if is_passing else ApiError("Something went wrong here.")
        self._let_go(self._present(), events.fault(told))

    def _let_go(self, listeners: Sequence[Listener], last_words: bytes) -> None:
        for listener in listeners:
            listener.end(last_words)
            self.part(listener)
        if listeners:
            self._ring(listeners)


TOO_SLOW: Final = ServiceUnavailable("You read too slowly. Go on from the last event you have.")


class _Stories:
    """The changes of one turn as each topic tells them: each is put into words once."""

    def __init__(self, connection: Connection, found: Sequence[Changed]) -> None:
        self._connection = connection
        self._found = found
        self._words: dict[tuple[Form, int, bool], bytes | None] = {}
        self._by_topic: dict[Topic, list[tuple[int, bytes]]] = {}
        self._joined: dict[tuple[Topic, int], bytes] = {}

    def since(self, position: int, topic: Topic) -> bytes:
        """The events of a topic with numbers above `position`."""
        joined = self._joined.get((topic, position))
        if joined is None:
            told = (words for number, words in self._of(topic) if number > position)
            joined = self._joined[topic, position] = b"".join(told)
        return joined

    def _of(self, topic: Topic) -> list[tuple[int, bytes]]:
        if topic not in self._by_topic:
            own = [each for each in self._found if each.room == topic.room]
            fitting = following.find_fitting(self._connection, topic.room, topic.query, own)
            told = [(each.number, self._tell(topic.form, each, each.id in fitting)) for each in own]
            self._by_topic[topic] = [(number, words) for number, words in told if words]
        return self._by_topic[topic]

    def _tell(self, form: Form, changed: Changed, fits: bool) -> bytes | None:
        key = (form, changed.number, fits)
        if key not in self._words:
            self._words[key] = form.tell(changed, fits=fits)
        return self._words[key]
