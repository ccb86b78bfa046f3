"""What a command loads, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.client.cli.conftest import Cli
from tests.serving import TOP

HEAVY = {"flask", "sqlalchemy", "pydantic", "cryptography", "granian", "mcp"}

COMMANDS = [
    "--help",
    "context",
    "send welcome ada@example.com",
    "messages list",
    "templates list",
    "config list",
    "completion bash",
    "send-batch --help",
]


def loaded_by(*arguments: str, environment: dict[str, str]) -> set[str]:
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.__stderr__))\n"
        "from senderkit.cli import main\n"
        f"main({list(arguments)!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=TOP,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_a_client_loads_nothing_of_the_server(cli: Cli, command: str) -> None:
    loaded = loaded_by(*command.split(), environment=cli.environment)

    assert "senderkit.cli" in loaded
    assert loaded & HEAVY == set()
    assert "senderkit.web" not in loaded


def test_commands_and_options_are_completed(cli: Cli) -> None:
    def completed(*words: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", "from senderkit.cli import main; main(prog_name='senderkit')"],
            env=cli.environment
            | {
                "_SENDERKIT_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(["senderkit", *words]),
                "COMP_CWORD": str(len(words)),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return {line.partition(",")[2] for line in done.stdout.splitlines()}

    assert completed("m") == {"mcp", "messages"}
    assert completed("messages", "ta") == {"tail"}
    assert "--scheduled-at" in completed("send", "--sch")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(cli: Cli, shell: str) -> None:
    assert f"_SENDERKIT_COMPLETE={shell}_complete" in cli.does("completion", shell)
