"""The overview's figures against what was sent: periods, shares, medians, failures, progress."""

from __future__ import annotations

import pytest

from senderkit.domain import MessageStatus
from senderkit.services import overview
from senderkit.services.overview import Day, Failure, Progress, Summary
from senderkit.services.reports import Count
from tests.make import Api, House

WORKSPACE_ID = 1
SIMULATOR = "simulator.senderkit.test"


def summarize(house: House, *, livemode: bool = False) -> Summary:
    with house.runtime.reader.connect() as connection:
        return overview.summarize(connection, WORKSPACE_ID, livemode, now=house.clock())


def failures(house: House) -> list[Failure]:
    with house.runtime.reader.connect() as connection:
        return overview.list_failures(connection, WORKSPACE_ID, False, now=house.clock())


def progress(house: House) -> Progress:
    with house.runtime.reader.connect() as connection:
        return overview.find_progress(connection, WORKSPACE_ID, has_environment_connection=False)


def deliver(house: House) -> None:
    house.clock.advance(seconds=1)
    house.deliver()


def send_each_outcome(house: House, api: Api) -> None:
    for word in ("ada", "grace", "failed", "opted-out", "suppressed"):
        api.send(to=f"{word}@{SIMULATOR}")
    api.send(scheduledAt="2026-12-01T10:00:00Z")
    deliver(house)


def test_without_messages_every_figure_is_empty(house: House) -> None:
    empty = Day(Count(0), dict.fromkeys(MessageStatus, 0), None)
    assert summarize(house) == Summary(empty, empty, Count(0))
    assert (empty.delivered_share, empty.handed_over_share) == (None, None)


def test_a_day_is_counted_by_what_became_of_its_messages(house: House) -> None:
    send_each_outcome(house, house.api())
    today = summarize(house).today
    assert today.accepted == Count(6)
    assert {status: number for status, number in today.by_status.items() if number} == {
        MessageStatus.DELIVERED: 2,
        MessageStatus.FAILED: 1,
        MessageStatus.OPTED_OUT: 1,
        MessageStatus.SUPPRESSED: 1,
        MessageStatus.SCHEDULED: 1,
    }
    assert today.failed == 1
    assert today.delivered_share == pytest.approx(2 / 4)
    assert summarize(house).scheduled == Count(1)
    assert summarize(house, livemode=True).today.accepted == Count(0)


def test_yesterday_is_the_day_before_and_what_is_older_is_gone(house: House) -> None:
    api = house.api()
    api.send()
    house.clock.advance(hours=23)
    api.send()
    assert [summarize(house).today.accepted, summarize(house).before.accepted] == [
        Count(2),
        Count(0),
    ]
    house.clock.advance(hours=2)
    assert [summarize(house).today.accepted, summarize(house).before.accepted] == [
        Count(1),
        Count(1),
    ]
    house.clock.advance(hours=48)
    assert [summarize(house).today.accepted, summarize(house).before.accepted] == [
        Count(0),
        Count(0),
    ]


def test_a_busy_day_is_counted_by_its_newest_messages(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MAX_COUNTED", 3)
    monkeypatch.setattr(overview, "MAX_SCHEDULED", 1)
    api = house.api()
    for _ in range(4):
        api.send()
    deliver(house)
    for number in range(2):
        api.send(scheduledAt=f"2026-12-0{number + 1}T10:00:00Z")
    summary = summarize(house)
    assert summary.today.accepted == Count(3, is_capped=True)
    assert sum(summary.today.by_status.values()) == 3
    assert summary.scheduled == Count(1, is_capped=True)


def test_the_median_is_of_what_was_handed_over_and_was_not_scheduled(house: House) -> None:
    api = house.api()
    for seconds in (1, 2, 9):
        api.send()
        house.clock.advance(seconds=seconds)
        house.deliver()
    api.send(scheduledAt="2026-11-24T12:00:00Z")
    api.send(to=f"failed@{SIMULATOR}")
    house.clock.advance(hours=3)
    house.deliver()
    assert summarize(house).today.median_ms == 2000


def test_failures_of_one_reason_stand_together_newest_first(house: House) -> None:
    api = house.api()
    api.send(to=f"failed@{SIMULATOR}")
    newest = api.send(to=f"failed+2@{SIMULATOR}")
    deliver(house)
    house.clock.advance(hours=1)
    (failure,) = failures(house)
    assert (failure.message.public_id, failure.count) == (newest, 2)
    assert failure.message.reason == "Simulated: the provider refused the recipient for good."
    house.clock.advance(hours=24)
    assert failures(house) == []


def test_each_step_is_ticked_by_what_really_happened(house: House) -> None:
    assert progress(house) == Progress(False, False, False, False, False)
    api = house.api()
    assert progress(house) == Progress(True, False, False, False, False)
    api.send()
    assert progress(house) == Progress(True, True, False, False, False)
    house.template("welcome", publish=False)
    assert not progress(house).has_published
    house.publish("welcome")
    assert progress(house).has_published
    assert not progress(house).has_live_message


def test_going_live_takes_a_message_that_a_provider_took(house: House) -> None:
    house.api().send()
    house.write("UPDATE messages SET livemode = true")
    assert not progress(house).has_live_message
    house.write("UPDATE messages SET status = 'sent'")
    assert progress(house).has_live_message
