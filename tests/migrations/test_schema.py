"""The migrations make what the models say, and undo it again."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text

from senderkit.models import Base
from senderkit.settings import load_settings
from senderkit.web import create_app
from senderkit.web.extensions import database


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return create_app(load_settings({"SENDERKIT_DATA_DIR": str(tmp_path / "data")}))


def test_going_up_from_empty_makes_what_the_models_say(app: Flask) -> None:
    with app.app_context():
        upgrade()
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
        database.engine.dispose()


def test_going_down_leaves_no_table(app: Flask) -> None:
    with app.app_context():
        upgrade()
        downgrade(revision="base")
        with database.engine.connect() as connection:
            assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        database.engine.dispose()


def test_going_up_twice_changes_nothing(app: Flask) -> None:
    with app.app_context():
        upgrade()
        upgrade()
        with database.engine.connect() as connection:
            count = connection.execute(text("SELECT count(*) FROM change_counter")).scalar_one()
        database.engine.dispose()
    assert count == 1
