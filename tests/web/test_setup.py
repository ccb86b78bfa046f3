"""The first start: one owner, then closed for good."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from werkzeug.test import TestResponse

from senderkit.web.runtime import runtime_of
from tests.conftest import MakeApp
from tests.make import CSRF_FIELD, OWNER, PASSWORD, WORKSPACE, FakeClock, House, Pages

FORM: Final = {"workspace": WORKSPACE, "email": OWNER, "password": PASSWORD}
REMOTE: Final = {"REMOTE_ADDR": "192.0.2.7"}


def set_up(pages: Pages, **changes: Any) -> TestResponse:
    more = {name: changes.pop(name) for name in ("environ_base", "headers") if name in changes}
    return pages.submit("/setup", FORM | changes, **more)


def test_everything_leads_to_the_set_up_until_there_is_an_owner(empty_house: House) -> None:
    pages = empty_house.pages()
    for path in ("/", "/keys", "/password", "/login"):
        answer = pages.get(path)
        assert (answer.status_code, answer.location) == (302, "/setup")


def test_the_owner_is_logged_in_at_once(empty_house: House) -> None:
    pages = empty_house.pages()
    answer = set_up(pages)
    assert (answer.status_code, answer.location) == (302, "/")
    assert OWNER in pages.get("/keys").text
    assert empty_house.rows("SELECT email, is_owner FROM members") == [(OWNER, True)]
    assert empty_house.rows("SELECT name FROM workspaces") == [(WORKSPACE,)]


def test_it_is_closed_for_good_afterwards(empty_house: House, make_app: MakeApp) -> None:
    set_up(empty_house.pages())
    stranger = {**FORM, "email": "mallory@example.com", "token": empty_house.runtime.setup_token}
    restarted = House(make_app(), empty_house.clock)
    for house in (empty_house, restarted):
        assert house.pages().get("/setup").status_code == 404
        assert house.owner().get("/setup").status_code == 404
        assert house.pages().submit("/login", stranger, action="/setup").status_code == 404
    assert empty_house.rows("SELECT email FROM members") == [(OWNER,)]


def test_what_was_typed_is_kept_after_an_error_but_no_password(empty_house: House) -> None:
    answer = set_up(empty_house.pages(), email="ada@", password="short")
    assert answer.status_code == 422
    assert f'value="{WORKSPACE}"' in answer.text
    assert 'value="ada@"' in answer.text
    assert "short" not in answer.text
    assert 'aria-describedby="f-email-error"' in answer.text.replace("f-email-hint ", "")
    assert empty_house.rows("SELECT 1 FROM members") == []


# -- the token of the console -----------------------------------------------------------------

LOCAL: Final[dict[str, dict[str, Any]]] = {
    "over the loopback": {"base_url": "http://127.0.0.1:8025"},
    "over another address of it": {
        "base_url": "http://127.9.9.9",
        "environ_base": {"REMOTE_ADDR": "127.0.0.2"},
    },
    "by name": {"base_url": "http://localhost:8025"},
    "by a name below it": {"base_url": "http://senderkit.localhost:8025"},
    "over IPv6": {"base_url": "http://[::1]:8025", "environ_base": {"REMOTE_ADDR": "::1"}},
}
PROXIES: Final = (
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Server"),
    *("Forwarded", "Via", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"),
)
NOT_LOCAL: Final[dict[str, dict[str, Any]]] = {
    "from another machine": {"environ_base": REMOTE},
    "by another name": {"base_url": "http://evil.example:8025"},
    "by a name that only looks local": {"base_url": "http://localhost.evil.example"},
    "by an address in the network": {"base_url": "http://192.168.1.5:8025"},
    "by no name": {"headers": {"Host": ""}},
    "by what is no name": {"headers": {"Host": "[::1"}},
    "through a proxy that speaks HTTP/1.0": {"environ_overrides": {"SERVER_PROTOCOL": "HTTP/1.0"}},
    **{f"through a proxy with {name}": {"headers": {name: "127.0.0.1"}} for name in PROXIES},
}


def asks_for_token(house: House, how: Mapping[str, Any]) -> bool:
    answer = house.pages().get("/setup", **how)
    assert answer.status_code == 200
    return 'name="token"' in answer.text


def test_somebody_at_the_machine_needs_no_token(empty_house: House) -> None:
    asked = {words for words, how in LOCAL.items() if asks_for_token(empty_house, how)}
    assert asked == set()


def test_anybody_else_does(empty_house: House) -> None:
    asked = {words for words, how in NOT_LOCAL.items() if asks_for_token(empty_house, how)}
    assert asked == set(NOT_LOCAL)


def test_the_form_itself_asks_for_the_token(empty_house: House) -> None:
    pages = empty_house.pages()
    for wrong in ({}, {"token": ""}, {"token": "x" * 43}):
        answer = set_up(pages, environ_base=REMOTE, **wrong)
        assert answer.status_code == 422
        assert "f-token-error" in answer.text
    assert empty_house.rows("SELECT 1 FROM members") == []
    right = f" {empty_house.runtime.setup_token}\n"
    assert set_up(pages, environ_base=REMOTE, token=right).status_code == 302


def test_a_trusted_proxy_does_not_make_a_stranger_local(
    make_app: MakeApp, clock: FakeClock
) -> None:
    house = House(make_app(TRUSTED_PROXIES="1"), clock)
    forwarded = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost"}
    assert asks_for_token(house, {"headers": forwarded})


def test_each_start_has_a_token_of_its_own(make_app: MakeApp) -> None:
    tokens = {runtime_of(make_app()).setup_token for _ in range(3)}
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 43


# -- the race ---------------------------------------------------------------------------------


def race(runners: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=runner) for runner in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_a_thousand_racing_requests_in_two_processes_one_makes_the_owner(
    make_app: MakeApp, clock: FakeClock
) -> None:
    houses = [House(make_app(THREADS="16"), clock) for _ in range(2)]
    answers: list[tuple[int, str]] = []
    start = threading.Barrier(20)

    def runner(house: House, number: int) -> Callable[[], None]:
        pages = house.pages()
        token = CSRF_FIELD.search(pages.get("/setup").text)
        cookie = pages.client.get_cookie("senderkit")
        assert token
        assert cookie
        client = house.app.test_client(use_cookies=False)
        headers = {"Cookie": f"senderkit={cookie.value}"}

        def run() -> None:
            start.wait()
            for turn in range(50):
                email = f"person{number}-{turn}@example.com"
                data = {"csrf_token": token[1], **FORM, "email": email}
                answer = client.post("/setup", data=data, headers=headers)
                answers.append((answer.status_code, email))

        return run

    race([runner(houses[number % 2], number) for number in range(20)])

    assert Counter(status for status, _ in answers) == {302: 1, 404: 999}
    winner = [email for status, email in answers if status == 302]
    assert [row[0] for row in houses[0].rows("SELECT email FROM members")] == winner
    assert len(houses[0].rows("SELECT 1 FROM workspaces")) == 1
