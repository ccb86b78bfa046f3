"""The index of the search: made where the database can, left out where it must be."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, make_url, text

from senderkit.services.search_documents import coverage_of
from senderkit.web import create_app
from senderkit.web.runtime import runtime_of
from senderkit.web.schema import upgrade_schema
from tests.conftest import make_settings
from tests.make import FakeClock, House, wait_until


@contextlib.contextmanager
def refusing(url: str) -> Iterator[str]:
    """The address of the same database, for somebody who may make tables and no extension."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    role = f"{make_url(url).database}_limited"
    with admin.connect() as connection:
        connection.execute(text(f'CREATE ROLE "{role}" LOGIN'))
        connection.execute(text(f'GRANT CREATE, USAGE ON SCHEMA public TO "{role}"'))
    try:
        limited = make_url(url).set(username=role)
        yield limited.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f'DROP OWNED BY "{role}"'))
            connection.execute(text(f'DROP ROLE "{role}"'))
        admin.dispose()


def deny_virtual_tables(connection: sqlite3.Connection, _record: Any) -> None:
    """As an SQLite without FTS5 answers, or one older than trigrams."""
    connection.set_authorizer(
        lambda action, *_: (
            sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_CREATE_VTABLE else sqlite3.SQLITE_OK
        )
    )


def test_without_trigrams_the_database_is_migrated_and_searched_all_the_same(
    unmigrated_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.ExitStack() as stack:
        is_sqlite = unmigrated_url.startswith("sqlite")
        url = unmigrated_url if is_sqlite else stack.enter_context(refusing(unmigrated_url))
        clock = FakeClock()
        app = create_app(make_settings(url, tmp_path / "data"), clock)
        stack.callback(runtime_of(app).close)
        if is_sqlite:
            event.listen(runtime_of(app).engine, "connect", deny_virtual_tables)

        upgrade_schema(app)

        assert "search_without_index" in capsys.readouterr().out
        house = House(app, clock)
        house.set_up()
        api = house.api()
        message_id = api.send(to="rare@example.com")
        house.runtime.followers.catch_up()
        with house.runtime.reader.connect() as connection:
            assert not coverage_of(connection).is_there
        assert [row["publicId"] for row in api.messages("?search=RARE")] == [message_id]


def test_where_the_database_has_trigrams_the_index_is_there(house: House) -> None:
    if house.runtime.engine.dialect.name == "postgresql":
        available = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
        if not house.rows(available):
            pytest.skip("this Postgres came without pg_trgm")
    with house.runtime.reader.connect() as connection:
        assert coverage_of(connection).is_there


def test_a_running_server_fills_the_index(house: House) -> None:
    house.api().send()
    house.runtime.followers.start()
    wait_until(lambda: house.rows("SELECT count(*) FROM message_documents") == [(1,)])
