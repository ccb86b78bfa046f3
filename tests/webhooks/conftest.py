"""A house that tells a receiver on a socket what becomes of its live messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from senderkit.client import WebhookEvent, WebhookVerifier
from senderkit.commands import parse_describe_endpoint
from senderkit.domain import Channel, EventKind, ProviderEvent, WebhookEventType, utc_now
from senderkit.services import events, webhook_endpoints
from senderkit.services.connections import Source
from senderkit.web.extensions import database
from senderkit.web.runtime import runtime_of
from tests.conftest import MakeApp, RegisterProvider
from tests.fakes_http import Answer, Recorded
from tests.fakes_http import FakeProvider as Receiver
from tests.make import Api, FakeClock, House
from tests.outbox.conftest import FakeProvider, connect, fake_provider

PATH = "/hooks/senderkit"


@pytest.fixture
def clock() -> FakeClock:
    """At the true time, which the verifier of Standard Webhooks compares with."""
    return FakeClock(utc_now())


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(ALLOW_PRIVATE_ADDRESSES="1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        receiver.answer(f"POST {PATH}", Answer(200, body=b"thanks"))
        yield receiver


@pytest.fixture
def mail(register: RegisterProvider) -> FakeProvider:
    return register(fake_provider("fake-mail", channel=Channel.EMAIL))


@pytest.fixture
def source(house: House, mail: FakeProvider) -> Source:
    return Source(1, Channel.EMAIL, connect(house, mail.name), mail.name)


@pytest.fixture
def api(house: House, source: Source) -> Api:
    """An app with a live key whose mail goes out."""
    return house.api("live")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint with its secret, as its owner has it."""

    public_id: str
    secret: str


def in_session(house: House, work: Any) -> Any:
    return house.in_app(lambda: work(database.session()))


def listen(house: House, url: str, events: Iterable[WebhookEventType] = ()) -> Endpoint:
    """Add an endpoint."""
    command = parse_describe_endpoint(url, events)

    def add(session: Session) -> Endpoint:
        endpoint, secret = runtime_of(house.app).endpoints.add(
            session, 1, command, nonce=None, now=house.clock()
        )
        return Endpoint(endpoint.public_id, secret)

    added: Endpoint = in_session(house, add)
    return added


@pytest.fixture
def endpoint(house: House, receiver: Receiver) -> Endpoint:
    return listen(house, receiver.url + PATH)


def rotate(house: House, endpoint: Endpoint) -> Endpoint:
    """The same endpoint with a new secret."""

    def work(session: Session) -> str:
        return house.runtime.endpoints.rotate(
            session, 1, endpoint.public_id, nonce=None, now=house.clock()
        )[1]

    return Endpoint(endpoint.public_id, in_session(house, work))


def switch_on(house: House, endpoint: Endpoint) -> None:
    in_session(house, lambda session: webhook_endpoints.switch_on(session, 1, endpoint.public_id))


def switch_off(house: House, endpoint: Endpoint) -> None:
    in_session(
        house,
        lambda session: webhook_endpoints.switch_off(
            session, 1, endpoint.public_id, now=house.clock()
        ),
    )


def send_test(house: House, endpoint: Endpoint) -> str:
    delivery_id: str = in_session(
        house,
        lambda session: webhook_endpoints.send_test(
            session, 1, endpoint.public_id, now=house.clock()
        ),
    )
    return delivery_id


def tell(house: House) -> int:
    """Make every webhook call that is due; return how many."""
    return house.runtime.webhooks.run_once()


def report(house: House, source: Source, message_id: str, kind: EventKind, **more: Any) -> None:
    """The provider reports something about a message."""
    event = ProviderEvent(kind, house.clock(), f"their-{message_id}", message_id=message_id, **more)
    events.apply_events(house.runtime.engine, source, [event], house.clock())


def types(receiver: Receiver) -> list[str]:
    """Of every request that came, in order."""
    return [request.json["type"] for request in list(receiver.requests)]


def believed(request: Recorded, secret: str, now: datetime) -> WebhookEvent:
    """The event, by the published client's verifier; raises unless it is signed."""
    return WebhookVerifier(secret).verify(
        request.body,
        request.headers["x-senderkit-signature"],
        now=int(now.timestamp()),
        event_type=request.headers["x-senderkit-event"],
        delivery_id=request.headers["x-senderkit-delivery"],
    )


def standard_headers(request: Recorded) -> dict[str, str]:
    return {name: text for name, text in request.headers.items() if name.startswith("webhook-")}


def is_standard(request: Recorded, secret: str, now: datetime) -> bool:
    """Whether one of its signatures is what Standard Webhooks' own library would write."""
    headers = standard_headers(request)
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    expected = Webhook(secret).sign(headers["webhook-id"], now, request.body.decode())
    return expected in headers["webhook-signature"].split(" ")


def states(house: House) -> list[tuple[str, int, str | None]]:
    """State, attempts and reason of each delivery, the oldest first."""
    rows = house.rows("SELECT state, attempts, reason FROM webhook_deliveries ORDER BY id")
    return [(row[0], row[1], row[2]) for row in rows]
