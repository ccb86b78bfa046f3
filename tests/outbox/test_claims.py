"""Claim, lease, renew, release, move: who owns a message, and until when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from senderkit import outbox
from senderkit.domain import MessageStatus
from senderkit.outbox import Claim, Place
from senderkit.services import delivery, steps
from tests.make import House

LEASE = 30.0


def claim(house: House, limit: int = 100, lane: str = "") -> list[Claim]:
    """Claim what is due, as a process of its own would."""
    with house.runtime.engine.begin() as connection:
        return outbox.claim(
            connection, lane=lane, now=house.clock(), limit=limit, lease_seconds=LEASE
        )


def ids(claims: list[Claim]) -> list[str]:
    return [claim.public_id for claim in claims]


def finish(house: House, claim: Claim) -> bool:
    """Write a claim's result; whether it was taken."""
    change = steps.simulated_delivery(claim, {}, house.clock())
    with house.runtime.engine.begin() as connection:
        return bool(delivery.apply_changes(connection, [change], now=house.clock()))


def find_due(house: House) -> dict[str, float]:
    """Seconds until each lane has something."""
    with house.runtime.reader.connect() as connection:
        due = outbox.find_due(connection, now=house.clock())
    return {lane: (moment - house.clock()).total_seconds() for lane, moment in due.items()}


def in_seconds(house: House, seconds: float) -> str:
    return (house.clock() + timedelta(seconds=seconds)).isoformat()


def put_into_lane(house: House, message_id: str, lane: str) -> None:
    house.write("UPDATE messages SET lane = :lane WHERE public_id = :id", lane=lane, id=message_id)


def test_what_is_claimed_cannot_be_claimed_again(house: House) -> None:
    message_id = house.api().send()

    assert ids(claim(house)) == [message_id]
    assert claim(house) == []


def test_a_claim_knows_what_was_asked_for(house: House) -> None:
    house.api().send(vars={"name": "Ada"}, interpolate=True)

    [found] = claim(house)

    assert found.vars == {"name": "Ada"}
    assert found.request["content"] == {"subject": "Hello", "html": "<p>Hello, Ada.</p>"}
    assert (found.status, found.attempts) == (MessageStatus.QUEUED, 0)


def test_the_longest_waiting_comes_first(house: House) -> None:
    api = house.api()
    last = api.send(scheduledAt=in_seconds(house, 120))
    first = api.send(scheduledAt=in_seconds(house, 60))
    house.clock.advance(seconds=180)

    assert ids(claim(house, limit=1)) == [first]
    assert ids(claim(house)) == [last]


def test_sends_of_one_moment_go_in_the_order_of_their_acceptance(house: House) -> None:
    api = house.api()
    sent = [api.send() for _ in range(5)]

    assert ids(claim(house)) == sent


def test_a_claim_takes_no_more_than_its_limit(house: House) -> None:
    api = house.api()
    for _ in range(5):
        api.send()

    assert [len(claim(house, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


def test_nothing_is_claimed_a_microsecond_early(house: House) -> None:
    message_id = house.api().send(scheduledAt=in_seconds(house, 60))

    house.clock.advance(seconds=60, microseconds=-1)
    assert claim(house) == []
    house.clock.advance(microseconds=1)
    assert ids(claim(house)) == [message_id]


def test_an_expired_lease_can_be_claimed_anew(house: House) -> None:
    message_id = house.api().send()
    claim(house)

    house.clock.advance(seconds=LEASE, microseconds=-1)
    assert claim(house) == []
    house.clock.advance(microseconds=1)
    assert ids(claim(house)) == [message_id]


def test_a_worker_frozen_beyond_its_lease_cannot_write_its_late_result(house: House) -> None:
    house.api().send()
    [frozen] = claim(house)
    house.clock.advance(seconds=LEASE)
    [successor] = claim(house)

    assert not finish(house, frozen)
    assert finish(house, successor)
    assert not finish(house, frozen)


def test_a_worker_frozen_beyond_its_lease_may_finish_while_nobody_else_has_begun(
    house: House,
) -> None:
    house.api().send()
    [frozen] = claim(house)
    house.clock.advance(seconds=10 * LEASE)

    assert finish(house, frozen)
    assert claim(house) == []


def test_a_renewed_lease_lasts_longer_and_a_lost_one_stays_lost(house: House) -> None:
    api = house.api()
    api.send()
    [lost] = claim(house)
    house.clock.advance(seconds=LEASE)
    claim(house)
    api.send()
    [ours] = claim(house)
    tokens = {found.id: found.lease_token for found in (lost, ours)}

    with house.runtime.engine.begin() as connection:
        until = house.clock() + timedelta(seconds=2 * LEASE)
        kept = outbox.renew(connection, tokens, until=until)

    assert kept == {ours.id}
    house.clock.advance(seconds=2 * LEASE, microseconds=-1)
    assert [found.id for found in claim(house)] == [lost.id]


def test_what_is_given_back_can_be_claimed_at_once(house: House) -> None:
    house.api().send()
    [found] = claim(house)

    with house.runtime.engine.begin() as connection:
        outbox.release(connection, {found.id: "somebody else's token"})
    assert claim(house) == []
    with house.runtime.engine.begin() as connection:
        outbox.release(connection, {found.id: found.lease_token})
    assert len(claim(house)) == 1


@pytest.fixture
def two_lanes(house: House) -> House:
    """Twenty messages wait in lane `a`; a later one is in lane `b`."""
    api = house.api()
    for _ in range(20):
        put_into_lane(house, api.send(), "a")
    put_into_lane(house, api.send(), "b")
    return house


def test_a_backlog_in_one_lane_does_not_hide_another(two_lanes: House) -> None:
    assert len(claim(two_lanes, lane="b")) == 1
    assert len(claim(two_lanes, lane="a")) == 20
    assert claim(two_lanes, lane="") == []


def test_each_lane_says_when_it_has_something(two_lanes: House) -> None:
    two_lanes.api().send(scheduledAt=in_seconds(two_lanes, 60))

    assert find_due(two_lanes) == {"": 60.0, "a": 0.0, "b": 0.0}
    claim(two_lanes, lane="a")
    claim(two_lanes, lane="b")
    assert find_due(two_lanes) == {"": 60.0}
    two_lanes.clock.advance(seconds=LEASE)
    assert find_due(two_lanes) == {"": 30.0, "a": -30.0, "b": -30.0}


def test_a_message_can_be_moved_to_the_lane_it_belongs_into(two_lanes: House) -> None:
    [found] = claim(two_lanes, lane="b")

    with two_lanes.runtime.engine.begin() as connection:
        outbox.move(connection, {found.id: found.lease_token}, {found.id: Place("c")})

    assert [again.id for again in claim(two_lanes, lane="c")] == [found.id]


def test_a_message_without_its_request_does_not_keep_others_from_being_claimed(
    house: House,
) -> None:
    api = house.api()
    broken, sound = api.send(), api.send()
    house.write(
        "DELETE FROM message_contents WHERE message_id = "
        "(SELECT id FROM messages WHERE public_id = :id)",
        id=broken,
    )

    assert ids(claim(house)) == [broken, sound]
