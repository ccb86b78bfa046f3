"""Held messages: a connection that cannot be used keeps what it was to send."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from senderkit.domain import Outgoing, Receipt
from senderkit.errors import AccountBroken, Unavailable
from senderkit.models import Connection
from senderkit.services import delivery
from senderkit.services.connections import ENVIRONMENT_ID
from tests.conftest import MakeApp, RegisterProvider
from tests.fakes import FakeSmtp
from tests.make import FakeClock, House, wait_until
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

BROKEN = AccountBroken("The password is wrong.")


def release(house: House, connection_id: str | None = None) -> int:
    return delivery.release_held(
        house.runtime.engine, 1, connection_id=connection_id, now=house.clock(), by="mbr_1"
    )


def held(house: House) -> list[tuple[str, str]]:
    """Which messages are held, and why."""
    rows = house.rows(
        "SELECT public_id, held_reason FROM messages WHERE held_reason IS NOT NULL ORDER BY id"
    )
    return [(row[0], row[1]) for row in rows]


@pytest.fixture
def connection_id(house: House, sms: FakeProvider) -> str:
    return connect(house, sms.name)


def test_broken_credentials_keep_the_message(
    house: House, sms: FakeProvider, connection_id: str
) -> None:
    sms.react = raising(BROKEN)
    api = house.api("live")
    message_id = api.send(**text_message())
    house.deliver()
    house.clock.advance(days=3)

    assert house.deliver() == 0
    message = api.message(message_id)
    assert (message["status"], message["providerConnectionId"]) == ("rendered", connection_id)
    assert entry(message, "held")["reason"] == "The password is wrong."
    assert held(house) == [(message_id, "The password is wrong.")]


def test_further_messages_of_a_broken_connection_are_held_without_a_try(
    house: House, sms: FakeProvider, connection_id: str
) -> None:
    sms.react = raising(BROKEN)
    api = house.api("live")
    api.send(**text_message())
    house.deliver()
    later = api.send(**text_message())
    house.deliver()

    message = api.message(later)
    assert len(sms.seen) == 1
    assert (message["status"], events(message)) == ("queued", ["queued", "held"])
    assert message["providerConnectionId"] == connection_id


def test_a_scheduled_message_whose_connection_is_gone_is_held(
    house: House, connection_id: str
) -> None:
    api = house.api("live")
    at = house.clock() + timedelta(hours=1)
    message_id = api.send(**text_message(scheduledAt=at.isoformat()))
    house.write("DELETE FROM connections")
    house.clock.now = at
    house.deliver()

    message = api.message(message_id)
    assert (message["status"], events(message)) == ("scheduled", ["scheduled", "held"])
    assert held(house) == [(message_id, "No provider is connected that can deliver sms.")]


def test_a_held_message_that_was_never_tried_can_be_canceled(
    house: House, connection_id: str
) -> None:
    api = house.api("live")
    message_id = api.send(**text_message())
    house.write("UPDATE connections SET broken_reason = 'The password is wrong.'")
    house.deliver()

    assert api.delete(f"/v1/messages/{message_id}").status_code == 200
    assert held(house) == []
    assert release(house) == 0
    assert events(api.message(message_id)) == ["queued", "held", "canceled"]


def test_a_held_message_that_was_tried_cannot_be_canceled(
    house: House, sms: FakeProvider, connection_id: str
) -> None:
    sms.react = raising(BROKEN)
    api = house.api("live")
    message_id = api.send(**text_message())
    house.deliver()

    assert api.delete(f"/v1/messages/{message_id}").status_code == 409


def test_a_person_releases_what_is_held_and_it_goes_out(
    house: House, sms: FakeProvider, connection_id: str
) -> None:
    sms.react = in_turn(BROKEN, Receipt("x"))
    api = house.api("live")
    tried = api.send(**text_message())
    house.deliver()
    untried = api.send(**text_message())
    house.deliver()

    assert release(house, connection_id) == 2
    assert release(house, connection_id) == 0
    assert house.deliver() == 2

    first, second = api.message(tried), api.message(untried)
    assert events(first) == [
        "queued", "rendered", "dispatched", "held", "retry", "dispatched", "sent",
    ]  # fmt: skip
    assert events(second) == ["queued", "held", "retry", "rendered", "dispatched", "sent"]
    assert entry(first, "retry") == {
        "t": entry(first, "retry")["t"],
        "e": "retry",
        "reason": "Released from hold.",
        "by": "mbr_1",
    }
    assert held(house) == []


def test_releasing_one_connection_leaves_the_others_alone(
    house: House, sms: FakeProvider, connection_id: str, register: RegisterProvider
) -> None:
    sms.react = raising(BROKEN)
    api = house.api("live")
    first = api.send(**text_message())
    house.deliver()
    other = register(fake_provider("other-sms", raising(BROKEN)))
    other_id = connect(house, other.name)
    second = api.send(**text_message())
    house.deliver()

    assert release(house, other_id) == 1
    other.react = in_turn(Receipt("x"))
    house.deliver()
    assert (api.message(first)["status"], api.message(second)["status"]) == ("rendered", "sent")
    assert release(house) == 1


def test_more_than_one_batch_is_released(
    house: House, connection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_RELEASED_AT_ONCE", 2)
    house.write("UPDATE connections SET broken_reason = 'x'")
    for _ in range(5):
        house.api("live").send(**text_message())
    house.deliver()

    assert release(house) == 5


def test_a_connection_that_was_repaired_meanwhile_is_not_marked_broken(
    house: House, sms: FakeProvider, connection_id: str
) -> None:
    def repair_while_sending(_outgoing: Outgoing) -> Receipt:
        with house.runtime.engine.begin() as connection:
            later = house.clock() + timedelta(seconds=1)
            connection.execute(update(Connection).values(updated_at=later))
        raise BROKEN

    sms.react = repair_while_sending
    house.api("live").send(**text_message())
    house.deliver()

    assert house.rows("SELECT broken_reason FROM connections") == [(None,)]


def test_attempts_with_broken_credentials_do_not_count_as_retries(
    house: House, sms: FakeProvider, connection_id: str
) -> None:
    sms.react = raising(BROKEN)
    api = house.api("live")
    message_id = api.send(**text_message())
    for _ in range(12):
        house.deliver()
        release(house)
    sms.react = in_turn(Unavailable("busy"), Receipt("x"))
    house.deliver()
    house.clock.advance(seconds=10)
    house.deliver()

    assert api.message(message_id)["status"] == "sent"


# -- the connection of the environment --------------------------------------------------------


def test_when_the_environments_connection_breaks_not_every_message_is_tried(
    mail_house: House, smtp: FakeSmtp
) -> None:
    smtp.answer("MAIL", "535 5.7.8 Authentication failed")
    api = mail_house.api("live")
    first = api.send()
    mail_house.deliver()
    tried = smtp.commands.count("MAIL")
    second = api.send()
    mail_house.deliver()

    assert smtp.commands.count("MAIL") == tried
    assert [message_id for message_id, _ in held(mail_house)] == [first, second]
    assert api.message(second)["providerConnectionId"] == ENVIRONMENT_ID


def test_a_person_releases_what_the_environments_connection_held(
    mail_house: House, smtp: FakeSmtp
) -> None:
    smtp.answer("MAIL", "535 5.7.8 Authentication failed", times=1)
    api = mail_house.api("live")
    sent = [api.send(), api.send()]
    mail_house.deliver()
    release(mail_house)
    mail_house.deliver()

    assert [api.message(message_id)["status"] for message_id in sent] == ["sent", "sent"]


def test_a_serving_process_that_starts_tries_what_waits_for_a_connection(
    make_app: MakeApp, house: House, mail_settings: dict[str, str], clock: FakeClock, smtp: FakeSmtp
) -> None:
    broken = House(
        make_app(**mail_settings | {"SMTP_URL": "smtp://127.0.0.1:1?security=tls&verify=yes"}),
        clock,
    )
    api = broken.api("live")
    without_route, of_environment = api.send(), api.send()
    house.write("UPDATE messages SET lane = '' WHERE public_id = :id", id=without_route)
    house.deliver()  # this one has no connection at all
    house.write(
        "UPDATE messages SET held_reason = 'wrong', due_at = NULL, connection_id = :connection "
        "WHERE public_id = :id",
        connection=ENVIRONMENT_ID,
        id=of_environment,
    )
    assert len(held(house)) == 2

    repaired = House(make_app(**mail_settings), clock)
    repaired.runtime.dispatcher.start()
    wait_until(lambda: len(smtp.messages) == 2)
    wait_until(lambda: api.message(of_environment)["status"] == "sent")
    repaired.runtime.dispatcher.close()

    assert entry(api.message(without_route), "retry")["by"] == "start"
    assert api.message(without_route)["status"] == "sent"


def test_what_a_stored_connection_holds_is_not_released_by_a_start(
    house: House, connection_id: str, make_app: MakeApp, clock: FakeClock
) -> None:
    house.write("UPDATE connections SET broken_reason = 'The password is wrong.'")
    api = house.api("live")
    message_id = api.send(**text_message())
    house.deliver()

    other = House(make_app(), clock)
    other.runtime.dispatcher.start()
    clock.advance(seconds=1)
    sentinel = house.api().send()
    other.runtime.dispatcher.wake()
    wait_until(lambda: house.api().message(sentinel)["status"] == "delivered")
    other.runtime.dispatcher.close()

    assert [found for found, _ in held(house)] == [message_id]


def test_credentials_that_do_not_open_hold_the_message(
    house: House, sms: FakeProvider, connection_id: str
) -> None:
    house.write("UPDATE connections SET sealed_fields = :junk", junk=b"gAAAAA-not-a-token")
    api = house.api("live")
    api.send(**text_message())
    house.deliver()

    [(_, reason)] = held(house)
    assert reason == "The stored credentials do not open: the encryption key has changed."
    assert sms.seen == []


def test_a_provider_that_this_release_does_not_have_holds_the_message(
    house: House, connection_id: str
) -> None:
    house.write("UPDATE connections SET provider = 'pigeon'")
    house.api("live").send(**text_message())
    house.deliver()

    [(_, reason)] = held(house)
    assert reason == "This server has no provider 'pigeon'."
