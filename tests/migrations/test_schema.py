"""The migrations make what the models say, on both databases, and undo it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade
from sqlalchemy import CheckConstraint, Connection, Engine, inspect, text

from senderkit.models import Base
from senderkit.web import create_app
from senderkit.web.runtime import runtime_of
from senderkit.web.schema import SchemaError, is_current, newest_revision, upgrade_schema
from tests.conftest import make_settings


@pytest.fixture
def app(unmigrated_url: str, tmp_path: Path) -> Iterator[Flask]:
    """On a database without any table."""
    app = create_app(make_settings(unmigrated_url, tmp_path / "data"))
    yield app
    runtime_of(app).close()


@pytest.fixture
def engine(app: Flask) -> Engine:
    return runtime_of(app).engine


def is_search_index(name: str | None) -> bool:
    """It stands in no model: there is one only where the database has trigrams."""
    return (name or "").startswith("message_documents_index")


def tables_of(engine: Engine) -> set[str]:
    return {name for name in inspect(engine).get_table_names() if not is_search_index(name)}


def go_down(app: Flask) -> None:
    with app.app_context():
        downgrade(revision="base")


def test_going_up_from_empty_makes_what_the_models_say(app: Flask, engine: Engine) -> None:
    upgrade_schema(app)

    with engine.connect() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, _kind, _parents: not is_search_index(name),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def checks_of_database(connection: Connection) -> set[tuple[str, Any]]:
    inspector = inspect(connection)
    return {
        (table, check["name"])
        for table in Base.metadata.tables
        for check in inspector.get_check_constraints(table)
    }


def test_going_up_makes_every_check_of_the_models(app: Flask, engine: Engine) -> None:
    """Alembic's own comparison does not see them."""
    upgrade_schema(app)

    named = {
        (table.name, check.name)
        for table in Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert len(named) > 5
    with engine.connect() as connection:
        assert checks_of_database(connection) == named


def test_going_up_makes_every_index_with_its_condition(app: Flask, engine: Engine) -> None:
    """An index over all rows where the models want it over some is unique where it must not be."""
    upgrade_schema(app)
    dialect = engine.dialect.name

    wanted = {
        (table.name, index.name, index.unique, index.dialect_options[dialect]["where"] is not None)
        for table in Base.metadata.tables.values()
        for index in table.indexes
    }
    inspector = inspect(engine)
    found = {
        (name, index["name"], bool(index["unique"]), f"{dialect}_where" in _options(index))
        for name in Base.metadata.tables
        for index in inspector.get_indexes(name)
        if "duplicates_constraint" not in index and not is_search_index(index["name"])
    }
    assert found == wanted


def _options(index: Any) -> Any:
    return index.get("dialect_options", {})


def test_going_down_leaves_no_table(app: Flask, engine: Engine) -> None:
    upgrade_schema(app)

    go_down(app)

    assert tables_of(engine) == {"alembic_version"}


def test_going_up_after_going_down_works_again(app: Flask, engine: Engine) -> None:
    upgrade_schema(app)
    go_down(app)

    upgrade_schema(app)

    assert tables_of(engine) == {*Base.metadata.tables, "alembic_version"}


def test_going_up_twice_changes_nothing(app: Flask, engine: Engine) -> None:
    upgrade_schema(app)

    upgrade_schema(app)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM change_counter")).scalar_one() == 1


def test_whether_the_schema_is_the_newest_is_known(app: Flask, engine: Engine) -> None:
    def look() -> bool:
        with engine.connect() as connection:
            return is_current(connection)

    assert not look()
    upgrade_schema(app)
    assert look()
    for change in ("UPDATE alembic_version SET version_num = 'x'", "DELETE FROM alembic_version"):
        with engine.begin() as connection:
            connection.execute(text(change))
        assert not look()


def test_a_database_of_a_newer_release_is_left_alone(app: Flask, engine: Engine) -> None:
    upgrade_schema(app)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaError, match="made by a newer release of SenderKit"):
        upgrade_schema(app)

    with engine.connect() as connection:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert version == "9999"


def test_the_versions_form_one_line() -> None:
    assert newest_revision() is not None
