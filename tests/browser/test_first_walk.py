"""The first ten minutes of a newcomer, with and without JavaScript."""

from __future__ import annotations

import contextlib
import re
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Error as PlaywrightError

from senderkit.keys import is_well_formed
from tests.browser.visitor import Visitor, visiting
from tests.make import OWNER, PASSWORD, WORKSPACE
from tests.serving import Server


def set_up(visitor: Visitor) -> None:
    visitor.go("/")
    assert visitor.page.url == f"{visitor.url}/setup"
    visitor.page.get_by_label("Workspace name").fill(WORKSPACE)
    visitor.page.get_by_label("Your email address").fill(OWNER)
    visitor.page.get_by_label("Password", exact=True).fill(PASSWORD)
    visitor.page.get_by_role("button", name="Create workspace").click()
    visitor.page.wait_for_url(f"{visitor.url}/")


def make_key(visitor: Visitor, name: str) -> str:
    visitor.go("/keys")
    visitor.page.get_by_role("link", name="New key").first.click()
    visitor.page.get_by_label("Name", exact=True).fill(name)
    visitor.page.get_by_role("button", name="Create key").click()
    return visitor.page.locator("#secret").inner_text()


def context_status(url: str, token: str) -> int:
    request = urllib.request.Request(
        f"{url}/v1/context", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_from_set_up_to_a_revoked_key(
    browser: Browser, new_server: Server, javascript: bool
) -> None:
    with visiting(browser, new_server.url, java_script_enabled=javascript) as visitor:
        page = visitor.page
        set_up(visitor)
        token = make_key(visitor, "Shop backend")
        assert is_well_formed(token)
        assert context_status(new_server.url, token) == 200

        page.reload()
        assert token not in page.content()
        expect(page.get_by_text("Shop backend").first).to_be_visible()
        page.go_back()
        assert token not in page.content()

        visitor.go("/keys")
        assert page.get_by_role("row").filter(has_text="Shop backend").count() == 1
        page.get_by_role("link", name="Revoke Shop backend").click()
        page.get_by_role("button", name="Revoke key").click()
        expect(page.get_by_text(re.compile(r"Revoked \(1\)"))).to_be_visible()
        assert context_status(new_server.url, token) == 401
        assert visitor.go("/setup") == 404


def test_leaving_the_page_takes_the_secret_off_it(owner: Visitor) -> None:
    token = make_key(owner, "Seen once")
    owner.page.get_by_role("link", name="Messages").first.click()
    owner.page.wait_for_url(f"{owner.url}/messages")
    with contextlib.suppress(PlaywrightError):  # the browser would have to send the form again
        owner.page.go_back()
    expect(owner.page.locator("body")).not_to_contain_text(token)


def test_the_copy_button_copies_the_whole_key(browser: Browser, server: Server) -> None:
    with visiting(
        browser, server.url, permissions=["clipboard-read", "clipboard-write"]
    ) as visitor:
        visitor.log_in()
        token = make_key(visitor, "To be copied")
        visitor.page.get_by_role("button", name="Copy the key").click()
        expect(visitor.page.locator("#live")).to_have_text("Copied")
        assert visitor.page.evaluate("navigator.clipboard.readText()") == token


def test_clearing_all_scopes_says_what_that_means(owner: Visitor) -> None:
    owner.go("/keys/new")
    for scope in ("Read", "Send", "Cancel"):
        owner.page.get_by_role("checkbox", name=scope).uncheck()
    expect(owner.page.get_by_text("No scope chosen: this key can do everything.")).to_be_visible()
