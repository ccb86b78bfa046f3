from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from senderkit.domain import Channel, EventKind, ProviderEvent, PushBody
from senderkit.errors import AccountBroken, Refused, Unavailable
from senderkit.http_client import HttpClient
from senderkit.providers import PROVIDERS, get_provider
from senderkit.providers.base import Adapter
from tests.fakes_http import Answer, Trouble
from tests.providers.benches.base import SECRET
from tests.providers.benches.expo import RECEIPTS, TICKET, ExpoBench, failed_ticket, refused
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_PUSH, MESSAGE_ID, outgoing

DEVICE = "ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]"


@pytest.fixture
def bench() -> Iterator[ExpoBench]:
    bench = ExpoBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: ExpoBench, http: HttpClient) -> Adapter:
    return get_provider("expo").connect(bench.credentials, lambda: NOON, http)


def test_a_plain_message_as_expo_documents_it(bench: ExpoBench, adapter: Adapter) -> None:
    receipt = adapter.send(bench.message(Channel.PUSH))
    assert receipt.provider_message_id == TICKET
    [request] = bench.sends
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.json == {
        "to": DEVICE,
        "title": "Hello",
        "body": "Your order is on its way.",
        "priority": "high",
        "ttl": 2_419_200,
        "collapseId": MESSAGE_ID,
        "tag": MESSAGE_ID,
    }


def test_every_field_of_a_message_arrives(bench: ExpoBench, adapter: Adapter) -> None:
    adapter.send(bench.message(Channel.PUSH, **FULL_PUSH))
    assert bench.sends[0].json == {
        "to": DEVICE,
        "title": "Grüße, Ada 👋",
        "body": "Your order is on its way.\nTrack it.",
        "data": {"order": "4711", "url": "https://acme.example/orders/4711"},
        "badge": 3,
        "sound": "chime.caf",
        "priority": "high",
        "ttl": 2_419_200,
        "collapseId": MESSAGE_ID,
        "tag": MESSAGE_ID,
    }


def test_a_badge_of_zero_takes_the_badge_away(bench: ExpoBench, adapter: Adapter) -> None:
    adapter.send(bench.message(Channel.PUSH, body=PushBody("Hi", "There", badge=0)))
    assert bench.sends[0].json["badge"] == 0


def test_without_an_access_token_nothing_is_shown(bench: ExpoBench, http: HttpClient) -> None:
    bench.arrange_answer(bench.accepts)
    fields = {"base_url": bench.server.url}
    adapter = get_provider("expo").connect(fields, lambda: NOON, http)
    adapter.send(outgoing(Channel.PUSH, recipient=DEVICE))
    assert "authorization" not in bench.sends[0].headers


def test_a_ticket_in_a_list_is_a_ticket(bench: ExpoBench, adapter: Adapter) -> None:
    bench.arrange_answer(Answer(json={"data": [{"status": "ok", "id": TICKET}]}))
    assert adapter.send(bench.message(Channel.PUSH)).provider_message_id == TICKET


def test_a_device_that_is_gone_is_refused_in_plain_words(
    bench: ExpoBench, adapter: Adapter
) -> None:
    words = f'"{DEVICE}" is not a registered push notification recipient'
    bench.arrange_answer(failed_ticket("DeviceNotRegistered", words))
    with pytest.raises(Refused) as raised:
        adapter.send(bench.message(Channel.PUSH))
    assert str(raised.value) == (
        "Expo refused the message (HTTP 200): The device no longer accepts notifications: "
        "its token is unregistered. (DeviceNotRegistered)"
    )


def test_a_refused_request_is_shown_in_expos_words(bench: ExpoBench, adapter: Adapter) -> None:
    bench.arrange_answer(refused(400, "VALIDATION_ERROR", '"to" must be a push token.'))
    with pytest.raises(Refused, match=r'"to" must be a push token. \(VALIDATION_ERROR\)'):
        adapter.send(bench.message(Channel.PUSH))


# -- receipts -------------------------------------------------------------------------------------


def event(ticket: str, kind: EventKind, **more: Any) -> ProviderEvent:
    return ProviderEvent(kind=kind, at=NOON, provider_message_id=ticket, **more)


def failed(code: str, words: str) -> dict[str, Any]:
    return {"status": "error", "message": words, "details": {"error": code}}


def test_what_became_of_messages_is_asked_for(bench: ExpoBench, adapter: Adapter) -> None:
    receipts = {
        "arrived": {"status": "ok"},
        "gone": failed("DeviceNotRegistered", "The recipient device is not registered."),
        "unlucky": failed("MessageRateExceeded", "Too many."),
        "odd": {"status": "error"},
        "of tomorrow": {"status": "pondering"},
        "nonsense": 5,
        "nobody asked": {"status": "ok"},
    }
    asked = [name for name in receipts if name != "nobody asked"] + ["not ready"]
    bench.server.answer(RECEIPTS, Answer(json={"data": receipts}))
    assert list(adapter.receipts_of(asked)) == [
        event("arrived", EventKind.DELIVERED),
        event(
            "gone",
            EventKind.FAILED,
            detail="The device no longer accepts notifications: its token is unregistered. "
            "(DeviceNotRegistered)",
            is_permanent=True,
        ),
        event("unlucky", EventKind.FAILED, detail="Too many. (MessageRateExceeded)"),
        event("odd", EventKind.FAILED),
    ]
    [request] = bench.server.requests_to(RECEIPTS)
    assert request.json == {"ids": asked}
    assert request.headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (refused(401, "UNAUTHORIZED"), AccountBroken),
        (refused(429, "TOO_MANY_REQUESTS"), Unavailable),
        (Answer(502, body=b"<html>"), Unavailable),
        (Trouble.LOSE_REPLY, Unavailable),
    ],
)
def test_receipts_that_are_not_given_are_asked_for_later(
    answer: Answer | Trouble, means: type[Exception], bench: ExpoBench, adapter: Adapter
) -> None:
    bench.server.answer(RECEIPTS, answer)
    with pytest.raises(means):
        adapter.receipts_of([TICKET])


def test_what_a_receipt_says_is_made_fit_to_store(bench: ExpoBench, adapter: Adapter) -> None:
    words = f"a\x00b {SECRET}\r\n" + "x" * 2_000
    bench.server.answer(RECEIPTS, Answer(json={"data": {TICKET: failed("ExpoError", words)}}))
    [found] = adapter.receipts_of([TICKET])
    assert found.detail is not None
    assert found.detail.startswith("a b [hidden] x")
    assert len(found.detail) <= 500


def test_only_expo_is_asked_for_receipts(http: HttpClient) -> None:
    assert [name for name, kind in PROVIDERS.items() if kind.polls_receipts] == ["expo"]
    expo = PROVIDERS["expo"]
    assert expo.receipt_batch_size == 300
    assert expo.receipt_delay_seconds < expo.receipt_lifetime_seconds == 24 * 3600
