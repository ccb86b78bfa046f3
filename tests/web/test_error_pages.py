"""What people see when something went wrong, and what they never see."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy.exc
from flask import abort
from sqlalchemy import text

from senderkit.database import is_outage, read_only
from senderkit.errors import ApiError, NotFound, PayloadTooLarge, ServiceUnavailable
from senderkit.web.bodies import BODY_FAULT
from tests.make import OWNER, House, Pages

SECRET: Final = "the wording of a crash"
FRAME: Final = 'aria-label="Main"'


def raising(house: House, error: BaseException) -> str:
    """The path of a page that fails."""

    @house.app.get("/crash")
    def crash() -> str:
        raise error

    return "/crash"


def words_in(pages: Pages, path: str, status: int, **more: Any) -> str:
    """The text of an error page, after what every one of them must have."""
    answer = pages.get(path, **more)
    assert answer.status_code == status
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.headers["X-Request-Id"] in answer.text
    assert 'href="/"' in answer.text
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    return answer.text


def test_a_page_that_is_nowhere_is_told_in_the_frame(house: House) -> None:
    owner = house.owner()
    for path in ("/nowhere", "/keys/nowhere/at/all", "/static/nowhere.css"):
        assert FRAME in words_in(owner, path, 404)


def test_a_stranger_is_told_without_the_frame(house: House) -> None:
    page = words_in(house.pages(), "/nowhere", 404)
    assert FRAME not in page
    assert OWNER not in page


def test_a_given_request_id_is_kept_and_a_malformed_one_is_not(house: House) -> None:
    owner = house.owner()
    page = words_in(owner, "/nowhere", 404, headers={"X-Request-Id": "given-by-a-proxy"})
    assert "given-by-a-proxy" in page
    bad = owner.get("/nowhere", headers={"X-Request-Id": "<script>alert(1)</script>"})
    assert "<script>alert" not in bad.text


def test_a_wrong_method_names_the_right_ones(house: House) -> None:
    answer = house.owner().client.delete("/keys")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize(
    "error", [RuntimeError(SECRET), ApiError(SECRET), sqlalchemy.exc.ArgumentError(SECRET)]
)
def test_a_crash_is_told_in_the_frame_and_logged_with_the_id(
    house: House, error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    path = raising(house, error)
    page = words_in(house.owner(), path, 500, headers={"X-Request-Id": "req-of-the-crash"})
    assert FRAME in page
    logged = "".join(capfd.readouterr())
    assert "request_crashed" in logged
    assert "req-of-the-crash" in logged


def test_an_error_of_a_service_is_told_in_its_own_words(house: House) -> None:
    path = raising(house, NotFound("There is no such thing."))
    assert "There is no such thing." in words_in(house.owner(), path, 404)


def test_any_other_status_has_a_page_too(house: House) -> None:
    @house.app.get("/status/<int:status>")
    def fail(status: int) -> str:
        abort(status)

    owner = house.owner()
    for status in (400, 403, 404, 409, 410, 413, 415, 418, 429, 500, 501, 503):
        assert FRAME in words_in(owner, f"/status/{status}", status)


def test_a_redirect_is_no_error(house: House) -> None:
    assert house.pages().get("/keys").status_code == 302


# -- the database -----------------------------------------------------------------------------


def test_a_database_that_is_gone_is_told_without_asking_it_again(house: House) -> None:
    owner = house.owner()
    with house.runtime.engine.begin() as connection:
        connection.execute(text("DROP TABLE member_sessions"))
    answer = owner.get("/keys")
    # SQLite says that of a missing table in the words of an outage.
    assert answer.status_code in {500, 503}
    assert FRAME not in answer.text
    assert "member_sessions" not in answer.text


def test_an_outage_is_503_with_a_hint_when_to_come_back(house: House) -> None:
    for error in (ServiceUnavailable(), OUTAGES["locked"]()):
        house.app.view_functions.pop("crash", None)
        house.app.view_functions["keys.index"] = failing(error)
        answer = house.owner().get("/keys")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "The database cannot be reached" in answer.text
        assert SECRET not in answer.text


def failing(error: Exception) -> Callable[[], str]:
    def view() -> str:
        raise error

    return view


def of_driver(kind: type[sqlalchemy.exc.DBAPIError], *, is_gone: bool = False) -> Exception:
    cause = sqlite3.Error(SECRET)
    return kind("SELECT 1", {}, cause, connection_invalidated=is_gone)


OUTAGES: Final[dict[str, Callable[[], Exception]]] = {
    "locked": lambda: of_driver(sqlalchemy.exc.OperationalError),
    "no connection": lambda: of_driver(sqlalchemy.exc.InterfaceError),
    "read-only": lambda: of_driver(sqlalchemy.exc.InternalError),
    "cut off": lambda: of_driver(sqlalchemy.exc.ProgrammingError, is_gone=True),
    "no free connection": lambda: sqlalchemy.exc.TimeoutError(SECRET),
}
FAULTS: Final[dict[str, Callable[[], Exception]]] = {
    "bad SQL": lambda: of_driver(sqlalchemy.exc.ProgrammingError),
    "bad value": lambda: of_driver(sqlalchemy.exc.DataError),
    "broken rule": lambda: of_driver(sqlalchemy.exc.IntegrityError),
    "misuse": lambda: sqlalchemy.exc.InvalidRequestError(SECRET),
    "no database error": lambda: OSError(SECRET),
}


@pytest.mark.parametrize("name", [*OUTAGES, *FAULTS])
def test_an_outage_is_told_from_a_fault(name: str) -> None:
    assert is_outage((OUTAGES | FAULTS)[name]()) == (name in OUTAGES)


def test_a_locked_database_is_an_outage(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'a.sqlite3'}?timeout=0")
    with engine.connect() as one, engine.connect() as other:
        one.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
            other.exec_driver_sql("BEGIN IMMEDIATE")
    engine.dispose()
    assert is_outage(caught.value)


def test_a_write_where_only_reading_is_allowed_is_an_outage(house: House) -> None:
    """The very errors of the two databases when they are read-only."""
    engine = read_only(house.runtime.engine)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
        with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
            connection.execute(text("DELETE FROM api_keys"))
        connection.rollback()
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = OFF")
    assert is_outage(caught.value)


# -- too much ---------------------------------------------------------------------------------


def test_a_body_that_the_front_gave_up_on_is_told_after_the_key(house: House) -> None:
    unread = {BODY_FAULT: PayloadTooLarge("It is too long.")}
    api = house.api()
    for path, method in (("/v1/send", "POST"), ("/v1/messages/msg_x", "DELETE")):
        answer = api.call(method, path, environ_overrides=unread)
        assert answer.status_code == 413
        assert answer.json["error"]["code"] == "payload_too_large"  # type: ignore[index]
        stranger = house.anonymous().call(method, path, environ_overrides=unread)
        assert stranger.status_code == 401
    page = house.owner().client.post("/keys", environ_overrides=unread)
    assert page.status_code == 413
    assert "This is too much at once" in page.text
