"""The overview's figures against what was sent: windows, shares, times, parts, failures, queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from senderkit.commands import Period, ViewOverview, parse_view_overview
from senderkit.domain import Channel, Facet, Grain, MessageStatus
from senderkit.errors import AccountBroken
from senderkit.services import overview, queue_state
from senderkit.services.histograms import percentile
from senderkit.services.overview import Choices, FailureGroup, Part, Scope
from senderkit.services.queue_state import Queue, find_queue
from senderkit.services.reports import Count
from senderkit.services.totals import NOTHING, Totals, summed
from senderkit.services.windows import window_of
from tests.conftest import RegisterProvider
from tests.make import START, Api, House
from tests.outbox.conftest import connect, fake_provider, raising

WORKSPACE_ID: Final = 1
SIMULATOR: Final = "simulator.senderkit.test"


def scope(*, livemode: bool = False, **query: str) -> Scope:
    return Scope(WORKSPACE_ID, livemode, parse_view_overview(query))


def totals(house: House, asked: Scope | None = None) -> Totals:
    return summed(columns(house, asked))


def columns(house: House, asked: Scope | None = None) -> list[Totals]:
    asked = asked or scope()
    window = window_of(asked.query.period, house.clock())
    with house.runtime.reader.connect() as connection:
        return overview.list_totals(connection, asked, window)


def before(house: House, asked: Scope | None = None) -> Totals:
    asked = asked or scope()
    window = window_of(asked.query.period, house.clock())
    with house.runtime.reader.connect() as connection:
        return overview.sum_before(connection, asked, window)


def parts(house: House, facet: Facet, asked: Scope | None = None) -> dict[str | None, int]:
    return {part.value: part.totals.accepted for part in list_parts(house, facet, asked)}


def list_parts(house: House, facet: Facet, asked: Scope | None = None) -> list[Part]:
    asked = asked or scope()
    window = window_of(asked.query.period, house.clock())
    with house.runtime.reader.connect() as connection:
        return overview.list_parts(connection, asked, window, facet)[0]


def failures(house: House, asked: Scope | None = None) -> list[FailureGroup]:
    asked = asked or scope()
    window = window_of(asked.query.period, house.clock())
    with house.runtime.reader.connect() as connection:
        return overview.list_failures(connection, asked, window)[0]


def queue(house: House, *, livemode: bool = False) -> Queue:
    with house.runtime.reader.connect() as connection:
        return find_queue(connection, WORKSPACE_ID, livemode, now=house.clock())


def lag(house: House) -> datetime | None:
    with house.runtime.reader.connect() as connection:
        return overview.find_lag(connection, now=house.clock())


def deliver(house: House) -> None:
    house.clock.advance(seconds=1)
    house.deliver()
    house.count()


def send_each_outcome(api: Api) -> None:
    for word in ("ada", "grace", "failed", "opted-out", "suppressed"):
        api.send(to=f"{word}@{SIMULATOR}")
    api.send(scheduledAt="2026-12-01T10:00:00Z")


# -- counts -----------------------------------------------------------------------------------


def test_without_messages_every_figure_is_empty(house: House) -> None:
    house.count()
    assert columns(house) == [NOTHING] * 24
    assert (NOTHING.accepted, NOTHING.delivered_share, NOTHING.handed_over_share) == (0, None, None)
    assert (failures(house), parts(house, Facet.CHANNEL)) == ([], {})
    assert queue(house) == Queue(Count(0), None, Count(0), Count(0))


def test_messages_are_counted_by_what_became_of_them(house: House) -> None:
    send_each_outcome(house.api())
    deliver(house)
    found = totals(house)
    assert found.accepted == 6
    assert {status: number for status, number in found.by_status.items() if number} == {
        MessageStatus.DELIVERED: 2,
        MessageStatus.FAILED: 1,
        MessageStatus.OPTED_OUT: 1,
        MessageStatus.SUPPRESSED: 1,
        MessageStatus.SCHEDULED: 1,
    }
    assert found.failed == 1
    assert found.delivered_share == pytest.approx(2 / 4)
    assert totals(house, scope(livemode=True)).accepted == 0


def test_each_hour_stands_for_itself_and_the_day_before_apart(house: House) -> None:
    api = house.api()
    for hours in (1, 2, 23):
        api.send()
        house.clock.advance(hours=hours)
    api.send()
    house.count()
    assert [each.accepted for each in columns(house)] == [1, *[0] * 22, 1]
    assert before(house).accepted == 2


def test_days_are_days_in_utc_and_the_days_before_end_at_the_same_hour(house: House) -> None:
    api = house.api()
    for days, hour in ((7, 9), (7, 10), (7, 11), (6, 23), (1, 0), (0, 0)):
        moment = datetime(2026, 11, 24, hour, 30, tzinfo=UTC) - timedelta(days=days)
        house.clock.now = moment
        api.send()
    house.clock.now = START.replace(minute=45)
    house.count()
    week = scope(period="7d")
    assert [each.accepted for each in columns(house, week)] == [1, 0, 0, 0, 0, 1, 1]
    assert before(house, week).accepted == 2


@pytest.mark.parametrize(
    ("period", "grain", "count"),
    [
        (Period.DAY, Grain.HOUR, 24),
        (Period.WEEK, Grain.DAY, 7),
        (Period.MONTH, Grain.DAY, 30),
        (Period.QUARTER, Grain.DAY, 90),
    ],
)
def test_a_window_is_whole_hours_or_days_up_to_now(
    period: Period, grain: Grain, count: int
) -> None:
    now = START.replace(minute=59)
    window = window_of(period, now)
    assert (window.grain, len(window.starts)) == (grain, count)
    assert window.begins_at <= window.starts[-1] <= now < window.ends_at
    stretches = window.before
    assert stretches[0][1] == window.begins_at - count * (window.ends_at - window.starts[-1])
    assert all(begin < end for _, begin, end in stretches)


def test_the_median_is_of_messages_that_were_not_scheduled(house: House) -> None:
    api = house.api()
    for seconds in (1, 2, 9):
        api.send()
        house.clock.advance(seconds=seconds)
        house.deliver()
    api.send(scheduledAt="2026-11-24T12:00:00Z")
    api.send(to=f"failed@{SIMULATOR}")
    house.clock.advance(hours=3)
    house.deliver()
    house.count()
    found = totals(house)
    for histogram in (found.arrived, found.handed_over):
        assert sum(histogram.values()) == 3
        assert percentile(histogram, 0.5) == pytest.approx(2000, rel=0.05)
        assert percentile(histogram, 0.95) == pytest.approx(9000, rel=0.05)


# -- filters and parts ------------------------------------------------------------------------


@pytest.fixture
def busy(house: House, register: RegisterProvider) -> dict[str, str]:
    """Live messages of two channels, keys and providers, with and without a template; the keys."""
    for name, channel in (("fake-mail", Channel.EMAIL), ("fake-sms", Channel.SMS)):
        connect(house, register(fake_provider(name, channel=channel)).name)
    house.template("welcome")
    shop, billing = house.api("live"), house.api("live")
    for _ in range(3):
        shop.send(template="welcome", to="ada@example.com")
    shop.send()
    billing.send(template="welcome", to="ada@example.com")
    billing.send(channel="sms", to="+15555550100", content={"body": "Hello"})
    deliver(house)
    keys = house.rows(
        "SELECT public_id FROM api_keys WHERE id IN (SELECT api_key_id FROM messages) ORDER BY id"
    )
    return {"shop": keys[0][0], "billing": keys[1][0]}


def test_any_filters_may_be_put_together(house: House, busy: dict[str, str]) -> None:
    def count(**query: str) -> int:
        return totals(house, scope(livemode=True, **query)).accepted

    assert count() == 6
    assert (count(channel="sms"), count(template="welcome")) == (1, 4)
    assert (count(provider="fake-mail"), count(key=busy["shop"])) == (5, 4)
    assert count(template="welcome", key=busy["billing"]) == 1
    assert count(channel="email", provider="fake-mail", key=busy["billing"]) == 1
    assert count(channel="sms", provider="fake-mail") == 0
    assert (count(key="key_0"), count(template="none"), count(provider="none")) == (0, 0, 0)


def test_parts_add_up_with_and_without_filters(house: House, busy: dict[str, str]) -> None:
    live = scope(livemode=True)
    assert parts(house, Facet.CHANNEL, live) == {"email": 5, "sms": 1}
    assert parts(house, Facet.TEMPLATE, live) == {"welcome": 4, None: 2}
    assert parts(house, Facet.PROVIDER, live) == {"fake-mail": 5, "fake-sms": 1}
    assert parts(house, Facet.KEY, live) == {busy["shop"]: 4, busy["billing"]: 2}
    billing = scope(livemode=True, key=busy["billing"])
    assert parts(house, Facet.TEMPLATE, billing) == {"welcome": 1, None: 1}
    words = [part.words for part in list_parts(house, Facet.KEY, live)]
    assert words == ["An app", "An app"]


def test_only_what_was_used_is_offered_as_a_filter(house: House, busy: dict[str, str]) -> None:
    def choices(asked: Scope) -> Choices:
        with house.runtime.reader.connect() as connection:
            return overview.list_choices(connection, asked)

    keys = ((busy["billing"], "An app"), (busy["shop"], "An app"))
    assert choices(scope(livemode=True)) == Choices(("welcome",), ("fake-mail", "fake-sms"), keys)
    assert choices(scope()) == Choices((), (), ())


def test_more_parts_than_are_shown_are_told(
    house: House, busy: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MAX_PARTS", 1)
    asked = scope(livemode=True)
    window = window_of(asked.query.period, house.clock())
    with house.runtime.reader.connect() as connection:
        found, has_more = overview.list_parts(connection, asked, window, Facet.CHANNEL)
    assert ([part.value for part in found], has_more) == (["email"], True)


# -- failures ---------------------------------------------------------------------------------


def test_failures_of_one_reason_stand_together_newest_first(house: House) -> None:
    api = house.api()
    api.send(to=f"failed@{SIMULATOR}")
    house.clock.advance(hours=2)
    api.send(to=f"failed+2@{SIMULATOR}")
    newest = house.clock()
    deliver(house)
    [group] = failures(house)
    assert (group.count, group.newest_at) == (2, newest)
    assert group.words == "Simulated: the provider refused the recipient for good."
    assert failures(house, scope(livemode=True)) == []
    assert failures(house, scope(channel="sms")) == []
    house.clock.advance(hours=24)
    assert failures(house) == []


# -- the queue --------------------------------------------------------------------------------


def test_what_is_due_waits_until_somebody_is_at_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = house.api()
    first_at = house.clock()
    for _ in range(3):
        api.send()
    api.send(scheduledAt="2026-12-01T10:00:00Z")
    house.clock.advance(minutes=5)
    api.send()
    found = queue(house)
    assert (found.waiting, found.scheduled, found.held) == (Count(4), Count(1), Count(0))
    assert found.oldest_due_at == first_at
    assert queue(house, livemode=True).waiting == Count(0)
    later = "lease_until = :until, lease_token = 'somebody'"
    until: Any = house.clock() + timedelta(minutes=1)
    if house.runtime.engine.dialect.name == "sqlite":
        until = int(until.timestamp() * 1_000_000)
    house.write(f"UPDATE messages SET {later} WHERE id = 1", until=until)  # noqa: S608
    assert queue(house).waiting == Count(3)
    monkeypatch.setattr(queue_state, "MAX_WAITING", 2)
    assert queue(house).waiting == Count(2, is_capped=True)


def test_held_messages_are_no_waiting_ones(house: House, register: RegisterProvider) -> None:
    react = raising(AccountBroken("535 5.7.8 wrong password"))
    connect(house, register(fake_provider("fake-mail", react, channel=Channel.EMAIL)).name)
    house.api("live").send()
    house.deliver()
    found = queue(house, livemode=True)
    assert (found.waiting, found.held) == (Count(0), Count(1))


# -- how far it is counted --------------------------------------------------------------------


def test_a_lag_is_told_when_it_is_more_than_some_seconds(house: House) -> None:
    assert lag(house) is None
    sent_at = house.clock()
    house.api().send()
    house.clock.advance(seconds=5)
    assert lag(house) is None
    house.clock.advance(seconds=10)
    assert lag(house) == sent_at
    house.count()
    assert lag(house) is None
    assert ViewOverview().period is Period.DAY
