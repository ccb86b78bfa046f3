"""Every command explains itself; a command line that cannot be read is no traceback."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from senderkit import __version__
from senderkit.cli import main
from tests.cli.conftest import Shell


def all_commands(command: click.Command, path: str = "") -> dict[str, click.Command]:
    """`admin keys list` -> the command, for the whole tree."""
    found = {path: command}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            found |= all_commands(sub, f"{path} {name}".strip())
    return found


COMMANDS = all_commands(main)


def told(*arguments: str) -> str:
    return CliRunner().invoke(main, arguments, prog_name="senderkit").output


def test_these_are_all_commands() -> None:
    assert sorted(
        name for name, command in COMMANDS.items() if not isinstance(command, click.Group)
    ) == [
        "admin blocks list",
        "admin blocks remove",
        "admin blocks save",
        "admin blocks show",
        "admin connections add",
        "admin connections callback",
        "admin connections fields",
        "admin connections list",
        "admin connections remove",
        "admin connections test",
        "admin connections vapid",
        "admin db upgrade",
        "admin init",
        "admin keys create",
        "admin keys list",
        "admin keys mint",
        "admin keys revoke",
        "admin members add",
        "admin members set-password",
        "admin messages export",
        "admin messages resend",
        "admin rotate-encryption-key",
        "admin suppressions export",
        "admin suppressions import",
        "admin templates aliases",
        "admin templates archive",
        "admin templates duplicate",
        "admin templates export",
        "admin templates import",
        "admin templates publish",
        "admin templates remove-alias",
        "admin templates rename",
        "admin templates restore",
        "admin themes list",
        "admin webhooks add",
        "admin webhooks list",
        "admin webhooks remove",
        "admin webhooks test",
        "completion",
        "config get",
        "config list",
        "config set",
        "context",
        "login",
        "mcp",
        "messages cancel",
        "messages get",
        "messages list",
        "messages tail",
        "messages wait",
        "send",
        "send-batch",
        "send-raw",
        "serve",
        "templates get",
        "templates list",
        "templates pull",
        "templates push",
        "templates render",
        "worker",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    help_text = told(*name.split(), "--help")

    assert help_text == told(*name.split(), "-h")
    assert help_text.startswith(f"Usage: {' '.join(['senderkit', *name.split()])} ")
    assert (COMMANDS[name].help or "").split("\n")[0].endswith((".", ","))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_takes_a_password_or_a_token_as_an_argument(name: str) -> None:
    """Other users of the machine see arguments: a key given as one is told so."""
    options = {option: each for each in COMMANDS[name].params for option in each.opts}

    assert options.keys() & {"--password", "--token", "--secret"} == set()
    if "--api-key" in options:
        assert name.partition(" ")[0] not in {"serve", "worker", "admin", "login", "config"}
        assert "Others on this machine see options" in getattr(options["--api-key"], "help", "")


def test_the_list_of_commands_says_what_each_is_for() -> None:
    """The list is a table of its own, so that it need not import the commands."""
    rows = click.HelpFormatter(width=1000)
    main.format_commands(click.Context(main), rows)
    listed = dict(line.split(maxsplit=1) for line in rows.getvalue().splitlines()[1:])

    assert listed == {
        name: command.get_short_help_str(1000)
        for name, command in COMMANDS.items()
        if name and " " not in name
    }


def test_help_and_version_touch_nothing(new_shell: Shell) -> None:
    assert "docs/configuration.md" in new_shell.does("--help")
    assert new_shell.does("--version") == f"senderkit {__version__}\n"
    assert not new_shell.data_dir.exists()


def test_an_unknown_command_is_no_traceback(new_shell: Shell) -> None:
    done = new_shell.run("serv")

    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'serv'" in done.stderr
