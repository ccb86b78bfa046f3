"""A newcomer's way: each step is ticked by what really happened."""

from __future__ import annotations

from senderkit.services.progress import Progress, find_progress
from tests.make import House


def progress(house: House) -> Progress:
    with house.runtime.reader.connect() as connection:
        return find_progress(connection, 1, has_environment_connection=False)


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
