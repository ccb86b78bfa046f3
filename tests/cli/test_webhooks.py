"""`senderkit admin webhooks`: endpoints from the shell."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from senderkit.domain import utc_now
from tests.cli.conftest import Shell
from tests.fakes_http import Answer, FakeProvider
from tests.make import House
from tests.webhooks.conftest import believed

WEBHOOKS = ("admin", "webhooks")
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=\n")


@pytest.fixture
def receiver() -> Iterator[FakeProvider]:
    with FakeProvider() as receiver:
        receiver.answer("POST /hook", Answer(204))
        yield receiver


@pytest.fixture
def open_shell(set_up_shell: Shell) -> Shell:
    """Where private addresses may be called."""
    settings = set_up_shell.settings | {"ALLOW_PRIVATE_ADDRESSES": "1"}
    return Shell(set_up_shell.data_dir, settings)


def listed(shell: Shell) -> list[list[str]]:
    return [line.split("\t") for line in shell.does(*WEBHOOKS, "list").splitlines()]


def test_an_endpoint_is_added_listed_tested_and_removed(
    open_shell: Shell, house: House, receiver: FakeProvider
) -> None:
    url = f"{receiver.url}/hook"
    added = open_shell.run(*WEBHOOKS, "add", url, "--event", "message.failed")
    assert (added.returncode, bool(SECRET.fullmatch(added.stdout))) == (0, True), added.stderr
    [[public_id, *rest]] = listed(open_shell)
    assert rest == ["on", "message.failed", url]
    assert added.stderr == f"{public_id}: {url}. Copy the secret now.\n"

    told = open_shell.run(*WEBHOOKS, "test", public_id)
    assert (told.returncode, told.stderr) == (0, "The endpoint answered 204.\n")
    [request] = receiver.requests
    assert believed(request, added.stdout.strip(), utc_now()).type == "webhook.test"

    receiver.answer("POST /hook", Answer(500))
    assert open_shell.fails(*WEBHOOKS, "test", public_id) == "The endpoint answered 500."
    house.write("UPDATE webhook_endpoints SET is_enabled = false, disabled_reason = 'Gone.'")
    assert listed(open_shell)[0][1] == "off: Gone."

    told = open_shell.run(*WEBHOOKS, "remove", public_id)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", f"Removed {url}.\n")
    assert listed(open_shell) == []
    for command in ("test", "remove"):
        assert "webhooks list" in open_shell.fails(*WEBHOOKS, command, public_id)


def test_what_is_wrong_is_told(set_up_shell: Shell, house: House) -> None:
    said = set_up_shell.fails(*WEBHOOKS, "add", "http://a.example/", "--event", "message.eaten")
    assert "'message.eaten' is no event. Known: message.sent, " in said
    said = set_up_shell.fails(*WEBHOOKS, "add", "http://a.example/")
    assert said == "The address to call must begin with https://."
    said = set_up_shell.fails(*WEBHOOKS, "add", "https://127.0.0.1/")
    assert "SENDERKIT_ALLOW_PRIVATE_ADDRESSES=1" in said
    assert house.rows("SELECT count(*) FROM webhook_endpoints") == [(0,)]


def test_without_events_it_hears_every_type(set_up_shell: Shell) -> None:
    set_up_shell.does(*WEBHOOKS, "add", "https://a.example/hook")
    assert listed(set_up_shell)[0][1:] == ["on", "every type", "https://a.example/hook"]
