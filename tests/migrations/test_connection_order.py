"""From one default for each channel to a list of connections, on a database in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from senderkit.web import create_app
from senderkit.web.runtime import runtime_of
from senderkit.web.schema import upgrade_schema
from tests.conftest import make_settings

CONNECTIONS = """
    INSERT INTO connections (id, uuid, workspace_id, channel, provider, name, sealed_fields,
                             is_default, created_at, updated_at)
    VALUES (1, 'first', 1, 'email', 'smtp', 'First', :sealed, true, :at, :at),
           (2, 'second', 1, 'email', 'smtp', 'Second', :sealed, false, :at, :at),
           (3, 'third', 1, 'sms', 'smtp', 'Third', :sealed, true, :at, :at)
"""
MESSAGES = """
    INSERT INTO messages (id, public_id, uuid, workspace_id, livemode, channel, status, recipient,
                          recipient_key, vars, metadata, created_at, change_seq, attempts)
    VALUES (1, 'msg_1', 'u1', 1, true, 'sms', 'rendered', '+1', '+1', '{}', '{}', :at, 1, 2),
           (2, 'msg_2', 'u2', 1, true, 'sms', 'queued', '+1', '+1', '{}', '{}', :at, 2, 0)
"""
OTHERS = (
    "INSERT INTO workspaces (id, uuid, slug, name, created_at) VALUES (1, 'w', 'acme', 'A', :at)",
    CONNECTIONS,
    "INSERT INTO templates (id, public_id, workspace_id, slug, channel, is_essential, created_at, "
    "updated_at, connection_id) VALUES (1, 'tpl_1', 1, 'code', 'email', false, :at, :at, 2)",
    MESSAGES,
    "INSERT INTO attempts (id, message_id, number, provider, started_at, outcome) "
    "VALUES (1, 1, 1, 'smtp', :at, 'unavailable'), (2, 1, 2, 'smtp', :at, NULL)",
)


@pytest.fixture
def app(unmigrated_url: str, tmp_path: Path) -> Iterator[Flask]:
    """On a database of the release before, in use."""
    app = create_app(make_settings(unmigrated_url, tmp_path / "data"))
    with app.app_context():
        upgrade(revision="0001")
    engine = runtime_of(app).engine
    at = "1000000" if engine.dialect.name == "sqlite" else "'2026-01-01 00:00:00+00'"
    with engine.begin() as connection:
        for statement in OTHERS:
            values = {"sealed": b"sealed"} if ":sealed" in statement else {}
            connection.execute(text(statement.replace(":at", at)), values)
    yield app
    runtime_of(app).close()


def rows(app: Flask, statement: str) -> list[Any]:
    with runtime_of(app).engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


POSITIONS = "SELECT uuid, position FROM connections ORDER BY id"


def test_a_default_becomes_the_first_of_its_list(app: Flask) -> None:
    upgrade_schema(app)

    assert rows(app, POSITIONS) == [("first", 1), ("second", None), ("third", 1)]
    assert rows(app, "SELECT connection_id FROM templates") == [(2,)]


def test_earlier_attempts_count_as_rounds(app: Flask) -> None:
    upgrade_schema(app)

    assert rows(app, "SELECT id, round FROM messages ORDER BY id") == [(1, 2), (2, 0)]
    assert rows(app, "SELECT number, round FROM attempts ORDER BY id") == [(1, 0), (2, 1)]


def test_no_two_connections_have_the_same_place(app: Flask) -> None:
    upgrade_schema(app)

    with pytest.raises(IntegrityError), runtime_of(app).engine.begin() as connection:
        connection.execute(text("UPDATE connections SET position = 1"))


def test_going_back_keeps_the_default_and_every_row(app: Flask) -> None:
    upgrade_schema(app)
    with app.app_context():
        downgrade(revision="0001")

    found = rows(app, "SELECT uuid, is_default FROM connections ORDER BY id")
    assert [(uuid, bool(is_default)) for uuid, is_default in found] == [
        ("first", True),
        ("second", False),
        ("third", True),
    ]
    assert rows(app, "SELECT count(*) FROM attempts") == [(2,)]
    upgrade_schema(app)
    assert rows(app, POSITIONS) == [("first", 1), ("second", None), ("third", 1)]
