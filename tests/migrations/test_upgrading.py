"""Migrations on a database that is in use: no row is lost, and no two run at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, inspect, select, text
from sqlalchemy.orm import Session

from senderkit import resources
from senderkit.commands import parse_save_block, parse_send_again
from senderkit.domain import Mode
from senderkit.models import Base
from senderkit.services import blocks, slugs, themes
from senderkit.services.resending import Repeater
from senderkit.web import create_app
from senderkit.web.extensions import database, migrate
from senderkit.web.runtime import runtime_of
from senderkit.web.schema import upgrade_schema
from tests.conftest import make_settings
from tests.make import House, raw_email, store_endpoint
from tests.migrations.test_schema import tables_of

Further = Callable[[str], None]

HEAD = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{before}"
branch_labels = None
depends_on = None

def downgrade() -> None:
    raise NotImplementedError

def upgrade() -> None:
"""

REBUILD_PARENTS = "".join(
    f"""
    with op.batch_alter_table("{table}", recreate="auto") as batch:
        batch.add_column(sa.Column("added", sa.Integer(), server_default="7", nullable=False))
        batch.alter_column("created_at", nullable=True)
"""
    for table in (
        *("workspaces", "members", "api_keys", "templates", "messages"),
        *("webhook_endpoints", "webhook_events", "webhook_deliveries"),
        *("themes", "blocks"),
    )
)


@pytest.fixture
def busy_house(house: House) -> House:
    """Rows in every table that has a parent or a child."""
    house.owner()
    house.template()
    api = house.api()
    attachment = {"filename": "a.txt", "contentType": "text/plain", "content": "YQ=="}
    content = raw_email()["content"] | {"attachments": [attachment]}
    api.send(content=content, metadata={"order": 7})
    api.post("/v1/send", raw_email(), headers={"Idempotency-Key": "once"})
    api.send(template="welcome", to="ada@example.com")
    api.send(to="failed@simulator.senderkit.test")
    house.deliver()
    house.count()
    store_endpoint(house)
    house.runtime.webhooks.run_once()
    house.in_app(lambda: _furnish(database.session(), house.clock()))
    [first, *_] = api.messages()
    command = parse_send_again([first["publicId"]], "It did not arrive.")
    house.runtime.resending.send_again(Repeater(1, Mode.TEST, "a batch"), command)
    house.runtime.followers.catch_up()
    return house


def _furnish(session: Session, now: datetime) -> None:
    """A theme, a block and an earlier slug."""
    block = parse_save_block(name="footer", content="Bye")
    blocks.create_block(session, 1, block, created_by_id=None, now=now)
    themes.ensure_default(session, 1, now=now)
    slugs.rename(session, 1, "welcome", "hello", keeps_alias=True, now=now)


@pytest.fixture
def further(busy_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Further:
    """Runs the migrations with one more in line, whose `upgrade` is the text given."""
    folder = tmp_path / "migrations"
    shutil.copytree(resources.migrations_dir(), folder)

    def run(body: str) -> None:
        newest = sorted(path.name for path in (folder / "versions").glob("0*.py"))[-1]
        script = HEAD.format(before=newest[:4]) + body
        (folder / "versions" / "9999_add_more.py").write_text(script, encoding="utf-8")
        monkeypatch.setattr(migrate, "directory", str(folder))
        upgrade_schema(busy_house.app)

    return run


def counts(house: House) -> dict[str, int]:
    with house.runtime.reader.connect() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
        }


def version(house: House) -> str:
    [[found]] = house.rows("SELECT version_num FROM alembic_version")
    return str(found)


def test_rebuilding_parent_tables_keeps_every_child(busy_house: House, further: Further) -> None:
    """SQLite rebuilds a table by dropping it, and a dropped parent takes its children along."""
    before = counts(busy_house)
    children = {
        name
        for name, table in Base.metadata.tables.items()
        if table.foreign_keys and name not in {"attempts", "connections", "suppressions"}
    }
    assert [name for name in children if not before[name]] == []

    further(REBUILD_PARENTS)

    assert counts(busy_house) == before
    assert busy_house.rows("SELECT DISTINCT added FROM messages") == [(7,)]
    assert version(busy_house) == "9999"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_foreign_keys_hold_again_after_the_migrations(busy_house: House, further: Further) -> None:
    further("    pass\n")

    assert foreign_keys(busy_house) == {1}


def foreign_keys(house: House) -> set[int]:
    """Of every connection in the pool: the migrations' own is one of them."""
    with contextlib.ExitStack() as stack:
        pool = [stack.enter_context(house.runtime.reader.connect()) for _ in range(8)]
        return {each.execute(text("PRAGMA foreign_keys")).scalar_one() for each in pool}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_migration_that_would_orphan_rows_is_undone(busy_house: House, further: Further) -> None:
    before = counts(busy_house)

    with pytest.raises(RuntimeError, match=r"would leave \d+ rows without their parent"):
        further('    op.execute("DELETE FROM messages")\n')

    assert counts(busy_house) == before
    assert version(busy_house) != "9999"
    assert foreign_keys(busy_house) == {1}


def test_a_migration_that_fails_half_way_leaves_nothing(
    busy_house: House, further: Further
) -> None:
    before = counts(busy_house)

    with pytest.raises(ZeroDivisionError):
        further(
            REBUILD_PARENTS
            + '    op.create_table("more", sa.Column("a", sa.Integer()))\n    1 / 0\n'
        )

    assert counts(busy_house) == before
    assert "more" not in inspect(busy_house.runtime.engine).get_table_names()
    assert version(busy_house) != "9999"
    busy_house.api().send()


def _migrate_together(url: str, data_dir: Path, barrier: Any, answers: Any) -> None:
    app = create_app(make_settings(url, data_dir))
    barrier.wait(60)
    try:
        upgrade_schema(app)
        answers.put(None)
    except BaseException as error:
        answers.put(repr(error))
        raise
    finally:
        runtime_of(app).close()


def test_processes_that_migrate_at_once_wait_for_each_other(
    unmigrated_url: str, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(4), context.Queue()
    arguments = (unmigrated_url, tmp_path / "data", barrier, answers)
    started = [context.Process(target=_migrate_together, args=arguments) for _ in range(4)]
    for process in started:
        process.start()
    found = [answers.get(timeout=100) for _ in started]
    for process in started:
        process.join(timeout=60)

    assert found == [None] * 4
    app: Flask = create_app(make_settings(unmigrated_url, tmp_path / "data"))
    tables = tables_of(runtime_of(app).engine)
    runtime_of(app).close()
    assert tables == {*Base.metadata.tables, "alembic_version"}
