"""`senderkit admin connections`: provider accounts from the shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from senderkit.providers.vapid import public_key_of
from tests.cli.conftest import Shell
from tests.fakes import FakeSmtp
from tests.make import House

CONNECTIONS = ("admin", "connections")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n")
PASSWORD = "correct-horse-battery"


@pytest.fixture
def smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp(login=("mailer", PASSWORD)) as smtp:
        yield smtp


def options(smtp_port: int = 9, **changes: str) -> list[str]:
    fields = {
        "host": "127.0.0.1",
        "port": str(smtp_port),
        "security": "none",
        "username": "mailer",
        "from": "hello@acme.example",
    } | changes
    return [part for name, value in fields.items() for part in ("--field", f"{name}={value}")]


def add(shell: Shell, password_file: Path, *more: str, port: int = 9, name: str = "Mail") -> str:
    password_file.write_text(f"{PASSWORD}\n", "utf-8")
    secret = ("--field-file", f"password={password_file}")
    return shell.does(*CONNECTIONS, "add", "smtp", "--name", name, *options(port), *secret, *more)


def order(house: House) -> list[tuple[str, int | None]]:
    rows = house.rows("SELECT name, position FROM connections ORDER BY position IS NULL, position")
    return [(row[0], row[1]) for row in rows]


def test_fields_tell_what_a_provider_needs(new_shell: Shell) -> None:
    lines = new_shell.does(*CONNECTIONS, "fields", "smtp").splitlines()
    told = {line.split("\t")[0]: line.split("\t")[1] for line in lines}
    assert told["host"] == "text, required"
    assert told["security"] == "choice, starttls|tls|none, default starttls"
    assert told["password"] == "text, secret"
    assert "postmark\temail\tPostmark" in new_shell.does(*CONNECTIONS, "fields").splitlines()
    assert "there is no provider 'pigeon'" in new_shell.fails(*CONNECTIONS, "fields", "pigeon")
    assert not new_shell.data_dir.exists()


def test_a_connection_is_added_listed_tested_and_removed(
    set_up_shell: Shell, house: House, smtp: FakeSmtp, tmp_path: Path
) -> None:
    printed = add(set_up_shell, tmp_path / "password", port=smtp.port)
    assert ID.fullmatch(printed)
    connection_id = printed.strip()
    [line] = set_up_shell.does(*CONNECTIONS, "list").splitlines()
    assert line.split("\t") == [connection_id, "email", "1", "smtp", "working", "Mail"]

    told = set_up_shell.run(*CONNECTIONS, "test", connection_id)
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr == "Mail: The provider accepts these credentials and settings.\n"
    smtp.login = ("mailer", "another")
    words = set_up_shell.fails(*CONNECTIONS, "test", connection_id)
    assert words.startswith("Mail: The login was refused by the mail server")
    assert PASSWORD not in words + told.stderr + line

    told = set_up_shell.run(*CONNECTIONS, "remove", connection_id)
    assert told.stderr == "Removed 'Mail' (SMTP).\n"
    assert order(house) == []
    for command in ("test", "remove"):
        assert "connections list" in set_up_shell.fails(*CONNECTIONS, command, connection_id)


def test_where_a_provider_reports_to_is_told(
    set_up_shell: Shell, house: House, tmp_path: Path
) -> None:
    token = ("--field", "server_token=a-token", "--field", "from=hello@acme.example")
    told = set_up_shell.run(*CONNECTIONS, "add", "postmark", "--name", "Mail", *token)
    address = f"{house.runtime.settings.public_url}/hooks/postmark/{told.stdout.strip()}"
    assert told.stderr.startswith(f"Callback address: {address}\nIn Postmark, open your server")

    asked = set_up_shell.run(*CONNECTIONS, "callback", told.stdout.strip())
    assert (asked.stdout, asked.stderr) == (f"{address}\n", told.stderr.partition("\n")[2])

    silent = add(set_up_shell, tmp_path / "password").strip()
    asked = set_up_shell.run(*CONNECTIONS, "callback", silent)
    assert (asked.stdout, asked.returncode) == ("", 0)
    assert asked.stderr.startswith("A mail server reports nothing back")


def test_a_key_pair_for_web_push_is_made(new_shell: Shell) -> None:
    printed = dict(line.split("\t") for line in new_shell.does(*CONNECTIONS, "vapid").splitlines())
    assert printed["public_key"] == public_key_of(printed["private_key"])
    again = new_shell.does(*CONNECTIONS, "vapid")
    assert printed["private_key"] not in again
    assert not new_shell.data_dir.exists()


def test_places_are_chosen(set_up_shell: Shell, house: House, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    add(set_up_shell, secret, name="One")
    add(set_up_shell, secret, "--default", name="Two")
    add(set_up_shell, secret, "--backup", name="Three")
    add(set_up_shell, secret, name="Four")
    assert order(house) == [("Two", 1), ("One", 2), ("Three", 3), ("Four", None)]
    both = ("add", "smtp", "--name", "x", "--default", "--backup")
    assert "not both" in set_up_shell.fails(*CONNECTIONS, *both)


def test_adding_tries_what_was_held(
    set_up_shell: Shell, house: House, smtp: FakeSmtp, tmp_path: Path
) -> None:
    add(set_up_shell, tmp_path / "password")
    house.write("UPDATE connections SET broken_reason = 'wrong'")
    house.api("live").send()
    house.deliver()
    secret = ("--field", f"password={PASSWORD}")
    told = set_up_shell.run(
        *CONNECTIONS, "add", "smtp", "--name", "B", "--backup", *options(smtp.port), *secret
    )
    assert "Held messages that are tried again: 1." in told.stderr


def test_a_secret_comes_from_standard_input(set_up_shell: Shell, house: House) -> None:
    arguments = ("add", "smtp", "--name", "Mail", *options(), "--field-file", "password=-")
    set_up_shell.does(*CONNECTIONS, *arguments, stdin=f"{PASSWORD}\r\n")
    assert order(house) == [("Mail", 1)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["smtp", *options(host="")], "host: Host is required."),
        (["smtp", *options(), "--field", "username=x"], "the field 'username' is given twice."),
        (["smtp", *options(), "--field", "password"], "'password' must look like name=value."),
        (["smtp", *options(username=""), "--field", "colour=red"], "SMTP has no field of this"),
        (["smtp", *options(), "--field-file", "password=/nowhere/x"], "No such file or directory"),
        (["pigeon"], "there is no provider 'pigeon'. Known: smtp, "),
    ],
)
def test_what_is_wrong_is_told(
    set_up_shell: Shell, house: House, arguments: list[str], words: str
) -> None:
    told = set_up_shell.fails(*CONNECTIONS, "add", "--name", "Mail", *arguments)
    assert words in told or words.partition(": ")[2] in told
    assert PASSWORD not in told
    assert order(house) == []
