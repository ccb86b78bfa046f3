"""`send-batch`: each row once, however often the command is run, and every failure named."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from senderkit.client import SenderKit
from tests.client import scripted as play
from tests.client.cli.conftest import Cli
from tests.client.conftest import Home
from tests.make import wait_until


def csv_of(cli: Cli, run: str, count: int, name: str = "people.csv") -> Path:
    """A file of `count` people; `run` is in their metadata."""
    rows = [f"user{n}@example.com,User {n},{run}" for n in range(count)]
    path = cli.folder / name
    path.write_text("\n".join(["to,vars.name,metadata.run", *rows]) + "\n")
    return path


def sent_in(sk: SenderKit, run: str) -> list[str]:
    return sorted(message.recipient for message in sk.messages.iter(metadata={"run": run}))


def people(count: int) -> list[str]:
    return sorted(f"user{n}@example.com" for n in range(count))


def lines_of(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_row_is_sent_once_however_often_the_command_is_run(cli: Cli, sk: SenderKit) -> None:
    csv_of(cli, "batch once", 12)
    command = ("send-batch", "people.csv", "--template", "welcome", "--json")

    first, again = cli.run(*command), cli.run(*command)
    (cli.folder / "people.csv.test.progress").unlink()
    without_progress = cli.run(*command)

    assert sent_in(sk, "batch once") == people(12)
    assert sorted(entry["line"] for entry in lines_of(first.stdout)) == list(range(2, 14))
    assert first.stderr == "12 of 12 messages are to be sent (test).\n12 sent.\n"
    assert (again.stdout, again.returncode) == ("", 0)
    assert again.stderr == "0 of 12 messages are to be sent (test).\n0 sent, 12 before.\n"
    ids = {entry["id"] for entry in lines_of(first.stdout)}
    assert {entry["id"] for entry in lines_of(without_progress.stdout)} == ids


def test_the_variables_of_a_row_are_its_own(cli: Cli, sk: SenderKit) -> None:
    (cli.folder / "people.csv").write_text(
        "\ufeffto,template,vars.name,vars.pet.name,version,cc,metadata.a.b,scheduledAt\n"
        'ada@example.com,welcome,"Ada, of\nLondon",Rex,1,ops@example.com;x@example.com,dots,\n'
        "\n"
        "bob@example.com,welcome,Bob,,,,dots,\n",
        "utf-8",
    )

    found = {
        entry["line"]: entry["id"]
        for entry in lines_of(cli.does("send-batch", "people.csv", "--json"))
    }

    assert sorted(found) == [2, 5]
    first = sk.messages.get(found[2])
    assert first.vars == {"name": "Ada, of\nLondon", "pet": {"name": "Rex"}}
    assert first.metadata == {"a.b": "dots"}
    assert sk.messages.get(found[5]).vars == {"name": "Bob"}


def test_raw_sends_come_from_either_kind_of_file(cli: Cli, sk: SenderKit) -> None:
    (cli.folder / "codes.csv").write_text(
        "channel,to,content.title,content.body,content.badge,interpolate\n"
        "push,device-token,Sold,Your bike,3,false\n"
    )
    body = {"channel": "sms", "to": "+15551234567", "content": {"body": "Hi"}}
    (cli.folder / "codes.jsonl").write_text(f"{json.dumps(body)}\n\n")

    [push] = lines_of(cli.does("send-batch", "codes.csv", "--json"))
    [sms] = lines_of(cli.does("send-batch", "codes.jsonl", "--json"))

    assert sk.messages.get(push["id"]).channel == "push"
    assert sk.messages.get(sms["id"]).channel == "sms"


def test_a_row_s_own_key_counts(cli: Cli, sk: SenderKit) -> None:
    entry = {"template": "welcome", "to": "ada@example.com", "idempotencyKey": "own key of a row"}
    (cli.folder / "one.jsonl").write_text(json.dumps(entry))

    [sent] = lines_of(cli.does("send-batch", "one.jsonl", "--json"))

    assert sk.send("welcome", "x@example.com", idempotency_key="own key of a row").id == sent["id"]


def test_a_refused_row_is_named_and_the_others_go_on(cli: Cli, sk: SenderKit) -> None:
    path = csv_of(cli, "batch refused", 3)
    path.write_text(path.read_text() + "nobody,No,batch refused\n")
    command = ("send-batch", "people.csv", "--template", "welcome")

    first, again = cli.run(*command), cli.run(*command)

    assert first.returncode == again.returncode == 1
    assert "line 5: " in first.stderr
    assert "1 of 4 rows failed" in first.stderr
    assert "1 of 4 messages are to be sent" in again.stderr
    assert sent_in(sk, "batch refused") == people(3)


def test_an_interrupted_batch_goes_on_where_it_ended(cli: Cli, home: Home, sk: SenderKit) -> None:
    """SIGKILL in the middle: what was under way is sent again with its key, and is not doubled."""
    csv_of(cli, "batch killed", 60)
    progress = cli.folder / "people.csv.test.progress"
    command = ["send-batch", "people.csv", "--template", "welcome", "--concurrency", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "senderkit", *command],
        cwd=cli.folder,
        env=cli.environment,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: progress.exists() and progress.read_bytes().count(b"\n") > 5)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    before = len(progress.read_text().splitlines()) - 1
    with progress.open("a") as file:
        file.write('{"line": 4')  # cut off while it was written

    done = cli.run(*command)

    assert 5 <= before < 60
    assert done.returncode == 0, done.stderr
    assert f"{before} before." in done.stderr
    assert sent_in(sk, "batch killed") == people(60)
    assert "0 sent, 60 before." in cli.run(*command).stderr


def test_ctrl_c_ends_a_batch_and_nothing_is_doubled(cli: Cli, sk: SenderKit) -> None:
    csv_of(cli, "batch stopped", 600)  # enough that it is not done before
    progress = cli.folder / "people.csv.test.progress"
    command = ["send-batch", "people.csv", "--template", "welcome", "--concurrency", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "senderkit", *command],
        cwd=cli.folder,
        env=cli.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: progress.exists() and progress.read_bytes().count(b"\n") > 5)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "Traceback" not in words
    assert cli.run(*command).returncode == 0
    assert sent_in(sk, "batch stopped") == people(600)


def test_a_fault_that_every_row_would_meet_stops_the_batch(cli: Cli, home: Home) -> None:
    csv_of(cli, "batch of a reader", 50)
    reader = cli.given(API_KEY=home.scoped_keys["read"])

    done = reader.run("send-batch", "people.csv", "--template", "welcome", "--concurrency", "1")

    assert done.returncode == 1
    assert done.stderr.startswith("50 of 50 messages are to be sent (test).\n0 sent.\nError: ")
    assert "lacks the 'send' scope" in done.stderr
    assert done.stderr.count("scope.") <= 3


def test_a_server_that_breaks_down_stops_it_and_a_later_run_ends_it(
    cli: Cli, home: Home, sk: SenderKit
) -> None:
    csv_of(cli, "batch broken", 10)
    command = ("send-batch", "people.csv", "--template", "welcome", "--concurrency", "1")

    class BreaksDown:
        """Lets five sends through, then answers 500."""

        def __init__(self) -> None:
            self.seen = 0

        def __call__(self, handler: play.Handler, request: play.Request) -> None:
            self.seen += 1
            if self.seen > 5:
                handler.reply(500, b"{}", {})
            else:
                status, body, headers = play.forward(home.url, request)
                handler.reply(status, body, headers)

    with play.scripted(BreaksDown()) as line:
        broken = cli.given(BASE_URL=line.url, MAX_RETRIES="0")
        first = broken.run(*command)
        place = cli.folder / "people.csv.test.progress"
        place.write_text(place.read_text().replace(line.url, home.url))

    assert "5 sent.\nError: stopped, since every row would fail" in first.stderr
    assert cli.run(*command).returncode == 0
    assert sent_in(sk, "batch broken") == people(10)


def test_another_batch_in_the_same_place_is_refused(cli: Cli, sk: SenderKit) -> None:
    path = csv_of(cli, "batch changed", 2)
    command = ("send-batch", "people.csv", "--template", "welcome")
    cli.does(*command)

    assert "that was --run ''" in cli.fails(*command, "--run", "second")[:400]
    csv_of(cli, "batch changed", 3)
    assert "was changed since" in cli.fails(*command)
    csv_of(cli, "batch changed", 2)
    assert "was changed since" in cli.fails("send-batch", "people.csv", "--template", "login-code")
    assert path.exists()
    assert sent_in(sk, "batch changed") == people(2)


def test_the_same_file_is_sent_again_only_on_purpose(cli: Cli, sk: SenderKit) -> None:
    csv_of(cli, "batch twice", 2)
    command = ("send-batch", "people.csv", "--template", "welcome")
    cli.does(*command)
    cli.does(*command, "--run", "june", "--progress", "june.progress")
    cli.does(*command, "--run", "june", "--progress", "june.progress")

    assert sent_in(sk, "batch twice") == sorted(people(2) * 2)


def test_a_test_run_says_nothing_about_the_live_one(cli: Cli, home: Home) -> None:
    csv_of(cli, "batch live", 2)
    command = ("send-batch", "people.csv", "--template", "welcome")
    cli.does(*command)

    live = cli.given(API_KEY=home.live_key).run(*command)

    assert "2 of 2 messages are to be sent (live)" in live.stderr


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "", "a.txt is neither .csv nor .jsonl"),
        ("a.csv", "to,name\na@example.com,Ada", "there is no field 'name': is it 'vars.name'"),
        ("a.csv", "to,locle\na@example.com,de", "did you mean 'locale', or 'vars.locle'"),
        ("a.csv", "to\na@example.com,x", "line 2: 2 cells, but 1 columns"),
        ("a.csv", "to,to\na,b", "line 1: two columns have the same name"),
        ("a.csv", 'to\n"a', "unexpected end of data"),
        ("a.csv", "to,version\na@example.com,x", "line 2: 'version' cannot be 'x'"),
        ("a.csv", "to,vars,vars.a\na@example.com,x,y", "is below a column that has a value"),
        ("a.csv", "vars.name\nAda", "line 2: 'to' is missing"),
        ("a.jsonl", '{"to": "a@example.com"}\n{', "line 2: this is not JSON"),
        ("a.jsonl", "7", "line 1: a JSON object is expected"),
        ("a.jsonl", '{"to": "x", "content": {}}', "line 1: 'channel' is missing"),
        ("a.jsonl", '{"to": "x", "content": {}, "cc": []}', "there is no field 'cc'"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_as_a_whole(
    cli: Cli, name: str, text: str, words: str
) -> None:
    (cli.folder / name).write_text(text)

    assert words in cli.fails("send-batch", name, "--template", "welcome")
    assert list(cli.folder.glob("*.progress")) == []


def test_a_file_that_is_no_text_is_refused(cli: Cli) -> None:
    (cli.folder / "a.csv").write_bytes(b"to\n\xff")

    assert "cannot read a.csv" in cli.fails("send-batch", "a.csv")


def test_progress_that_cannot_be_kept_is_said(cli: Cli) -> None:
    csv_of(cli, "batch nowhere", 1)

    words = cli.fails("send-batch", "people.csv", "--template", "welcome", "--progress", "no/where")

    assert "cannot keep no/where" in words


def test_a_bar_is_shown_to_people(cli: Cli) -> None:
    csv_of(cli, "batch bar", 3)
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "senderkit", "send-batch", "people.csv", "--template", "welcome"],
        cwd=cli.folder,
        env=cli.environment,
        stderr=terminal,
    )
    os.close(terminal)
    process.wait(timeout=60)
    seen = os.read(controller, 10_000)
    os.close(controller)

    assert b"3/3" in seen
