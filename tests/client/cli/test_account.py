"""Whose key is this, where does it come from, and how is it kept?"""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys

import pytest

from senderkit.client import SenderKit
from senderkit.domain import Mode
from senderkit.keys import mint
from tests.client.cli.conftest import Cli
from tests.client.conftest import Home


def mode_of(path: os.PathLike[str]) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_login_keeps_the_key_and_the_server_for_its_owner_alone(
    stranger: Cli, home: Home
) -> None:
    done = stranger.run("login", "--api-key-stdin", "--base-url", home.url, stdin=home.test_key)

    assert (done.returncode, done.stdout) == (0, "")
    assert f"The test key of Acme at {home.url} is kept in" in done.stderr
    assert json.loads(stranger.config.read_text()) == {
        "apiKey": home.test_key,
        "baseUrl": home.url,
    }
    assert (mode_of(stranger.config), mode_of(stranger.config.parent)) == (0o600, 0o700)
    assert list(stranger.config.parent.iterdir()) == [stranger.config]
    assert stranger.answers("context")["mode"] == "test"


def test_a_login_asks_for_the_key_without_showing_it(stranger: Cli, home: Home) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "senderkit", "login", "--base-url", home.url],
        cwd=stranger.folder,
        env=stranger.environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    seen = b""
    while b"API key: " not in seen:
        seen += os.read(controller, 1000)
    os.write(controller, home.test_key.encode() + b"\n")
    process.wait(timeout=60)
    seen += os.read(controller, 10_000)
    os.close(controller)

    assert process.returncode == 0, seen
    assert home.test_key.encode() not in seen
    assert home.test_key in stranger.config.read_text()


def test_a_key_that_the_server_does_not_know_is_not_kept(stranger: Cli, home: Home) -> None:
    unknown = "sk_test_0000000000000000000000000000000000000000000"
    words = stranger.fails("login", "--api-key-stdin", "--base-url", home.url, stdin=unknown)
    assert words.startswith("api_key is malformed")

    made_up = mint(Mode.TEST).token
    words = stranger.fails("login", "--api-key-stdin", "--base-url", home.url, stdin=made_up)
    assert words.startswith("the server does not know this key, or it was revoked.")
    assert not stranger.config.exists()


def test_a_key_that_may_not_read_can_be_kept_all_the_same(stranger: Cli, home: Home) -> None:
    key = home.scoped_keys["send"]

    done = stranger.run("login", "--api-key-stdin", "--base-url", home.url, stdin=key)

    assert "The test key (it may not read) at" in done.stderr
    assert key in stranger.config.read_text()


def test_the_key_comes_from_the_option_then_the_environment_then_the_file(
    stranger: Cli, home: Home
) -> None:
    address = ("--base-url", home.url)
    stranger.does("login", "--api-key-stdin", *address, stdin=home.live_key)
    in_environment = stranger.given(API_KEY=home.test_key)

    assert stranger.answers("context")["mode"] == "live"
    assert in_environment.answers("context")["mode"] == "test"
    assert in_environment.answers("context", "--api-key", home.live_key)["mode"] == "live"


def test_without_a_key_every_command_says_what_to_do(stranger: Cli) -> None:
    words = "no API key: run 'senderkit login', or set SENDERKIT_API_KEY."

    for command in ("context", "messages list", "templates list", "send welcome ada@example.com"):
        assert stranger.fails(*command.split()) == words


def test_what_is_kept_is_shown_with_the_key_masked(stranger: Cli, home: Home) -> None:
    stranger.does("config", "set", "baseUrl", home.url + "/")
    stranger.does("config", "set", "apiKey", home.test_key)
    masked = f"{home.test_key[:11]}…{home.test_key[-4:]}"

    assert stranger.does("config", "get", "baseUrl") == f"{home.url}\n"
    assert stranger.does("config", "get", "apiKey") == f"{masked}\n"
    assert stranger.answers("config", "list") == {"apiKey": masked, "baseUrl": home.url}
    assert home.test_key not in stranger.does("config", "list")
    assert mode_of(stranger.config) == 0o600


def test_nonsense_is_not_kept(stranger: Cli) -> None:
    assert stranger.fails("config", "set", "apiKey", "sk_test_x").startswith("api_key is malformed")
    assert stranger.fails("config", "set", "baseUrl", "ftp://x").startswith("baseUrl must be")
    assert stranger.fails("config", "get", "baseUrl").startswith("no baseUrl is kept")
    assert not stranger.config.exists()


def test_what_others_keep_in_the_file_stays(stranger: Cli, home: Home) -> None:
    stranger.config.parent.mkdir()
    stranger.config.write_text('{"theme": "dark"}')
    stranger.config.chmod(0o644)

    done = stranger.run("config", "set", "baseUrl", home.url)

    assert "close it with chmod 600" in done.stderr
    assert json.loads(stranger.config.read_text()) == {"theme": "dark", "baseUrl": home.url}
    assert mode_of(stranger.config) == 0o600


@pytest.mark.parametrize("text", ["{", "[]", '{"apiKey": 7}'])
def test_a_file_that_cannot_be_read_is_said_and_left_alone(stranger: Cli, text: str) -> None:
    stranger.config.parent.mkdir()
    stranger.config.write_text(text)

    for command in (("context",), ("config", "list"), ("config", "set", "baseUrl", "http://a.b")):
        assert "Mend it, or delete it and log in again." in stranger.fails(*command)
    assert stranger.config.read_text() == text


def test_a_missing_scope_is_told_from_a_wrong_key(cli: Cli, home: Home) -> None:
    sender = cli.given(API_KEY=home.scoped_keys["send"])
    reader = cli.given(API_KEY=home.scoped_keys["read"])

    assert sender.fails("context").startswith(
        "the key of SENDERKIT_API_KEY is valid, but it lacks a scope. "
        "This API key is valid but lacks the 'read' scope."
    )
    assert "lacks the 'send' scope" in reader.fails("send", "welcome", "ada@example.com")
    assert "lacks the 'cancel' scope" in reader.fails("messages", "cancel", "msg_1")


def test_a_server_that_does_not_answer_is_said(cli: Cli) -> None:
    nowhere = cli.given(BASE_URL="http://127.0.0.1:9", MAX_RETRIES="0")

    words = nowhere.fails("context")

    assert words.startswith("http://127.0.0.1:9 could not be reached: ")
    assert "--base-url" in words


def test_the_context_is_shown(cli: Cli, sk: SenderKit) -> None:
    assert cli.does("context").splitlines()[0].split() == ["workspace", "Acme"]
    assert cli.answers("context") == sk.context().raw
