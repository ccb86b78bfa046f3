"""The command as people type it: a process of its own, a home folder of its own, a real server."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.client.conftest import Home
from tests.serving import TOP
from tests.starter import starter


@dataclass(frozen=True)
class Cli:
    """`senderkit` run from `folder` by somebody whose home it is, with these SENDERKIT_ variables.

    `url` is the server's address, whether or not the variables say it.
    """

    folder: Path
    url: str
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / ".senderkit" / "config.json"

    def given(self, **settings: str | None) -> Cli:
        """The same with other variables; None takes one away."""
        merged = {**self.settings, **settings}
        return replace(self, settings={name: text for name, text in merged.items() if text})

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if "SENDERKIT" not in name}
        ours = {f"SENDERKIT_{name}": text for name, text in self.settings.items()}
        return (
            inherited | {"HOME": str(self.folder), "PYTHONPATH": str(TOP), "COLUMNS": "100"} | ours
        )

    def run(self, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
        return starter().run(arguments, cwd=self.folder, env=self.environment, stdin=stdin)

    def does(self, *arguments: str, stdin: str = "") -> str:
        """Runs to a good end; returns standard output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def answers(self, *arguments: str, stdin: str = "") -> Any:
        """What the command prints with `--json`, read."""
        return json.loads(self.does(*arguments, "--json", stdin=stdin))

    def fails(self, *arguments: str, stdin: str = "") -> str:
        """Ends with 1, with words on standard error and nothing else; returns the words."""
        done = self.run(*arguments, stdin=stdin)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout + done.stderr
        assert "Error: " in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.rpartition("Error: ")[2].rstrip("\n")


@pytest.fixture
def stranger(tmp_path: Path, home: Home) -> Cli:
    """Somebody who has no key."""
    return Cli(tmp_path, home.url)


@pytest.fixture
def cli(stranger: Cli, home: Home) -> Cli:
    """Somebody with the test key in the environment."""
    return stranger.given(API_KEY=home.test_key, BASE_URL=home.url)
