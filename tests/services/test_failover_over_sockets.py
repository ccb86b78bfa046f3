"""Failover between a real HTTP client and a real mail client, with servers on sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.conftest import MakeApp
from tests.fakes import FakeSmtp
from tests.fakes_http import Answer, Trouble
from tests.make import Api, FakeClock, House, wait_until
from tests.outbox.conftest import connect, entry, events
from tests.providers.benches.base import SECRET
from tests.providers.benches.postmark import PostmarkBench


@pytest.fixture
def bench() -> Iterator[PostmarkBench]:
    bench = PostmarkBench()
    with bench.running():
        yield bench


@pytest.fixture
def smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        yield server


@pytest.fixture
def house(make_app: MakeApp, clock: FakeClock, bench: PostmarkBench, smtp: FakeSmtp) -> House:
    """Its mail goes through Postmark, and through a mail server where Postmark cannot."""
    house = House(make_app(ALLOW_PRIVATE_ADDRESSES="1"), clock)
    credentials = {
        "host": "127.0.0.1",
        "port": str(smtp.port),
        "security": "none",
        "from": "Acme <hello@acme.example>",
    }
    connect(house, "smtp", credentials, name="Mail server")
    connect(house, "postmark", bench.credentials, name="Postmark")
    return house


@pytest.fixture
def api(house: House) -> Api:
    return house.api("live")


BUSY = Answer(503, json={"ErrorCode": 100, "Message": f"Down, dear {SECRET}."})


@pytest.mark.parametrize("trouble", [BUSY, Answer(401, json={"ErrorCode": 10}), Answer(429)])
def test_what_one_server_cannot_take_goes_through_the_other(
    house: House, api: Api, bench: PostmarkBench, smtp: FakeSmtp, trouble: Answer
) -> None:
    bench.arrange_answer(trouble)
    with capture_logs() as logs:
        message_id = api.send()
        house.deliver()

    message = api.message(message_id)
    assert (message["status"], message["provider"]) == ("sent", "smtp")
    assert (len(bench.sends), len(smtp.messages)) == (1, 1)
    assert entry(message, "failover")["to"] == "Mail server"
    kept = house.rows("SELECT detail FROM attempts")
    assert SECRET not in str((message, logs, kept))


def test_a_server_that_is_gone_is_passed_over(
    house: House, api: Api, bench: PostmarkBench, smtp: FakeSmtp
) -> None:
    house.write("UPDATE connections SET position = position + 5")
    connect(house, "postmark", bench.nobody_there(), name="Nobody there")
    message_id = api.send()
    house.deliver()

    message = api.message(message_id)
    assert (message["status"], message["provider"]) == ("sent", "postmark")
    assert len(bench.sends) == 1


def test_a_lost_reply_stays_where_it_was_lost(
    house: House, api: Api, bench: PostmarkBench, smtp: FakeSmtp
) -> None:
    bench.arrange_answer(Trouble.LOSE_REPLY, times=1)
    message_id = api.send()
    house.deliver()
    house.clock.advance(minutes=1)
    house.deliver()

    message = api.message(message_id)
    assert (message["status"], message["provider"]) == ("sent", "postmark")
    assert "in_doubt" in events(message)
    assert (len(bench.sends), smtp.messages) == (2, [])


def test_while_both_are_down_messages_wait_and_then_they_all_go_out(
    house: House, api: Api, bench: PostmarkBench, smtp: FakeSmtp
) -> None:
    bench.arrange_answer(BUSY)
    smtp.answer("MAIL", "421 4.3.2 Closing for a while")
    sent = [api.send() for _ in range(12)]
    for _ in range(3):
        house.deliver()
        house.clock.advance(seconds=20)
    assert smtp.messages == []
    assert len(bench.sends) < 2 * len(sent)

    bench.arrange_answer(bench.accepts)
    for _ in range(40):
        house.clock.advance(seconds=20)
        house.deliver()
    assert {api.message(each)["status"] for each in sent} == {"sent"}


def test_a_provider_that_hangs_slows_no_other_connection(
    house: House, api: Api, bench: PostmarkBench, smtp: FakeSmtp
) -> None:
    """Four threads of its lane hang, and more messages wait behind them."""
    bench.arrange_answer(Trouble.HANG)
    house.template("mail")
    house.write(
        "UPDATE templates SET connection_id = (SELECT id FROM connections WHERE provider = 'smtp')"
    )
    house.runtime.dispatcher.start()
    stuck = [api.send() for _ in range(20)]
    house.runtime.dispatcher.wake()
    wait_until(lambda: len(bench.sends) == 4)

    began_at = time.monotonic()
    others = [api.send(template="mail", to="ada@example.com") for _ in range(10)]
    wait_until(lambda: len(smtp.messages) == 10)
    assert time.monotonic() - began_at < 20
    wait_until(lambda: {api.message(each)["status"] for each in others} == {"sent"})
    assert {api.message(each)["status"] for each in stuck} <= {"queued", "rendered"}
    assert len(bench.sends) == 4
    bench.server.drop_connections()
