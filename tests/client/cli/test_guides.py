"""The guides in `docs/`: every shell, Python, Node and PHP snippet is run against a real server.

A page is run as a reader would: its shell snippets one after another in one shell, then its
programs, with what the shell exported. Node and PHP are run where they are installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from senderkit.client import SenderKit
from tests.client.cli.conftest import Cli
from tests.client.cli.test_mcp import TOOLS
from tests.client.conftest import Home
from tests.serving import TOP, serving

DOCS: Final = TOP / "docs"
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GUIDES: Final = (
    "command-line",
    "mcp",
    "migrating",
    "quick-start",
    "receiving-webhooks",
    "sending",
    "templates-as-files",
)
PROGRAMS: Final = {
    "python": ("snippets.py", f"'{sys.executable}' snippets.py"),
    "js": ("snippets.mjs", "node snippets.mjs"),
    "php": ("snippets.php", "php -d zend.assertions=1 snippets.php"),
}
NOT_RUN: Final = {"json", "text", "ts"}
"""What is shown only: data, and the published Node package, which is not to be had here."""


def snippets(guide: str, language: str) -> list[str]:
    page = (DOCS / f"{guide}.md").read_text("utf-8")
    return [text for found, text in FENCE.findall(page) if found == language]


def with_language(language: str) -> list[str]:
    return [guide for guide in GUIDES if snippets(guide, language)]


def run(cli: Cli, guide: str, *languages: str) -> str:
    """Runs a guide's shell snippets, then its programs in these languages; what they print."""
    here = cli.folder / guide
    (here / "bin").mkdir(parents=True)
    command = here / "bin" / "senderkit"
    command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m senderkit \"$@\"\n")
    command.chmod(0o755)
    lines = ["set -euo pipefail", f"PATH='{command.parent}':$PATH", *snippets(guide, "sh")]
    for language in languages:
        name, line = PROGRAMS[language]
        (here / name).write_text("\n".join(snippets(guide, language)), "utf-8")
        lines += [line] * bool(snippets(guide, language))
    script = "\n".join(lines).replace("http://127.0.0.1:8025", cli.url)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=here,
        env=cli.environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def reader(cli: Cli, home: Home) -> Cli:
    """Somebody on the server's own machine, with a test key."""
    return cli.given(DATA_DIR=str(home.server.data_dir))


@pytest.fixture
def beginner(stranger: Cli, tmp_path: Path) -> Iterator[Cli]:
    """Somebody whose server was started a moment ago, and is not set up."""
    with serving(tmp_path / "data") as server:
        yield Cli(tmp_path, server.url).given(BASE_URL=server.url, DATA_DIR=str(server.data_dir))


def test_every_snippet_is_in_a_language_that_is_run_or_known_not_to_be() -> None:
    pages = [(DOCS / f"{guide}.md").read_text("utf-8") for guide in GUIDES]
    found = {language for page in pages for language, _ in FENCE.findall(page)}

    assert found - NOT_RUN == {"sh", *PROGRAMS}


def test_the_quick_start_leads_from_nothing_to_a_delivered_template(beginner: Cli) -> None:
    shown = run(beginner, "quick-start", "python")

    assert "Hello Ada,</p>" in shown
    assert re.search(r"^status +delivered$", shown, re.MULTILINE)
    assert re.search(r"^msg_\w+ queued$", shown, re.MULTILINE)


@pytest.mark.parametrize("guide", [g for g in GUIDES if g not in {"quick-start", "mcp"}])
def test_every_shell_and_python_snippet_runs(reader: Cli, guide: str) -> None:
    run(reader, guide, "python")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.parametrize("guide", with_language("js"))
def test_every_node_snippet_runs(reader: Cli, guide: str) -> None:
    run(reader, guide, "js")


@pytest.mark.skipif(shutil.which("php") is None, reason="PHP is not installed")
@pytest.mark.parametrize("guide", with_language("php"))
def test_every_php_snippet_runs(reader: Cli, guide: str) -> None:
    run(reader, guide, "php")


def test_the_same_send_in_every_language_is_sent_once(reader: Cli, sk: SenderKit) -> None:
    """The snippets use one idempotency key, so all of them get the first one's answer."""
    needs = {"python": sys.executable, "js": "node", "php": "php"}
    present = [language for language, program in needs.items() if shutil.which(program)]

    shown = run(reader, "sending", *present)

    lines = re.findall(r"(msg_\w+) queued$", shown, re.MULTILINE)
    assert len(lines) == len(present)
    assert len(set(lines)) == 1
    assert sk.messages.get(lines[0]).recipient == "ada@example.com"


def test_every_tool_is_in_the_guide_for_assistants() -> None:
    page = (DOCS / "mcp.md").read_text("utf-8")
    assert {name for name in TOOLS if f"`{name}`" not in page} == set()
