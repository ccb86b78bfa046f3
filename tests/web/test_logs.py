"""What a crash leaves in the log: where it happened, never what was in hand."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from senderkit.models import Member
from senderkit.web.extensions import database
from senderkit.web.logs import _traceback_without_values
from tests.make import OWNER, House
from tests.serving import TOP

BEGIN: Final = """
import structlog
from senderkit.web.logs import configure_logging
configure_logging("info")
log = structlog.get_logger()
"""

AUTHENTICATE: Final = """
def authenticate(token):
    raise RuntimeError("boom")
"""

CRASH: Final = f"""
{AUTHENTICATE}
try:
    authenticate("-".join(["in", "hand"]))
except RuntimeError:
    log.exception("request_crashed")
"""

CRASHED_THREAD: Final = f"""
{AUTHENTICATE}
import threading
thread = threading.Thread(target=lambda: authenticate("-".join(["in", "hand"])))
thread.start()
thread.join()
"""


def run(script: str, stderr: int) -> None:
    subprocess.run([sys.executable, "-c", BEGIN + script], cwd=TOP, stderr=stderr, check=True)


def on_a_terminal(script: str) -> str:
    ours, theirs = pty.openpty()
    try:
        run(script, theirs)
        return os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def in_a_file(script: str) -> str:
    ours, theirs = os.pipe()
    try:
        run(script, theirs)
        return os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def events(script: str) -> list[dict[str, Any]]:
    """What a program that reads the log sees: each line is JSON."""
    return [json.loads(line) for line in in_a_file(script).splitlines()]


@pytest.mark.parametrize("place", [on_a_terminal, in_a_file])
@pytest.mark.parametrize(
    ("script", "event"), [(CRASH, "request_crashed"), (CRASHED_THREAD, "thread_crashed")]
)
def test_a_traceback_shows_no_values(place: Callable[[str], str], script: str, event: str) -> None:
    text = place(script)
    assert event in text
    assert "RuntimeError" in text
    assert "authenticate" in text
    assert "in-hand" not in text


def test_a_program_reads_json_with_level_and_time() -> None:
    [event] = events("log.warning('connection_broken', connection_id='c1')")

    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "connection_broken", "connection_id": "c1", "level": "warning"}


def test_a_person_reads_no_json() -> None:
    text = on_a_terminal("log.warning('connection_broken', connection_id='c1')")

    assert "connection_broken" in text
    assert "{" not in text


def test_what_others_log_and_warn_of_is_json_as_well() -> None:
    script = (
        "import logging, warnings\n"
        "logging.getLogger('sqlalchemy.pool').error('cannot %s', 'reset')\n"
        "logging.getLogger('alembic').info('nothing to see')\n"
        "warnings.warn('old name')\n"
    )

    first, second = events(script)

    assert (first["event"], first["logger"], first["level"]) == (
        "cannot reset",
        "sqlalchemy.pool",
        "error",
    )
    assert "old name" in second["event"]


def test_nothing_below_the_level_is_logged() -> None:
    script = "configure_logging('warning'); log.info('a'); log.debug('b'); log.error('c')"

    assert [event["event"] for event in events(script)] == ["c"]


def test_a_database_error_shows_no_row(house: House) -> None:
    """Postgres quotes the row itself, beside the statement's values that SQLAlchemy hides."""

    def add_owner_again() -> str:
        session: Session = database.session()
        [owner] = session.query(Member).all()
        again = {
            column.name: getattr(owner, column.name)
            for column in Member.__table__.columns
            if column.name != "id"
        }
        session.add(Member(**again | {"public_id": "mem_2"}))
        try:
            session.commit()
        except SQLAlchemyError as error:
            return _traceback_without_values((type(error), error, error.__traceback__))
        raise AssertionError("the same address was taken twice")

    text: str = house.in_app(add_owner_again)

    assert "INSERT INTO members" in text
    assert OWNER not in text
