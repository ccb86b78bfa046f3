"""A lookup runs on the driver itself: nothing of what SQLAlchemy does around it may be missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from sqlalchemy import Engine, bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError

from senderkit import database
from senderkit.database import Lookup, open_engine, single_reads
from senderkit.domain import utc_now
from senderkit.models import Workspace

BY_SLUG: Final = Lookup(
    select(Workspace.name, Workspace.uuid).where(Workspace.slug == bindparam("slug"))
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a database with the workspaces `acme` and `o'hara`."""
    opened = open_engine(database_url, connections=2)
    with opened.begin() as connection:
        connection.execute(insert(Workspace), [_workspace("acme"), _workspace("o'hara")])
    yield opened
    opened.dispose()


def _workspace(slug: str) -> dict[str, object]:
    return {"uuid": slug, "slug": slug, "name": slug.title(), "created_at": utc_now()}


def test_it_finds_a_row_by_its_text(engine: Engine) -> None:
    for slug in ("acme", "o'hara"):
        assert tuple(BY_SLUG.find(engine, slug) or ()) == (slug.title(), slug)


def test_it_finds_nothing(engine: Engine) -> None:
    for slug in ("", "ACME", "acme' OR '1'='1", "%"):
        assert BY_SLUG.find(engine, slug) is None


def test_it_sees_what_was_committed_just_before(engine: Engine) -> None:
    assert BY_SLUG.find(engine, "late") is None
    with engine.begin() as connection:
        connection.execute(insert(Workspace), [_workspace("late")])
    assert BY_SLUG.find(engine, "late") is not None


def test_it_leaves_nothing_open(engine: Engine) -> None:
    BY_SLUG.find(engine, "acme")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE workspaces ADD COLUMN motto TEXT"))
        if connection.dialect.name == "postgresql":
            open_ones = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"
            assert connection.execute(text(open_ones)).scalar_one() == 0


def test_the_connection_takes_part_in_transactions_afterwards(engine: Engine) -> None:
    BY_SLUG.find(engine, "acme")
    with engine.connect() as connection:
        connection.execute(insert(Workspace), [_workspace("undone")])
        connection.rollback()
    assert BY_SLUG.find(engine, "undone") is None


def test_a_connection_that_died_is_replaced(engine: Engine) -> None:
    BY_SLUG.find(engine, "acme")
    _break_idle_connections(engine)
    assert BY_SLUG.find(engine, "acme") is not None


def _break_idle_connections(engine: Engine) -> None:
    pooled = engine.raw_connection()
    driver = pooled.driver_connection
    assert driver is not None
    if engine.dialect.name == "sqlite":
        driver.close()
    else:
        other = open_engine(engine.url.render_as_string(hide_password=False), connections=1)
        with other.begin() as connection:
            ours = {"pid": driver.info.backend_pid}
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), ours)
        other.dispose()
    pooled.close()


def test_a_fault_has_the_name_that_the_house_knows(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE workspaces RENAME TO rooms"))
    with pytest.raises(DBAPIError):
        BY_SLUG.find(engine, "acme")


def test_single_reads_begin_no_transaction(engine: Engine) -> None:
    reader = single_reads(engine)
    with reader.connect() as reading, engine.begin() as writing:
        assert reading.execute(text("SELECT count(*) FROM workspaces")).scalar_one() == 2
        writing.execute(insert(Workspace), [_workspace("third")])
        writing.commit()
        assert reading.execute(text("SELECT count(*) FROM workspaces")).scalar_one() == 3


def test_a_connection_that_died_while_idle_is_found_before_its_use(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_TRUSTED_SECONDS", 0.0)
    BY_SLUG.find(engine, "acme")
    _break_idle_connections(engine)
    with engine.begin() as connection:
        connection.execute(insert(Workspace), [_workspace("third")])
