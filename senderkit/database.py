"""The engine for either database: how it is opened, how a transaction begins.

SQLite: WAL, `synchronous=FULL` (an answer means it is on the disk), foreign keys on, and a write
transaction takes the write lock at once (`BEGIN IMMEDIATE`): one that starts as a reader and turns
writer fails instead of waiting. Readers ask for `read_only(engine)`. Postgres: psycopg 3, and
`synchronous_commit` on whatever the server's default is.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Dialect, Engine, Select, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from senderkit.data_folder import make_folders
from senderkit.errors import SettingsError

_BUSY_TIMEOUT_SECONDS: Final = 15
_POOL_TIMEOUT_SECONDS: Final = 10
_CONNECT_TIMEOUT_SECONDS: Final = 5
_OUTAGES: Final = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
_READ_ONLY: Final = "senderkit_read_only"
_IDLE_SINCE: Final = "senderkit_idle_since"
_TRUSTED_SECONDS: Final = 2.0
_SINGLE_READS: Final = "senderkit_single_reads"
_NO_DRIVER: Final = (
    "SENDERKIT_DATABASE_URL: Postgres needs its driver: pip install 'senderkit-server[postgres]'."
)


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode("utf-8")


def engine_options(url: str, *, connections: int) -> dict[str, Any]:
    """Options for `create_engine`: at most `connections` open at a time, JSON by orjson.

    Raises `SettingsError` when the database's driver is not installed.
    """
    options: dict[str, Any] = {
        "json_serializer": _dumps,
        "json_deserializer": orjson.loads,
        # An error's text goes to the log: values of rows do not belong there.
        "hide_parameters": True,
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": _POOL_TIMEOUT_SECONDS,
    }
    if make_url(url).get_backend_name() == "sqlite":
        waiting = {"timeout": _BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
        return options | {"connect_args": waiting}
    if find_spec("psycopg") is None:
        raise SettingsError([_NO_DRIVER])
    # A lock that somebody keeps, or a server that fell silent, is an error in time for an answer.
    limit = _BUSY_TIMEOUT_SECONDS * 1000
    connect_args = {
        "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        "tcp_user_timeout": limit,
        "options": f"-c synchronous_commit=on -c timezone=UTC -c lock_timeout={limit}",
    }
    return options | {"connect_args": connect_args}


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: see `_begin_sqlite`
    # The built-in one knows ASCII only: a search for "zürich" would not find "ZÜRICH".
    connection.create_function("lower", 1, _lower, deterministic=True)
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.execute("PRAGMA cache_size=-16000")
    cursor.close()


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if _SINGLE_READS not in options:
        connection.exec_driver_sql("BEGIN" if _READ_ONLY in options else "BEGIN IMMEDIATE")


def prepare(engine: Engine) -> Engine:
    """Attach what the database needs. Returns the same engine."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _open_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "checkin", _note_idle)
        event.listen(engine, "checkout", partial(_check_idle, engine.dialect))
    return engine


def _note_idle(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_IDLE_SINCE] = time.monotonic()


def _check_idle(
    dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: object
) -> None:
    """Find a connection that died with its server before a request meets it.

    One that has just been used is trusted: asking costs a round trip.
    """
    idle_since = record.info.get(_IDLE_SINCE)
    if idle_since is None or time.monotonic() - idle_since < _TRUSTED_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise DisconnectionError from error


def open_engine(url: str, *, connections: int = 8) -> Engine:
    """An engine of its own, for the shell and the tests; the web takes Flask-SQLAlchemy's."""
    return prepare(create_engine(url, **engine_options(url, connections=connections)))


def read_only(engine: Engine) -> Engine:
    """The same pool, for transactions that only read: they never wait for a writer."""
    options: dict[str, Any] = {_READ_ONLY: True}
    if engine.dialect.name == "postgresql":
        options["postgresql_readonly"] = True
    return engine.execution_options(**options)


def is_outage(error: BaseException) -> bool:
    """Whether the database cannot be reached, is locked, full or read-only: worth another try.

    Any other database error is a fault of ours and will be there at the next try as well.
    """
    # SQLite's own word for a file that is damaged or no database is the base class itself.
    return isinstance(error, _OUTAGES) or type(error) is DatabaseError or is_cut_off(error)


def is_cut_off(error: BaseException) -> bool:
    """Whether the connection was lost: what was being committed may have been, or not."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def single_reads(engine: Engine) -> Engine:
    """The same pool without transactions: each SELECT sees what is committed when it runs.

    For what every request reads. Nothing is begun and nothing ended, which on Postgres saves two
    round trips.
    """
    options: dict[str, Any] = {_SINGLE_READS: True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "AUTOCOMMIT"
    return engine.execution_options(**options)


class Lookup:
    """A SELECT with one bound text, for what every request reads: run by the driver itself.

    SQLAlchemy still writes the SQL, pools the connections and names the errors; what is left out is
    its work for each execution, several times that of the database. So values come as the driver
    has them: on SQLite a moment is a number and a boolean 0 or 1.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        [self._name] = statement.compile().params
        self._sql: dict[str, str] = {}

    def find(self, engine: Engine, value: str) -> Sequence[Any] | None:
        """The row, or None. Raises `SQLAlchemyError`s."""
        try:
            rows = self._rows(engine, value)
        except engine.dialect.loaded_dbapi.Error:
            # Again by the usual way, which says what is wrong or finds a connection that lives.
            with engine.connect() as connection:
                return connection.execute(self._statement, {self._name: value}).one_or_none()
        return rows[0] if rows else None

    def _rows(self, engine: Engine, value: str) -> list[Sequence[Any]]:
        pooled = engine.raw_connection()
        try:
            rows = self._run(pooled.driver_connection, engine.dialect, value)
        except engine.dialect.loaded_dbapi.Error:
            pooled.invalidate()
            raise
        pooled.close()
        return rows

    def _run(self, driver: Any, dialect: Dialect, value: str) -> list[Sequence[Any]]:
        sql = self._sql.get(dialect.name)
        if sql is None:
            sql = self._sql[dialect.name] = str(self._statement.compile(dialect=dialect))
        if dialect.name == "sqlite":
            rows: list[Sequence[Any]] = driver.execute(sql, (value,)).fetchall()
            return rows
        driver.autocommit = True  # or there would be three round trips: BEGIN, SELECT, ROLLBACK
        rows = driver.execute(sql, {self._name: value}).fetchall()
        driver.autocommit = False
        return rows


def make_private(url: str) -> None:
    """Give SQLite's file mode 0600 before anything is written, whatever the umask.

    Raises `SettingsError` when it cannot be made or opened.
    """
    path = make_url(url).database
    if make_url(url).get_backend_name() != "sqlite" or not path:
        return
    try:
        _make_private_file(path)
    except OSError as error:
        raise SettingsError([f"SENDERKIT_DATABASE_URL: {path}: {error.strerror}."]) from error


def _make_private_file(path: str) -> None:
    make_folders(Path(path).parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    for name in (path, f"{path}-wal", f"{path}-shm"):
        if Path(name).exists():
            Path(name).chmod(0o600)
