"""What is told, and that it is stored with the change that it tells of or not at all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from senderkit.domain import EventKind, WebhookEventType, WebhookState
from senderkit.errors import OutcomeUnknown, Refused, Suppressed, Unavailable
from senderkit.services import suppressions
from senderkit.services.connections import Source
from tests.fakes_http import Answer
from tests.fakes_http import FakeProvider as Receiver
from tests.make import Api, House
from tests.outbox.conftest import FakeProvider, events, failing, raising
from tests.webhooks.conftest import (
    Endpoint,
    listen,
    report,
    states,
    switch_off,
    tell,
    types,
)

K = EventKind
T = WebhookEventType
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def sent(house: House, api: Api, endpoint: Endpoint) -> str:
    """A message that the provider took, and that was told."""
    message_id = api.send(metadata={"order": 7, "express": True})
    house.deliver()
    return message_id


def told(house: House) -> list[str]:
    return [row[0] for row in house.rows("SELECT type FROM webhook_events ORDER BY id")]


def test_an_event_holds_the_message_as_it_stands(
    house: House, api: Api, sent: str, receiver: Receiver
) -> None:
    assert tell(house) == 1

    [request] = receiver.requests
    message, event = api.message(sent), request.json
    assert event == {
        "id": event["id"],
        "type": "message.sent",
        "created": event["created"],
        "livemode": True,
        "data": {
            "message": {
                "id": sent,
                "status": "sent",
                "channel": "email",
                "recipient": "ada@example.com",
                "provider": "fake-mail",
                "metadata": {"order": 7, "express": True},
                "error": None,
                "openedAt": None,
                "clickedAt": None,
                "createdAt": message["createdAt"],
            }
        },
    }
    assert re.fullmatch("evt_[0-9a-z]{26}", event["id"])
    assert MOMENT.fullmatch(event["created"])


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([K.DELIVERED], ["delivered"]),
        ([K.DELIVERED, K.DELIVERED], ["delivered"]),
        ([K.FAILED, K.DELIVERED], ["failed"]),
        ([K.DELIVERED, K.FAILED], ["delivered", "failed"]),
        ([K.OPENED, K.OPENED], ["opened"]),
        ([K.COMPLAINED], ["complained", "opted_out"]),
        ([K.COMPLAINED, K.OPTED_OUT], ["complained", "opted_out"]),
        ([K.OPTED_OUT], ["opted_out"]),
    ],
)
def test_each_report_is_told_once(
    house: House, source: Source, sent: str, kinds: list[K], expected: list[str]
) -> None:
    for kind in kinds:
        house.clock.advance(seconds=1)
        report(house, source, sent, kind)
    assert told(house) == ["message.sent", *(f"message.{word}" for word in expected)]


def test_a_later_open_is_no_first_one_for_an_endpoint_that_came_after_it(
    house: House, api: Api, source: Source
) -> None:
    message_id = api.send()
    house.deliver()
    report(house, source, message_id, K.OPENED)
    listen(house, "https://hooks.example/")
    house.clock.advance(seconds=1)
    report(house, source, message_id, K.OPENED)
    assert told(house) == []


def test_a_remark_that_a_failed_message_arrived_is_not_told(
    house: House, api: Api, source: Source, endpoint: Endpoint, mail: FakeProvider
) -> None:
    mail.react = raising(OutcomeUnknown("The reply was lost."))
    message_id = api.send()
    while api.message(message_id)["status"] != "failed":
        house.deliver()
        house.clock.advance(hours=10)
    report(house, source, message_id, K.DELIVERED)
    assert events(api.message(message_id))[-1] == "delivered"
    assert told(house) == ["message.failed"]


def test_a_first_click_is_told_with_its_link(
    house: House, source: Source, sent: str, receiver: Receiver
) -> None:
    for number in range(3):
        house.clock.advance(seconds=1)
        report(house, source, sent, K.CLICKED, link=f"https://acme.example/{number}")
    tell(house)
    [data] = [r.json["data"] for r in receiver.requests if r.json["type"] == "message.clicked"]
    assert data["link"] == "https://acme.example/0"
    assert MOMENT.fullmatch(data["message"]["clickedAt"])


def test_a_failure_is_told_with_its_reason(
    house: House, api: Api, endpoint: Endpoint, mail: FakeProvider, receiver: Receiver
) -> None:
    mail.react = raising(Refused("There is no such mailbox."))
    api.send()
    house.deliver()
    tell(house)
    [request] = receiver.requests
    message = request.json["data"]["message"]
    assert (request.json["type"], message["status"]) == ("message.failed", "failed")
    assert message["error"] == "There is no such mailbox."


def test_two_steps_at_once_are_two_events_each_with_its_own_status(
    house: House,
    api: Api,
    source: Source,
    endpoint: Endpoint,
    mail: FakeProvider,
    receiver: Receiver,
) -> None:
    mail.react = raising(OutcomeUnknown("The reply was lost."))
    message_id = api.send()
    house.deliver()
    report(house, source, message_id, K.DELIVERED)
    tell(house)
    found = {r.json["type"]: r.json["data"]["message"]["status"] for r in receiver.requests}
    assert found == {"message.sent": "sent", "message.delivered": "delivered"}


def test_somebody_who_unsubscribes_is_told(house: House, sent: str) -> None:
    suppressions.unsubscribe(house.runtime.engine, sent, now=house.clock())
    suppressions.unsubscribe(house.runtime.engine, sent, now=house.clock())
    assert told(house) == ["message.sent", "message.opted_out"]


def test_a_message_to_somebody_who_opted_out_is_told(
    house: House, api: Api, source: Source, sent: str
) -> None:
    report(house, source, sent, K.OPTED_OUT)
    api.send()
    house.deliver()
    assert told(house) == ["message.sent", "message.opted_out", "message.opted_out"]


def test_nothing_else_is_told(
    house: House, api: Api, endpoint: Endpoint, mail: FakeProvider
) -> None:
    api.delete(f"/v1/messages/{api.send()}")
    mail.react = raising(Suppressed("On our own list."))
    api.send()
    house.deliver()
    mail.react = raising(Unavailable("busy"))
    api.send()
    house.deliver()
    assert told(house) == []


def test_test_mode_tells_nothing(house: House, endpoint: Endpoint, receiver: Receiver) -> None:
    api = house.api("test")
    for word in ("ada", "failed", "opted-out", "suppressed", "delayed"):
        api.send(to=f"{word}@simulator.senderkit.test")
    house.deliver()
    assert tell(house) == 0
    assert (told(house), receiver.connections) == ([], 0)


def test_without_an_endpoint_nothing_is_stored(house: House, api: Api) -> None:
    api.send()
    house.deliver()
    assert told(house) == []


def test_an_endpoint_that_is_switched_off_hears_nothing(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    switch_off(house, endpoint)
    api.send()
    house.deliver()
    assert (told(house), tell(house), receiver.requests) == ([], 0, [])


def test_each_endpoint_hears_what_it_chose(
    house: House, api: Api, source: Source, receiver: Receiver
) -> None:
    chosen = {"/all": (), "/opens": (T.OPENED,), "/ends": (T.DELIVERED, T.FAILED)}
    for path, kinds in chosen.items():
        receiver.answer(f"POST {path}", Answer(204))
        listen(house, receiver.url + path, kinds)
    message_id = api.send()
    house.deliver()
    for kind in (K.DELIVERED, K.CLICKED):
        report(house, source, message_id, kind)
    tell(house)
    heard = {p: {r.json["type"] for r in receiver.requests_to(f"POST {p}")} for p in chosen}
    assert heard == {
        "/all": {"message.sent", "message.delivered", "message.clicked"},
        "/opens": set(),
        "/ends": {"message.delivered"},
    }
    ids = {r.json["id"] for r in receiver.requests if r.json["type"] == "message.delivered"}
    deliveries = {r.headers["x-senderkit-delivery"] for r in receiver.requests}
    assert (len(ids), len(deliveries)) == (1, 4)


# -- all or nothing -----------------------------------------------------------------------------


def snapshot(house: House) -> tuple[Any, ...]:
    return (
        house.rows("SELECT status FROM messages ORDER BY id"),
        house.rows("SELECT count(*) FROM timeline_entries"),
        house.rows("SELECT count(*) FROM webhook_events"),
        house.rows("SELECT count(*) FROM webhook_deliveries"),
        house.rows("SELECT count(*) FROM suppressions"),
    )


def test_whichever_statement_fails_the_change_and_its_events_are_there_or_neither(
    house: House, source: Source, sent: str
) -> None:
    before = snapshot(house)
    number, done = 0, False
    while not done:
        count = iter(range(10_000))
        fault = OperationalError("the disk broke", {}, Exception())
        with failing(house, lambda *_: next(count) == number, fault) as seen:  # noqa: B023
            try:
                report(house, source, sent, K.COMPLAINED)
                done = True
            except OperationalError:
                assert snapshot(house) == before
        assert number < 100
        number += 1
    assert any("INSERT INTO webhook_events" in statement for statement in seen)
    assert any("INSERT INTO webhook_deliveries" in statement for statement in seen)
    assert number > 8
    assert told(house) == ["message.sent", "message.complained", "message.opted_out"]
    assert [state for state, *_ in states(house)] == [WebhookState.PENDING] * 3


def test_an_event_is_told_of_what_was_committed_only(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    """While the change cannot be stored, nobody hears of it."""
    api.send()

    def is_event(statement: str, _parameters: Any) -> bool:
        return "INSERT INTO webhook_deliveries" in statement

    fault = OperationalError("the disk broke", {}, Exception())
    with failing(house, is_event, fault), pytest.raises(OperationalError):
        house.deliver()
    assert (told(house), tell(house)) == ([], 0)
    house.deliver()
    tell(house)
    assert types(receiver) == ["message.sent"]


def test_the_path_of_an_endpoint_is_called_as_it_is(
    house: House, api: Api, receiver: Receiver
) -> None:
    receiver.answer("POST /a b", Answer(204))
    listen(house, f"{receiver.url}/a%20b?token=x%26y")
    api.send()
    house.deliver()
    tell(house)
    assert [request.target for request in receiver.requests] == ["/a%20b?token=x%26y"]
