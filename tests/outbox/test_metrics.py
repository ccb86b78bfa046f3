"""What is counted of deliveries: what providers answered, and what became of messages."""

from __future__ import annotations

import pytest

from senderkit.domain import Receipt
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    OutcomeUnknown,
    Refused,
    Suppressed,
    Unavailable,
    Unsupported,
)
from tests.figures import figures
from tests.make import Api, House
from tests.outbox.conftest import FakeProvider, in_turn, raising, text_message

LIVE_SMS = {"mode": "live", "channel": "sms"}


def calls(house: House, outcome: str) -> float:
    labels = {"provider": "fake-sms", "outcome": outcome}
    return figures(house).value("provider_call_duration_seconds_count", **labels)


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        (Refused("a wrong number"), "refused", "failed"),
        (Suppressed("on their list"), "suppressed", "suppressed"),
        (Unsupported("too long"), "unsupported", "failed"),
        (Unavailable("later"), "unavailable", "queued"),
        (OutcomeUnknown("silence"), "unknown", "queued"),
        (AccountBroken("a wrong key"), "account_broken", None),
        (RuntimeError("a bug in the adapter"), "unknown", "failed"),
        (OSError("a broken line"), "unknown", "queued"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_way_a_call_ends_is_counted(
    house: House, live: Api, sms: FakeProvider, error: Exception, outcome: str, status: str | None
) -> None:
    sms.react = raising(error)
    live.send(**text_message())
    house.deliver()

    assert calls(house, outcome) == 1
    found = figures(house)
    if status in {"failed", "suppressed"}:
        assert found.value("messages_dispatched_total", **LIVE_SMS, status=status) == 1
    else:
        assert found.value("messages_dispatched_total", **LIVE_SMS, status="failed") == 0
    assert found.value("messages_held", **LIVE_SMS) == isinstance(error, AccountBroken)
    assert found.value("message_hand_over_seconds_count", **LIVE_SMS) == 0


def test_a_message_that_is_taken_at_its_second_try_is_two_calls_and_one_hand_over(
    house: House, live: Api, sms: FakeProvider
) -> None:
    later: DeliveryError = Unavailable("later", retry_after_seconds=10)
    sms.react = in_turn(later, Receipt("taken"))
    live.send(**text_message())
    house.deliver()
    house.clock.advance(seconds=10)
    house.deliver()

    assert (calls(house, "unavailable"), calls(house, "accepted")) == (1, 1)
    found = figures(house)
    assert found.value("messages_dispatched_total", **LIVE_SMS, status="sent") == 1
    hand_overs = found.value("message_hand_over_seconds_sum", **LIVE_SMS)
    assert hand_overs == pytest.approx(10, abs=0.01)
