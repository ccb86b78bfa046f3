"""Which recipients force which outcome of a test message."""

from __future__ import annotations

import pytest

from senderkit.domain import Channel, MessageStatus
from senderkit.simulator import DELIVERED, outcome_for

NAMES = {
    "failed": MessageStatus.FAILED,
    "opted-out": MessageStatus.OPTED_OUT,
    "suppressed": MessageStatus.SUPPRESSED,
    "delayed": MessageStatus.DELIVERED,
}
NUMBERS = {
    "failed": "+15005550001",
    "opted-out": "+15005550002",
    "suppressed": "+15005550003",
    "delayed": "+15005550004",
}
RECIPIENTS = [
    (channel, key, name)
    for name in NAMES
    for channel, key in (
        (Channel.EMAIL, f"{name}@simulator.senderkit.test"),
        (Channel.EMAIL, f"{name}+anything@simulator.senderkit.test"),
        (Channel.SMS, NUMBERS[name]),
        (Channel.PUSH, f"simulator-{name}"),
        (Channel.WEB_PUSH, f"https://simulator.senderkit.test/{name}"),
    )
]


@pytest.mark.parametrize(("channel", "key", "name"), RECIPIENTS)
def test_a_documented_recipient_forces_its_outcome(channel: Channel, key: str, name: str) -> None:
    outcome = outcome_for(channel, key)

    assert outcome.status is NAMES[name]
    assert outcome.is_delayed == (name == "delayed")
    assert outcome.reason.startswith("Simulated: ")


@pytest.mark.parametrize(
    ("channel", "key"),
    [
        (Channel.EMAIL, "ada@example.com"),
        (Channel.EMAIL, "failed@example.com"),
        (Channel.EMAIL, "anybody@simulator.senderkit.test"),
        (Channel.EMAIL, "failed@sub.simulator.senderkit.test"),
        (Channel.SMS, "+15005550006"),
        (Channel.PUSH, "failed"),
        (Channel.PUSH, "simulator-"),
        (Channel.WEB_PUSH, "https://simulator.senderkit.test.example.com/failed"),
        (Channel.WEB_PUSH, "https://push.example.com/failed"),
        (Channel.SMS, "failed@simulator.senderkit.test"),
    ],
)
def test_every_other_recipient_is_delivered_to(channel: Channel, key: str) -> None:
    assert outcome_for(channel, key) is DELIVERED
