"""What one message, one provider or one error stirs up stays where it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from senderkit import dispatcher
from senderkit.domain import Outgoing, Receipt
from senderkit.models import Message
from tests.conftest import MakeApp, RegisterProvider
from tests.figures import figures
from tests.make import START, Api, FakeClock, House, wait_until
from tests.outbox.conftest import (
    FakeProvider,
    connect,
    entry,
    events,
    failing,
    fake_provider,
    text_message,
)


@pytest.fixture
def running(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house whose dispatcher turns by itself, and does not wait long after an error."""
    monkeypatch.setattr(dispatcher, "_POLL_SECONDS", 0.05)
    house.runtime.dispatcher.start()
    house.runtime.webhooks.start()
    yield house
    house.runtime.dispatcher.close()


def spoil(house: House, message_id: str) -> None:
    """Make a message one that nothing can be rendered of."""
    house.write(
        "UPDATE message_contents SET request = '{}' WHERE message_id = "
        "(SELECT id FROM messages WHERE public_id = :id)",
        id=message_id,
    )


def statuses(api: Api, message_ids: list[str]) -> list[str]:
    return [api.message(message_id)["status"] for message_id in message_ids]


# -- one message ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_message_that_cannot_be_rendered_fails_by_itself(
    house: House, sms: FakeProvider, mode: str
) -> None:
    connect(house, sms.name)
    api = house.api(mode)
    sent = [api.send(**text_message()) for _ in range(3)]
    spoil(house, sent[1])
    house.deliver()

    done = "sent" if mode == "live" else "delivered"
    assert statuses(api, sent) == [done, "failed", done]
    assert api.message(sent[1])["error"] == (
        "An unexpected error stopped this message (KeyError). It was logged."
    )


def test_a_template_that_cannot_be_rendered_says_why(house: House) -> None:
    api = house.api()
    message_id = api.send(interpolate=True, content={"subject": "{{#a}}", "html": "<p>Hello</p>"})
    house.deliver()

    message = api.message(message_id)
    assert message["status"] == "failed"
    assert message["error"].startswith("The template cannot be rendered: ")


def test_a_message_that_cannot_be_looked_up_fails_by_itself(
    house: House, sms: FakeProvider
) -> None:
    connect(house, sms.name)
    api = house.api("live")
    sent = [api.send(**text_message(to=to)) for to in ("+15555550100", "+15555550199")]

    def is_about_the_second(statement: str, parameters: Any) -> bool:
        return "FROM suppressions" in statement and "+15555550199" in repr(parameters)

    with failing(house, is_about_the_second, ValueError("odd")):
        house.deliver()

    assert statuses(api, sent) == ["sent", "failed"]


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_message_that_cannot_be_stored_when_rendered_fails_by_itself(
    house: House, sms: FakeProvider, mode: str
) -> None:
    connect(house, sms.name)
    api = house.api(mode)
    bodies = ["Hello", "Odd", "Hello"]
    sent = [api.send(**text_message(content={"body": body})) for body in bodies]

    def is_odd(statement: str, parameters: Any) -> bool:
        return statement.startswith("UPDATE message_contents") and "Odd" in repr(parameters)

    with failing(house, is_odd, ValueError("not storable")):
        house.deliver()

    done = "sent" if mode == "live" else "delivered"
    assert statuses(api, sent) == [done, "failed", done]
    assert [outgoing.body for outgoing in sms.seen] == [o.body for o in sms.seen[:1]] * len(
        sms.seen
    )
    assert api.message(sent[1])["error"].startswith("What became of this message cannot be stored")


def test_a_result_that_cannot_be_stored_fails_its_message_in_doubt(
    house: House, sms: FakeProvider
) -> None:
    connect(house, sms.name)
    sms.react = lambda outgoing: Receipt(f"odd-{outgoing.recipient}")
    api = house.api("live")
    sent = [api.send(**text_message(to=to)) for to in ("+15555550100", "+15555550199")]

    with failing(house, lambda _, given: "odd-+15555550199" in repr(given), ValueError("odd")):
        house.deliver()

    assert statuses(api, sent) == ["sent", "failed"]
    assert events(api.message(sent[1]))[-2:] == ["in_doubt", "failed"]


def test_an_adapter_that_crashes_fails_its_message_in_doubt_and_is_not_called_again(
    house: House, sms: FakeProvider
) -> None:
    def crash_on_one(outgoing: Outgoing) -> Receipt:
        if outgoing.recipient == "+15555550199":
            raise KeyError("nobody thought of this")
        return Receipt("x")

    sms.react = crash_on_one
    connect(house, sms.name)
    api = house.api("live")
    sent = [api.send(**text_message(to=to)) for to in ("+15555550100", "+15555550199")]
    house.deliver()
    house.clock.advance(days=1)
    house.deliver()

    assert statuses(api, sent) == ["sent", "failed"]
    assert len(sms.seen) == 2
    message = api.message(sent[1])
    assert message["error"] == (
        "The adapter stopped unexpectedly (KeyError): the provider may have taken the message."
    )
    assert events(message)[-2:] == ["in_doubt", "failed"]


