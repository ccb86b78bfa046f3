"""The documents say what is: their settings, files, make targets and forced outcomes exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from senderkit import simulator
from senderkit.domain import Channel
from senderkit.settings import DOCUMENTED

TOP: Final = Path(__file__).resolve().parents[1]
DOCUMENTS: Final = [TOP / "README.md", TOP / "CHANGELOG.md", *sorted((TOP / "docs").glob("*.md"))]
LINK: Final = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
TARGET: Final = re.compile(r"(?:`|^\s*)(?:[A-Z_]+=\S+ )*make ([a-z]+)", re.MULTILINE)
SETTING: Final = re.compile(r"\bSENDERKIT_([A-Z_]+)\b")

CLIENT_SETTINGS: Final = {"API_KEY", "BASE_URL", "TIMEOUT", "MAX_RETRIES", "WEBHOOK_SECRET"}
TEST_SETTINGS: Final = {"TEST_POSTGRES_URL", "TEST_SENDS", "REQUIRE_POSTGRES", "REQUIRE_BROWSER"}


def settings_table() -> str:
    """The table of docs/configuration.md, from the settings themselves."""
    rows = [f"| `SENDERKIT_{s.name}` | {s.default} | {s.help} |" for s in DOCUMENTED]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows])


def test_the_configuration_page_lists_every_setting_as_it_is() -> None:
    page = (TOP / "docs/configuration.md").read_text("utf-8")
    assert settings_table() in page


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist(document: Path) -> None:
    local = [link for link in LINK.findall(document.read_text("utf-8")) if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_and_targets_that_are_named_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    known = {f"{setting.name}{end}" for setting in DOCUMENTED for end in ("", "_FILE")}
    named = set(SETTING.findall(text))
    assert named - known - CLIENT_SETTINGS - TEST_SETTINGS == set()
    targets = set(TARGET.findall(text))
    makefile = (TOP / "Makefile").read_text("utf-8")
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)] == []


def test_the_test_mode_page_lists_every_forced_outcome() -> None:
    page = (TOP / "docs/test-mode.md").read_text("utf-8")
    channels = (Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.WEB_PUSH)
    rows = [
        line.split("|")[1:-1] for line in page.splitlines() if "simulator.senderkit.test`" in line
    ]
    found = {
        (channel, cell.strip(" `")): simulator.outcome_for(channel, cell.strip(" `"))
        for row in rows
        for channel, cell in zip(channels, row[1:], strict=False)
        if len(row) == 5
    }
    assert len(found) == 16
    for (_, recipient), outcome in found.items():
        assert outcome is not simulator.DELIVERED, recipient
