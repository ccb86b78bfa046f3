"""What providers report, in any order and as often as they like, and what becomes of messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy.exc import OperationalError

from senderkit.domain import Channel, EventKind, Outgoing, ProviderEvent, Receipt
from senderkit.errors import OutcomeUnknown, Refused, Unavailable
from senderkit.services import events as event_service
from senderkit.services.connections import Source
from senderkit.services.event_steps import MOST_NOTED
from tests.conftest import RegisterProvider
from tests.make import START, Api, House
from tests.outbox.conftest import (
    FakeProvider,
    connect,
    entry,
    events,
    failing,
    fake_provider,
    in_turn,
    raising,
)

AT: Final = START + timedelta(seconds=90)
E = EventKind


@pytest.fixture
def mail(register: RegisterProvider) -> FakeProvider:
    return register(fake_provider("fake-mail", channel=Channel.EMAIL))


@pytest.fixture
def source(house: House, mail: FakeProvider) -> Source:
    return Source(1, Channel.EMAIL, connect(house, mail.name), mail.name)


@pytest.fixture
def api(house: House, source: Source) -> Api:
    return house.api("live")


@pytest.fixture
def sent(house: House, api: Api) -> str:
    """A message that the provider took."""
    message_id = api.send()
    house.deliver()
    house.clock.now = AT + timedelta(minutes=1)
    return message_id


Report = Callable[..., None]


@pytest.fixture
def report(house: House, source: Source) -> Report:
    """The provider of the connection reports these."""

    def take(*found: ProviderEvent, by: Source = source) -> None:
        event_service.apply_events(house.runtime.engine, by, found, house.clock())

    return take


def about(message_id: str | None, kind: EventKind, at: datetime = AT, **more: Any) -> ProviderEvent:
    usual = {"provider_message_id": f"their-{message_id}", "message_id": message_id}
    return ProviderEvent(kind=kind, at=at, **(usual | more))


def suppressed(house: House) -> list[tuple[str, str]]:
    rows = house.rows("SELECT recipient_key, reason FROM suppressions ORDER BY recipient_key")
    return [(row[0], row[1]) for row in rows]


def changes(house: House) -> list[Any]:
    return house.rows("SELECT change_seq, event FROM timeline_entries ORDER BY change_seq")


# -- statuses ---------------------------------------------------------------------------------


def test_delivered(api: Api, sent: str, report: Report) -> None:
    report(about(sent, E.DELIVERED, detail="250 2.0.0 OK"))

    message = api.message(sent)
    assert message["status"] == "delivered"
    assert message["timeline"][-1] == {
        "t": "2026-11-24T10:01:30.000Z",
        "e": "delivered",
        "provider": "fake-mail",
        "detail": "250 2.0.0 OK",
    }


def test_failed(api: Api, sent: str, report: Report) -> None:
    report(about(sent, E.FAILED, detail="no\0such\nuser" + "!" * 2000))

    message = api.message(sent)
    assert message["status"] == "failed"
    assert message["error"].startswith("no such user!!")
    assert entry(message, "failed")["reason"] == message["error"]
    assert len(message["error"]) == 1000


@pytest.mark.parametrize("order", [(E.DELIVERED, E.FAILED), (E.FAILED, E.DELIVERED)])
@pytest.mark.parametrize("is_together", [True, False])
def test_in_any_order_failed_comes_after_delivered(
    api: Api, sent: str, report: Report, order: tuple[EventKind, ...], is_together: bool
) -> None:
    found = [about(sent, kind) for kind in order]
    if is_together:
        report(*found)
    else:
        for each in found:
            report(each)

    assert api.message(sent)["status"] == "failed"


ALL: Final = tuple(EventKind)


@pytest.mark.parametrize("kind", ALL)
def test_a_repeat_changes_nothing(house: House, sent: str, report: Report, kind: EventKind) -> None:
    found = about(sent, kind, link="https://acme.example/a" if kind is E.CLICKED else None)
    report(found, found)
    before = changes(house), suppressed(house)
    report(found)
    report(found, found)

    assert (changes(house), suppressed(house)) == before
    assert [word for _, word in before[0]].count(kind.value) == 1


@pytest.mark.parametrize("kind", [E.OPENED, E.CLICKED, E.COMPLAINED, E.OPTED_OUT])
@pytest.mark.parametrize("after", [E.DELIVERED, E.FAILED])
def test_what_people_do_changes_no_status(
    api: Api, sent: str, report: Report, kind: EventKind, after: EventKind
) -> None:
    report(about(sent, after))
    report(about(sent, kind))

    assert api.message(sent)["status"] == after.value
    assert kind.value in events(api.message(sent))


def test_the_first_open_and_click_count(api: Api, sent: str, report: Report) -> None:
    later = AT + timedelta(seconds=5)
    report(about(sent, E.OPENED), about(sent, E.CLICKED, later, link="https://acme.example/a"))
    report(about(sent, E.OPENED, later), about(sent, E.CLICKED, link="https://acme.example/b"))

    message = api.message(sent)
    assert message["openedAt"] == "2026-11-24T10:01:30.000Z"
    assert message["clickedAt"] == "2026-11-24T10:01:35.000Z"
    assert [step["link"] for step in message["timeline"] if step["e"] == "clicked"] == [
        "https://acme.example/a",
        "https://acme.example/b",
    ]


def test_a_mail_program_that_opens_without_end_fills_no_timeline(
    house: House, api: Api, sent: str, report: Report
) -> None:
    for start in (0, 100):
        moments = [AT + timedelta(seconds=start + second) for second in range(100)]
        report(*(about(sent, E.OPENED, at) for at in moments))
    report(about(sent, E.CLICKED, link="https://acme.example/a"))

    message = api.message(sent)
    assert events(message).count("opened") == MOST_NOTED
    assert message["clickedAt"] is not None


@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_a_moment_that_cannot_be_is_now(
    house: House, api: Api, sent: str, report: Report, year: int
) -> None:
    report(about(sent, E.OPENED, AT.replace(year=year)))

    assert api.message(sent)["openedAt"] == "2026-11-24T10:02:30.000Z"


def test_an_event_without_our_id_is_found_by_the_providers(
    api: Api, sent: str, report: Report
) -> None:
    report(replace(about(sent, E.DELIVERED), message_id=None))

    assert api.message(sent)["status"] == "delivered"


def test_the_providers_id_counts_for_its_connection_only(
    api: Api, sent: str, report: Report, source: Source
) -> None:
    other = replace(source, connection_id="another")
    report(replace(about(sent, E.FAILED), message_id=None), by=other)

    assert api.message(sent)["status"] == "sent"


def test_a_message_sent_without_a_providers_id_learns_it(
    house: House, api: Api, mail: FakeProvider, report: Report
) -> None:
    mail.react = lambda outgoing: Receipt(None)
    message_id = api.send()
    house.deliver()
    report(about(message_id, E.DELIVERED))

    assert api.message(message_id)["providerMessageId"] == f"their-{message_id}"


# -- whose message ----------------------------------------------------------------------------


def test_unknown_messages_are_passed_over(house: House, sent: str, report: Report) -> None:
    before = changes(house)
    report(
        about("msg_00000000000000000000000000", E.FAILED, is_permanent=True),
        about("msg_00000000000000000000000000", E.COMPLAINED, recipient="eve@example.com"),
        about(None, E.DELIVERED, provider_message_id="nobody's"),
    )

    assert (changes(house), suppressed(house)) == (before, [])


def test_an_unknown_message_keeps_nothing_from_the_others(
    api: Api, sent: str, report: Report
) -> None:
    report(about("msg_00000000000000000000000000", E.FAILED), about(sent, E.DELIVERED))

    assert api.message(sent)["status"] == "delivered"


@pytest.mark.parametrize("change", [{"workspace_id": 2}, {"channel": Channel.SMS}])
def test_another_workspace_or_channel_has_no_say(
    house: House, sent: str, report: Report, source: Source, change: dict[str, Any]
) -> None:
    before = changes(house)
    report(about(sent, E.FAILED), by=replace(source, **change))

    assert changes(house) == before


def test_a_test_message_is_nobodys(house: House, api: Api, report: Report) -> None:
    message_id = house.api("test").send()
    house.deliver()
    before = changes(house)
    report(about(message_id, E.FAILED, is_permanent=True, recipient="ada@example.com"))

    assert (changes(house), suppressed(house)) == (before, [])


def test_a_message_that_was_never_tried_cannot_be_reported_on(
    house: House, api: Api, report: Report
) -> None:
    message_id = api.send()
    report(about(message_id, E.FAILED), about(message_id, E.DELIVERED), about(message_id, E.OPENED))

    assert events(api.message(message_id)) == ["queued"]
    house.deliver()
    assert api.message(message_id)["status"] == "sent"


@pytest.mark.parametrize("kind", ALL)
def test_what_happened_to_a_copy_says_nothing_about_the_message(
    house: House, api: Api, mail: FakeProvider, report: Report, kind: EventKind
) -> None:
    content = {"subject": "Hello", "html": "<p>Hello.</p>", "cc": ["grace@example.com"]}
    message_id = api.send(content=content)
    house.deliver()
    report(about(message_id, kind, recipient="Grace@example.com", is_permanent=kind is E.FAILED))

    assert events(api.message(message_id))[-1] == "sent"
    reasons = {E.FAILED: "bounced", E.COMPLAINED: "complained", E.OPTED_OUT: "unsubscribed"}
    wanted = [("grace@example.com", reasons[kind])] if kind in reasons else []
    assert suppressed(house) == wanted


# -- while our own call is under way ----------------------------------------------------------


def reporting(report: Report, kind: EventKind, then: Receipt | Exception, **more: Any) -> Any:
    """A provider that reports before it answers."""

    def react(outgoing: Outgoing) -> Receipt:
        report(about(outgoing.message_id, kind, **more))
        if isinstance(then, Exception):
            raise then
        return then

    return react


LATE: Final = (
    Receipt("late"),
    Unavailable("busy"),
    OutcomeUnknown("The reply was lost."),
    Refused("no"),
)


@pytest.mark.parametrize(
    ("kind", "status", "late"),
    [
        *((E.DELIVERED, "delivered", late) for late in LATE),
        (E.FAILED, "failed", LATE[0]),
        (E.OPENED, "sent", LATE[0]),
    ],
)
def test_an_event_during_the_call_settles_the_message(
    house: House,
    api: Api,
    mail: FakeProvider,
    report: Report,
    kind: EventKind,
    status: str,
    late: Receipt | Exception,
) -> None:
    mail.react = reporting(report, kind, late)
    message_id = api.send()
    house.deliver()
    house.clock.advance(days=1)
    house.deliver()

    message = api.message(message_id)
    assert (message["status"], message["providerMessageId"]) == (status, f"their-{message_id}")
    assert events(message) == ["queued", "rendered", "dispatched", "sent", kind.value]
    assert len(mail.seen) == 1
    assert house.rows("SELECT due_at, lease_until, lease_token FROM messages") == [(None,) * 3]
    assert house.rows("SELECT outcome FROM attempts") == [("accepted",)]


def test_an_event_settles_a_message_that_was_in_doubt(
    house: House, api: Api, mail: FakeProvider, report: Report
) -> None:
    mail.react = in_turn(OutcomeUnknown("The reply was lost."), Receipt("second"))
    message_id = api.send()
    house.deliver()
    report(about(message_id, E.DELIVERED))
    house.clock.advance(days=1)
    house.deliver()

    assert api.message(message_id)["status"] == "delivered"
    assert len(mail.seen) == 1
    assert house.rows("SELECT outcome FROM attempts") == [("accepted",)]


def test_a_failure_of_a_try_that_was_refused_for_a_time_changes_nothing(
    house: House, api: Api, mail: FakeProvider, report: Report
) -> None:
    mail.react = in_turn(Unavailable("busy"), Receipt("second"))
    message_id = api.send()
    house.deliver()
    report(about(message_id, E.FAILED))
    house.clock.advance(minutes=1)
    house.deliver()

    assert api.message(message_id)["status"] == "sent"


def test_what_was_given_up_in_doubt_and_arrived_says_so(
    house: House, api: Api, mail: FakeProvider, report: Report
) -> None:
    mail.react = raising(OutcomeUnknown("The reply was lost."))
    message_id = api.send()
    for _ in range(11):
        house.deliver()
        house.clock.advance(hours=10)
    report(about(message_id, E.DELIVERED, house.clock()), about(message_id, E.DELIVERED))

    message = api.message(message_id)
    assert (message["status"], events(message)[-2:]) == ("failed", ["failed", "delivered"])


def test_after_a_failover_only_the_last_connection_can_fail_the_message(
    house: House,
    api: Api,
    mail: FakeProvider,
    register: RegisterProvider,
    report: Report,
    source: Source,
) -> None:
    first = register(fake_provider("first-mail", raising(Unavailable("busy")), channel=E_MAIL))
    first_source = replace(source, connection_id=connect(house, first.name), provider=first.name)
    message_id = api.send()
    house.deliver()
    assert api.message(message_id)["provider"] == mail.name

    report(about(message_id, E.FAILED, provider_message_id="first"), by=first_source)
    assert api.message(message_id)["status"] == "sent"
    report(about(message_id, E.FAILED))
    assert api.message(message_id)["status"] == "failed"


E_MAIL: Final = Channel.EMAIL


# -- the suppression list ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        (E.COMPLAINED, {}, "complained"),
        (E.OPTED_OUT, {}, "unsubscribed"),
        (E.FAILED, {"is_permanent": True}, "bounced"),
        (E.FAILED, {"is_permanent": False}, None),
        (E.DELIVERED, {}, None),
        (E.OPENED, {}, None),
    ],
)
def test_who_is_suppressed(
    house: House,
    sent: str,
    report: Report,
    kind: EventKind,
    more: dict[str, Any],
    reason: str | None,
) -> None:
    report(about(sent, kind, **more))

    assert suppressed(house) == ([("ada@example.com", reason)] if reason else [])


@pytest.mark.parametrize("recipient", ["Ada <ADA@example.com>", "no address"])
def test_the_recipient_is_the_messages_where_the_event_names_none_or_writes_it_otherwise(
    house: House, sent: str, report: Report, recipient: str
) -> None:
    report(about(sent, E.COMPLAINED, recipient=recipient))

    assert suppressed(house) == [("ada@example.com", "complained")]


def test_a_dead_device_is_no_reason_to_suppress(
    house: House, report: Report, source: Source, register: RegisterProvider
) -> None:
    push = register(fake_provider("fake-push", channel=Channel.PUSH))
    of_push = Source(1, Channel.PUSH, connect(house, push.name), push.name)
    api = house.api("live")
    message_id = api.send(channel="push", to="a" * 64, content={"title": "a", "body": "b"})
    house.deliver()
    report(about(message_id, E.FAILED, is_permanent=True), by=of_push)

    assert api.message(message_id)["status"] == "failed"
    assert suppressed(house) == []


def test_a_stop_without_a_message_suppresses_the_number(
    house: House, report: Report, source: Source
) -> None:
    of_sms = replace(source, channel=Channel.SMS)
    stop = about(None, E.OPTED_OUT, provider_message_id=None, recipient="+15555550100")
    report(stop, stop, by=of_sms)

    assert suppressed(house) == [("+15555550100", "unsubscribed")]


def test_whoever_opted_out_after_a_bounce_has_opted_out(
    house: House, sent: str, report: Report
) -> None:
    report(about(sent, E.FAILED, is_permanent=True))
    report(about(sent, E.COMPLAINED))
    assert suppressed(house) == [("ada@example.com", "complained")]
    report(about(sent, E.FAILED, is_permanent=True), about(sent, E.OPTED_OUT))
    assert suppressed(house) == [("ada@example.com", "complained")]


STOPS: Final = [
    ("unsubscribed", "opted_out", True),
    ("complained", "opted_out", True),
    ("manual", "opted_out", True),
    ("bounced", "suppressed", False),
]


@pytest.mark.parametrize(("reason", "status", "is_essential_sent"), STOPS)
def test_how_a_message_to_somebody_on_the_list_ends(
    house: House,
    api: Api,
    mail: FakeProvider,
    reason: str,
    status: str,
    is_essential_sent: bool,
) -> None:
    house.template("reset")
    house.write("UPDATE templates SET is_essential = true")
    essential = api.send(template="reset", to="ada@example.com")
    ordinary = api.send()
    house.write(
        "INSERT INTO suppressions (workspace_id, channel, recipient_key, reason, created_at) "
        "SELECT 1, 'email', 'ada@example.com', :reason, created_at FROM workspaces",
        reason=reason,
    )
    house.deliver()

    message = api.message(ordinary)
    assert message["status"] == status
    assert events(message) == ["queued", status]
    assert message["error"].endswith(".")
    assert api.message(essential)["status"] == ("sent" if is_essential_sent else status)
    assert len(mail.seen) == is_essential_sent


# -- trouble ----------------------------------------------------------------------------------


def test_a_large_batch_is_taken_whole(house: House, api: Api, report: Report) -> None:
    sent = [api.send() for _ in range(30)]
    house.deliver()
    report(
        *(about(each, E.OPENED) for each in sent),
        *(about(each, E.DELIVERED) for each in reversed(sent)),
        *(about(f"msg_{number}", E.DELIVERED) for number in range(200)),
        *(about(each, E.CLICKED, link="https://acme.example/a") for each in sent),
    )

    found = [api.message(each) for each in sent]
    assert {message["status"] for message in found} == {"delivered"}
    assert all(message["openedAt"] and message["clickedAt"] for message in found)


def test_an_event_that_cannot_be_stored_keeps_nothing_from_the_others(
    house: House, api: Api, report: Report
) -> None:
    first, second = api.send(), api.send()
    house.deliver()

    def is_faulty(statement: str, parameters: Any) -> bool:
        return "INSERT INTO timeline_entries" in statement and "clicked" in str(parameters)

    with failing(house, is_faulty, ValueError("no such value")):
        report(about(first, E.CLICKED), about(second, E.DELIVERED))

    assert api.message(second)["status"] == "delivered"
    assert events(api.message(first))[-1] == "sent"


def test_without_its_database_it_raises_and_nothing_has_happened(
    house: House, sent: str, report: Report
) -> None:
    before = changes(house)

    def is_faulty(statement: str, _parameters: Any) -> bool:
        return "INSERT INTO timeline_entries" in statement

    with (
        failing(house, is_faulty),
        pytest.raises(OperationalError),
    ):
        report(about(sent, E.FAILED, is_permanent=True))

    assert (changes(house), suppressed(house)) == (before, [])
