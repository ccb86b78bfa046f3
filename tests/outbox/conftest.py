"""Houses that can send for real: to a mail server on a socket, or to a provider made for a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from senderkit.commands import Place
from senderkit.domain import Channel, Clock, Outgoing, Receipt
from senderkit.http_client import HttpClient
from senderkit.providers.base import Adapter, Field, Provider
from tests.conftest import MakeApp, RegisterProvider
from tests.fakes import FakeSmtp
from tests.make import Api, FakeClock, House, store_connection
from tests.outbox.installation import Installation

React = Callable[[Outgoing], Receipt]


@pytest.fixture
def smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        yield server


@pytest.fixture
def mail_settings(smtp: FakeSmtp) -> dict[str, str]:
    """Settings of a house whose environment names the mail server."""
    return {
        "SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
        "MAIL_FROM": "Acme <hello@acme.example>",
    }


@pytest.fixture
def mail_house(make_app: MakeApp, clock: FakeClock, mail_settings: dict[str, str]) -> House:
    house = House(make_app(**mail_settings), clock)
    house.set_up()
    return house


class FakeProvider(Provider):
    """A provider outside: it keeps what it is given and answers with what `react` returns."""

    name = "fake-sms"
    label = "Fake"
    channel = Channel.SMS
    fields: ClassVar[tuple[Field, ...]] = ()
    capabilities = frozenset()

    def __init__(self) -> None:
        self.seen: list[Outgoing] = []
        self.react: React = lambda outgoing: Receipt(f"their-{outgoing.message_id}")

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return _FakeAdapter(self)


def fake_provider(
    name: str, react: React | None = None, *, channel: Channel = Channel.SMS
) -> FakeProvider:
    """Another one, with a name of its own."""
    made: FakeProvider = type("Other", (FakeProvider,), {"name": name, "channel": channel})()
    made.react = react or made.react
    return made


class _FakeAdapter(Adapter):
    def __init__(self, provider: FakeProvider) -> None:
        self._provider = provider

    def send(self, outgoing: Outgoing) -> Receipt:
        self._provider.seen.append(outgoing)
        return self._provider.react(outgoing)

    def check(self) -> None:
        return

    def close(self) -> None:
        return


@pytest.fixture
def sms(register: RegisterProvider) -> FakeProvider:
    return register(FakeProvider())


def connect(
    house: House,
    provider: str,
    credentials: Mapping[str, str] = MappingProxyType({}),
    *,
    name: str = "An account",
    is_default: bool = True,
) -> str:
    """Store a connection in the house; return its id."""
    place = Place.FIRST if is_default else Place.AUTOMATIC
    return store_connection(house, provider, credentials, name=name, place=place)


def text_message(**more: Any) -> dict[str, Any]:
    """The body of a raw SMS send."""
    return {"channel": "sms", "to": "+15555550100", "content": {"body": "Hello"}} | more


@pytest.fixture
def live(house: House, sms: FakeProvider) -> Api:
    """An app with a live key, in a house with a connection for SMS."""
    connect(house, sms.name)
    return house.api("live")


def events(message: dict[str, Any]) -> list[str]:
    return [entry["e"] for entry in message["timeline"]]


def entry(message: dict[str, Any], event: str) -> dict[str, Any]:
    """The last entry with this word."""
    found: dict[str, Any] = [entry for entry in message["timeline"] if entry["e"] == event][-1]
    return found


def raising(error: Exception) -> Callable[[Outgoing], Receipt]:
    def react(_outgoing: Outgoing) -> Receipt:
        raise error

    return react


def in_turn(*answers: Receipt | Exception) -> Callable[[Outgoing], Receipt]:
    """Answers one call after the other; the last answer stays."""
    left = list(answers)

    def react(_outgoing: Outgoing) -> Receipt:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return react


Fault = Callable[[str, Any], bool]
"""Whether a statement with these parameters is to fail."""


@contextmanager
def failing(house: House, is_faulty: Fault, error: Exception | None = None) -> Iterator[list[str]]:
    """Make statements fail in the driver's stead; yields those that ran or failed."""
    seen: list[str] = []
    fault = error or OperationalError("the disk broke", {}, Exception())

    def before(
        _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_rest: Any
    ) -> None:
        seen.append(statement)
        if is_faulty(statement, parameters):
            raise fault

    event.listen(house.runtime.engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(house.runtime.engine, "before_cursor_execute", before)


@pytest.fixture
def installation(tmp_path: Path, database_url: str, smtp: FakeSmtp) -> Installation:
    """An installation for real servers, on a migrated database."""
    return Installation(tmp_path / "data", database_url, smtp)
