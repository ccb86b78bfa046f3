"""The editor of templates in a real browser: what follows the typing, and no words are lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from tests.browser.filling import App, app_of
from tests.browser.visitor import Visitor, visiting
from tests.serving import Server, run_cli

pytestmark = pytest.mark.timeout(300)

HTML = "<h1>Thank you, {{name}}</h1>\n{{#items}}<p>{{name}}</p>{{/items}}\n"
VARIABLES = [
    {"name": "name", "type": "string", "example": "Ada"},
    {"name": "items", "type": "array", "example": [{"name": "Tea"}]},
]


@pytest.fixture(scope="module")
def app(server: Server) -> App:
    return app_of(server)


@pytest.fixture
def slug(app: App, request: pytest.FixtureRequest) -> str:
    """A published template of this test's own."""
    slug = re.sub("[^a-z]+", "-", request.node.name.lower()).strip("-")[:90]
    content = {"subject": "Your order", "html": HTML}
    body = {"slug": slug, "channel": "email", "content": content, "variables": VARIABLES}
    app.post("/v1/templates", body)
    assert run_cli(app.server.data_dir, "admin", "templates", "publish", slug).returncode == 0
    return slug


@pytest.fixture
def writer(owner: Visitor, slug: str) -> Visitor:
    owner.go(f"/templates/{slug}")
    expect(owner.page.locator("html.studio-ready")).to_be_visible()
    return owner


def code(page: Page) -> Locator:
    return page.get_by_role("textbox", name=re.compile("^HTML"))


def shown(page: Page) -> Locator:
    """What the newest frame of the preview says."""
    return page.frame_locator("[data-frame-box] iframe:not(.waiting)").locator("body")


