"""A newcomer's way: each step is ticked by what really happened."""

from __future__ import annotations

from senderkit.services.progress import Progress, find_progress
from tests.make import House


def progress(house: House) -> Progress:
    with house.runtime.reader.connect() as connection:
        return find_progress(connection, 1, has_environment_connection=False)


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
