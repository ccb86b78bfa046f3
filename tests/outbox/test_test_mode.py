"""A test message has a whole life and never reaches a provider."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

import pytest

from senderkit.commands import Place, parse_send
from senderkit.domain import Channel, EmailBody, LiveModeRequired, Mode, Outgoing
from senderkit.services.sending import Sender
from tests.conftest import RegisterProvider
from tests.fakes import FakeSmtp
from tests.make import House, store_connection
from tests.outbox.conftest import (
    FakeProvider,
    connect,
    entry,
    events,
    fake_provider,
)
from tests.providers.benches import BENCHES

SENDS: Final = int(os.environ.get("SENDERKIT_TEST_SENDS", "3000"))
"""In each of two databases. What is shown grows with it: fewer than 3 in this many, with 95 %."""

NETWORK: Final = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
SUBSCRIPTION: Final = (
    '{"endpoint": "%s", "keys": {"p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJ'
    'Xg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM", "auth": "tBHItJI5svbpez7KI4CCXg"}}'
)
SIMULATED: Final = "https://simulator.senderkit.test/"


def of_channel(channel: str, name: str | None = None) -> dict[str, Any]:
    """A raw send; `name` picks a recipient that forces an outcome."""
    words = {"title": "Hello", "body": "Hello"}
    number = {None: "+15555550100", "delayed": "+15005550004", "failed": "+15005550001"}[name]
    return {
        "email": {
            "to": f"{name}@simulator.senderkit.test" if name else "ada@example.com",
            "content": {"subject": "Hello", "html": "<p>Hello</p>"},
        },
        "sms": {"to": number, "content": {"body": "Hello"}},
        "push": {"to": f"simulator-{name}" if name else "a-token", "content": words},
        "web-push": {
            "to": SUBSCRIPTION % (f"{SIMULATED}{name}" if name else "https://push.example.com/a"),
            "content": words,
        },
    }[channel] | {"channel": channel}


@pytest.mark.parametrize("channel", list(Channel))
def test_an_outgoing_cannot_be_made_for_a_test_message(channel: Channel) -> None:
    with pytest.raises(LiveModeRequired):
        Outgoing(
            mode=Mode.TEST,
            message_id="msg_1",
            channel=channel,
            recipient="ada@example.com",
            body=EmailBody("Hello", "<p>Hello</p>", "Hello"),
        )


@pytest.mark.parametrize("channel", ["email", "sms", "push", "web-push"])
def test_its_life_is_synthesized_and_what_was_rendered_is_kept(house: House, channel: str) -> None:
    api = house.api()
    message_id = api.send(**of_channel(channel))
    house.deliver()

    message = api.message(message_id)
    assert events(message) == ["queued", "rendered", "sent", "delivered"]
    assert (message["status"], message["livemode"]) == ("delivered", False)
    assert (message["provider"], message["providerConnectionId"]) == (None, None)
    assert message["latencyMs"] == 0
    [(rendered,)] = house.rows("SELECT rendered FROM message_contents")
    assert "Hello" in str(rendered)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("failed", ["queued", "rendered", "failed"]),
        ("suppressed", ["queued", "rendered", "suppressed"]),
        ("opted-out", ["queued", "opted_out"]),
    ],
)
def test_a_recipient_that_forces_an_end_gets_it(house: House, name: str, words: list[str]) -> None:
    api = house.api()
    message_id = api.send(to=f"Ada <{name}@Simulator.SenderKit.test>")
    house.deliver()

    message = api.message(message_id)
    assert (message["status"], events(message)) == (words[-1], words)
    assert message["error"].startswith("Simulated: ")


def test_a_delayed_one_is_retried_once_and_then_delivered(house: House) -> None:
    api = house.api()
    message_id = api.send(to="delayed@simulator.senderkit.test")
    house.deliver()
    assert api.message(message_id)["status"] == "rendered"
    assert entry(api.message(message_id), "retry")["inSeconds"] == 5

    house.clock.advance(seconds=4.9)
    assert house.deliver() == 0
    house.clock.advance(seconds=0.1)
    assert house.deliver() == 1
    message = api.message(message_id)
    assert events(message) == ["queued", "rendered", "retry", "sent", "delivered"]
    assert message["error"] is None


def test_a_scheduled_one_is_delivered_when_due(house: House) -> None:
    api = house.api()
    at = house.clock() + timedelta(hours=1)
    message_id = api.send(scheduledAt=at.isoformat())
    assert house.deliver() == 0
    house.clock.now = at
    house.deliver()

    words = ["scheduled", "queued", "rendered", "sent", "delivered"]
    assert events(api.message(message_id)) == words


def test_an_opt_out_does_not_stop_test_messages(house: House) -> None:
    house.write(
        "INSERT INTO suppressions (workspace_id, channel, recipient_key, reason, created_at) "
        "SELECT 1, 'email', 'ada@example.com', 'manual', created_at FROM workspaces"
    )
    api = house.api()
    message_id = api.send()
    house.deliver()

    assert api.message(message_id)["status"] == "delivered"


@pytest.fixture
def network() -> Iterator[list[str]]:
    """What Python does on the network; the databases' own sockets are none of Python's."""
    seen: list[str] = []
    is_on = threading.Event()
    is_on.set()

    def guard(event: str, arguments: Any) -> None:
        if event in NETWORK and is_on.is_set():
            seen.append(f"{event} {arguments[-1]}")

    sys.addaudithook(guard)
    yield seen
    is_on.clear()


@pytest.fixture
def fakes(register: RegisterProvider) -> list[FakeProvider]:
    """One for each channel."""
    return [
        register(fake_provider(f"fake-{channel.value}", channel=channel)) for channel in Channel
    ]


@pytest.fixture
def connected(mail_house: House, fakes: list[FakeProvider]) -> House:
    """A house with a connection to every provider there is, its own fakes first."""
    for provider in fakes:
        connect(mail_house, provider.name)
    for name, bench in BENCHES.items():
        store_connection(mail_house, name, bench().credentials, name=name, place=Place.LAST)
    return mail_house


@pytest.mark.timeout(600)
def test_no_test_message_reaches_a_provider(
    connected: House, smtp: FakeSmtp, fakes: list[FakeProvider], network: list[str]
) -> None:
    count = SENDS - SENDS % 60
    assert count >= 600
    channels = [channel.value for channel in Channel]
    kinds = [(channel, name) for channel in channels for name in (None, "delayed", "failed")]
    bodies = [of_channel(*kinds[n % 12]) | _when(connected, n) for n in range(count)]
    _accept_all(connected, bodies)

    for _ in range(3):
        connected.deliver()
        connected.clock.advance(minutes=10)

    found = dict(connected.rows("SELECT status, count(*) FROM messages GROUP BY status"))
    assert found == {"delivered": count - count // 3, "failed": count // 3}
    assert connected.rows("SELECT count(*) FROM attempts") == [(0,)]
    assert (smtp.connections, smtp.messages) == (0, [])
    assert [provider.seen for provider in fakes] == [[], [], [], []]
    assert network == []


def test_the_guard_sees_what_a_live_message_does(
    mail_house: House, smtp: FakeSmtp, network: list[str]
) -> None:
    mail_house.api("live").send()
    mail_house.deliver()

    assert any(str(smtp.port) in call for call in network)


def _when(house: House, number: int) -> dict[str, str]:
    """Every fifth is scheduled."""
    later = (house.clock() + timedelta(minutes=5)).isoformat()
    return {"scheduledAt": later} if number % 5 == 0 else {}


def _accept_all(house: House, bodies: list[dict[str, Any]]) -> None:
    """Accept them in many threads, so that they are committed together."""
    sender, now = Sender(1, Mode.TEST, None), house.clock()

    def accept(body: dict[str, Any]) -> str:
        raw = json.dumps(body).encode()
        return house.runtime.sending.accept(
            sender, lambda: parse_send(body, now=now), idempotency_hash=None, body=raw
        ).status

    with ThreadPoolExecutor(32) as threads:
        statuses = Counter(threads.map(accept, bodies))
    assert statuses == {"queued": len(bodies) * 4 // 5, "scheduled": len(bodies) // 5}
