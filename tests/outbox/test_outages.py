"""A database that cannot be used: 503, nothing lost, nothing half stored, and it mends itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event, make_url, text
from werkzeug.test import TestResponse

from senderkit import acceptance
from tests.make import Api, House, raw_email, wait_until


def post(api: Api, **more: Any) -> TestResponse:
    return api.post("/v1/send", raw_email(**more))


def check_refused(answer: TestResponse) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json["error"]["code"] == "unavailable"  # type: ignore[index]
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def stored(house: House) -> list[str]:
    return [row[0] for row in house.rows("SELECT public_id FROM messages ORDER BY id")]


only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def api(house: House) -> Api:
    return house.api()


# -- SQLite -----------------------------------------------------------------------------------


@contextmanager
def pragma(house: House, statement: str) -> Iterator[None]:
    """Every connection of the pool is opened with this pragma."""
    engine = house.runtime.engine

    def set_it(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA {statement}")

    event.listen(engine, "connect", set_it)
    engine.dispose()
    yield
    event.remove(engine, "connect", set_it)
    engine.dispose()


@only_sqlite
def test_a_full_disk_refuses_and_loses_nothing(house: House, api: Api) -> None:
    kept = [api.send()]
    [(pages,)] = house.rows("PRAGMA page_count")

    with pragma(house, f"max_page_count = {pages + 20}"):
        answers = [post(api, vars={"x": "y" * 20_000}) for _ in range(20)]
        kept += [answer.json["id"] for answer in answers if answer.status_code == 202]  # type: ignore[index]
        refused = [answer for answer in answers if answer.status_code != 202]
        assert refused
        for answer in refused:
            check_refused(answer)
        assert stored(house) == kept

    assert post(api).status_code == 202
    assert house.deliver() == len(kept) + 1


@only_sqlite
def test_a_read_only_file_refuses_and_still_reads(house: House, api: Api) -> None:
    message_id = api.send()

    with pragma(house, "query_only = ON"):
        check_refused(post(api))
        check_refused(api.delete(f"/v1/messages/{message_id}"))
        assert api.message(message_id)["status"] == "queued"

    assert stored(house) == [message_id]
    assert post(api).status_code == 202


@only_sqlite
def test_a_file_that_another_program_keeps_locked_refuses(house: House, api: Api) -> None:

    with pragma(house, "busy_timeout = 100"):
        other = create_engine(house.runtime.settings.database_url)
        with other.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            for answer in together(api, 8):
                check_refused(answer)
        other.dispose()
        assert stored(house) == []

    assert post(api).status_code == 202


def together(api: Api, count: int) -> list[TestResponse]:
    """Post at the same time from so many threads."""
    answers: list[TestResponse] = []

    def work() -> None:
        answers.append(post(Api(api.client.application.test_client(), api.token)))

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


# -- Postgres ---------------------------------------------------------------------------------


@contextmanager
def as_administrator(house: House) -> Iterator[Connection]:
    """A connection to the server's own database, and the name of the house's in `:name`."""
    url = make_url(house.runtime.settings.database_url)
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def alter(house: House, words: str) -> None:
    """Change the database for sessions to come, and end those that are."""
    name = make_url(house.runtime.settings.database_url).database
    with as_administrator(house) as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" {words}')
    terminate(house)


def terminate(house: House) -> int:
    """End every session with the house's database; return how many there were."""
    name = make_url(house.runtime.settings.database_url).database
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
    with as_administrator(house) as connection:
        return len(connection.execute(text(statement), {"name": name}).all())


@only_postgres
def test_a_server_that_turned_read_only_refuses_and_still_reads(house: House, api: Api) -> None:
    message_id = api.send()

    alter(house, "SET default_transaction_read_only = on")
    check_refused(post(api))
    check_refused(api.delete(f"/v1/messages/{message_id}"))
    assert api.message(message_id)["status"] == "queued"

    alter(house, "RESET default_transaction_read_only")
    assert post(api).status_code == 202
    assert len(stored(house)) == 2


@only_postgres
def test_sessions_that_were_ended_while_idle_are_replaced(house: House, api: Api) -> None:
    api.send()

    assert terminate(house) > 0

    assert post(api).status_code == 202


@only_postgres
def test_a_session_that_is_ended_while_it_commits_refuses(house: House, api: Api) -> None:
    first = api.send()
    answers: list[TestResponse] = []
    keeper = create_engine(house.runtime.settings.database_url)
    with keeper.connect() as connection:
        connection.execute(text("UPDATE change_counter SET value = value"))
        sender = threading.Thread(target=lambda: answers.append(post(api)))
        sender.start()
        wait_until(lambda: _is_waiting_for_the_counter(house))
        terminate(house)
        sender.join()
        connection.invalidate()
    keeper.dispose()

    check_refused(answers[0])
    assert stored(house) == [first]
    assert post(api).status_code == 202


def _is_waiting_for_the_counter(house: House) -> bool:
    statement = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND datname = :name AND query LIKE 'UPDATE change_counter%'"
    )
    name = make_url(house.runtime.settings.database_url).database
    with as_administrator(house) as connection:
        return bool(connection.execute(statement, {"name": name}).scalar_one())


@only_postgres
def test_a_server_that_is_gone_refuses_until_it_is_back(house: House, api: Api) -> None:
    message_id = api.send()

    alter(house, "ALLOW_CONNECTIONS false")
    check_refused(post(api))
    check_refused(api.get(f"/v1/messages/{message_id}"))
    assert house.anonymous().get("/readyz").status_code == 503

    alter(house, "ALLOW_CONNECTIONS true")
    assert post(api).status_code == 202
    assert house.deliver() == 2


@only_postgres
def test_a_lock_that_somebody_keeps_is_an_error_before_a_request_gives_up(house: House) -> None:
    [(limit,)] = house.rows("SELECT setting FROM pg_settings WHERE name = 'lock_timeout'")

    assert 0 < int(limit) < acceptance.WAIT_SECONDS * 1000


# -- both -------------------------------------------------------------------------------------


def test_the_dispatcher_goes_on_after_an_outage(house: House, api: Api) -> None:
    dispatcher = house.runtime.dispatcher
    dispatcher.start()
    first = api.send()
    wait_until(lambda: api.message(first)["status"] == "delivered")

    if house.runtime.engine.dialect.name == "postgresql":
        terminate(house)
    else:
        with pragma(house, "query_only = ON"):
            check_refused(post(api))

    # The first that meet connections which died just now are refused, and say when to try again.
    wait_until(lambda: post(api).status_code == 202)
    wait_until(lambda: all(found["status"] == "delivered" for found in api.messages()))
