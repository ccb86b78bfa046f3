"""A session ends when it should, for every cookie that was ever made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from flask.sessions import SecureCookieSessionInterface

from senderkit.services import access
from senderkit.web.extensions import database
from tests.conftest import MakeApp
from tests.make import OWNER, PASSWORD, FakeClock, House, Pages

NEW_PASSWORD: Final = "another set of plain words"
COOKIE: Final = "senderkit"


def cookie_of(pages: Pages) -> str:
    cookie = pages.client.get_cookie(COOKIE)
    assert cookie
    return cookie.value


def lives(house: House, cookie: str) -> bool:
    """Whether a cookie opens the dashboard, in a browser that sends it unchanged."""
    client = house.app.test_client(use_cookies=False)
    answer = client.get("/keys", headers={"Cookie": f"{COOKIE}={cookie}"})
    assert answer.status_code in {200, 302}
    assert (answer.location or "/login").startswith("/login")
    return answer.status_code == 200


def cookies_over_time(house: House, pages: Pages, clock: FakeClock) -> list[str]:
    """The cookies that a session gets in half a day."""
    found = [cookie_of(pages)]
    for _ in range(6):
        clock.advance(hours=2)
        assert pages.get("/keys").status_code == 200
        found.append(cookie_of(pages))
    assert len(set(found)) == 7
    assert all(lives(house, cookie) for cookie in found)
    return found


def log_out(house: House, pages: Pages) -> None:
    answer = pages.submit("/keys", {}, action="/logout")
    assert (answer.status_code, answer.location) == (302, "/login")


def change_password_here(house: House, pages: Pages) -> None:
    form = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert pages.submit("/password", form).status_code == 302


def change_password_elsewhere(house: House, pages: Pages) -> None:
    change_password_here(house, house.owner())


def set_password_from_the_shell(house: House, pages: Pages) -> None:
    def work() -> None:
        session = database.session()
        member = access.find_member(session, OWNER)
        assert member
        access.set_password(session, member, NEW_PASSWORD, now=house.clock())

    house.in_app(work)


def stay_away_too_long(house: House, pages: Pages) -> None:
    house.clock.advance(days=7, seconds=1)


def stay_too_long(house: House, pages: Pages) -> None:
    for _ in range(9):
        house.clock.advance(days=3, hours=8)
        pages.get("/keys")


ENDINGS: Final[tuple[Callable[[House, Pages], None], ...]] = (
    log_out,
    change_password_here,
    change_password_elsewhere,
    set_password_from_the_shell,
    stay_away_too_long,
    stay_too_long,
)


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
def test_no_old_cookie_outlives_its_session(
    house: House, clock: FakeClock, end: Callable[[House, Pages], None]
) -> None:
    pages = house.owner()
    old = cookies_over_time(house, pages, clock)
    end(house, pages)
    assert [lives(house, cookie) for cookie in old] == [False] * len(old)


def test_what_does_not_end_a_session_leaves_it_alone(house: House) -> None:
    mine, other = house.owner(), house.owner()
    log_out(house, other)
    assert lives(house, cookie_of(mine))
    change_password_here(house, mine)
    assert lives(house, cookie_of(mine))


def test_the_idle_limit_moves_with_each_use_and_the_absolute_one_does_not(
    house: House, clock: FakeClock
) -> None:
    pages = house.owner()
    for _ in range(4):
        clock.advance(days=6, hours=23)
        assert pages.get("/keys").status_code == 200
    clock.advance(days=2, hours=3, minutes=59)
    assert pages.get("/keys").status_code == 200
    clock.advance(minutes=2)
    assert pages.get("/keys").status_code == 302


def test_an_old_copy_of_a_living_cookie_is_idle_by_its_own_date(
    house: House, clock: FakeClock
) -> None:
    pages = house.owner()
    copied = cookie_of(pages)
    for _ in range(8):
        clock.advance(days=1)
        assert pages.get("/keys").status_code == 200
    assert lives(house, cookie_of(pages))
    assert not lives(house, copied)


def test_the_cookie_is_set_anew_at_most_once_an_hour(house: House, clock: FakeClock) -> None:
    pages = house.owner()
    pages.get("/keys")  # the first form brings the CSRF token
    set_again = []
    for _ in range(13):
        clock.advance(minutes=10)
        set_again.append("Set-Cookie" in pages.get("/keys").headers)
    assert set_again == [number % 6 == 5 for number in range(13)]


def test_a_login_takes_nothing_over_from_the_cookie_before(house: House) -> None:
    pages = house.pages()
    pages.get("/login")
    planted = cookie_of(pages)
    pages.log_in()
    assert not lives(house, planted)
    interface = SecureCookieSessionInterface()
    serializer = interface.get_signing_serializer(house.app)
    assert serializer is not None
    before, after = (serializer.loads(text) for text in (planted, cookie_of(pages)))
    assert "csrf_token" in before
    assert "csrf_token" not in after


def test_a_cookie_that_we_did_not_sign_opens_nothing(house: House) -> None:
    cookie = cookie_of(house.owner())
    body, stamp, signature = cookie.rsplit(".", 2)
    for forged in (
        "",
        "x",
        f"{body}.{stamp}.{signature[::-1]}",
        f"{body[:-1]}.{stamp}.{signature}",
    ):
        assert not lives(house, forged)
    other = SecureCookieSessionInterface().get_signing_serializer(house.app)
    assert other is not None
    for content in ({"_user_id": "x" * 43}, {"_user_id": 1, "seen_at": 1}, {"seen_at": "now"}):
        assert not lives(house, str(other.dumps(content)))


def test_a_restart_ends_no_session(house: House, make_app: MakeApp) -> None:
    cookie = cookie_of(house.owner())
    assert lives(House(make_app(), house.clock), cookie)


def test_the_cookie_holds_no_number_and_the_database_no_token(house: House) -> None:
    pages = house.owner()
    serializer = SecureCookieSessionInterface().get_signing_serializer(house.app)
    assert serializer is not None
    content = serializer.loads(cookie_of(pages))
    token = content["_user_id"]
    assert len(token) >= 43
    assert set(content) <= {"_permanent", "_fresh", "_id", "_user_id", "seen_at"}
    assert token not in str(house.rows("SELECT * FROM member_sessions"))


@pytest.mark.parametrize(
    ("public_url", "name", "is_secure"),
    [
        ("http://127.0.0.1:8025", "senderkit", False),
        ("https://notify.acme.example", "__Host-senderkit", True),
    ],
)
def test_the_cookie_is_as_closed_as_the_address_allows(
    make_app: MakeApp, clock: FakeClock, public_url: str, name: str, is_secure: bool
) -> None:
    house = House(make_app(PUBLIC_URL=public_url), clock)
    house.set_up()
    scheme = public_url.partition(":")[0]
    pages = house.pages()
    base = {"base_url": f"{scheme}://localhost"}
    form = {"email": OWNER, "password": PASSWORD}
    found = pages.client.get("/login", **base)
    token = found.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    answer = pages.client.post("/login", data={"csrf_token": token, **form}, **base)
    [header] = answer.headers.getlist("Set-Cookie")
    attributes = {part.strip() for part in header.split(";")[1:]}
    assert header.startswith(f"{name}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= attributes
    assert ("Secure" in attributes) == is_secure
    assert not any(part.startswith("Domain=") for part in attributes)
    assert any(part.startswith("Expires=") for part in attributes)
