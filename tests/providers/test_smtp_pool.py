from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from senderkit.errors import (
    OutcomeUnknown,
    Unavailable,
)
from senderkit.providers.smtp_pool import Pool
from senderkit.providers.smtp_sessions import Session
from tests.fakes import Reaction
from tests.providers.conftest import (
    Connect,
    MakeEmail,
    StartSmtp,
    adapter_through,
    address_of,
)


class Stopwatch:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def test_messages_one_after_another_share_a_connection(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    adapter = connect(server)
    for _ in range(20):
        adapter.send(make_email())
    assert len(server.messages) == 20
    assert server.connections == 1


def test_a_connection_carries_a_hundred_messages_and_no_more(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    adapter = connect(server)
    for _ in range(101):
        adapter.send(make_email())
    assert server.connections == 2


def test_threads_do_not_share_a_connection_at_the_same_time(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    adapter = connect(server)
    people = [f"person{n}@example.com" for n in range(80)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda who: adapter.send(make_email(recipient=who)), people))
    assert sorted(m.recipients[0] for m in server.messages) == sorted(people)
    assert all(m.parsed["To"] == m.recipients[0] for m in server.messages)
    assert server.connections <= 8


def test_a_connection_that_died_while_idle_costs_one_fresh_try(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    adapter = connect(server)
    adapter.send(make_email())
    server.drop_connections()
    adapter.send(make_email())
    assert len(server.messages) == 2
    assert server.connections == 2


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_reused_connection_that_is_told_to_close_costs_one_fresh_try(
    command: str, start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    adapter = connect(server)
    adapter.send(make_email())
    server.answer(command, "421 4.4.2 Idle too long", times=1)
    adapter.send(make_email())
    assert len(server.messages) == 2
    assert server.connections == 2


def test_a_fresh_try_is_made_once_only(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    adapter = connect(server)
    adapter.send(make_email())
    server.answer("MAIL", Reaction.HANG_UP)
    with pytest.raises(Unavailable):
        adapter.send(make_email())
    assert server.connections == 2


def test_a_reply_lost_after_the_content_is_never_tried_again(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    adapter = connect(server)
    adapter.send(make_email())
    server.answer("CONTENT", Reaction.HANG_UP)
    with pytest.raises(OutcomeUnknown, match="reply was lost"):
        adapter.send(make_email())
    assert len(server.messages) == 2
    assert server.connections == 1


def test_a_connection_idle_for_longer_than_the_limit_is_not_used_again(
    start_smtp: StartSmtp, make_email: MakeEmail
) -> None:
    server, seconds = start_smtp(), Stopwatch()
    address = address_of(server)
    adapter = adapter_through(Pool(lambda: Session(address), monotonic=seconds), address)
    adapter.send(make_email())
    seconds.seconds += 30
    adapter.send(make_email())
    assert server.connections == 1
    seconds.seconds += 31
    adapter.send(make_email())
    assert server.connections == 2
    adapter.close()


def test_no_more_idle_connections_are_kept_than_the_limit(
    start_smtp: StartSmtp, make_email: MakeEmail
) -> None:
    server = start_smtp()
    pool = Pool(lambda: Session(address_of(server)), most_idle=1)
    with pool.fresh(), pool.fresh():
        assert server.connections == 2
    assert server.commands.count("QUIT") == 1
    pool.close()
    assert server.commands.count("QUIT") == 2


def test_a_closed_adapter_keeps_nothing_open_and_still_sends(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    adapter = connect(server)
    adapter.send(make_email())
    adapter.close()
    assert server.commands[-1] == "QUIT"
    adapter.send(make_email())
    assert server.commands[-1] == "QUIT"
    assert len(server.messages) == 2
