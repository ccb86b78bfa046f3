"""Whose forms are taken: every route that changes something, against every way to forge one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import pytest
from werkzeug.test import TestResponse

from senderkit.web.dashboard.guard import FOREIGN_FORMS
from senderkit.web.extensions import csrf
from tests.conftest import MakeApp
from tests.make import CSRF_FIELD, FakeClock, House, Pages
from tests.web.routes import Furnished, Route, furnish, stored

FOREIGN: Final = (
    "https://evil.example",
    "http://localhost:1",
    "http://evil.localhost",
    "null",
    "x",
)
FORMS: Final = "application/x-www-form-urlencoded"
REFUSED: Final = (
    "This form is out of date",
    "This form came from elsewhere",
    "Only forms are taken",
)


def token_of(pages: Pages) -> str:
    """The CSRF token of a browser, from the form that it can see."""
    pages_with_forms = (pages.get(path).text for path in ("/keys", "/login"))
    found = next(match for text in pages_with_forms if (match := CSRF_FIELD.search(text)))
    return found[1]


def forgeries(own_token: str, other_token: str) -> dict[str, Mapping[str, Any]]:
    """Ways to send a form that a person did not mean to send, by what is wrong with each."""
    form = {"csrf_token": own_token}
    other = {"name": "Shop"}
    return {
        "no token": {"data": other},
        "an empty token": {"data": {"csrf_token": ""}},
        "a made-up token": {"data": {"csrf_token": "x" * 90}},
        "another session's token": {"data": {"csrf_token": other_token}},
        "a token in the query": {"data": other, "query_string": form},
        "a token in a header": {"data": other, "headers": {"X-CSRFToken": own_token}},
        **{f"from {origin}": {"data": form, "headers": {"Origin": origin}} for origin in FOREIGN},
        "from a foreign page": {"data": form, "headers": {"Referer": "https://evil.example/a"}},
        "from no page": {"data": form, "headers": {"Referer": "http://[evil"}},
        "across sites": {"data": form, "headers": {"Sec-Fetch-Site": "cross-site"}},
        "within the site": {"data": form, "headers": {"Sec-Fetch-Site": "same-site"}},
        "as plain text": {"data": f"csrf_token={own_token}", "content_type": "text/plain"},
        "as JSON": {"json": form},
        "as JSON in disguise": {"data": f'{{"csrf_token": "{own_token}"}}', "content_type": FORMS},
        "as bytes": {"data": b"csrf_token=x", "content_type": "application/octet-stream"},
        "as nothing": {"data": f"csrf_token={own_token}", "content_type": ""},
    }


def send(pages: Pages, route: Route, how: Mapping[str, Any]) -> TestResponse:
    return pages.client.open(route.path, method=route.method, **how)


def is_refused(answer: TestResponse) -> bool:
    return answer.status_code in {400, 415} and any(words in answer.text for words in REFUSED)


@pytest.fixture
def furnished(house: House) -> Furnished:
    return furnish(house)


def test_every_forged_form_is_refused_and_changes_nothing(furnished: Furnished) -> None:
    house = furnished.house
    pages = house.owner()
    routes = [route for route in furnished.changing() if route.endpoint not in FOREIGN_FORMS]
    assert len(routes) >= 7
    ways = forgeries(token_of(pages), token_of(house.pages()))
    before = stored(house)
    taken = [
        f"{route} {words}"
        for route in routes
        for words, how in ways.items()
        if not is_refused(send(pages, route, how))
    ]
    assert taken == []
    assert stored(house) == before


def test_an_honest_form_is_taken_by_every_route(furnished: Furnished) -> None:
    house = furnished.house
    for route in furnished.changing():
        house.clock.advance(minutes=1)  # so many logins in a row are throttled
        pages = house.owner()
        for headers in ({}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}):
            how = {"data": {"csrf_token": token_of(pages)}, "headers": headers}
            assert not is_refused(send(pages, route, how)), f"{route} {headers}"
            if route.endpoint == "access.logout":
                pages = house.owner()


def test_what_may_be_posted_from_anywhere_is_listed(house: House) -> None:
    assert {
        *(blueprint.name for blueprint in csrf._exempt_blueprints),
        *csrf._exempt_views,
    } == {
        "api",
        "senderkit.web.dashboard.unsubscribe.one_click",
        "senderkit.web.callbacks.take",
    }
    assert set(FOREIGN_FORMS) == {"unsubscribe.one_click", "hooks.take"}


def test_the_api_takes_no_cookie(furnished: Furnished) -> None:
    pages = furnished.house.owner()
    before = stored(furnished.house)
    for route in furnished.routes():
        if route.is_api:
            assert send(pages, route, {}).status_code == 401
    assert stored(furnished.house) == before


def test_a_form_behind_a_proxy_is_taken_at_the_public_address(
    make_app: MakeApp, clock: FakeClock
) -> None:
    house = House(make_app(PUBLIC_URL="https://notify.acme.example"), clock)
    house.set_up()
    pages = house.pages()
    # The proxy ends TLS and asks us by an inner name.
    base = {"base_url": "https://127.0.0.1:8025"}
    token = CSRF_FIELD.search(pages.get("/login", **base).text)
    assert token
    statuses = {
        origin: pages.client.post(
            "/login", data={"csrf_token": token[1]}, headers={"Origin": origin}, **base
        ).status_code
        for origin in (
            "https://notify.acme.example",
            "https://127.0.0.1:8025",
            "https://evil.example",
        )
    }
    assert list(statuses.values()) == [422, 422, 400]


def test_a_form_of_a_million_fields_is_refused_at_once(house: House) -> None:
    fields = "&a" * 1_000_000
    started = time.monotonic()
    answer = house.pages().client.post("/login", data=fields, content_type=FORMS)
    assert answer.status_code == 413
    assert time.monotonic() - started < 1
