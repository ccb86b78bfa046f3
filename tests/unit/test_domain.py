"""The vocabulary: legal moves, ids, and what cannot be made for a test message."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from senderkit import domain
from senderkit.domain import (
    CANCELABLE,
    LEGAL_STEPS,
    PENDING,
    STATUS_FILTERS,
    Channel,
    LiveModeRequired,
    MessageStatus,
    Mode,
    Outgoing,
    SmsBody,
    TimelineEvent,
    may_move,
    new_public_id,
    new_uuid,
)

S = MessageStatus
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NOT_SENT = {S.FAILED, S.OPTED_OUT, S.SUPPRESSED, S.BLOCKED}
AFTER_SENDING = {S.SENT, S.DELIVERED, S.FAILED}

FORWARD = {
    S.SCHEDULED: {S.QUEUED, S.RENDERED, S.CANCELED} | NOT_SENT | AFTER_SENDING,
    S.QUEUED: {S.RENDERED, S.CANCELED} | NOT_SENT | AFTER_SENDING,
    S.RENDERED: NOT_SENT | AFTER_SENDING,
    S.SENT: {S.DELIVERED, S.FAILED},
    S.DELIVERED: {S.FAILED},
    S.FAILED: set(),
    S.CANCELED: set(),
    S.OPTED_OUT: set(),
    S.SUPPRESSED: set(),
    S.BLOCKED: set(),
}
"""Every move there is, spelled out a second time."""


# -- moves ------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", S)
@pytest.mark.parametrize("new", S)
def test_every_pair_of_statuses_is_legal_or_not_as_written(old: S, new: S) -> None:
    assert may_move(old, new) is (new in FORWARD[old])


def test_no_move_can_ever_be_taken_back() -> None:
    """Whatever order events arrive in: after a move no chain of moves leads to where it was."""
    for old, new in itertools.product(S, S):
        if may_move(old, new):
            assert not may_move(new, old)
            assert {last for last in S if may_move(new, last)} < {
                last for last in S if may_move(old, last)
            }


def test_events_in_any_order_end_alike() -> None:
    def end(events: Iterator[S] | tuple[S, ...]) -> S:
        status = S.RENDERED
        for event in events:
            status = event if may_move(status, event) else status
        return status

    for subset in ((S.SENT, S.DELIVERED), (S.SENT, S.FAILED), (S.SENT, S.DELIVERED, S.FAILED)):
        assert {end(order) for order in itertools.permutations(subset)} == {subset[-1]}


def test_what_can_be_canceled_is_what_no_provider_has_seen() -> None:
    assert {S.SCHEDULED, S.QUEUED} == CANCELABLE
    assert {old for old in S if may_move(old, S.CANCELED)} == CANCELABLE
    assert {S.SCHEDULED, S.QUEUED, S.RENDERED} == PENDING


def test_every_status_has_its_steps_and_its_place_in_the_filter() -> None:
    assert set(LEGAL_STEPS) == set(S)
    assert {status.value for status in S} | {"dispatched"} == STATUS_FILTERS


def test_every_status_but_the_one_never_set_is_a_word_of_the_timeline() -> None:
    words = {event.value for event in TimelineEvent}

    assert {status.value for status in S} - words == {"blocked"}


# -- ids --------------------------------------------------------------------------------------


def test_ids_have_one_width_and_a_plain_alphabet() -> None:
    moments = [datetime.fromtimestamp(0, UTC), NOW, datetime(9999, 12, 31, tzinfo=UTC)]

    for prefix, moment in itertools.product(("msg", "key", "evt", "whd"), moments):
        assert re.fullmatch(rf"{prefix}_[0-9a-hjkmnp-tv-z]{{26}}", new_public_id(prefix, moment))


def test_ids_sort_by_time_as_text() -> None:
    """Also past the year 2059, where the count of milliseconds passes 41 bits."""
    steps = [
        timedelta(milliseconds=1),
        timedelta(hours=1),
        timedelta(days=365),
        timedelta(days=12_000),
    ]
    moments = [NOW + step * times for step in steps for times in range(50)]

    made = [(moment, new_public_id("msg", moment)) for moment in sorted(set(moments))]

    assert [public_id for _, public_id in made] == sorted(public_id for _, public_id in made)


def test_ids_of_one_moment_differ_in_80_random_bits() -> None:
    made = {new_public_id("msg", NOW) for _ in range(20_000)}

    assert len(made) == 20_000
    beginnings = {public_id[: len("msg_") + 10] for public_id in made}
    assert len(beginnings) == 1
    for place in range(len("msg_") + 10, len("msg_") + 26):
        assert len({public_id[place] for public_id in made}) == 32


def test_an_id_tells_its_moment_to_the_millisecond() -> None:
    moment = NOW + timedelta(milliseconds=123)
    number = 0
    for character in new_public_id("msg", moment).removeprefix("msg_"):
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(character)

    assert number >> 80 == int(moment.timestamp() * 1000)


def test_uuids_are_random_ones_in_their_usual_form() -> None:
    for made in (new_uuid() for _ in range(1_000)):
        read = uuid.UUID(made)
        assert str(read) == made
        assert (read.version, read.variant) == (4, uuid.RFC_4122)


# -- modes and time ---------------------------------------------------------------------------


def test_a_mode_and_its_flag_say_the_same() -> None:
    assert [(mode.livemode, Mode.of(mode.livemode)) for mode in Mode] == [
        (True, Mode.LIVE),
        (False, Mode.TEST),
    ]


def test_nothing_goes_out_for_a_test_message() -> None:
    outgoing = {"message_id": "msg_1", "channel": Channel.SMS, "recipient": "+441632960000"}

    assert Outgoing(mode=Mode.LIVE, body=SmsBody("Hi"), **outgoing).recipient  # type: ignore[arg-type]
    with pytest.raises(LiveModeRequired):
        Outgoing(mode=Mode.TEST, body=SmsBody("Hi"), **outgoing)  # type: ignore[arg-type]


def test_the_system_clock_is_aware_and_in_utc() -> None:
    assert domain.utc_now().utcoffset() == timedelta(0)
