from __future__ import annotations

from datetime import UTC, datetime

import pytest

from senderkit.domain import Channel, EventKind, ProviderEvent, SmsBody
from senderkit.errors import Refused, Unsupported
from senderkit.providers.text_messages import (
    events_of_failure,
    events_of_reply,
    find_phone_number,
    is_opt_out,
    read_text_message,
    sender_digits,
    sender_issues,
    with_message_id,
)
from tests.providers.samples import MESSAGE_ID, outgoing

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


def test_a_text_message_is_read_as_it_is() -> None:
    message = read_text_message(outgoing(Channel.SMS, body=SmsBody(" Grüße 👋\n")))
    assert (message.message_id, message.number, message.digits, message.words) == (
        MESSAGE_ID,
        "+15550100200",
        "15550100200",
        " Grüße 👋\n",
    )


@pytest.mark.parametrize(
    "number",
    [
        *("15550100200", "+0550100200", "+15550100200\n", "+1 555 0100200", "+1555-0100200", ""),
        *("+123456", "+1234567890123456", "+١٢٣٤٥٦٧٨", "whatsapp:+15550100200", "29290"),
    ],
)
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(Refused, match=r"E\.164"):
        read_text_message(outgoing(Channel.SMS, recipient=number))


@pytest.mark.parametrize("number", ["+6834002", "+290" + "2" * 5, "+123456789012345"])
def test_the_shortest_and_longest_numbers_are_taken(number: str) -> None:
    assert read_text_message(outgoing(Channel.SMS, recipient=number)).number == number


def test_words_that_cannot_be_encoded_are_refused() -> None:
    with pytest.raises(Refused, match="cannot be sent"):
        read_text_message(outgoing(Channel.SMS, body=SmsBody("x\ud83d")))


def test_an_email_is_no_text_message() -> None:
    with pytest.raises(Unsupported):
        read_text_message(outgoing(Channel.EMAIL))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *(("+31612345678", "+31612345678"), ("31612345678", "+31612345678")),
        *((31612345678, "+31612345678"), (" 31612345678", "+31612345678")),
        *(("29290", None), ("Acme", None), ("", None), (None, None), (True, None), ([], None)),
        *(("whatsapp:+31612345678", None), ("+031612345678", None), ("++31612345678", None)),
    ],
)
def test_a_number_is_found_however_it_is_written(value: object, number: str | None) -> None:
    assert find_phone_number(value) == number


@pytest.mark.parametrize(
    "words",
    ["STOP", "stop", " Stop. ", "STOP!", '"stop"', "Stop all", "opt-out", "Opt out", "END", "quit"],
)
def test_a_keyword_alone_is_an_opt_out(words: str) -> None:
    assert is_opt_out(words)


@pytest.mark.parametrize(
    "words",
    ["", "!", "stop it", "Please stop", "START", "END 5", "ending", "stopp", None, 5, ["STOP"]],
)
def test_anything_else_is_none(words: object) -> None:
    assert not is_opt_out(words)


def test_a_reply_names_its_sender_and_no_message() -> None:
    expected = ProviderEvent(
        EventKind.OPTED_OUT, NOON, None, recipient="+31612345678", detail="STOP"
    )
    assert events_of_reply(31612345678, "STOP", NOON) == [expected]
    assert events_of_reply("29290", "STOP", NOON) == []
    assert events_of_reply("31612345678", "Thanks", NOON) == []


def test_a_failure_by_opt_out_is_both() -> None:
    failed = ProviderEvent(EventKind.FAILED, NOON, "1", recipient="+31612345678")
    assert events_of_failure(failed, is_opted_out=False) == [failed]
    [first, second] = events_of_failure(failed, is_opted_out=True)
    assert first == failed
    assert (second.kind, second.provider_message_id) == (EventKind.OPTED_OUT, "1")


@pytest.mark.parametrize(
    ("sender", "digits"),
    [("+15550100300", "15550100300"), ("12345", "12345"), ("Acme", "Acme"), ("A+1", "A+1")],
)
def test_a_number_loses_its_plus_and_a_name_nothing(sender: str, digits: str) -> None:
    assert sender_digits(sender) == digits


@pytest.mark.parametrize("sender", ["+15550100300", "123", "Acme", "Acme 24", "3M", "A-B_c.d&e"])
def test_a_sender_is_a_number_or_a_short_name(sender: str) -> None:
    assert list(sender_issues("from", "Sender", sender)) == []


@pytest.mark.parametrize(
    "sender", ["", "12", "+1 555", "Twelve chars", "Grüße", "a@b", "1234567890123456"]
)
def test_nothing_else_is_a_sender(sender: str) -> None:
    [issue] = sender_issues("from", "Sender", sender)
    assert (issue.code, issue.path) == ("invalid", ("from",))


def test_our_id_is_put_into_the_address_to_report_to() -> None:
    url = with_message_id("https://acme.example/hooks/twilio/1", "msg_1&x=2")
    assert url == "https://acme.example/hooks/twilio/1?senderkit_message=msg_1%26x%3D2"
