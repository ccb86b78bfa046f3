"""What pages say about messages."""

from __future__ import annotations

from typing import Any

import pytest

from senderkit.commands import HELD
from senderkit.domain import MessageStatus, TimelineEvent
from senderkit.web.dashboard.wording import (
    meaning_of,
    shown_duration,
    shown_recipient,
    shown_size,
    summary_of,
)

NAMES = {"key_1": "Shop backend", "mem_1": "ada@acme.example"}


@pytest.mark.parametrize("state", [*(status.value for status in MessageStatus), HELD])
@pytest.mark.parametrize("livemode", [True, False])
def test_every_state_has_a_meaning(state: str, livemode: bool) -> None:
    assert meaning_of(state, livemode=livemode).endswith(".")


@pytest.mark.parametrize("event", TimelineEvent)
def test_every_step_is_told_even_without_details(event: TimelineEvent) -> None:
    said = summary_of(event.value, {}, {})
    assert said is None or said.endswith(".")


@pytest.mark.parametrize(
    ("event", "detail", "said"),
    [
        ("dispatched", {"attempt": 2, "provider": "smtp"}, "Attempt 2, through SMTP."),
        (
            "dispatched",
            {"attempt": 2, "provider": "smtp", "connection": "Main"},
            "Attempt 2, through “Main” (SMTP).",
        ),
        (
            "failover",
            {"from": "Main", "to": "Spare", "reason": "It is busy."},
            "It is busy. “Spare” takes its turn.",
        ),
        ("failover", {"from": "Main", "to": "Spare"}, "“Spare” takes its turn."),
        ("sent", {"provider": "smtp", "detail": "250 OK"}, "SMTP took it: 250 OK"),
        ("sent", {"provider": "smtp"}, "SMTP took it."),
        ("sent", {"simulated": True}, "Simulated: no provider was called."),
        (
            "failover",
            {"to": "Spare", "reason": "Busy (code 7)"},
            "Busy (code 7). “Spare” takes its turn.",
        ),
        ("sent", {"provider": "pigeon"}, "pigeon took it."),
        ("retry", {"reason": "Busy.", "inSeconds": 30}, "Busy. Next try in 30 s."),
        ("retry", {"reason": "Busy (code 7)", "inSeconds": 30}, "Busy (code 7). Next try in 30 s."),
        ("retry", {"inSeconds": 600}, "Next try in 10 min."),
        ("retry", {"inSeconds": 28800}, "Next try in 8 h."),
        (
            "retry",
            {"reason": "Released from hold.", "by": "mem_1"},
            "Released by ada@acme.example and tried again.",
        ),
        ("retry", {"by": "start"}, "Released by start and tried again."),
        ("canceled", {"by": "key_1"}, "Canceled by Shop backend."),
        ("canceled", {"by": "key_gone"}, "Canceled by key_gone."),
        ("opted_out", {"by": "recipient"}, "The recipient unsubscribed."),
        ("opted_out", {"reason": "It had opted out."}, "It had opted out."),
        ("clicked", {"link": "https://a.example"}, "On https://a.example"),
        ("delivered", {"provider": "ses"}, "Reported by Amazon SES."),
        ("delivered", {"provider": "ses", "detail": "250 OK"}, "Reported by Amazon SES: 250 OK"),
        ("delivered", {"simulated": True}, "Simulated: no provider was called."),
        ("failed", {"reason": "550 no"}, "550 no"),
        ("queued", {}, None),
    ],
)
def test_a_step_is_summarized(event: str, detail: dict[str, Any], said: str | None) -> None:
    assert summary_of(event, detail, NAMES) == said


def test_of_a_subscription_the_endpoint_is_shown_and_no_secret() -> None:
    subscription = '{"endpoint": "https://push.example/a/b?x", "keys": {"auth": "secret"}}'
    assert shown_recipient(subscription, "web-push") == "push.example/a/b?x"
    assert shown_recipient("ada@example.com", "email") == "ada@example.com"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"endpoint": 7}'])
def test_what_is_no_subscription_is_shown_as_it_is(text: str) -> None:
    assert shown_recipient(text, "web-push") == text


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1536, "1.5 kB"),
        (999_999, "1 MB"),
        (10_000_000, "10 MB"),
    ],
)
def test_sizes_are_short(size: int, shown: str) -> None:
    assert shown_size(size) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0 ms"),
        (58.4, "58 ms"),
        (1000, "1 s"),
        (1540, "1.5 s"),
        (90_000, "1.5 min"),
        (7_200_000, "2 h"),
    ],
)
def test_durations_are_short(milliseconds: float, shown: str) -> None:
    assert shown_duration(milliseconds) == shown
