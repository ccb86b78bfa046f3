"""A server that kills itself at a named point: `python -m tests.outbox.dying POINT NTH serve …`.

It is `senderkit` as people start it. What listens to its SQL sends SIGKILL to its own process the
`NTH` time that the point is reached, counted from the first send that is stored: no handler runs
and nothing is tidied up.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from senderkit.cli import main

_IS_REACHED: Final = "tests_point_is_reached"
_IS_COMMITTED: Final = "tests_point_is_committed"
_STORES_SENDS: Final = "INSERT INTO messages "


@dataclass(frozen=True)
class Point:
    """Before a statement that starts like this, or right after its transaction's commit."""

    statement: str
    is_after_commit: bool = False


POINTS: Final = {
    "before an acceptance is stored": Point(_STORES_SENDS),
    "after an acceptance's commit, before its answer": Point(_STORES_SENDS, is_after_commit=True),
    "before a claim": Point("WITH due AS"),
    "after a claim": Point("WITH due AS", is_after_commit=True),
    "before a call, its attempt committed": Point("INSERT INTO attempts ", is_after_commit=True),
    "after the provider's answer, before its commit": Point("UPDATE attempts SET "),
    "after an answer's commit": Point("UPDATE attempts SET ", is_after_commit=True),
}


class Death:
    """Listens to the SQL of every engine in this process."""

    def __init__(self, point: Point, nth: int) -> None:
        self._point = point
        self._left = nth
        self._is_armed = False

    def listen(self) -> None:
        event.listen(Engine, "before_cursor_execute", self._before_statement)
        event.listen(Engine, "commit", self._before_commit)
        event.listen(Pool, "checkin", self._after_transaction)

    def _before_statement(
        self, connection: Connection, _cursor: Any, statement: str, *_rest: Any
    ) -> None:
        self._is_armed = self._is_armed or statement.startswith(_STORES_SENDS)
        if not self._is_armed or not statement.startswith(self._point.statement):
            return
        if self._point.is_after_commit:
            connection.info[_IS_REACHED] = True
        else:
            self._come_closer()

    def _before_commit(self, connection: Connection) -> None:
        if connection.info.pop(_IS_REACHED, False):
            connection.info[_IS_COMMITTED] = True

    def _after_transaction(self, _connection: object, record: ConnectionPoolEntry) -> None:
        record.info.pop(_IS_REACHED, None)
        if record.info.pop(_IS_COMMITTED, False):
            self._come_closer()

    def _come_closer(self) -> None:
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    name, nth, *arguments = sys.argv[1:]
    Death(POINTS[name], int(nth)).listen()
    main(arguments, prog_name="senderkit")
