"""A message's way through the dispatcher, outcome by outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest

from senderkit.domain import Receipt
from senderkit.errors import (
    OutcomeUnknown,
    Refused,
    Suppressed,
    Unavailable,
    Unsupported,
)
from senderkit.services import suppressions
from tests.conftest import RegisterProvider
from tests.fakes import FakeSmtp
from tests.make import Api, House
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

# -- live -------------------------------------------------------------------------------------


def test_a_live_email_goes_out(mail_house: House, smtp: FakeSmtp) -> None:
    api = mail_house.api("live")
    message_id = api.send()
    mail_house.clock.advance(seconds=2)

    assert mail_house.deliver() == 1

    message = api.message(message_id)
    assert (message["status"], message["provider"]) == ("sent", "smtp")
    assert (message["latencyMs"], message["error"]) == (2000, None)
    assert message["providerMessageId"] == "2.0.0 Ok: queued as FAKE0001"
    assert events(message) == ["queued", "rendered", "dispatched", "sent"]
    assert [received.recipients for received in smtp.messages] == [("ada@example.com",)]


def test_its_attachments_go_with_it(mail_house: House, smtp: FakeSmtp) -> None:
    files = [
        {"filename": "a.txt", "contentType": "text/plain", "content": "aGFsbG8="},
        {"filename": "empty.txt", "contentType": "text/plain", "content": ""},
    ]
    mail_house.api("live").send(content={"subject": "s", "html": "h", "attachments": files})
    mail_house.deliver()

    attached = list(smtp.messages[0].parsed.iter_attachments())
    assert [part.get_filename() for part in attached] == ["a.txt", "empty.txt"]
    assert attached[0].get_content().strip() == "hallo"


def test_an_attachment_without_a_byte_goes_with_it(mail_house: House, smtp: FakeSmtp) -> None:
    files = [{"filename": "empty.txt", "contentType": "text/plain", "content": ""}]
    mail_house.api("live").send(content={"subject": "s", "html": "h", "attachments": files})
    mail_house.deliver()

    assert [part.get_filename() for part in smtp.messages[0].parsed.iter_attachments()] == [
        "empty.txt"
    ]


def test_a_scheduled_message_goes_out_when_it_is_due(
    house: House, live: Api, sms: FakeProvider
) -> None:
    at = house.clock() + timedelta(minutes=5)
    message_id = live.send(**text_message(scheduledAt=at.isoformat()))

    assert house.deliver() == 0
    house.clock.now = at
    assert house.deliver() == 1

    message = live.message(message_id)
    assert events(message) == ["scheduled", "queued", "rendered", "dispatched", "sent"]
    assert len(sms.seen) == 1


def test_the_same_key_for_the_provider_on_every_attempt(
    house: House, live: Api, sms: FakeProvider
) -> None:
    sms.react = in_turn(Unavailable("busy"), Receipt("x"))
    message_id = live.send(**text_message())
    house.deliver()
    house.clock.advance(seconds=10)
    house.deliver()

    assert [outgoing.idempotency_key for outgoing in sms.seen] == [message_id] * 2


@pytest.mark.parametrize(
    ("error", "status", "event"),
    [
        (Refused("There is no such number."), "failed", "failed"),
        (Unsupported("There is no such number."), "failed", "failed"),
        (Suppressed("There is no such number."), "suppressed", "suppressed"),
    ],
)
def test_a_refusal_for_good_ends_the_message(
    house: House, live: Api, sms: FakeProvider, error: Exception, status: str, event: str
) -> None:
    sms.react = raising(error)
    message_id = live.send(**text_message())
    house.deliver()
    house.clock.advance(days=1)

    assert house.deliver() == 0
    message = live.message(message_id)
    assert (message["status"], message["error"]) == (status, "There is no such number.")
    assert entry(message, event)["reason"] == "There is no such number."
    assert "in_doubt" not in events(message)


def test_a_transient_fault_is_tried_again_later_and_not_before(
    house: House, live: Api, sms: FakeProvider
) -> None:
    sms.react = in_turn(Unavailable("The provider is busy."), Receipt("x"))
    message_id = live.send(**text_message())
    house.deliver()

    message = live.message(message_id)
    assert (message["status"], message["error"]) == ("rendered", "The provider is busy.")
    assert entry(message, "retry")["reason"] == "The provider is busy."
    assert 4 <= entry(message, "retry")["inSeconds"] <= 6
    house.clock.advance(seconds=3.9)
    assert house.deliver() == 0
    house.clock.advance(seconds=2.2)
    assert house.deliver() == 1
    message = live.message(message_id)
    assert (message["status"], message["error"]) == ("sent", None)
    assert [e["attempt"] for e in message["timeline"] if e["e"] == "dispatched"] == [1, 2]


def test_a_hint_from_the_provider_decides_when(house: House, live: Api, sms: FakeProvider) -> None:
    sms.react = in_turn(Unavailable("busy", retry_after_seconds=90.0), Receipt("x"))
    message_id = live.send(**text_message())
    house.deliver()

    assert entry(live.message(message_id), "retry")["inSeconds"] == 90
    house.clock.advance(seconds=89.9)
    assert house.deliver() == 0
    house.clock.advance(seconds=0.1)
    assert house.deliver() == 1


def test_after_ten_attempts_it_is_given_up_with_the_last_reason(
    house: House, live: Api, sms: FakeProvider
) -> None:
    sms.react = raising(Unavailable("The provider is busy."))
    message_id = live.send(**text_message())
    for _ in range(12):
        house.deliver()
        house.clock.advance(hours=10)

    message = live.message(message_id)
    assert len(sms.seen) == 10
    assert message["status"] == "failed"
    assert message["error"] == "Given up after 10 attempts. The last one: The provider is busy."
    assert events(message).count("retry") == 9


def test_a_lost_reply_is_in_doubt_and_tried_again(
    house: House, live: Api, sms: FakeProvider
) -> None:
    sms.react = in_turn(OutcomeUnknown("The reply was lost."), Receipt("x"))
    message_id = live.send(**text_message())
    house.deliver()
    house.clock.advance(seconds=10)
    house.deliver()

    message = live.message(message_id)
    assert message["status"] == "sent"
    assert [word for word in events(message) if word in ("in_doubt", "retry")] == [
        "in_doubt",
        "retry",
    ]
    assert entry(message, "in_doubt")["attempt"] == 1


def test_a_broken_line_is_in_doubt_and_tried_again(
    house: House, live: Api, sms: FakeProvider
) -> None:
    sms.react = in_turn(ConnectionResetError("by peer"), Receipt("x"))
    message_id = live.send(**text_message())
    house.deliver()
    house.clock.advance(seconds=10)
    house.deliver()

    message = live.message(message_id)
    assert (message["status"], "in_doubt" in events(message)) == ("sent", True)


def test_text_from_a_provider_is_made_fit_to_store_and_show(
    house: House, live: Api, sms: FakeProvider
) -> None:
    sms.react = lambda outgoing: Receipt("id\0with\nlines\ud800", "a" * 5000)
    message_id = live.send(**text_message())
    house.deliver()

    message = live.message(message_id)
    assert (message["status"], message["providerMessageId"]) == ("sent", "id with lines?")
    assert len(entry(message, "sent")["detail"]) == 1000


def test_a_reason_from_a_provider_is_made_fit_to_store_and_show(
    house: House, live: Api, sms: FakeProvider
) -> None:
    sms.react = raising(Refused("no\0such\r\nnumber\ud800" + "!" * 5000))
    message_id = live.send(**text_message())
    house.deliver()

    assert live.message(message_id)["error"].startswith("no such number?!!")


def test_an_opted_out_recipient_gets_nothing(mail_house: House, smtp: FakeSmtp) -> None:
    api = mail_house.api("live")
    first = api.send()
    mail_house.deliver()
    suppressions.unsubscribe(mail_house.runtime.engine, first, now=mail_house.clock())

    second, other = api.send(to="Ada <ADA@example.com>"), api.send(to="grace@example.com")
    mail_house.deliver()

    message = api.message(second)
    assert (message["status"], events(message)) == ("opted_out", ["queued", "opted_out"])
    assert api.message(first)["status"] == "sent"
    assert events(api.message(first))[-1] == "opted_out"
    assert api.message(other)["status"] == "sent"
    assert len(smtp.messages) == 2


# -- which way --------------------------------------------------------------------------------


def test_a_message_goes_through_the_default_of_the_moment_it_is_sent(
    house: House, live: Api, register: RegisterProvider, sms: FakeProvider
) -> None:
    message_id = live.send(**text_message())
    other = register(fake_provider("other-sms"))
    connection_id = connect(house, other.name)

    assert house.deliver() == 1

    message = live.message(message_id)
    assert (len(sms.seen), len(other.seen)) == (0, 1)
    assert (message["provider"], message["providerConnectionId"]) == ("other-sms", connection_id)


@pytest.fixture
def two_accounts(house: House, live: Api, register: RegisterProvider) -> FakeProvider:
    """A template that has a connection of its own beside the channel's default."""
    own = register(fake_provider("own-sms"))
    connection_id = connect(house, own.name, is_default=False)
    house.template("code", channel="sms", content={"body": "Hello {{name}}"})
    house.write(
        "UPDATE templates SET connection_id = (SELECT id FROM connections WHERE uuid = :id)",
        id=connection_id,
    )
    return own


def test_a_template_may_have_a_connection_of_its_own(
    house: House, live: Api, sms: FakeProvider, two_accounts: FakeProvider
) -> None:
    live.send(template="code", to="+15555550100", vars={"name": "Ada"})
    live.send(**text_message())
    house.deliver()

    assert [outgoing.body.body for outgoing in two_accounts.seen] == ["Hello Ada"]  # type: ignore[union-attr]
    assert len(sms.seen) == 1