def test_an_answer_that_is_no_receipt_fails_its_message(house: House, sms: FakeProvider) -> None:
    sms.react = lambda _outgoing: "thanks"  # type: ignore[return-value,assignment]
    connect(house, sms.name)
    api = house.api("live")
    message_id = api.send(**text_message())
    house.deliver()

    assert api.message(message_id)["error"] == "What the provider answered was not understood."


def test_preparing_that_takes_long_is_done_in_pieces(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_PREPARING_SECONDS", 0.0)
    api = house.api()
    sent = [api.send() for _ in range(5)]

    assert house.deliver() == 5
    assert statuses(api, sent) == ["delivered"] * 5


# -- one provider -----------------------------------------------------------------------------


@pytest.fixture
def hanging(house: House, register: RegisterProvider) -> Iterator[FakeProvider]:
    """The default for SMS is a provider that does not answer until the test is over."""
    is_over = threading.Event()

    def wait(_outgoing: Outgoing) -> Receipt:
        assert is_over.wait(60)
        return Receipt("late")

    provider = register(fake_provider("hanging-sms", wait))
    connect(house, provider.name)
    yield provider
    is_over.set()


def test_a_provider_that_hangs_leaves_others_alone(
    running: House, sms: FakeProvider, hanging: FakeProvider
) -> None:
    live, test = running.api("live"), running.api()
    for _ in range(30):  # workers, what waits for them, and a backlog
        live.send(**text_message())
    wait_until(lambda: len(hanging.seen) == 4)

    connect(running, sms.name)
    through_other, simulated = live.send(**text_message()), test.send()
    wait_until(lambda: live.message(through_other)["status"] == "sent")
    wait_until(lambda: test.message(simulated)["status"] == "delivered")

    assert len(hanging.seen) == 4
    assert len(sms.seen) >= 1


def test_what_waits_for_a_provider_that_hangs_is_not_claimed(
    running: House, hanging: FakeProvider
) -> None:
    live = running.api("live")
    sent = [live.send(**text_message()) for _ in range(30)]
    wait_until(lambda: len(hanging.seen) == 4)

    assert statuses(live, sent).count("rendered") == 8
    assert live.delete(f"/v1/messages/{sent[-1]}").status_code == 200


# -- a process that was stopped for too long --------------------------------------------------


def test_a_process_that_was_frozen_makes_no_late_call_and_writes_no_late_result(
    house: House,
    sms: FakeProvider,
    make_app: MakeApp,
    clock: FakeClock,
) -> None:
    wakes, calls = threading.Event(), []

    def freeze_once(outgoing: Outgoing) -> Receipt:
        calls.append(outgoing.message_id)
        if len(calls) == 1:
            assert wakes.wait(60)
            return Receipt("late")
        return Receipt("in time")

    sms.react = freeze_once
    connect(house, sms.name)
    frozen = House(make_app(WORKERS="1"), clock)
    api = house.api("live")
    sent = [api.send(**text_message()) for _ in range(2)]
    thread = threading.Thread(target=frozen.deliver)
    thread.start()
    wait_until(lambda: calls)

    clock.advance(seconds=31)
    house.deliver()
    wakes.set()
    thread.join()

    messages = [api.message(message_id) for message_id in sent]
    assert [message["providerMessageId"] for message in messages] == ["in time"] * 2
    assert [events(message).count("in_doubt") for message in messages] == [1, 1]
    assert calls == [sent[0], sent[0], sent[1]]


def test_a_call_that_takes_long_keeps_its_lease(
    running: House, hanging: FakeProvider, make_app: MakeApp, clock: FakeClock
) -> None:
    running.api("live").send(**text_message())
    wait_until(lambda: hanging.seen)
    other = House(make_app(), clock)

    for _ in range(5):
        clock.advance(seconds=12)
        wait_until(lambda: _lease_ends(running) >= clock() + timedelta(seconds=29))
        assert other.deliver() == 0


def _lease_ends(house: House) -> datetime:
    with house.runtime.reader.connect() as connection:
        return connection.execute(select(Message.lease_until)).scalar_one() or START


# -- the loop ---------------------------------------------------------------------------------


def is_ready(house: House) -> bool:
    answer = house.anonymous().get("/readyz")
    return answer.status_code == 200 and answer.json["checks"]["dispatcher"]  # type: ignore[index]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), OperationalError("gone", {}, Exception()), RecursionError()],
    ids=lambda error: type(error).__name__,
)
def test_an_error_in_the_loop_turns_readyz_red_and_does_not_end_it(
    running: House, error: Exception
) -> None:
    api = running.api()
    wait_until(lambda: is_ready(running))

    with failing(running, lambda statement, _: "RECURSIVE" in statement, error) as seen:
        message_id = api.send()
        wait_until(lambda: sum("RECURSIVE" in statement for statement in seen) >= 3)
        running.clock.advance(seconds=25)
        assert not is_ready(running)
        assert api.message(message_id)["status"] == "queued"

    wait_until(lambda: api.message(message_id)["status"] == "delivered")
    wait_until(lambda: is_ready(running))


