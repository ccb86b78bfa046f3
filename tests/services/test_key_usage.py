"""When and how often a key was used: gathered by requests, written behind them."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import pytest

from senderkit.services import api_keys
from senderkit.services.access import find_workspace
from senderkit.services.api_keys import UsageRecorder
from senderkit.web.extensions import database
from tests.make import Api, House


def last_used(house: House) -> datetime | None:
    def look() -> datetime | None:
        session = database.session()
        workspace = find_workspace(session)
        assert workspace is not None
        [key] = api_keys.list_keys(session, workspace.id)
        return key.last_used_at

    found: datetime | None = house.in_app(look)
    return found


def test_uses_are_counted_and_the_last_one_is_remembered(house: House) -> None:
    api = house.api()
    api.get("/v1/context")
    house.clock.advance(seconds=90)
    api.get("/v1/templates")

    house.runtime.usage.flush()

    assert last_used(house) == house.clock()
    assert house.rows("SELECT use_count, last_used_route FROM api_keys") == [
        (2, "GET /v1/templates")
    ]


def test_a_use_that_is_written_late_does_not_turn_the_clock_back(house: House) -> None:
    api = house.api()
    later = house.clock() + timedelta(hours=1)
    other_process = UsageRecorder(house.runtime.engine, lambda: later)
    api.get("/v1/context")
    [[key_id]] = house.rows("SELECT id FROM api_keys")
    other_process.record(key_id, "GET /v1/templates", "192.0.2.1")

    other_process.flush()
    house.runtime.usage.flush()

    assert last_used(house) == later
    found = house.rows("SELECT use_count, last_used_route, last_used_address FROM api_keys")
    assert found == [(2, "GET /v1/templates", "192.0.2.1")]


def test_uses_are_written_under_a_server_that_starts_no_thread_of_ours(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A foreign WSGI server only calls the application: `Runtime.start` is never run."""
    monkeypatch.setattr(api_keys, "_FLUSH_SECONDS", 0.05)
    house.api().get("/v1/context")

    deadline = time.monotonic() + 10
    while last_used(house) is None and time.monotonic() < deadline:
        time.sleep(0.02)

    assert last_used(house) == house.clock()


def test_no_thread_runs_before_the_first_use_and_none_after_the_close(house: House) -> None:
    def running() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "key-usage"]

    recorder = house.runtime.usage
    token = house.token()
    before = running()
    Api(house.app.test_client(), token).get("/v1/context")
    during = running()
    recorder.close()

    assert (len(during) - len(before), len(running()) - len(before)) == (1, 0)
    assert last_used(house) == house.clock()
