"""One message through the whole house, in the smallest steps: for a first look at a failure."""

from __future__ import annotations

from tests.make import House


def test_a_test_message_is_delivered(house: House) -> None:
    api = house.api()
    message_id = api.send(to="ada@example.com")
    house.deliver()
    assert api.message(message_id)["status"] == "delivered"
