"""kill -9 and SIGTERM of real servers under load: nothing lost, nothing doubled but what is marked.

`SENDERKIT_TEST_KILLS=50` kills as often on each database, and after the last of them the leases of
the dead run out by themselves. Otherwise they are ended by hand: that saves half a minute.
`--log-cli-level=WARNING` shows the figures.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import pytest

from tests.fakes import FakeSmtp, Reaction
from tests.make import wait_until
from tests.outbox.dying import POINTS
from tests.outbox.installation import Installation
from tests.outbox.traffic import Traffic

_log = logging.getLogger(__name__)

ASKED: Final = os.environ.get("SENDERKIT_TEST_KILLS")
KILLS: Final = int(ASKED or 5)

Death = Callable[[Installation, Traffic, random.Random], None]
"""Starts a server, leads the traffic to it, and returns when it is dead."""


def die_at_a_point(
    installation: Installation, traffic: Traffic, chance: random.Random, *, point: str
) -> None:
    """The server kills itself the first or one of the next times that it comes there."""
    module = ("tests.outbox.dying", point, str(chance.randint(1, 20)))
    with installation.serving(module) as server:
        traffic.lead_to(server.port)
        assert server.process.wait(60) == -signal.SIGKILL, server.log


def die_over_a_command(
    installation: Installation, traffic: Traffic, chance: random.Random, *, command: str
) -> None:
    """The mail server has been given this, and its answer never comes."""
    with installation.serving() as server:
        traffic.lead_to(server.port)
        wait_for_arrivals(installation.smtp, chance.randint(1, 50))
        silence = installation.smtp.answer(command, Reaction.STAY_SILENT, times=1)
        wait_until(lambda: silence.is_used_up)
        server.kill()


def die_at_any_moment(installation: Installation, traffic: Traffic, chance: random.Random) -> None:
    with installation.serving() as server:
        traffic.lead_to(server.port)
        wait_for_arrivals(installation.smtp, chance.randint(0, 100))
        server.kill()


def wait_for_arrivals(smtp: FakeSmtp, count: int) -> None:
    """Until so many more messages have arrived than now."""
    enough = len(smtp.messages) + count
    wait_until(lambda: len(smtp.messages) >= enough)


# In the suite each database meets half of them: SQLite the first ones, Postgres the last.
DEATHS: Final[Sequence[Death]] = (
    partial(die_over_a_command, command="CONTENT"),
    die_at_any_moment,
    *(partial(die_at_a_point, point=point) for point in POINTS),
    partial(die_over_a_command, command="DATA"),
)


@pytest.mark.timeout(60 + 30 * KILLS)
def test_kill_9_loses_nothing_and_doubles_only_what_was_in_flight(
    installation: Installation, smtp: FakeSmtp
) -> None:
    """None lost and none doubled unmarked in 50 kills on each database: a kill that does either
    is fewer than 6 in 100, with 95 % confidence."""
    deaths = DEATHS if installation.is_sqlite else tuple(reversed(DEATHS))
    chance = random.Random(20)  # noqa: S311 - when to die is no secret
    cut_off: set[tuple[str, int]] = set()
    with Traffic(installation.live.token, lambda: len(smtp.messages)) as traffic:
        for number, death in enumerate(itertools.islice(itertools.cycle(deaths), KILLS), 1):
            death(installation, traffic, chance)
            installation.wait_until_unused()
            cut_off |= installation.cut_off_attempts()
            if not (ASKED and number == KILLS):
                installation.end_leases()
        with installation.serving() as server:
            traffic.lead_to(server.port)
            traffic.stop()
            installation.wait_until_done()

    received = installation.received()
    in_flight = Counter(recipient for recipient, _ in cut_off)
    doubled = Counter({recipient: count - 1 for recipient, count in received.items() if count > 1})
    _log.warning(
        "%d kills, %d accepted, %d posts repeated, %d attempts cut off, %d arrivals doubled",
        KILLS,
        len(traffic.accepted),
        traffic.repeats,
        in_flight.total(),
        doubled.total(),
    )
    assert_all_are_sent(installation, traffic)
    assert installation.doubts() == in_flight
    assert doubled <= in_flight
    assert doubled, "no kill between a message's arrival and its record"


def assert_all_are_sent(installation: Installation, traffic: Traffic) -> None:
    """What was answered with 202 is what is stored, and all of it has arrived."""
    sent = {recipient: (message_id, "sent") for recipient, message_id in traffic.accepted.items()}
    assert installation.messages() == sent
    assert installation.received().keys() == sent.keys()


def test_sigterm_under_load_finishes_what_was_begun(
    installation: Installation, smtp: FakeSmtp
) -> None:
    with Traffic(installation.live.token, lambda: len(smtp.messages)) as traffic:
        with installation.serving() as server:
            traffic.lead_to(server.port)
            wait_for_arrivals(smtp, 100)
            assert server.stop() == 0
            assert_left_in_order(installation, server.log)

        with installation.serving() as server:
            traffic.lead_to(server.port)
            traffic.stop()
            installation.wait_until_done()

    assert_all_are_sent(installation, traffic)
    assert set(installation.received().values()) == {1}
    assert installation.doubts() == {}


def assert_left_in_order(installation: Installation, log: str) -> None:
    """No attempt without its outcome, no lease that somebody would have to wait for."""
    assert installation.cut_off_attempts() == set()
    assert installation.rows("SELECT id FROM messages WHERE lease_token IS NOT NULL") == []
    assert installation.rows("SELECT id FROM messages WHERE status = 'rendered'") == []
    assert "Traceback" not in log
