"""Who may look at what, and that looking changes nothing."""

from __future__ import annotations

from typing import Final

from senderkit.web.dashboard.guard import BACKGROUND, PUBLIC
from tests.make import House, Pages
from tests.web.routes import furnish, stored


def test_looking_at_any_page_changes_no_row(house: House) -> None:
    furnished = furnish(house)
    owner, stranger, app = house.owner(), house.pages(), house.api()
    before = stored(house)
    routes = [route for route in furnished.routes() if route.method == "GET"]
    assert len(routes) >= 15
    for route in routes:
        for method in ("GET", "HEAD", "OPTIONS"):
            statuses = {
                owner.client.open(route.path, method=method, buffered=True).status_code,
                stranger.client.open(route.path, method=method, buffered=True).status_code,
                app.call(method, route.path, buffered=True).status_code,
            }
            assert max(statuses) < 500, f"{method} {route}"
    assert stored(house) == before


OPEN: Final = {
    *("static", "healthz", "readyz", "metrics", "openapi", "docs"),
    *("access.setup", "access.set_up", "access.login", "access.log_in"),
    *("unsubscribe.show", "unsubscribe.one_click", "hooks.take"),
}


def test_what_needs_no_login_is_listed() -> None:
    assert PUBLIC == OPEN


def test_a_stranger_sees_nothing_but_the_public_pages(house: House) -> None:
    seen = {
        route.endpoint
        for route in furnish(house).routes()
        if not route.is_api and not _is_kept_out(house.pages(), route.method, route.path)
    }
    assert seen <= OPEN


def _is_kept_out(pages: Pages, method: str, path: str) -> bool:
    """Led to the login, or answered nothing."""
    pages.get("/login")
    form = None if method == "GET" else {"a": "b"}
    answer = pages.client.open(path, method=method, data=form, buffered=True)
    if answer.status_code == 204:
        return not answer.data
    return answer.status_code == 302 and str(answer.location).startswith("/login")


def test_every_page_is_open_to_the_owner(house: House) -> None:
    owner = house.owner()
    for route in furnish(house).routes():
        if route.method == "GET" and not route.is_api:
            answer = owner.get(route.path, buffered=True)
            allowed = {200, 302} | ({404} if route.endpoint in PUBLIC else set())
            allowed |= {204} if route.endpoint in BACKGROUND else set()
            assert answer.status_code in allowed, route
            assert answer.location not in {"/login", "/setup"}, route


def test_a_path_with_a_nul_is_nowhere(house: House) -> None:
    owner = house.owner()
    for path in ("/keys/key_%00/revoke", "/%00", "/keys/%00", "/unsubscribe/%00"):
        assert owner.get(path).status_code == 404
