"""The engine of either database: what every connection has, and who waits for whom."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from senderkit import database
from senderkit.database import engine_options, make_private, open_engine, read_only
from senderkit.models import Workspace
from tests.make import START, House

PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 15_000}

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def settings_of_every_connection(engine: Engine, names: dict[str, str]) -> list[dict[str, object]]:
    """What each of five connections open at once answers; `names` holds a query for each name."""
    with contextlib.ExitStack() as stack:
        # Readers: of writers only one gets in at a time.
        opened = [stack.enter_context(read_only(engine).connect()) for _ in range(5)]
        return [
            {name: each.execute(text(query)).scalar_one() for name, query in names.items()}
            for each in opened
        ]


@on_sqlite
def test_every_connection_to_sqlite_is_durable_and_patient(house: House, engine: Engine) -> None:
    queries = {name: f"PRAGMA {name}" for name in PRAGMAS}

    for each in (engine, house.runtime.engine):
        assert settings_of_every_connection(each, queries) == [PRAGMAS] * 5


@on_postgres
def test_every_connection_to_postgres_commits_to_the_disk(house: House, engine: Engine) -> None:
    """Also where the server's owner has turned it off for everybody."""
    name = engine.url.database
    with engine.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Tokyo'"))
    queries = {"synchronous_commit": "SHOW synchronous_commit", "timezone": "SHOW timezone"}
    expected = {"synchronous_commit": "on", "timezone": "UTC"}

    for each in (engine, house.runtime.engine):
        each.dispose()
        assert settings_of_every_connection(each, queries) == [expected] * 5


def test_a_reader_never_waits_for_a_writer(engine: Engine) -> None:
    with engine.begin() as writer:
        writer.execute(insert(Workspace).values(_workspace(1)))
        with read_only(engine).connect() as reader:
            assert reader.execute(text("SELECT count(*) FROM workspaces")).scalar_one() == 0


@on_sqlite
def test_of_two_writers_to_sqlite_the_second_waits_at_its_first_step(engine: Engine) -> None:
    """Not at its first write, where it would have read what is no longer so."""
    impatient = open_engine(engine.url.render_as_string())
    with impatient.connect() as other:
        cursor = other.connection.cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        with engine.begin() as writer:
            writer.execute(text("SELECT 1"))
            with pytest.raises(OperationalError, match="database is locked"):
                other.begin()
    impatient.dispose()


@on_postgres
def test_a_reader_of_postgres_cannot_write(engine: Engine) -> None:
    with (
        read_only(engine).connect() as reader,
        pytest.raises(SQLAlchemyError, match="read-only transaction"),
    ):
        reader.execute(insert(Workspace).values(_workspace(1)))


def test_an_errors_text_holds_no_value_that_was_sent(engine: Engine) -> None:
    workspace = _workspace(1) | {"name": "open sesame"}
    with engine.begin() as connection:
        connection.execute(insert(Workspace).values(workspace))

    with pytest.raises(IntegrityError) as raised, engine.begin() as connection:
        connection.execute(insert(Workspace).values(workspace))

    assert "open sesame" not in str(raised.value)
    assert "hide_parameters" in str(raised.value)


@on_postgres
def test_a_connection_that_died_is_replaced_before_it_is_used(engine: Engine) -> None:
    with engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        info = connection.info
    info[database._IDLE_SINCE] -= 60  # as if it had been left alone for a minute
    other = open_engine(engine.url.render_as_string(hide_password=False))
    with other.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    other.dispose()

    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_server_that_does_not_answer_is_given_up_soon() -> None:
    options = engine_options("postgresql+psycopg://host/name", connections=3)

    assert options["connect_args"]["connect_timeout"] == 5
    assert (options["pool_size"], options["max_overflow"], options["pool_timeout"]) == (3, 0, 10)


def test_no_more_connections_are_open_than_allowed(database_url: str) -> None:
    engine = open_engine(database_url, connections=2)
    engine.pool._timeout = 0.01  # type: ignore[attr-defined]
    with (
        read_only(engine).connect(),
        read_only(engine).connect(),
        pytest.raises(PoolTimeoutError),
    ):
        engine.connect()
    engine.dispose()


def test_foreign_keys_hold_on_both(engine: Engine) -> None:
    orphan = "INSERT INTO member_sessions (token_hash, member_id, created_at) VALUES ('x', 9, :now)"
    now = 0 if is_sqlite(engine) else START

    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(orphan), {"now": now})


def test_json_is_written_without_spaces_and_read_back(engine: Engine) -> None:
    value = {"ü": [1, 2.5, None, True, "\u2028"]}
    options = engine_options(engine.url.render_as_string(), connections=1)

    written = options["json_serializer"](value)

    assert written == '{"ü":[1,2.5,null,true,"\u2028"]}'
    assert options["json_deserializer"](written) == value


# -- the file ---------------------------------------------------------------------------------


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_sqlites_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "above" / "senderkit.sqlite3"
    before = os.umask(0)
    try:
        make_private(f"sqlite:///{path}")
        engine = open_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (a)"))
            files = {each.name: mode_of(each) for each in path.parent.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)

    assert files == {path.name + end: 0o600 for end in ("", "-wal", "-shm")}
    assert mode_of(path.parent) == 0o700


def test_files_that_are_open_to_others_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "senderkit.sqlite3"
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").touch(0o666)

    make_private(f"sqlite:///{path}")

    assert {mode_of(each) for each in tmp_path.iterdir()} == {0o600}


def test_a_file_that_exists_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "senderkit.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")

    make_private(f"sqlite:///{path}")

    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]


def test_there_is_no_file_to_make_private_for_postgres() -> None:
    make_private("postgresql+psycopg://host/name")


def _workspace(number: int) -> dict[str, object]:
    return {
        "id": number,
        "uuid": f"{number:036}",
        "slug": f"workspace-{number}",
        "name": "Acme",
        "created_at": START,
    }
