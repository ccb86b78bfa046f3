from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from senderkit.domain import Channel, EmailBody
from senderkit.errors import AccountBroken, CallbackRefused, InvalidRequest, Unavailable
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from tests.fakes_http import Answer
from tests.providers.benches.mailgun import (
    MAILGUN_ID,
    MailgunBench,
    posted,
    record,
    refused,
    signature_at,
)
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_EMAIL, MESSAGE_ID, PNG, outgoing


@pytest.fixture
def bench() -> Iterator[MailgunBench]:
    bench = MailgunBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: MailgunBench, http: HttpClient) -> Adapter:
    return get_provider("mailgun").connect(bench.credentials, lambda: NOON, http)


def test_a_plain_email_as_mailgun_documents_it(bench: MailgunBench, adapter: Adapter) -> None:
    assert adapter.send(outgoing(Channel.EMAIL)).provider_message_id == MAILGUN_ID
    [request] = bench.sends
    assert request.form == [
        ("from", "Acme <hello@acme.example>"),
        ("to", "ada@example.com"),
        ("subject", "Hello"),
        ("text", "Hello"),
        ("html", "<p>Hello</p>"),
        ("h:X-SenderKit-Message", MESSAGE_ID),
        ("v:senderkit_message", MESSAGE_ID),
    ]


def test_every_field_of_an_email_arrives(bench: MailgunBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, **FULL_EMAIL))
    [request] = bench.sends
    parts = request.parts
    contents = [(name, part.get_payload(decode=True)) for name, part in parts]
    texts = [(name, bytes(content).decode()) for name, content in contents[:-3]]
    assert texts == [
        ("from", '"Acme, Inc. \\"Orders\\"" <orders@acme.example>'),
        ("to", "Ada Lovelace <ada@example.com>"),
        ("cc", "Bo <bo@example.com>"),
        ("cc", "cy@example.com"),
        ("bcc", "di@example.com"),
        ("subject", "Grüße, Ada 👋"),
        ("text", "Grüße, Ada.\n\n-- \nAcme"),
        ("html", '<p>Grüße, <b>Ada</b>. <img src="cid:logo@acme"></p>'),
        ("h:Reply-To", "Hilfe für Sie <help@acme.example>"),
        ("h:X-SenderKit-Message", MESSAGE_ID),
        ("h:List-Unsubscribe", f"<{FULL_EMAIL['list_unsubscribe_url']}>"),
        ("h:List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("h:X-Order", "4711"),
        ("h:X-Greeting", "=?utf-8?b?R3LDvMOfZQ==?="),
        ("v:senderkit_message", MESSAGE_ID),
    ]
    assert contents[-3:] == [
        ("attachment", b"%PDF-1.7\n\x00\xff"),
        ("inline", PNG),
        ("attachment", "Grüße".encode()),
    ]
    files = [part for _, part in parts[-3:]]
    assert [part.get_content_type() for part in files] == [
        "application/pdf",
        "image/png",
        "text/plain",
    ]
    assert [part.get_content_charset() for part in files] == [None, None, "utf-8"]
    assert 'filename="Rechnung März.pdf"'.encode() in request.body
    assert b'filename="logo@acme"' in request.body
    assert b'filename="notes.txt"' in request.body


def test_what_a_message_does_not_have_is_left_out(bench: MailgunBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, body=EmailBody("Hi", "", "Only text")))
    assert "html" not in dict(bench.sends[-1].form)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Domain request limit exceeded, try again after 120 seconds", 120),
        ("Domain bytes limit exceeded, try again after Mon, 02 Mar 2026 12:01:30 GMT", 90),
        ("Domain request limit exceeded, try again after a while", None),
        ("Slow down", None),
    ],
)
def test_a_moment_to_try_again_is_understood(
    words: str, seconds: float | None, bench: MailgunBench, adapter: Adapter
) -> None:
    bench.arrange_answer(refused(429, words))
    with pytest.raises(Unavailable) as raised:
        adapter.send(outgoing(Channel.EMAIL))
    assert raised.value.retry_after_seconds == seconds


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_only_send_passes_the_check(
    status: int, bench: MailgunBench, adapter: Adapter
) -> None:
    bench.server.answer("GET /v4/domains/mg.acme.example", Answer(status, body=b"Forbidden"))
    bench.arrange_answer(refused(400, "to parameter is missing"))
    adapter.check()
    [request] = bench.sends
    assert request.form == [("from", "Acme <hello@acme.example>")]
    bench.arrange_answer(refused(404, "Domain not found: mg.acme.example"))
    with pytest.raises(AccountBroken, match="not found"):
        adapter.check()


@pytest.mark.parametrize("state", ["unverified", "disabled"])
def test_a_domain_that_may_not_send_is_found_out(
    state: str, bench: MailgunBench, adapter: Adapter
) -> None:
    answer = Answer(json={"domain": {"state": state}})
    bench.server.answer("GET /v4/domains/mg.acme.example", answer)
    with pytest.raises(AccountBroken, match=state):
        adapter.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"api_key": ""}, "api_key"),
        ({"region": "mars"}, "region"),
        ({"from": "nobody"}, "from"),
        ({"domain": "mg.acme.example/../x"}, "domain"),
        ({"domain": "mg acme"}, "domain"),
        ({"base_url": "ftp://api.example"}, "base_url"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("mailgun").validate(MailgunBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


@pytest.mark.parametrize("age", [timedelta(hours=13), timedelta(minutes=-6)])
def test_a_stale_callback_is_refused(age: timedelta, adapter: Adapter) -> None:
    with pytest.raises(CallbackRefused, match="old"):
        adapter.events_from(posted(record("opened"), signature_at(NOON - age)))


def test_a_late_try_is_taken(adapter: Adapter) -> None:
    late = signature_at(NOON - timedelta(hours=11))
    assert len(adapter.events_from(posted(record("opened"), late))) == 1


def test_the_key_of_another_account_is_refused(adapter: Adapter) -> None:
    with pytest.raises(CallbackRefused, match="signature"):
        adapter.events_from(posted(record("opened"), signature_at(NOON, key="another")))


def test_a_late_open_of_a_bounced_message_is_not_permanent(adapter: Adapter) -> None:
    callback = posted(record("opened", reason="bounce"), signature_at(NOON))
    [event] = adapter.events_from(callback)
    assert not event.is_permanent
