"""`senderkit admin messages`: files of messages, and sending some of them again."""

from __future__ import annotations

import csv
import json

from tests.cli.conftest import Shell
from tests.make import House

MESSAGES = ("admin", "messages")
FAILING = "failed@simulator.senderkit.test"


def test_the_messages_that_fit_are_printed_newest_first(set_up_shell: Shell, house: House) -> None:
    api = house.api()
    first, second = api.send(to=FAILING, metadata={"order": 7}), api.send(to=FAILING)
    api.send()
    house.deliver()

    filters = ("--mode", "test", "--status", "failed", "--from", "2026-11-24")
    rows = list(csv.DictReader(set_up_shell.does(*MESSAGES, "export", *filters).splitlines()))
    assert [row["publicId"] for row in rows] == [second, first]
    lines = set_up_shell.does(
        *MESSAGES, "export", *filters, "--format", "jsonl", "--search", "ORDER"
    )
    assert json.loads(lines) == api.message(first)
    assert set_up_shell.does(*MESSAGES, "export").splitlines() == [",".join(rows[0])]


def test_a_filter_that_cannot_be_read_is_told(set_up_shell: Shell) -> None:
    told = set_up_shell.fails(*MESSAGES, "export", "--from", "yesterday")
    assert told == "from: Must be a day such as 2026-11-24."


def test_messages_are_sent_again_and_those_that_cannot_be_are_told(
    set_up_shell: Shell, house: House
) -> None:
    api = house.api()
    old = api.send(to=FAILING)
    house.deliver()
    waiting = api.send()

    resend = (*MESSAGES, "resend", "--mode", "test", "--reason", "Wrong address")
    done = set_up_shell.run(*resend, old, waiting)

    assert done.returncode == 1
    before, new = done.stdout.split()
    assert before == old
    assert done.stderr.endswith("1 left out: It has not ended yet.\n")
    step = api.message(new)["timeline"][0]
    assert (step["resendOf"], step["reason"], "by" in step) == (old, "Wrong address", False)
