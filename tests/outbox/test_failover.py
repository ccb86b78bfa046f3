"""Failover: what one connection of a channel's list cannot take goes through the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from senderkit.domain import Channel, Receipt
from senderkit.errors import AccountBroken, OutcomeUnknown, Refused, Suppressed, Unavailable
from senderkit.services import connections, delivery
from senderkit.services.connections import ENVIRONMENT_ID
from senderkit.web.extensions import database
from tests.conftest import MakeApp, RegisterProvider
from tests.fakes import FakeSmtp
from tests.make import Api, FakeClock, House
from tests.outbox.conftest import (
    FakeProvider,
    connect,
    entry,
    events,
    fake_provider,
    in_turn,
    raising,
    text_message,
)

BUSY = Unavailable("The provider is busy.")
BROKEN = AccountBroken("The password is wrong.")
LOST = OutcomeUnknown("The reply was lost.")
TAKEN = Receipt("theirs")


@dataclass(frozen=True)
class Accounts:
    """Two connections in the list of one channel: `main` before `spare`."""

    main: FakeProvider
    spare: FakeProvider
    main_id: str
    spare_id: str

    @property
    def calls(self) -> tuple[int, int]:
        return len(self.main.seen), len(self.spare.seen)


@pytest.fixture
def accounts(house: House, register: RegisterProvider) -> Accounts:
    main, spare = register(fake_provider("main-sms")), register(fake_provider("spare-sms"))
    spare_id = connect(house, spare.name, name="Spare")
    return Accounts(main, spare, connect(house, main.name, name="Main"), spare_id)


@pytest.fixture
def api(house: House, accounts: Accounts) -> Api:
    return house.api("live")


def order(house: House, *connection_ids: str) -> None:
    """Make these the list of the SMS channel."""

    def work() -> None:
        session = database.session()
        connections.put_in_order(session, 1, Channel.SMS, connection_ids)
        session.commit()

    house.in_app(work)


def told(message: dict[str, Any], *words: str) -> list[str]:
    """Those of its events that have one of these words."""
    return [event for event in events(message) if event in words]


# -- one round --------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [BUSY, BROKEN])
def test_a_fault_of_the_first_connection_lets_the_next_deliver_at_once(
    house: House, api: Api, accounts: Accounts, error: Exception
) -> None:
    accounts.main.react = raising(error)
    message_id = api.send(**text_message())
    house.deliver()

    message = api.message(message_id)
    assert accounts.calls == (1, 1)
    assert (message["status"], message["error"]) == ("sent", None)
    assert (message["provider"], message["providerConnectionId"]) == (
        "spare-sms",
        accounts.spare_id,
    )
    assert events(message) == [
        "queued", "rendered", "dispatched", "failover", "dispatched", "sent",
    ]  # fmt: skip


def test_the_timeline_tells_each_try(house: House, api: Api, accounts: Accounts) -> None:
    accounts.main.react = raising(BUSY)
    message_id = api.send(**text_message())
    house.deliver()

    steps = [
        {name: value for name, value in step.items() if name != "t"}
        for step in api.message(message_id)["timeline"][2:5]
    ]
    assert steps == [
        {"e": "dispatched", "provider": "main-sms", "connection": "Main", "attempt": 1},
        {
            "e": "failover",
            "from": "Main",
            "to": "Spare",
            "provider": "spare-sms",
            "reason": "The provider is busy.",
            "attempt": 1,
        },
        {"e": "dispatched", "provider": "spare-sms", "connection": "Spare", "attempt": 2},
    ]


@pytest.mark.parametrize(
    ("error", "status"), [(Refused("No."), "failed"), (Suppressed("No."), "suppressed")]
)
def test_a_refusal_for_good_is_not_passed_on(
    house: House, api: Api, accounts: Accounts, error: Exception, status: str
) -> None:
    accounts.main.react = raising(error)
    message_id = api.send(**text_message())
    house.deliver()

    assert api.message(message_id)["status"] == status
    assert accounts.calls == (1, 0)


def test_a_round_without_success_is_followed_by_another_after_the_delay(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = in_turn(BUSY, BUSY, TAKEN)
    accounts.spare.react = raising(BUSY)
    message_id = api.send(**text_message())
    house.deliver()

    message = api.message(message_id)
    assert accounts.calls == (1, 1)
    assert told(message, "failover", "retry", "held") == ["failover", "retry"]
    assert 4 <= entry(message, "retry")["inSeconds"] <= 6
    assert entry(message, "retry")["attempt"] == 2
    house.clock.advance(seconds=3)
    assert house.deliver() == 0

    house.clock.advance(seconds=4)
    house.deliver()
    assert accounts.calls == (2, 2)
    assert 24 <= entry(api.message(message_id), "retry")["inSeconds"] <= 36

    house.clock.advance(seconds=40)
    house.deliver()
    assert accounts.calls == (3, 2)
    assert api.message(message_id)["status"] == "sent"


def test_the_table_of_retries_counts_rounds_and_not_calls(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = accounts.spare.react = raising(BUSY)
    message_id = api.send(**text_message())
    for _ in range(12):
        house.deliver()
        house.clock.advance(hours=10)

    message = api.message(message_id)
    assert accounts.calls == (10, 10)
    assert message["error"] == "Given up after 20 attempts. The last one: The provider is busy."
    assert events(message).count("retry") == 9


def test_one_transient_fault_in_a_round_is_enough_to_try_again(
    house: House, api: Api, accounts: Accounts
) -> None:
    """Whichever of the two it was: the broken connection is left out of the next round."""
    accounts.main.react = in_turn(BUSY, TAKEN)
    accounts.spare.react = raising(BROKEN)
    message_id = api.send(**text_message())
    house.deliver()

    assert told(api.message(message_id), "failover", "retry", "held") == ["failover", "retry"]
    house.clock.advance(seconds=10)
    house.deliver()
    assert accounts.calls == (2, 1)
    assert api.message(message_id)["status"] == "sent"


def test_a_broken_connection_is_passed_over_while_there_is_another(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = raising(BROKEN)
    api.send(**text_message())
    house.deliver()
    second = api.send(**text_message())
    house.deliver()

    assert accounts.calls == (1, 2)
    assert events(api.message(second)) == ["queued", "rendered", "dispatched", "sent"]


def test_when_all_are_broken_the_message_is_held_on_the_first(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = raising(BROKEN)
    accounts.spare.react = raising(AccountBroken("The account is closed."))
    message_id = api.send(**text_message())
    house.deliver()

    message = api.message(message_id)
    assert (message["status"], message["providerConnectionId"]) == ("rendered", accounts.main_id)
    assert told(message, "failover", "retry", "held") == ["failover", "held"]
    assert entry(message, "failover")["reason"] == "The password is wrong."
    assert entry(message, "held")["reason"] == "The account is closed."
    assert house.rows("SELECT held_reason FROM messages") == [("The password is wrong.",)]

    untried = api.send(**text_message())
    house.deliver()
    assert accounts.calls == (1, 1)
    assert entry(api.message(untried), "held")["reason"] == "The password is wrong."


def test_what_a_person_releases_is_tried_on_every_connection_again(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = raising(BROKEN)
    accounts.spare.react = in_turn(BROKEN, TAKEN)
    message_id = api.send(**text_message())
    house.deliver()
    delivery.release_held(house.runtime.engine, 1, now=house.clock(), by="mbr_1")
    house.deliver()

    assert accounts.calls == (2, 2)
    assert api.message(message_id)["status"] == "sent"


# -- in doubt ---------------------------------------------------------------------------------


@pytest.mark.parametrize("then", [BUSY, LOST])
def test_a_lost_reply_is_tried_again_where_it_was_lost_and_nowhere_else(
    house: House, api: Api, accounts: Accounts, then: Exception
) -> None:
    """Another provider would send a second message for certain; this one may know the first."""
    accounts.main.react = in_turn(LOST, then, TAKEN)
    message_id = api.send(**text_message())
    house.deliver()
    assert told(api.message(message_id), "in_doubt", "failover", "retry") == ["in_doubt", "retry"]

    for _ in range(2):
        house.clock.advance(minutes=1)
        house.deliver()
    assert accounts.calls == (3, 0)
    assert api.message(message_id)["status"] == "sent"


def test_in_doubt_at_the_spare_connection_it_stays_there(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = in_turn(BUSY, TAKEN)
    accounts.spare.react = in_turn(LOST, TAKEN)
    api.send(**text_message())
    house.deliver()
    house.clock.advance(minutes=1)
    house.deliver()

    assert accounts.calls == (1, 2)


def test_in_doubt_at_a_connection_that_is_gone_another_takes_it(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = raising(LOST)
    message_id = api.send(**text_message())
    house.deliver()
    order(house, accounts.spare_id)
    house.clock.advance(minutes=1)
    house.deliver()

    assert accounts.calls == (1, 1)
    assert api.message(message_id)["status"] == "sent"


def no_repeats(make_app: MakeApp, clock: FakeClock, house: House) -> House:
    """The same house with a setting by which text messages are not repeated in doubt."""
    return House(make_app(REPEAT_IN_DOUBT="email,push"), clock)


def test_on_a_channel_that_is_not_repeated_a_lost_reply_ends_the_message(
    house: House, api: Api, accounts: Accounts, make_app: MakeApp, clock: FakeClock
) -> None:
    accounts.main.react = raising(LOST)
    message_id = api.send(**text_message())
    no_repeats(make_app, clock, house).deliver()

    message = api.message(message_id)
    assert (message["status"], accounts.calls) == ("failed", (1, 0))
    assert message["error"] == (
        "The reply was lost. The provider may have taken the message; on this channel it is not "
        "sent again when that is in doubt."
    )
    assert events(message)[-2:] == ["in_doubt", "failed"]


def cut_off(house: House, connection_id: str) -> None:
    """A crash during the first attempt of the only message."""
    house.write("UPDATE messages SET status = 'rendered', attempts = 1")
    house.write(
        "INSERT INTO attempts (message_id, number, connection_id, provider, started_at) "
        "SELECT id, 1, :connection, 'main-sms', created_at FROM messages",
        connection=connection_id,
    )


def test_on_a_channel_that_is_not_repeated_a_crash_during_the_call_ends_the_message(
    house: House, api: Api, accounts: Accounts, make_app: MakeApp, clock: FakeClock
) -> None:
    message_id = api.send(**text_message())
    cut_off(house, accounts.main_id)
    no_repeats(make_app, clock, house).deliver()

    message = api.message(message_id)
    assert (message["status"], accounts.calls) == ("failed", (0, 0))
    assert message["error"].startswith("The process stopped during the attempt.")
    assert events(message)[-2:] == ["in_doubt", "failed"]


def test_a_crash_during_the_call_ends_its_round_and_the_next_begins_there(
    house: House, api: Api, accounts: Accounts
) -> None:
    message_id = api.send(**text_message())
    cut_off(house, accounts.spare_id)
    house.deliver()

    assert accounts.calls == (0, 1)
    assert api.message(message_id)["status"] == "sent"
    assert house.rows("SELECT number, round, outcome FROM attempts ORDER BY number") == [
        (1, 0, "unknown"),
        (2, 1, "accepted"),
    ]


# -- which connections ------------------------------------------------------------------------


def test_a_templates_own_connection_comes_first_and_the_list_after_it(
    house: House, api: Api, accounts: Accounts, register: RegisterProvider
) -> None:
    own = register(fake_provider("own-sms", raising(BUSY)))
    own_id = connect(house, own.name, name="Own", is_default=False)
    accounts.main.react = raising(BUSY)
    house.template("code", channel="sms", content={"body": "Hello"})
    house.write(
        "UPDATE templates SET connection_id = (SELECT id FROM connections WHERE uuid = :id)",
        id=own_id,
    )
    message_id = api.send(template="code", to="+15555550100")
    house.deliver()

    message = api.message(message_id)
    through = [step["connection"] for step in message["timeline"] if step["e"] == "dispatched"]
    assert (message["status"], through) == ("sent", ["Own", "Main", "Spare"])


def test_a_connection_outside_the_list_takes_no_turn(
    house: House, api: Api, accounts: Accounts
) -> None:
    order(house, accounts.main_id)
    accounts.main.react = raising(BUSY)
    message_id = api.send(**text_message())
    house.deliver()

    assert accounts.calls == (1, 0)
    assert told(api.message(message_id), "failover", "retry") == ["retry"]


def test_the_list_of_the_moment_counts(house: House, api: Api, accounts: Accounts) -> None:
    api.send(**text_message())
    order(house, accounts.spare_id, accounts.main_id)
    house.deliver()

    assert accounts.calls == (0, 1)


def test_a_list_that_shrank_during_the_call_ends_the_round(
    house: House, api: Api, accounts: Accounts
) -> None:
    def shrink(_outgoing: object) -> Receipt:
        order(house, accounts.main_id)
        raise BUSY

    accounts.main.react = shrink
    message_id = api.send(**text_message())
    house.deliver()

    message = api.message(message_id)
    assert accounts.calls == (1, 0)
    assert told(message, "failover", "retry", "held") == ["failover", "retry"]
    assert entry(message, "retry")["reason"] == "No connection could take the message."


def test_mail_of_a_template_falls_back_on_the_environments_connection(
    mail_house: House, smtp: FakeSmtp, register: RegisterProvider
) -> None:
    own = register(fake_provider("own-mail", raising(BUSY), channel=Channel.EMAIL))
    own_id = connect(mail_house, own.name, name="Own")
    mail_house.template()
    mail_house.write("UPDATE connections SET position = NULL")
    mail_house.write(
        "UPDATE templates SET connection_id = (SELECT id FROM connections WHERE uuid = :id)",
        id=own_id,
    )
    api = mail_house.api("live")
    message_id = api.send(template="welcome", to="ada@example.com")
    mail_house.deliver()

    message = api.message(message_id)
    assert (message["status"], message["providerConnectionId"]) == ("sent", ENVIRONMENT_ID)
    assert entry(message, "failover")["to"] == "Environment"
    assert len(smtp.messages) == 1


# -- the breaker ------------------------------------------------------------------------------


def send_all(house: House, api: Api, count: int) -> Sequence[str]:
    sent = [api.send(**text_message()) for _ in range(count)]
    house.deliver()
    return sent


def test_after_five_faults_the_connection_is_left_alone_for_a_while(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = raising(BUSY)
    for _ in range(5):
        send_all(house, api, 1)
    [later] = send_all(house, api, 1)

    assert accounts.calls == (5, 6)
    assert told(api.message(later), "failover", "dispatched") == ["dispatched"]

    accounts.main.react = in_turn(TAKEN)
    house.clock.advance(seconds=30)
    send_all(house, api, 3)
    assert accounts.calls[0] >= 6
    before = accounts.calls
    send_all(house, api, 2)
    assert accounts.calls == (before[0] + 2, before[1])


def test_half_open_one_message_probes_and_the_others_take_the_next_connection(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = raising(BUSY)
    send_all(house, api, 6)
    main, spare = accounts.calls
    house.clock.advance(seconds=30)
    sent = send_all(house, api, 4)

    assert accounts.calls == (main + 1, spare + 4)
    assert {api.message(each)["status"] for each in sent} == {"sent"}


def test_when_all_are_open_messages_wait_for_a_probe_without_an_attempt_or_a_round(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = accounts.spare.react = raising(BUSY)
    send_all(house, api, 5)
    calls = accounts.calls
    [waiting] = send_all(house, api, 1)

    assert accounts.calls == calls
    assert events(api.message(waiting)) == ["queued"]
    [(attempts, round_)] = house.rows(
        "SELECT attempts, round FROM messages WHERE public_id = :id", id=waiting
    )
    assert (attempts, round_) == (0, 0)
    house.clock.advance(seconds=29)
    assert house.rows("SELECT 1 FROM messages WHERE status = 'queued'") == [(1,)]

    accounts.main.react = accounts.spare.react = in_turn(TAKEN)
    house.clock.advance(seconds=1)
    house.deliver()
    house.clock.advance(seconds=60)
    house.deliver()
    assert {row[0] for row in house.rows("SELECT status FROM messages")} == {"sent"}


def test_an_open_connection_with_nothing_else_keeps_its_messages_until_it_works_again(
    house: House, api: Api, accounts: Accounts
) -> None:
    order(house, accounts.main_id)
    accounts.main.react = raising(BUSY)
    send_all(house, api, 5)
    send_all(house, api, 20)
    assert accounts.calls == (5, 0)

    accounts.main.react = in_turn(TAKEN)
    for _ in range(3):
        house.clock.advance(seconds=31)
        house.deliver()
    assert {row[0] for row in house.rows("SELECT status FROM messages")} == {"sent"}
    assert accounts.calls == (30, 0)


def test_a_message_in_doubt_waits_for_its_connection_when_that_is_open(
    house: House, api: Api, accounts: Accounts
) -> None:
    accounts.main.react = in_turn(LOST, BUSY)
    [doubtful] = send_all(house, api, 1)
    for _ in range(4):
        send_all(house, api, 1)
    calls = accounts.calls
    house.clock.advance(seconds=10)
    house.deliver()

    assert accounts.calls == calls
    accounts.main.react = in_turn(TAKEN)
    house.clock.advance(seconds=25)
    house.deliver()
    message = api.message(doubtful)
    assert (message["status"], message["provider"]) == ("sent", "main-sms")


def test_a_refusal_is_an_answer_and_no_fault(house: House, api: Api, accounts: Accounts) -> None:
    accounts.main.react = raising(Refused("There is no such number."))
    send_all(house, api, 8)

    assert accounts.calls == (8, 0)
