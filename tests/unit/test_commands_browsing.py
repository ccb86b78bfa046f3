"""The query of the dashboard's list: the API's filters under its names, and days, keys, places."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from senderkit.commands import BrowseMessages, ListMessages, parse_browse_messages
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest


def refused(**query: str) -> dict[str, str]:
    """Query name -> what is told of it. `from` is written `from_`."""
    named = {name.rstrip("_"): value for name, value in query.items()}
    with pytest.raises(InvalidRequest) as caught:
        parse_browse_messages(named)
    return {str(issue.path[0]): issue.message for issue in caught.value.issues}


def test_without_a_query_everything_is_shown() -> None:
    assert parse_browse_messages({}) == BrowseMessages(listing=ListMessages())


def test_every_filter_is_read() -> None:
    query = {
        "status": "failed",
        "channel": "sms",
        "template": "Welcome",
        "q": "ada",
        "before": "cursor",
        "key": "key_01h",
        "provider": "smtp",
        "reason": "0123456789abcdef",
        "from": "2026-11-01",
        "to": "2026-11-02",
    }
    assert parse_browse_messages(query) == BrowseMessages(
        listing=ListMessages(
            status="failed", channel=Channel.SMS, template="welcome", search="ada", cursor="cursor"
        ),
        key="key_01h",
        provider="smtp",
        reason="0123456789abcdef",
        since=datetime(2026, 11, 1, tzinfo=UTC),
        until=datetime(2026, 11, 3, tzinfo=UTC),
    )


def test_held_is_no_status_but_a_choice_beside_them() -> None:
    assert parse_browse_messages({"status": "held"}) == BrowseMessages(is_held=True)


def test_a_place_above_is_a_cursor_of_its_own() -> None:
    assert parse_browse_messages({"after": "cursor"}).newer_than == "cursor"


def test_empty_values_and_other_names_filter_nothing() -> None:
    names = (
        *("status", "channel", "template", "provider", "key", "reason", "q"),
        *("from", "to", "before", "after"),
    )
    assert parse_browse_messages(dict.fromkeys(names, "") | {"ref": "x"}) == BrowseMessages()


@pytest.mark.parametrize(
    "day",
    ["today", "2026-11-31", "2026-1-1", "20261101", "0001-01-01", "9999-12-31", "\uff12026-11-01"],
)
def test_what_is_no_day_is_told(day: str) -> None:
    assert set(refused(from_=day, to=day)) == {"from", "to"}


def test_one_day_is_a_range() -> None:
    query = parse_browse_messages({"from": "2026-11-01", "to": "2026-11-01"})
    assert (query.since, query.until) == (
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 11, 2, tzinfo=UTC),
    )


def test_an_hour_is_a_range_as_well() -> None:
    query = parse_browse_messages({"from": "2026-11-01T09", "to": "2026-11-01T10"})
    assert (query.since, query.until) == (
        datetime(2026, 11, 1, 9, tzinfo=UTC),
        datetime(2026, 11, 1, 11, tzinfo=UTC),
    )


@pytest.mark.parametrize("hour", ["2026-11-01T24", "2026-11-01T9", "2026-11-01T09:00", "T09"])
def test_what_is_no_hour_is_told(hour: str) -> None:
    assert set(refused(from_=hour, to=hour)) == {"from", "to"}


def test_days_in_the_wrong_order_are_told() -> None:
    assert set(refused(from_="2026-11-02", to="2026-11-01")) == {"to"}


def test_all_that_is_wrong_is_told_at_once_under_the_names_of_the_page() -> None:
    found = refused(
        status="nope",
        channel="fax",
        q="x" * 201,
        before="x" * 501,
        template="x" * 101,
        key="4711",
        provider="S M T P",
        reason="no such user",
        from_="x",
    )
    names = {"status", "channel", "q", "before", "template", "key", "provider", "reason", "from"}
    assert set(found) == names


@pytest.mark.parametrize(
    "name", ["status", "channel", "template", "q", "key", "before", "provider", "reason"]
)
def test_a_nul_character_is_refused(name: str) -> None:
    assert set(refused(**{name: "a\0b"})) == {name}


def test_two_places_at_once_and_an_endless_one_are_refused() -> None:
    assert set(refused(before="a", after="b")) == {"after"}
    assert set(refused(after="x" * 501)) == {"after"}