def test_a_stalled_loop_turns_readyz_red(running: House, hanging: FakeProvider) -> None:
    wait_until(lambda: is_ready(running))
    running.runtime.dispatcher.close()

    running.clock.advance(seconds=25)

    assert not is_ready(running)


@pytest.mark.parametrize("name", ["dispatcher", "webhooks"])
def test_a_thread_that_is_stuck_in_its_turn_turns_readyz_red_within_30_seconds(
    running: House, name: str
) -> None:
    """The thread lives, and hangs in the middle of what it does."""
    is_stuck, may_go_on = threading.Event(), threading.Event()

    def hang(*_: Any) -> None:
        if threading.current_thread().name == name:
            is_stuck.set()
            may_go_on.wait()

    def is_green() -> bool:
        checks: dict[str, bool] = running.anonymous().get("/readyz").json["checks"]  # type: ignore[index]
        return checks[name]

    wait_until(is_green)
    event.listen(running.runtime.engine, "before_cursor_execute", hang)
    try:
        wait_until(is_stuck.is_set)
        running.clock.advance(seconds=10)
        assert is_green()
        running.clock.advance(seconds=20)
        assert not is_green()
        assert figures(running).value("loop_alive", loop=name) == 0
    finally:
        may_go_on.set()
        event.remove(running.runtime.engine, "before_cursor_execute", hang)
    wait_until(is_green)


def test_a_provider_that_hangs_leaves_readyz_green(running: House, hanging: FakeProvider) -> None:
    running.api("live").send(**text_message())
    wait_until(lambda: hanging.seen)

    for _ in range(3):
        running.clock.advance(seconds=15)
        wait_until(lambda: is_ready(running))


def test_a_result_is_kept_until_the_database_takes_it(running: House, sms: FakeProvider) -> None:
    connect(running, sms.name)
    api = running.api("live")
    gone = OperationalError("gone", {}, Exception())
    is_down = threading.Event()

    def take_and_break_the_database(_outgoing: Outgoing) -> Receipt:
        is_down.set()
        return Receipt("x")

    sms.react = take_and_break_the_database
    with failing(running, lambda *_: is_down.is_set(), gone) as seen:
        message_id = api.send(**text_message())
        assert is_down.wait(30)
        start = len(seen)
        wait_until(lambda: len(seen) > start + 3)

    wait_until(lambda: api.message(message_id)["status"] == "sent")
    assert len(sms.seen) == 1
    assert "in_doubt" not in events(api.message(message_id))


def test_what_was_claimed_while_the_database_went_is_given_back(
    running: House, sms: FakeProvider
) -> None:
    connect(running, sms.name)
    api = running.api("live")
    gone = OperationalError("gone", {}, Exception())

    with failing(running, lambda statement, _: "FROM suppressions" in statement, gone) as seen:
        message_id = api.send(**text_message())
        wait_until(lambda: sum("FROM suppressions" in statement for statement in seen) >= 2)

    wait_until(lambda: api.message(message_id)["status"] == "sent")
    assert events(api.message(message_id)) == ["queued", "rendered", "dispatched", "sent"]


def test_closing_finishes_calls_under_way_and_records_them(house: House, sms: FakeProvider) -> None:
    may_answer = threading.Event()

    def wait(_outgoing: Outgoing) -> Receipt:
        assert may_answer.wait(30)
        return Receipt("x")

    sms.react = wait
    connect(house, sms.name)
    api = house.api("live")
    house.runtime.dispatcher.start()
    sent = [api.send(**text_message()) for _ in range(3)]
    house.runtime.dispatcher.wake()
    wait_until(lambda: len(sms.seen) == 3)
    closing = threading.Thread(target=house.runtime.dispatcher.close)
    closing.start()
    later = api.send(**text_message())
    may_answer.set()
    closing.join()

    assert statuses(api, sent) == ["sent"] * 3
    assert api.message(later)["status"] == "queued"


def test_closing_does_not_wait_for_ever(
    running: House, hanging: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_DRAIN_SECONDS", 0.2)
    api = running.api("live")
    message_id = api.send(**text_message())
    wait_until(lambda: hanging.seen)

    running.runtime.dispatcher.close()

    assert api.message(message_id)["status"] == "rendered"


def test_a_crash_during_the_last_attempt_ends_the_message(house: House, sms: FakeProvider) -> None:
    connect(house, sms.name)
    api = house.api("live")
    message_id = api.send(**text_message())
    [(row_id,)] = house.rows("SELECT id FROM messages")
    house.write("UPDATE messages SET status = 'rendered', attempts = 10, round = 9")
    for number in range(1, 11):
        house.write(
            "INSERT INTO attempts (message_id, number, round, provider, started_at, outcome) "
            "SELECT :id, :number, :round, 'fake-sms', created_at, :outcome FROM messages",
            id=row_id,
            number=number,
            round=number - 1,
            outcome=None if number == 10 else "unavailable",
        )
    house.deliver()

    message = api.message(message_id)
    assert (message["status"], sms.seen) == ("failed", [])
    assert entry(message, "failed")["reason"] == (
        "Given up after 10 attempts. The last one: the process stopped during it."
    )
    assert events(message)[-2:] == ["in_doubt", "failed"]
