"""Logging in: what it answers, how often it may be tried, where it leads."""

from __future__ import annotations

import re
import statistics
import time
from typing import Final

import pytest
from argon2 import PasswordHasher
from sqlalchemy import update
from werkzeug.test import TestResponse

from senderkit.models import Member
from senderkit.web.dashboard.visitors import local_path
from tests.conftest import MakeApp
from tests.make import OWNER, PASSWORD, FakeClock, House

UNKNOWN: Final = "nobody@acme.example"
WRONG: Final = "not the password at all"
CHANGING: Final = re.compile(r'value="[^"]{40,}"|req_\w+')


def shape(answer: TestResponse, email: str) -> tuple[int, str]:
    """Status and text of an answer without what differs each time and what was typed."""
    return answer.status_code, CHANGING.sub("", answer.text.replace(email, ""))


def test_the_right_password_opens_the_dashboard(house: House) -> None:
    pages = house.pages()
    answer = pages.log_in(f" {OWNER.upper()} ")
    assert (answer.status_code, answer.location) == (302, "/")
    assert OWNER in pages.get("/keys").text


def test_a_person_who_is_logged_in_needs_no_login(house: House) -> None:
    answer = house.owner().get("/login")
    assert (answer.status_code, answer.location) == (302, "/")


@pytest.mark.parametrize("password", [WRONG, "", PASSWORD.upper(), f"{PASSWORD} ", "\0" * 12])
def test_a_wrong_password_opens_nothing(house: House, password: str) -> None:
    pages = house.pages()
    sessions = house.rows("SELECT id FROM member_sessions")
    answer = pages.log_in(password=password)
    assert answer.status_code == 422
    assert "Wrong email address or password." in answer.text
    assert f'value="{OWNER}"' in answer.text
    assert not password.strip() or password not in answer.text
    assert pages.get("/keys").status_code == 302
    assert house.rows("SELECT id FROM member_sessions") == sessions


@pytest.mark.parametrize("email", [UNKNOWN, "a\0b@acme.example", "x" * 100_000])
def test_nothing_tells_whether_an_account_exists(house: House, email: str) -> None:
    known = [house.pages().log_in(OWNER, WRONG) for _ in range(11)]
    unknown = [house.pages().log_in(email, WRONG) for _ in range(11)]
    assert [shape(answer, email) for answer in unknown] == [
        shape(answer, OWNER) for answer in known
    ]
    assert [answer.headers.get("Retry-After") for answer in unknown] == [
        answer.headers.get("Retry-After") for answer in known
    ]


def test_an_account_that_does_not_exist_costs_as_much_time(house: House) -> None:
    def seconds(email: str) -> float:
        pages = house.pages()
        pages.get("/login")
        started = time.thread_time()
        pages.log_in(email, WRONG)
        return time.thread_time() - started

    rounds = [(seconds(OWNER), seconds(UNKNOWN)) for _ in range(9)]
    known, unknown = (statistics.median(column) for column in zip(*rounds, strict=True))
    # Without a hash the unknown one takes a tenth.
    assert unknown / known == pytest.approx(1, abs=0.35)


def test_an_older_hash_is_renewed_at_the_next_login(house: House) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with house.runtime.engine.begin() as connection:
        connection.execute(update(Member).values(password_hash=weak))
    assert house.pages().log_in().status_code == 302
    [(stored,)] = house.rows("SELECT password_hash FROM members")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert house.pages().log_in().status_code == 302
    assert house.rows("SELECT password_hash FROM members") == [(stored,)]


# -- how often --------------------------------------------------------------------------------


def test_the_eleventh_guess_waits_even_when_it_is_right(house: House, clock: FakeClock) -> None:
    pages = house.pages()
    assert {pages.log_in(password=WRONG).status_code for _ in range(10)} == {422}
    answer = pages.log_in()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    assert "Wait 10 seconds, then try again." in answer.text
    assert pages.get("/keys").status_code == 302
    clock.advance(seconds=10)
    assert pages.log_in().status_code == 302


def test_logging_in_again_and_again_is_no_guessing(house: House) -> None:
    assert [house.pages().log_in().status_code for _ in range(15)] == [302] * 15


def test_one_address_guesses_at_few_accounts(house: House) -> None:
    pages = house.pages()
    statuses = [pages.log_in(f"person{n}@acme.example", WRONG).status_code for n in range(41)]
    assert statuses == [422] * 40 + [429]
    form = {"email": OWNER, "password": PASSWORD}
    elsewhere = house.pages().submit("/login", form, environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 302


@pytest.mark.parametrize(("proxies", "status"), [("0", 429), ("1", 422)])
def test_an_address_in_a_header_counts_only_behind_a_trusted_proxy(
    make_app: MakeApp, clock: FakeClock, proxies: str, status: int
) -> None:
    house = House(make_app(TRUSTED_PROXIES=proxies), clock)
    house.set_up()
    pages = house.pages()

    def guess(number: int) -> int:
        form = {"email": f"person{number}@acme.example", "password": WRONG}
        forwarded = {"X-Forwarded-For": f"192.0.2.{number}"}
        return pages.submit("/login", form, headers=forwarded).status_code

    assert [guess(number) for number in range(41)][-1] == status


def test_guesses_at_the_current_password_are_counted_too(house: House) -> None:
    pages = house.owner()
    guess = {"current_password": WRONG, "new_password": "another set of plain words"}
    statuses = [pages.submit("/password", guess).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


# -- where to ---------------------------------------------------------------------------------


def test_the_page_that_was_wanted_is_opened_after_the_login(house: House) -> None:
    pages = house.pages()
    asked = pages.get("/keys/new?from=mail&x=%2Fy")
    assert asked.status_code == 302
    login_page = pages.get(asked.location)
    wanted = re.search(r'name="next" value="([^"]+)"', login_page.text)
    assert wanted
    form = {"email": OWNER, "password": PASSWORD, "next": wanted[1].replace("&amp;", "&")}
    answer = pages.submit("/login", form)
    assert answer.location == "/keys/new?from=mail&x=%2Fy"


def test_the_wanted_page_survives_a_wrong_password(house: House) -> None:
    form = {"email": OWNER, "password": WRONG, "next": "/keys"}
    assert 'name="next" value="/keys"' in house.pages().submit("/login", form).text


def test_a_form_sent_after_the_session_ended_is_not_opened_as_a_page(house: House) -> None:
    pages = house.pages()
    answer = pages.submit("/login", {}, action="/keys")
    assert (answer.status_code, answer.location) == (302, "/login")


ELSEWHERE: Final = (
    *("https://evil.example", "//evil.example", "///evil.example", "/\\evil.example"),
    *("\\\\evil.example", "/\t/evil.example", "\t//evil.example", "/\n/evil.example"),
    *("javascript:alert(1)", "evil.example", "", " /keys", "/keys\r\nSet-Cookie: a=b", "/\0/x"),
)


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_nobody_is_led_to_another_server(wanted: str) -> None:
    assert local_path(wanted) == "/"


@pytest.mark.parametrize("wanted", ["/", "/keys", "/messages?status=failed&q=a%20b#x", "/a//b"])
def test_a_path_of_this_server_is_taken_as_it_is(wanted: str) -> None:
    assert local_path(wanted) == wanted


def test_the_login_itself_leads_nobody_elsewhere(house: House) -> None:
    for wanted in ELSEWHERE:
        form = {"email": OWNER, "password": PASSWORD, "next": wanted}
        assert house.pages().submit("/login", form).location == "/"
        asked = house.pages().get("/login", query_string={"next": wanted})
        assert "evil" not in asked.text
