"""Authenticating by key: what is read from the database, and when nothing is."""

from __future__ import annotations

from senderkit.services.api_keys import find_principal
from tests.make import House, one_character_edits


def test_a_hundred_thousand_edited_keys_do_not_reach_the_database(house: House) -> None:
    reader = house.runtime.reader
    tokens = [house.token() for _ in range(15)]
    edits = {edited for token in tokens for edited in one_character_edits(token)}
    assert len(edits) >= 100_000
    with house.database_uses() as uses:
        assert not any(find_principal(reader, edited) for edited in edits)
    assert uses == []


def test_the_right_key_is_read_once(house: House) -> None:
    token = house.token()
    with house.database_uses() as uses:
        assert find_principal(house.runtime.reader, token) is not None
    assert len(uses) == 1