def versions(app: App, slug: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = app.get(f"/v1/templates/{slug}/versions")["data"]
    return found


def test_typing_changes_the_preview_and_the_checks(writer: Visitor) -> None:
    page = writer.page
    expect(shown(page)).to_contain_text("Thank you, Ada")
    page.get_by_label("Subject").fill("Order of {{who}}")
    code(page).click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("<b>New words</b>")
    expect(shown(page)).to_contain_text("New words")
    expect(page.locator("#live-head")).to_contain_text("Order of")
    expect(page.locator("#live-missing")).to_contain_text("who")
    page.locator("#live-checks").get_by_role("link", name="Subject").first.click()
    expect(page.get_by_label("Subject")).to_be_focused()


def test_words_that_cannot_be_rendered_leave_the_last_preview(writer: Visitor) -> None:
    page = writer.page
    code(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("{{#open}}")
    expect(page.locator("#live-head")).to_contain_text("It cannot be rendered")
    expect(shown(page)).to_contain_text("Thank you, Ada")
    page.locator("#live-checks").get_by_role("link", name="HTML, line 3").first.click()
    expect(code(page)).to_be_focused()
    expect(page.locator(".cm-lintRange-error").first).to_be_visible()


def test_names_are_completed(writer: Visitor) -> None:
    page = writer.page
    code(page).click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("{{it")
    # A list that has only just come up takes no key, so that nobody picks from it by accident.
    page.locator(".cm-tooltip-autocomplete li", has_text="items").first.click()
    expect(page.locator("#f-html")).to_have_value("{{items}}" + HTML)


def test_tab_indents_and_escape_lets_it_go_on(writer: Visitor) -> None:
    page = writer.page
    code(page).click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Tab")
    expect(page.locator("#f-html")).to_have_value("  " + HTML)
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(code(page)).not_to_be_focused()


def test_leaving_with_unsaved_words_warns(writer: Visitor) -> None:
    page = writer.page
    asked: list[str] = []

    def note(dialog: Dialog) -> None:
        asked.append(dialog.type)

    page.on("dialog", note)
    page.get_by_role("link", name="Settings").click()
    page.wait_for_url("**/settings")
    page.go_back()
    page.get_by_label("Subject").fill("Changed")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_label("Subject")).to_have_value("Changed")
    assert asked == ["beforeunload"]


def test_unsaved_words_are_offered_again_and_forgotten_once_saved(
    writer: Visitor, app: App, slug: str
) -> None:
    first = writer.page
    first.get_by_label("Subject").fill("Not lost")
    first.get_by_role("button", name="Add variable").click()
    first.keyboard.type("later")
    second = first.context.new_page()
    second.goto(first.url)
    expect(second.get_by_text("You have unsaved changes from")).to_be_visible()
    second.get_by_role("button", name="Restore").click()
    expect(second.get_by_label("Subject")).to_have_value("Not lost")
    expect(second.get_by_label("Name", exact=True).last).to_have_value("later")
    expect(second.get_by_text("Not saved yet")).to_be_visible()

    second.keyboard.press("Control+s")
    second.wait_for_url("**version=2")
    expect(second.get_by_text("Draft 2 is saved.")).to_be_visible()
    assert second.evaluate("Object.keys(localStorage).filter(key => key.includes('draft'))") == []
    assert len(versions(app, slug)) == 2

    first.keyboard.press("Control+s")
    expect(first.get_by_text("Version 2 was saved while you were writing")).to_be_visible()
    assert len(versions(app, slug)) == 2
    first.get_by_role("button", name="Save mine as draft 3").click()
    first.wait_for_url("**version=3")


def test_a_discarded_draft_is_gone(writer: Visitor) -> None:
    page = writer.page
    page.get_by_label("Subject").fill("Away")
    second = page.context.new_page()
    second.goto(page.url)
    second.get_by_role("button", name="Discard").click()
    second.reload()
    expect(second.locator("html.studio-ready")).to_be_visible()
    expect(second.get_by_text("You have unsaved changes from")).to_be_hidden()


def test_a_draft_is_published_where_it_is_written(writer: Visitor, app: App, slug: str) -> None:
    page = writer.page
    page.get_by_label("Subject").fill("Second")
    page.get_by_label("Note for this version").fill("Shorter")
    page.get_by_role("button", name="Save as draft 2").click()
    page.wait_for_url("**version=2")
    expect(page.get_by_text("Draft 2, not published · live is 1")).to_be_visible()
    page.get_by_label("Subject").fill("Third")
    expect(page.get_by_role("button", name="Publish 2")).to_be_disabled()
    page.get_by_label("Subject").fill("Second")
    page.get_by_role("button", name="Publish 2").click()
    expect(page.get_by_text("Version 2 is live: the next send uses it.")).to_be_visible()
    assert app.get(f"/v1/templates/{slug}")["currentVersion"]["versionNumber"] == 2


def test_variables_are_declared_and_a_test_is_sent_without_losing_words(writer: Visitor) -> None:
    page = writer.page
    page.get_by_label("Subject").fill("To {{who}}")
    page.get_by_role("button", name="Declare it").click()
    expect(page.locator(".var")).to_have_count(4)
    expect(page.locator(".var input.mono").nth(2)).to_have_value("who")
    page.get_by_role("button", name="Remove variable 3").click()
    expect(page.locator(".var")).to_have_count(3)
    page.get_by_role("button", name="Send test").click()
    expect(page.locator(".test-sent")).to_contain_text("It is on its way.")
    expect(page.get_by_label("Subject")).to_have_value("To {{who}}")
    page.get_by_text("Sample values", exact=True).click()
    page.get_by_label("Sample values as JSON").fill('{"name": "Zoe"}')
    expect(shown(page)).to_contain_text("Thank you, Zoe")
    page.get_by_role("button", name="Save sample values").click()
    expect(page.get_by_role("button", name="Use the examples again")).to_be_visible()
    expect(page.get_by_label("Subject")).to_have_value("To {{who}}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_editor(
    browser: Browser, server: Server, app: App, slug: str, scheme: Any
) -> None:
    with visiting(browser, server.url, color_scheme=scheme, reduced_motion="reduce") as visitor:
        visitor.log_in()
        for path in (slug, f"{slug}?language=de"):
            visitor.go(f"/templates/{path}")
            expect(visitor.page.locator("html.studio-ready")).to_be_visible()
            assert visitor.axe_violations() == []
        code(visitor.page).click()
        visitor.page.keyboard.type("{{")
        visitor.page.get_by_label("Subject").fill("")
        expect(visitor.page.locator("#live-head")).to_contain_text("It cannot be rendered")
        assert visitor.axe_violations() == []


@pytest.fixture
def plain(browser: Browser, server: Server, slug: str) -> Iterator[Visitor]:
    with visiting(browser, server.url, java_script_enabled=False) as visitor:
        visitor.log_in()
        visitor.go(f"/templates/{slug}")
        yield visitor


def test_everything_works_without_javascript(plain: Visitor, app: App, slug: str) -> None:
    page = plain.page
    page.get_by_label("Subject").fill("To {{who}}")
    page.get_by_label("HTML", exact=True).first.fill("<p>Plain")
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.frame_locator("iframe[name=preview]").locator("body")).to_contain_text("Plain")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#live-missing")).to_contain_text("who")
    page.get_by_role("button", name="Declare it").click()
    expect(page.get_by_label("Subject")).to_have_value("To {{who}}")
    page.get_by_role("button", name="Send test").click()
    expect(page.locator(".test-sent")).to_contain_text("It is on its way.")
    page.get_by_role("button", name="Save as draft 2").click()
    expect(page.get_by_text("Draft 2 is saved.")).to_be_visible()
    page.get_by_role("button", name="Publish 2").click()
    expect(page.get_by_text("Version 2 is live: the next")).to_be_visible()
    found = app.get(f"/v1/templates/{slug}/versions/2")
    assert found["content"] == {"subject": "To {{who}}", "html": "<p>Plain"}
    assert [each["name"] for each in found["variables"]] == ["name", "items", "who"]
