"""The command as people type it: a process of its own, its data folder, its database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.make import House
from tests.serving import run_cli


@dataclass(frozen=True)
class Shell:
    """`senderkit` with one data folder and these settings by name (`DATABASE_URL`)."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
        return run_cli(self.data_dir, *arguments, stdin=stdin, settings=self.settings)

    def does(self, *arguments: str, stdin: str = "") -> str:
        """Runs to a good end; returns standard output."""
        done = self.run(*arguments, stdin=stdin)
        assert (done.returncode, "Error" in done.stderr) == (0, False), done.stderr
        return done.stdout

    def fails(self, *arguments: str, stdin: str = "") -> str:
        """Fails with words on standard error and nothing else anywhere; returns the words."""
        done = self.run(*arguments, stdin=stdin)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout + done.stderr
        assert done.stderr.startswith("Error: "), done.stderr
        return done.stderr.removeprefix("Error: ").rstrip("\n")


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    """On a migrated database that nobody has set up; on SQLite and on Postgres."""
    return Shell(tmp_path / "data", {"DATABASE_URL": database_url})


@pytest.fixture
def set_up_shell(shell: Shell, house: House) -> Shell:
    """The same, whose workspace and owner exist. `house` is another process's look at it."""
    return shell


@pytest.fixture
def new_shell(tmp_path: Path) -> Shell:
    """On SQLite, before the first start: nothing exists yet."""
    return Shell(tmp_path / "new" / "data")
