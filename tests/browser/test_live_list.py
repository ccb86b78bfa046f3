"""The list of messages while messages come: nothing is reloaded, and nothing moves under a hand."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from senderkit.domain import utc_now
from tests.browser.filling import App, app_of, email
from tests.browser.visitor import Visitor, visiting
from tests.make import wait_until
from tests.serving import Server, start_server

HOSTILE = "<img/src=x/onerror=alert(1)>"
PUSH = {"title": "Parcel", "body": "It arrives today."}


@dataclass(frozen=True)
class Shop:
    """An app whose messages are told from all others by a tag, and the list of just those."""

    app: App
    tag: str

    @property
    def list(self) -> str:
        return f"/messages?q={self.tag}"

    def send(self, to: str, **more: Any) -> str:
        body = email(to, metadata={"tag": self.tag}) | more
        message_id: str = self.app.post("/v1/send", body)["id"]
        return message_id


@pytest.fixture(scope="module")
def app(server: Server) -> App:
    return app_of(server)


@pytest.fixture
def shop(app: App) -> Shop:
    return Shop(app, uuid.uuid4().hex)


def rows(visitor: Visitor) -> Locator:
    return visitor.page.locator("tbody tr")


def bar(visitor: Visitor) -> Locator:
    return visitor.page.locator("[data-live] a")


def open_list(visitor: Visitor, path: str) -> None:
    """Open it, and wait until its stream is open too."""
    with visitor.page.expect_response(lambda answer: "/messages/stream" in answer.url):
        visitor.go(path)


def test_new_messages_come_in_at_the_top_and_change_in_place(browser: Browser, shop: Shop) -> None:
    with visiting(browser, shop.app.server.url) as visitor:
        visitor.log_in()
        shop.send("first@example.com")
        open_list(visitor, shop.list)
        visitor.page.evaluate("window.isTheSamePage = true")
        expect(rows(visitor)).to_have_count(1)

        shop.send("delayed@simulator.senderkit.test")
        later = shop.send("later@example.com", scheduledAt=_later())
        expect(rows(visitor)).to_have_count(3)
        expect(rows(visitor).nth(0)).to_contain_text("Scheduled")
        expect(rows(visitor).nth(1)).to_contain_text("delayed@simulator.senderkit.test")
        expect(visitor.page.locator(".pager > span").first).to_have_text("3 messages")

        shop.app.delete(f"/v1/messages/{later}")
        expect(rows(visitor).nth(0)).to_contain_text("Canceled")
        shop.send(HOSTILE, channel="push", content=PUSH)
        expect(rows(visitor).nth(0)).to_contain_text(HOSTILE)
        assert visitor.page.evaluate("window.isTheSamePage")


def _later() -> str:
    return (utc_now() + timedelta(days=2)).isoformat()


def test_they_wait_behind_a_bar_while_somebody_is_busy_in_the_list(
    browser: Browser, shop: Shop
) -> None:
    with visiting(browser, shop.app.server.url) as visitor:
        visitor.log_in()
        for number in range(3):
            shop.send(f"old{number}@example.com")
        open_list(visitor, shop.list)
        rows(visitor).nth(1).hover()
        first = rows(visitor).first.inner_text()
        shop.send("new1@example.com")
        expect(bar(visitor)).to_have_text("Show 1 new message")
        shop.send("new2@example.com")
        expect(bar(visitor)).to_have_text("Show 2 new messages")
        assert (rows(visitor).count(), rows(visitor).first.inner_text()) == (3, first)
        assert visitor.axe_violations() == []

        bar(visitor).click()
        expect(rows(visitor)).to_have_count(5)
        expect(rows(visitor).first).to_contain_text("new2@example.com")
        expect(bar(visitor)).to_be_hidden()


def test_the_bar_is_seen_on_a_phone_that_has_scrolled(browser: Browser, shop: Shop) -> None:
    for theme in ("light", "dark"):
        size = {"width": 390, "height": 844}
        with visiting(
            browser, shop.app.server.url, viewport=size, color_scheme=theme, reduced_motion="reduce"
        ) as visitor:
            visitor.log_in()
            for number in range(20):
                shop.send(f"{theme}{number}@example.com")
            open_list(visitor, shop.list)
            visitor.page.mouse.wheel(0, 600)
            visitor.page.wait_for_function("scrollY > 300")
            shop.send("new@example.com")
            expect(bar(visitor)).to_be_visible()
            assert visitor.page.evaluate(
                "(() => { const bar = document.querySelector('[data-live] a');"
                " const box = bar.getBoundingClientRect();"
                " const seen = document.elementFromPoint(box.x + box.width / 2, box.y + 8);"
                " return bar.contains(seen); })()"
            )
            assert visitor.overflow() <= 0
            assert visitor.axe_violations() == []


def test_the_first_message_is_announced_on_an_empty_page(browser: Browser, shop: Shop) -> None:
    with visiting(browser, shop.app.server.url) as visitor:
        visitor.log_in()
        open_list(visitor, shop.list)
        shop.send("first@example.com")
        bar(visitor).click()
        expect(rows(visitor)).to_have_count(1)


def test_a_filter_counts_for_what_comes(browser: Browser, shop: Shop) -> None:
    with visiting(browser, shop.app.server.url) as visitor:
        visitor.log_in()
        first = shop.send("failed@simulator.senderkit.test")
        wait_until(lambda: shop.app.get(f"/v1/messages/{first}")["status"] == "failed")
        open_list(visitor, f"{shop.list}&status=failed")
        shop.send("ada@example.com")
        shop.send("failed@simulator.senderkit.test")
        expect(rows(visitor)).to_have_count(2)


def test_older_pages_change_in_place_and_grow_not(browser: Browser, shop: Shop) -> None:
    later = shop.send("later@example.com", scheduledAt=_later())
    for number in range(60):
        shop.send(f"a{number}@example.com")
    with visiting(browser, shop.app.server.url) as visitor:
        visitor.log_in()
        visitor.go(shop.list)
        with visitor.page.expect_response(lambda answer: "/messages/stream" in answer.url):
            visitor.page.get_by_role("link", name="Older").click()
        expect(rows(visitor)).to_have_count(11)
        shop.send("new@example.com")
        shop.app.delete(f"/v1/messages/{later}")
        expect(rows(visitor).last).to_contain_text("Canceled")
        assert rows(visitor).count() == 11
        expect(bar(visitor)).to_be_hidden()


def test_a_tab_that_nobody_sees_keeps_no_connection(browser: Browser, shop: Shop) -> None:
    with visiting(browser, shop.app.server.url) as visitor:
        visitor.log_in()
        shop.send("first@example.com")
        open_list(visitor, shop.list)
        _pretend_hidden(visitor, hidden=True)
        shop.send("second@example.com")
        expect(rows(visitor)).to_have_count(1)
        with visitor.page.expect_response(lambda answer: "/messages/stream" in answer.url):
            _pretend_hidden(visitor, hidden=False)
        expect(rows(visitor)).to_have_count(2)


def _pretend_hidden(visitor: Visitor, *, hidden: bool) -> None:
    visitor.page.evaluate(
        """hidden => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_without_javascript_the_list_is_a_page(browser: Browser, shop: Shop) -> None:
    with visiting(browser, shop.app.server.url, java_script_enabled=False) as visitor:
        visitor.log_in()
        shop.send("first@example.com")
        visitor.go(shop.list)
        expect(rows(visitor)).to_have_count(1)
        expect(bar(visitor)).to_be_hidden()


def test_it_goes_on_after_the_server_was_restarted(browser: Browser, shop: Shop) -> None:
    server = shop.app.server
    with visiting(browser, server.url) as visitor:
        visitor.log_in()
        shop.send("before@example.com")
        open_list(visitor, shop.list)
        assert server.stop() == 0
        # In place of the one that all tests share, which ends in the end.
        server.process = start_server(server.data_dir, PORT=str(server.port)).process
        shop.send("after@example.com")
        expect(rows(visitor).first).to_contain_text("after@example.com")
        # While it was down the browser could not connect, and says so on its console.
        visitor.alarms[:] = [each for each in visitor.alarms if "ERR_" not in each]
