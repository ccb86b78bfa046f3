"""A real Chromium and a real server. Where no Chromium is found the tests are skipped, plainly;
`SENDERKIT_REQUIRE_BROWSER=1` makes that a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.visitor import Visitor, visiting
from tests.make import OWNER, PASSWORD, WORKSPACE
from tests.serving import Server, run_cli, serving

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


# Not for the whole session: while Playwright is started its event loop counts as the running one of
# this thread, and tests of other folders could not run theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = f"no Chromium on this machine (looked for {', '.join(_NAMES)})"
        if os.environ.get("SENDERKIT_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=45_000)  # a busy machine is no fault of a page
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[Server]:
    """A server that nobody has set up."""
    with serving(tmp_path / "data") as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a workspace and its owner, shared by the tests of a module."""
    data_dir = tmp_path_factory.mktemp("server")
    initialised = run_cli(
        data_dir,
        *("admin", "init", "--workspace", WORKSPACE, "--email", OWNER, "--password-stdin"),
        stdin=f"{PASSWORD}\n",
    )
    assert initialised.returncode == 0, initialised.stderr
    with serving(data_dir, DEBUG="on") as server:
        yield server


@pytest.fixture
def visitor(browser: Browser, server: Server) -> Iterator[Visitor]:
    """Somebody who is not logged in."""
    with visiting(browser, server.url) as visitor:
        yield visitor


@pytest.fixture
def owner(visitor: Visitor) -> Visitor:
    """The owner, logged in."""
    visitor.log_in()
    return visitor
