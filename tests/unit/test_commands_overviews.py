"""The query of the overview."""

from __future__ import annotations

import pytest

from senderkit.commands import Period, ViewOverview, parse_view_overview
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest

EVERYTHING = {
    "period": "30d",
    "channel": "sms",
    "template": "welcome",
    "provider": "web-push",
    "key": "key_01h",
}


def test_without_a_query_it_is_the_last_day_of_everything() -> None:
    assert parse_view_overview({}) == ViewOverview()
    assert ViewOverview().period is Period.DAY


def test_every_name_is_read() -> None:
    assert parse_view_overview(EVERYTHING) == ViewOverview(
        period=Period.MONTH,
        channel=Channel.SMS,
        template="welcome",
        provider="web-push",
        key="key_01h",
    )


def test_empty_values_and_other_names_ask_for_nothing() -> None:
    assert parse_view_overview(dict.fromkeys(EVERYTHING, "") | {"ref": "x"}) == ViewOverview()


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 101, " "])
def test_all_that_is_wrong_is_told_at_once(value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_view_overview(dict.fromkeys(EVERYTHING, value))
    named = {issue.path[0] for issue in caught.value.issues}
    assert named == set(EVERYTHING) - ({"template"} if value == " " else set())
