"""What a person entered to set a connection up is seen nowhere again, whatever goes wrong.

Every provider is set up with a secret in each of its secret fields, and then fails in every way
that its bench documents, as well as by repeating all that it was told. The log, every page, every
answer of the API and every byte that is stored are searched.
"""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from senderkit.domain import Channel
from senderkit.errors import AccountBroken, OutcomeUnknown, Refused, Unavailable
from senderkit.providers import get_provider
from senderkit.providers.base import Field
from tests.conftest import MakeApp
from tests.fakes import Authority
from tests.fakes_http import LOOPBACK, Answer, Recorded, Reply
from tests.make import Api, FakeClock, House, Pages
from tests.outbox.conftest import connect
from tests.providers.benches import BENCHES
from tests.providers.benches.base import SECRET, Bench, HttpBench
from tests.web.reading import read

ECHO_STATUSES: Final = (200, 400, 401, 403, 404, 422, 429, 500)
FAKES_LOG: Final = "mail.log"
"""Where the fake mail server tells what it says itself."""

KEY_LINE: Final = re.compile(r"[A-Za-z0-9+/]{60,}")
CONTENT: Final = {
    Channel.EMAIL: {"subject": "Hello", "html": "<p>Hello</p>"},
    Channel.SMS: {"body": "Hello"},
    Channel.PUSH: {"title": "Hello", "body": "Hello"},
    Channel.WEB_PUSH: {"title": "Hello", "body": "Hello"},
}


def planted_in(value: str) -> set[str]:
    """The parts of a secret field by which it would be known again, in every usual spelling."""
    parts = set(KEY_LINE.findall(value)) or {SECRET if SECRET in value else value}
    plain = {form for part in parts for form in (part, quote(part, safe=""))}
    return plain | {form for part in parts for form in _in_base64(part)}


def _in_base64(part: str) -> Iterator[str]:
    """What it becomes inside of a longer text, wherever it begins there."""
    for before in range(3):
        yield b64encode(b"x" * before + part.encode()).decode("ascii")[before and 4 : -4]


@dataclass
class Planted:
    """A house with one provider whose secrets are `parts`, and what was seen of it so far."""

    house: House
    bench: Bench
    provider: str
    connection_id: str
    api: Api
    owner: Pages
    parts: set[str]

    @property
    def channel(self) -> Channel:
        return get_provider(self.provider).channel

    @property
    def path(self) -> str:
        return f"/channels/{self.connection_id}"

    def assert_unseen(self, text: str, where: str) -> None:
        found = [part for part in self.parts if part in unescape(text)]
        assert not found, f"{where} shows {found}"

    def send(self) -> None:
        """A message through the connection, as if it had never failed."""
        self.house.write("UPDATE connections SET broken_reason = NULL")
        self.house.clock.advance(hours=1)
        recipient = self.bench.message(self.channel).recipient
        self.api.send(channel=self.channel.value, to=recipient, content=CONTENT[self.channel])
        self.house.deliver()

    def try_out(self) -> None:
        """Both buttons of its page."""
        to = self.bench.message(self.channel).recipient
        for action, form in (("check", {}), ("send-test", {"to": to})):
            answer = self.owner.submit(self.path, form, action=f"{self.path}/{action}")
            self.assert_unseen(answer.text, f"what '{action}' answers")


@pytest.fixture(params=sorted(BENCHES))
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(provider: str, trusted: Authority) -> Iterator[Bench]:
    bench = BENCHES[provider]()
    if bench.message_names_server:
        # A push subscription is taken at an https address only.
        assert isinstance(bench, HttpBench)
        bench.server.tls = trusted.server_context(LOOPBACK)
    with bench.running():
        yield bench


@pytest.fixture
def planted(make_app: MakeApp, clock: FakeClock, bench: Bench, provider: str) -> Planted:
    house = House(make_app(ALLOW_PRIVATE_ADDRESSES="1", ACCESS_LOG="1"), clock)
    house.set_up()
    secret = [bench.credentials[field.name] for field in secret_fields(provider)]
    assert all(secret), "a bench fills in every secret field"
    parts = {part for value in secret for part in planted_in(value)}
    connection_id = connect(house, provider, bench.credentials)
    return Planted(house, bench, provider, connection_id, house.api("live"), house.owner(), parts)


