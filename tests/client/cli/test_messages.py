"""`messages`: list, get, cancel, wait, tail."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from senderkit.client import EmailContent, SenderKit
from tests.client import scripted as play
from tests.client.cli.conftest import Cli


def test_a_list_is_a_table_for_people_and_the_answer_for_scripts(cli: Cli, sk: SenderKit) -> None:
    sent = sk.send("welcome", "ada@example.com", metadata={"run": "cli list", "order": 7})
    sk.messages.wait(sent.id, until="delivered")
    filters = ("--metadata", "run=cli list", "--metadata", "order=7", "--template", "welcome")

    table = cli.does("messages", "list", *filters).splitlines()

    assert table[0].split() == ["ID", "STATUS", "CHANNEL", "TEMPLATE", "TO", "CREATED"]
    assert table[1].split()[:5] == [sent.id, "delivered", "email", "welcome", "ada@example.com"]
    assert len(table) == 2
    assert cli.answers("messages", "list", *filters) == sk.messages.list(search=sent.id).raw


def test_pages_lead_on(cli: Cli, sk: SenderKit) -> None:
    sent = [sk.send("welcome", "ada@example.com", metadata={"run": "cli pages"}) for _ in range(3)]
    command = ("messages", "list", "--metadata", "run=cli pages", "--limit", "2")

    first = cli.run(*command)
    cursor = first.stderr.strip().removeprefix("There are more: --cursor ")
    second = cli.run(*command, "--cursor", cursor)

    ids = [line.split()[0] for line in (first.stdout + second.stdout).splitlines()]
    assert [i for i in ids if i != "ID"] == [result.id for result in reversed(sent)]
    assert second.stderr == ""


def test_a_message_is_shown_with_its_timeline(cli: Cli, sk: SenderKit) -> None:
    sent = sk.send("welcome", "ada@example.com", vars={"name": "Ada"})
    message = sk.messages.wait(sent.id, until="delivered")

    shown = cli.does("messages", "get", sent.id)

    assert shown.splitlines()[0].split() == ["id", sent.id]
    assert [entry["e"] for entry in message.timeline] == [
        line.split()[1] for line in shown.splitlines() if line.startswith("  ")
    ]
    assert cli.answers("messages", "get", sent.id) == message.raw


def test_what_strangers_wrote_cannot_steer_the_terminal(cli: Cli, sk: SenderKit) -> None:
    hostile = "\x1b]0;owned\x07\x9b31m\u202eevil"
    sent = sk.send("welcome", "ada@example.com", vars={"name": hostile}, metadata={"run": "esc"})
    sk.messages.wait(sent.id)

    shown = cli.does("messages", "get", sent.id)
    printed = cli.does("messages", "get", sent.id, "--json")

    assert not set("\x1b\x07\x9b\u202e") & set(shown)
    assert not set("\x1b\x07\x9b") & set(printed)
    assert json.loads(printed)["vars"] == {"name": hostile}


def test_a_message_that_is_not_there_is_said(cli: Cli) -> None:
    assert cli.fails("messages", "get", "msg_nowhere")
    assert cli.fails("messages", "get", "..") == "'..' is no id and no slug."


def test_a_scheduled_message_is_canceled_and_a_sent_one_is_not(cli: Cli, sk: SenderKit) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    later = sk.send("welcome", "ada@example.com", scheduled_at=tomorrow)
    sent = sk.send("welcome", "ada@example.com")
    sk.messages.wait(sent.id, until="delivered")

    assert cli.answers("messages", "cancel", later.id) == {"id": later.id, "status": "canceled"}
    assert "delivered" in cli.fails("messages", "cancel", sent.id)


def test_waiting_ends_well_or_says_why_not(cli: Cli, sk: SenderKit) -> None:
    good = sk.send("welcome", "ada@example.com")
    bad = sk.send_raw("failed@simulator.senderkit.test", EmailContent("Hi", "<p>Hi</p>"))
    later = sk.send("welcome", "a@example.com", scheduled_at=datetime.now(UTC) + timedelta(days=1))

    assert "delivered" in cli.does("messages", "wait", good.id, "--until", "delivered")
    done = cli.run("messages", "wait", bad.id, "--until", "delivered", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (1, "failed")
    assert f"Error: {bad.id} ended as failed: " in done.stderr
    assert cli.fails("messages", "wait", later.id, "--timeout", "0.2") == (
        f"{later.id} is still scheduled after 0.2 seconds"
    )


@pytest.mark.parametrize(("status", "code"), [(501, "not_implemented"), (406, "not_acceptable")])
def test_a_server_without_a_tail_is_said(cli: Cli, status: int, code: str) -> None:
    with play.scripted(play.error(status, code)) as server:
        said = cli.given(BASE_URL=server.url).fails("messages", "tail")
    assert said.startswith("this server cannot be followed.")


@pytest.mark.parametrize("as_json", [False, True])
def test_messages_are_followed_until_ctrl_c(cli: Cli, as_json: bool) -> None:
    run = f"followed-{as_json}"
    sent = cli.answers("send", "welcome", "ada@example.com", "--metadata", f"run={run}")
    options = ["--metadata", f"run={run}", *["--json"][: int(as_json)]]
    process = subprocess.Popen(
        [sys.executable, "-m", "senderkit", "messages", "tail", *options],
        cwd=cli.folder,
        env=cli.environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    then = cli.answers("send", "welcome", "bob@example.com", "--metadata", f"run={run}")
    later = next(line for line in process.stdout if "bob@example.com" in line)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert (process.returncode, stderr) == (0, "")
    found = [
        json.loads(line)["publicId"] if as_json else line.split()[0] for line in (first, later)
    ]
    assert found == [sent["id"], then["id"]]


def test_a_status_has_its_colour_on_a_terminal(cli: Cli, sk: SenderKit) -> None:
    sk.messages.wait(sk.send("welcome", "ada@example.com").id, until="delivered")
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "senderkit", "messages", "list", "--limit", "1"],
        cwd=cli.folder,
        env=cli.environment,
        stdout=terminal,
    )
    os.close(terminal)
    process.wait(timeout=60)
    seen = os.read(controller, 10_000)
    os.close(controller)

    assert b"\x1b[32mdelivered" in seen
    assert "\x1b" not in cli.does("messages", "list", "--limit", "1")
