"""What goes wrong outside a command is said in words, with what to do, on standard error."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.fakes import free_port
from tests.make import PASSWORD
from tests.serving import TOP, environment

LIST = ("admin", "keys", "list")
NEEDS_SET_UP = {
    "keys create": ("--name", "Shop", "--mode", "test"),
    "keys list": (),
    "keys revoke": ("key_1",),
    "templates publish": ("welcome",),
    "members add": ("--email", "ben@acme.example", "--password-stdin"),
    "members set-password": ("--email", "ben@acme.example", "--password-stdin"),
}


@pytest.mark.parametrize("command", NEEDS_SET_UP)
def test_before_the_set_up_every_command_says_what_comes_first(
    new_shell: Shell, command: str
) -> None:
    words = new_shell.fails("admin", *command.split(), *NEEDS_SET_UP[command], stdin=PASSWORD)

    assert words == (
        "this server is not set up yet: open it in a browser, or run 'senderkit admin init'."
    )


def test_a_database_that_does_not_answer_is_said(new_shell: Shell) -> None:
    url = f"postgresql://ann:opensesame@127.0.0.1:{free_port()}/senderkit"

    words = Shell(new_shell.data_dir, {"DATABASE_URL": url}).fails(*LIST)

    assert words.startswith("cannot use the database: connection failed: ")
    assert words.endswith("Check SENDERKIT_DATABASE_URL and that its server runs.")
    assert "opensesame" not in words


def test_a_file_that_is_no_database_is_said(new_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("These are no rows. " * 100, encoding="utf-8")
    url = f"sqlite:///{tmp_path}/notes.txt"

    words = Shell(new_shell.data_dir, {"DATABASE_URL": url}).fails(*LIST)

    assert words.startswith("cannot use the database: file is not a database")


def test_a_database_file_that_cannot_be_made_is_said(new_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = f"sqlite:///{tmp_path}/file/senderkit.sqlite3"

    words = Shell(new_shell.data_dir, {"DATABASE_URL": url}).fails(*LIST)

    assert words == (
        "wrong settings.\n"
        f"SENDERKIT_DATABASE_URL: {tmp_path}/file/senderkit.sqlite3: Not a directory."
    )


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    words = Shell(tmp_path / "file" / "data").fails(*LIST)

    assert words == (f"wrong settings.\nSENDERKIT_DATA_DIR: {tmp_path}/file/data: Not a directory.")


def test_a_data_folder_without_leave_to_write_is_said(tmp_path: Path) -> None:
    """Nobody writes into /proc, not even root."""
    words = Shell(Path("/proc/senderkit")).fails(*LIST)

    assert words.startswith("wrong settings.\nSENDERKIT_DATA_DIR: /proc/senderkit: ")


def test_all_wrong_settings_are_said_at_once(new_shell: Shell) -> None:
    wrong = {
        "PORT": "eighty",
        "SECRET_KEY": "short",
        "SEED_KEYS": "ci",
        "SMTP_URL": "http://mail.acme.example",
        "MAIL_FROM": "hello@acme.example",
        "DATABASE_URL": "mysql://host/name",
    }

    words = Shell(new_shell.data_dir, wrong).fails("serve")

    first, *rest = words.splitlines()
    assert first == "wrong settings."
    assert sorted(line.split()[0].rstrip(":") for line in rest) == sorted(
        f"SENDERKIT_{name}" for name in wrong if name != "MAIL_FROM"
    )
    assert not new_shell.data_dir.exists()


def test_a_wrong_sender_is_said(new_shell: Shell) -> None:
    wrong = {"SMTP_URL": "smtp://localhost", "MAIL_FROM": "nobody", "PORT": "0"}

    words = Shell(new_shell.data_dir, wrong).fails(*LIST)

    assert words.splitlines()[1:] == [
        "SENDERKIT_PORT: must be a whole number from 1 to 65535.",
        "SENDERKIT_MAIL_FROM: Sender must be an address, bare or as Name <address>.",
    ]


def test_a_name_that_is_no_setting_is_told_but_stops_nothing(new_shell: Shell) -> None:
    more = {"DATABSE_URL": "sqlite:////srv/x", "API_KEY": "sk_test_x", "PORT_FILE": ""}

    done = Shell(new_shell.data_dir, more).run("admin", "db", "upgrade")

    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "SENDERKIT_DATABSE_URL is no setting of this release. Did you mean SENDERKIT_DATABASE_URL?",
        "The database is up to date.",
    ]


def test_postgres_without_its_driver_is_said(tmp_path: Path) -> None:
    without = "import sys; sys.modules['psycopg'] = None\n"
    start = "from senderkit.cli import main; main(['admin', 'db', 'upgrade'])"

    done = subprocess.run(
        [sys.executable, "-c", without + start],
        cwd=TOP,
        env=environment(tmp_path / "data", DATABASE_URL="postgresql://host/name"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == (
        "Error: wrong settings.\nSENDERKIT_DATABASE_URL: Postgres needs its driver: "
        "pip install 'senderkit-server[postgres]'.\n"
    )


def test_a_password_that_is_no_text_is_said(tmp_path: Path) -> None:
    init = ("admin", "init", "--workspace", "Acme", "--email", "o@acme.example")

    done = subprocess.run(
        [sys.executable, "-m", "senderkit", *init, "--password-stdin"],
        cwd=TOP,
        env=environment(tmp_path / "data") | {"PYTHONUTF8": "1"},
        input=b"\xff\xfe not UTF-8 \xff\n",
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"Error: the password must be UTF-8 text.\n"


# -- addresses --------------------------------------------------------------------------------


def test_a_taken_port_is_said_before_the_database_is_touched(new_shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = new_shell.fails("serve", "--port", str(port))

    assert words == (
        f"port {port} on 127.0.0.1 is taken: another server may be running. "
        "Choose another one with --port."
    )
    assert not (new_shell.data_dir / "senderkit.sqlite3").exists()


def test_an_address_of_another_machine_is_said(new_shell: Shell) -> None:
    words = new_shell.fails("serve", "--host", "192.0.2.1", "--port", str(free_port()))

    assert words == "192.0.2.1 is no address of this machine: choose another one with --host."


def test_a_name_that_leads_nowhere_is_said(new_shell: Shell) -> None:
    words = new_shell.fails("serve", "--host", "nowhere.invalid")

    assert words.startswith("the name nowhere.invalid leads to no address")


def test_a_port_out_of_range_is_said(new_shell: Shell) -> None:
    done = new_shell.run("serve", "--port", "65536")

    assert done.returncode == 2
    assert "65536 is not in the range 1<=x<=65535" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may listen on every port")
def test_a_port_for_root_only_is_said(new_shell: Shell) -> None:
    assert "port 80 " in new_shell.fails("serve", "--port", "80")
