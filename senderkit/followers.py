"""Followers of the change sequence: what is worked out of the messages' changes, a little behind.

A follower reads the changes numbered after its position and writes what it makes of them; its new
position commits with that, so each change is taken in exactly once, whatever crashes and however
many processes follow. A new follower begins with the first change there is.

What is read is committed and stays as it is, so it is read before the transaction begins: on SQLite
whoever accepts and delivers messages waits for the writing alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection, Engine, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from senderkit.database import is_outage, single_reads
from senderkit.models import ChangeCounter, ChangeFollower

_log = structlog.get_logger(__name__)

_SPAN: Final = 500
_POLL_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Span:
    """The changes numbered above `after`, up to and including `last`; all of them are committed."""

    after: int
    last: int


Write = Callable[[Connection], None]


class Follower(Protocol):
    """`name` is kept with the position: another name begins anew."""

    @property
    def name(self) -> str: ...

    def follow(self, reader: Connection, span: Span) -> Write:
        """Read the changes of `span` and work out what they amount to.

        The function that is returned writes it down, in the transaction that moves the position; it
        is not called when another process was faster.
        """


class Followers:
    """Runs followers in one thread between `start` and `close`.

    `span` is the most changes that are taken in by one transaction. Between two of them it pauses,
    so that whoever accepts and delivers messages is not kept waiting.
    """

    def __init__(self, engine: Engine, followers: Sequence[Follower], *, span: int = _SPAN) -> None:
        self._engine = engine
        self._reader = single_reads(engine)
        self._followers = followers
        self._span = span
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Follow in the background."""
        self._thread = threading.Thread(target=self._run, name="followers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the transaction under way, end the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def catch_up(self) -> None:
        """Take in all that is committed. Raises what a follower raises."""
        for follower in self._followers:
            while self._advance(follower):
                pass

    def lags(self) -> dict[str, int]:
        """How many changes each follower has yet to take in, by its name."""
        with self._reader.connect() as connection:
            newest = connection.execute(_NEWEST).scalar_one()
            rows = connection.execute(select(ChangeFollower.name, ChangeFollower.position))
            positions = {name: position for name, position in rows}  # noqa: C416 - typed rows
        return {each.name: newest - positions.get(each.name, 0) for each in self._followers}

    def _run(self) -> None:
        pause = _POLL_SECONDS
        while not self._stopping.wait(pause):
            has_more = [self._guarded(follower) for follower in self._followers]
            pause = _PAUSE_SECONDS if any(has_more) else _POLL_SECONDS

    def _guarded(self, follower: Follower) -> bool:
        """One transaction of one follower; whatever it meets, the others go on."""
        try:
            return self._advance(follower)
        except Exception as error:  # noqa: BLE001 - the loop must go on
            trace = None if is_outage(error) else error
            name = type(error).__name__
            _log.error("follower_failed", follower=follower.name, error=name, exc_info=trace)
            return False

    def _advance(self, follower: Follower) -> bool:
        """One transaction; return whether there is more."""
        with self._reader.connect() as reader:
            newest = reader.execute(_NEWEST).scalar_one()
            after = reader.execute(_FIND, {"of_name": follower.name}).scalar_one_or_none() or 0
            last = min(newest, after + self._span)
            if last <= after:
                return False
            write = follower.follow(reader, Span(after, last))
        with self._engine.begin() as connection:
            if _lock_position(connection, follower.name) != after:
                return True  # another process was faster, and may not have gone as far
            write(connection)
            connection.execute(_MOVE, {"of_name": follower.name, "to": last})
        return last < newest


# The statements are made once: making them costs more than running them.
_NAMED: Final = ChangeFollower.name == bindparam("of_name")
_FIND: Final = select(ChangeFollower.position).where(_NAMED)
_LOCK: Final = _FIND.with_for_update()
_MOVE: Final = update(ChangeFollower).where(_NAMED).values(position=bindparam("to"))
_BEGIN: Final = {
    name: dialect.insert(ChangeFollower).on_conflict_do_nothing()
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}
_NEWEST: Final = select(ChangeCounter.value)


def _lock_position(connection: Connection, name: str) -> int:
    """Where a follower stands; locked, so that another process goes after it."""
    position = connection.execute(_LOCK, {"of_name": name}).scalar_one_or_none()
    if position is None:
        connection.execute(_BEGIN[connection.dialect.name], {"name": name, "position": 0})
        position = connection.execute(_LOCK, {"of_name": name}).scalar_one()
    return position
