"""Every page that a link leads to: nothing for axe in either theme, nothing wider than a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from tests.browser.crawling import crawl
from tests.browser.filling import fill
from tests.browser.visitor import Visitor, visiting
from tests.serving import Server

Theme = Literal["light", "dark"]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
# Neither the overview with its charts nor the editor: they may weigh more.
LIGHT_PAGES = (
    *("/messages", "/suppressions", "/templates", "/channels", "/channels/new/smtp"),
    *("/webhooks", "/webhooks/new", "/keys", "/keys/new"),
    *("/templates/-/blocks", "/templates/-/blocks/footer", "/templates/-/themes/-/new"),
)
PUBLIC_PAGES = ("/login", "/docs", "/no-such-page")


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    fill(server)
    return server


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> Theme:
    chosen: Theme = request.param
    return chosen


@pytest.fixture
def reader(browser: Browser, filled: Server, theme: Theme) -> Iterator[Visitor]:
    with visiting(
        browser, filled.url, color_scheme=theme, viewport=DESKTOP, reduced_motion="reduce"
    ) as visitor:
        yield visitor


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("theme", "viewport"),
    [("light", DESKTOP), ("dark", PHONE)],
    ids=["light-desktop", "dark-phone"],
)
def test_no_page_is_wider_than_its_window_and_axe_finds_nothing_on_any(
    browser: Browser, filled: Server, theme: Theme, viewport: dict[str, int]
) -> None:
    found: dict[str, list[str]] = {}
    options = {"color_scheme": theme, "viewport": viewport, "reduced_motion": "reduce"}
    with visiting(browser, filled.url, **options) as visitor:
        visitor.log_in()
        for path in crawl(visitor, alike=2):
            faults = visitor.axe_violations()
            if (overflow := visitor.overflow()) > 0:
                faults.append(f"{overflow} px wider than the window")
            if faults:
                found[path] = faults
    assert found == {}


def test_axe_finds_nothing_on_public_pages(reader: Visitor) -> None:
    found: dict[str, list[str]] = {}
    for path in PUBLIC_PAGES:
        reader.go(path)
        if violations := reader.axe_violations():
            found[path] = violations
    assert found == {}


def test_axe_finds_nothing_before_the_set_up(
    browser: Browser, new_server: Server, theme: Theme
) -> None:
    with visiting(browser, new_server.url, color_scheme=theme) as visitor:
        visitor.go("/setup")
        assert visitor.axe_violations() == []


def test_pages_are_light(owner: Visitor, filled: Server) -> None:
    sizes = {}
    for path in LIGHT_PAGES:
        owner.go(path)
        sizes[path] = len(owner.page.content().encode())
    static = sum(path.stat().st_size for path in Path("static").iterdir() if path.is_file())
    assert {path: size for path, size in sizes.items() if size + static > 100_000} == {}