def secret_fields(provider: str) -> list[Field]:
    return [field for field in get_provider(provider).fields if field.is_secret]


def echoes(bench: HttpBench) -> Iterator[Reply]:
    """A server that answers with its request and all that it knows of the account."""
    for status in ECHO_STATUSES:
        yield partial(_echo, bench, status)
        yield partial(_plain_echo, bench, status)


def _heard(bench: HttpBench, request: Recorded) -> str:
    return f"{request.head.decode('latin-1')} {request.body!r} {bench.credentials}"


def _echo(bench: HttpBench, status: int, request: Recorded) -> Answer:
    return replace(bench.error(_heard(bench, request)), status=status)


def _plain_echo(bench: HttpBench, status: int, request: Recorded) -> Answer:
    heard = _heard(bench, request).encode()
    return Answer(status, body=heard, headers={"Content-Type": "text/plain"})


def fail_in_every_way(planted: Planted) -> None:
    bench = planted.bench
    for outcome in (Unavailable, Refused, AccountBroken, OutcomeUnknown):
        if not (bench.message_names_server and outcome is AccountBroken):
            bench.arrange(outcome)
            planted.send()
    if isinstance(bench, HttpBench):
        for refusal in bench.refusals:
            bench.arrange_answer(refusal.answer)
            planted.send()
        for echo in echoes(bench):
            bench.server.answer("* *", echo)
            planted.send()
            planted.try_out()


def report_in_every_way(planted: Planted) -> None:
    """Callbacks of every kind, the forged ones with the secret where it does not belong."""
    bench = planted.bench
    if not isinstance(bench, HttpBench):
        return
    path = f"/hooks/{planted.provider}/{planted.connection_id}"
    client = planted.house.app.test_client()
    for report in bench.reports:
        for callback in (bench.authentic(report.body), *bench.forgeries(report.body)):
            answer = client.post(
                path,
                data=callback.body,
                headers={name: _ascii(value) for name, value in callback.headers.items()},
            )
            planted.assert_unseen(answer.text, "the answer to a callback")
            assert answer.status_code < 500


def _ascii(value: str) -> str:
    return value.encode("ascii", "replace").decode("ascii")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_secret_is_seen_nowhere_again(
    planted: Planted,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    planted.send()
    planted.try_out()
    report_in_every_way(planted)
    fail_in_every_way(planted)

    records = [record for record in caplog.records if record.name != FAKES_LOG]
    told = "\n".join(caplog.handler.format(record) for record in records)
    for log in (told, *capfd.readouterr()):
        planted.assert_unseen(log, "the log")
    pages = ("/", "/channels", planted.path, f"{planted.path}/remove", "/suppressions", "/metrics")
    for path in pages:
        planted.assert_unseen(planted.owner.get(path).text, path)
    look_at_every_message(planted)
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        planted.assert_unseen(file.read_bytes().decode("latin-1"), file.name)


def look_at_every_message(planted: Planted) -> None:
    messages = [row[0] for row in planted.house.rows("SELECT public_id FROM messages")]
    assert len(messages) > 4
    for message_id in messages:
        planted.assert_unseen(planted.api.get(f"/v1/messages/{message_id}").text, message_id)
        planted.assert_unseen(planted.owner.get(f"/messages/{message_id}").text, message_id)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_form_that_is_refused_does_not_repeat_it(planted: Planted) -> None:
    form = {f"field-{name}": value for name, value in planted.bench.credentials.items()}
    for path in (f"/channels/new/{planted.provider}", planted.path):
        answer = planted.owner.submit(path, form | {"name": "", "place": "last"})
        assert answer.status_code == 422
        assert "name" in read(answer.text).form(path).values
        planted.assert_unseen(answer.text, path)
