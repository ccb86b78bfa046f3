"""A person at a browser, and what must never happen while they look: a script's dialog, a breach of
the page's policy, an error on the console, a request to somewhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request

from tests.make import OWNER, PASSWORD

_AXE_SCRIPT = Axe().axe_script
# axe calls into every frame; those of previews have an origin of their own, which nothing reaches.
_AXE_AT_A_FRAME = "Failed to execute 'postMessage' on 'DOMWindow'"


@dataclass
class Visitor:
    """One browser window on one server; `alarms` collects what must never happen."""

    page: Page
    url: str
    alarms: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("dialog", self._on_dialog)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.alarms.append(f"script error: {error}"))
        self.page.on("request", self._on_request)

    def _on_dialog(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":
            self.alarms.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_console(self, message: ConsoleMessage) -> None:
        if _AXE_AT_A_FRAME in message.text:
            return
        # A status of 4xx is told on the console as well; tests look at answers by themselves.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.alarms.append(f"console: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "about:", "blob:")):
            self.alarms.append(f"request to {request.url}")

    def go(self, path: str) -> int:
        """Open a page of the server; the status of its answer."""
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        return answer.status

    def log_in(self) -> None:
        self.go("/login")
        self.page.get_by_label("Email address").fill(OWNER)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"{self.url}/")

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width

    def axe_violations(self) -> list[str]:
        """What axe finds, as `rule: element`."""
        self.page.evaluate(_AXE_SCRIPT)
        # All else that axe tells is several times as much and would have to come out of the page.
        found: list[dict[str, Any]] = self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(results => results.violations)"
        )
        return [
            f"{violation['id']}: {node['html'][:200]}"
            for violation in found
            for node in violation["nodes"]
        ]


@contextlib.contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visitor]:
    """A window with cookies of its own; `options` are Playwright's (`color_scheme`, …)."""
    context = browser.new_context(**options)
    context.set_default_timeout(45_000)
    try:
        visitor = Visitor(context.new_page(), url)
        yield visitor
        assert visitor.alarms == [], visitor.alarms
    finally:
        context.close()
