"""Receipts of a provider that never calls us: asked for in time, in batches, ever less often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from senderkit.domain import Channel, Clock, EventKind, Outgoing, ProviderEvent, Receipt
from senderkit.errors import Unavailable
from senderkit.http_client import HttpClient
from senderkit.providers.base import Adapter
from senderkit.services import receipts
from tests.conftest import RegisterProvider
from tests.make import Api, House, wait_until
from tests.outbox.conftest import FakeProvider, connect

Answer = Callable[[Sequence[str]], Sequence[ProviderEvent]]


class Polled(FakeProvider):
    """A provider of push messages that must be asked. It answers with what `answer` returns."""

    name = "polled-push"
    channel = Channel.PUSH
    polls_receipts: ClassVar[bool] = True
    receipt_batch_size: ClassVar[int] = 3

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []
        self.answer: Answer = lambda ids: ()

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return _PolledAdapter(self, super().make_adapter(values, clock, http))


class _PolledAdapter(Adapter):
    def __init__(self, provider: Polled, sender: Adapter) -> None:
        self._provider = provider
        self._sender = sender

    def send(self, outgoing: Outgoing) -> Receipt:
        return self._sender.send(outgoing)

    def receipts_of(self, provider_message_ids: Sequence[str]) -> Sequence[ProviderEvent]:
        self._provider.asked.append(tuple(provider_message_ids))
        return self._provider.answer(provider_message_ids)

    def check(self) -> None:
        return

    def close(self) -> None:
        return


@pytest.fixture
def polled(house: House, register: RegisterProvider) -> Polled:
    provider = register(Polled())
    connect(house, provider.name)
    return provider


@pytest.fixture
def api(house: House, polled: Polled) -> Api:
    return house.api("live")


def send(house: House, api: Api, count: int = 1) -> list[str]:
    body = {"channel": "push", "to": "a" * 64, "content": {"title": "Hello", "body": "Ada"}}
    sent = [api.send(**body) for _ in range(count)]
    house.deliver()
    return sent


def telling(house: House, kind: EventKind) -> Answer:
    def answer(ids: Sequence[str]) -> list[ProviderEvent]:
        return [ProviderEvent(kind, house.clock(), provider_message_id=id_) for id_ in ids]

    return answer


def poll(house: House) -> None:
    house.runtime.receipts.poll()


def test_a_message_is_asked_about_once_its_receipt_may_be_there(
    house: House, api: Api, polled: Polled
) -> None:
    [message_id] = send(house, api)
    house.clock.advance(seconds=899)
    poll(house)
    assert polled.asked == []

    house.clock.advance(seconds=1)
    polled.answer = telling(house, EventKind.DELIVERED)
    poll(house)
    assert polled.asked == [(f"their-{message_id}",)]
    assert api.message(message_id)["status"] == "delivered"

    house.clock.advance(hours=1)
    poll(house)
    assert len(polled.asked) == 1


def test_many_are_asked_about_in_batches(house: House, api: Api, polled: Polled) -> None:
    sent = send(house, api, 7)
    house.clock.advance(minutes=16)
    polled.answer = telling(house, EventKind.FAILED)
    poll(house)

    assert [len(batch) for batch in polled.asked] == [3, 3, 1]
    assert {api.message(each)["status"] for each in sent} == {"failed"}


def test_without_an_answer_it_asks_less_and_less_often_for_a_day(
    house: House, api: Api, polled: Polled
) -> None:
    send(house, api)
    for _ in range(25 * 60):
        house.clock.advance(minutes=1)
        poll(house)

    assert 10 < len(polled.asked) < 30
    before = len(polled.asked)
    house.clock.advance(hours=1)
    poll(house)
    assert len(polled.asked) == before


def test_a_scheduled_message_counts_from_when_it_was_sent(
    house: House, api: Api, polled: Polled
) -> None:
    send(house, api)
    house.write("UPDATE messages SET latency_ms = :ms", ms=7 * 24 * 3_600_000)
    house.clock.advance(days=7, minutes=14)
    poll(house)
    assert polled.asked == []
    house.clock.advance(minutes=1)
    poll(house)
    assert len(polled.asked) == 1


def test_a_fault_is_logged_and_asked_again_next_time(
    house: House, api: Api, polled: Polled
) -> None:
    def fail(_ids: Sequence[str]) -> Sequence[ProviderEvent]:
        raise Unavailable("The provider is busy.")

    [message_id] = send(house, api)
    house.clock.advance(minutes=15)
    polled.answer = fail
    with capture_logs() as logs:
        poll(house)
    assert [log["event"] for log in logs] == ["receipts_not_read"]

    polled.answer = telling(house, EventKind.DELIVERED)
    poll(house)
    assert api.message(message_id)["status"] == "delivered"


def test_messages_of_other_providers_and_in_other_states_are_left_alone(
    house: House, api: Api, polled: Polled, register: RegisterProvider
) -> None:
    send(house, api)
    polled.answer = telling(house, EventKind.DELIVERED)
    house.clock.advance(minutes=15)
    poll(house)

    silent = register(FakeProvider())
    connect(house, silent.name)
    api.send(channel="sms", to="+15555550100", content={"body": "Hello"})
    house.deliver()
    house.clock.advance(minutes=15)
    poll(house)
    assert len(polled.asked) == 1


def test_it_runs_beside_the_dispatcher(
    house: House, api: Api, polled: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "POLL_SECONDS", 0.01)
    [message_id] = send(house, api)
    polled.answer = telling(house, EventKind.DELIVERED)
    house.clock.advance(minutes=15)
    house.runtime.start()
    wait_until(lambda: api.message(message_id)["status"] == "delivered")
    house.runtime.dispatcher.close()
    house.runtime.receipts.close()


def test_the_search_uses_its_index(house: House, polled: Polled) -> None:
    seen: list[str] = []
    query = (
        "SELECT id FROM messages WHERE connection_id = 'x' AND status = 'sent' "
        "AND channel = 'push' ORDER BY id"
    )
    is_sqlite = house.runtime.engine.dialect.name == "sqlite"
    with house.runtime.engine.begin() as connection:
        if not is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(text(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{query}"))
        seen = [str(row) for row in plan]
    assert "ix_messages_awaiting" in " ".join(seen)
