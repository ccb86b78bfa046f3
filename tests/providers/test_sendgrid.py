from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from senderkit.domain import Channel, EmailBody, Envelope, EventKind
from senderkit.errors import AccountBroken, CallbackRefused, InvalidRequest, Unavailable
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter, Callback
from tests.fakes_http import Answer
from tests.providers.benches.base import SECRET, with_headers
from tests.providers.benches.sendgrid import (
    SENDGRID_ID,
    SendGridBench,
    item,
    posted,
    refused,
    signed,
)
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_EMAIL, MESSAGE_ID, PNG, outgoing

DOCUMENTED_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1"
    "flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
DOCUMENTED_CALLBACK = Callback(
    "https://notify.acme.example/hooks/sendgrid/1",
    {
        "x-twilio-email-event-webhook-timestamp": "1600112502",
        "x-twilio-email-event-webhook-signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10Qysg"
        "DWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
    },
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",'
    b'"timestamp":1600112492}]\r\n',
)


@pytest.fixture
def bench() -> Iterator[SendGridBench]:
    bench = SendGridBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: SendGridBench, http: HttpClient) -> Adapter:
    return get_provider("sendgrid").connect(bench.credentials, lambda: NOON, http)


def sent(bench: SendGridBench) -> dict[str, Any]:
    body: dict[str, Any] = bench.sends[-1].json
    return body


def test_a_plain_email_as_sendgrid_documents_it(bench: SendGridBench, adapter: Adapter) -> None:
    assert adapter.send(outgoing(Channel.EMAIL)).provider_message_id == SENDGRID_ID
    [request] = bench.sends
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.json == {
        "personalizations": [{"to": [{"email": "ada@example.com"}]}],
        "from": {"email": "hello@acme.example", "name": "Acme"},
        "subject": "Hello",
        "content": [
            {"type": "text/plain", "value": "Hello"},
            {"type": "text/html", "value": "<p>Hello</p>"},
        ],
        "headers": {"X-SenderKit-Message": MESSAGE_ID},
        "custom_args": {"senderkit_message": MESSAGE_ID},
        "tracking_settings": {"subscription_tracking": {"enable": False}},
    }


def test_every_field_of_an_email_arrives(bench: SendGridBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, **FULL_EMAIL))
    body = sent(bench)
    files = body.pop("attachments")
    assert body == {
        "personalizations": [
            {
                "to": [{"email": "ada@example.com", "name": "Ada Lovelace"}],
                "cc": [{"email": "bo@example.com", "name": "Bo"}, {"email": "cy@example.com"}],
                "bcc": [{"email": "di@example.com"}],
            }
        ],
        "from": {"email": "orders@acme.example", "name": 'Acme, Inc. "Orders"'},
        "reply_to": {"email": "help@acme.example", "name": "Hilfe für Sie"},
        "subject": "Grüße, Ada 👋",
        "content": [
            {"type": "text/plain", "value": "Grüße, Ada.\n\n-- \nAcme"},
            {
                "type": "text/html",
                "value": '<p>Grüße, <b>Ada</b>. <img src="cid:logo@acme"></p>',
            },
        ],
        "headers": {
            "X-SenderKit-Message": MESSAGE_ID,
            "List-Unsubscribe": f"<{FULL_EMAIL['list_unsubscribe_url']}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "X-Order": "4711",
            "X-Greeting": "=?utf-8?b?R3LDvMOfZQ==?=",
        },
        "custom_args": {"senderkit_message": MESSAGE_ID},
        "tracking_settings": {"subscription_tracking": {"enable": False}},
    }
    contents = [b64decode(file.pop("content"), validate=True) for file in files]
    assert contents == [b"%PDF-1.7\n\x00\xff", PNG, "Grüße".encode()]
    assert files == [
        {
            "filename": "Rechnung März.pdf",
            "type": "application/pdf",
            "disposition": "attachment",
        },
        {
            "filename": "logo.png",
            "type": "image/png",
            "disposition": "inline",
            "content_id": "logo@acme",
        },
        {"filename": "notes.txt", "type": "text/plain", "disposition": "attachment"},
    ]


def test_an_address_goes_out_once(bench: SendGridBench, adapter: Adapter) -> None:
    copies = Envelope(
        cc=("Ada@example.com", "bo@example.com", "Bo <BO@example.com>"),
        bcc=("bo@example.com", "ada@example.com"),
    )
    adapter.send(outgoing(Channel.EMAIL, envelope=copies))
    [everybody] = sent(bench)["personalizations"]
    assert everybody == {
        "to": [{"email": "ada@example.com"}],
        "cc": [{"email": "BO@example.com", "name": "Bo"}],
    }


def test_what_a_message_does_not_have_is_left_out(bench: SendGridBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, body=EmailBody("Hi", "", "Only text")))
    assert sent(bench)["content"] == [{"type": "text/plain", "value": "Only text"}]


def test_a_moment_to_try_again_is_understood(bench: SendGridBench, adapter: Adapter) -> None:
    reset = str(int(NOON.timestamp()) + 45)
    bench.arrange_answer(with_headers(refused(429, "slow down"), X_RateLimit_Reset=reset))
    with pytest.raises(Unavailable) as raised:
        adapter.send(outgoing(Channel.EMAIL))
    assert raised.value.retry_after_seconds == 45


def test_a_key_that_may_not_send_is_found_out(bench: SendGridBench, adapter: Adapter) -> None:
    bench.server.answer("GET /v3/scopes", Answer(json={"scopes": ["alerts.read"]}))
    with pytest.raises(AccountBroken, match="Mail Send"):
        adapter.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"api_key": ""}, "api_key"),
        ({"region": "mars"}, "region"),
        ({"from": "nobody"}, "from"),
        ({"verification_key": "x"}, "verification_key"),
        (
            {"verification_key": "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="},
            "verification_key",
        ),
        ({"base_url": "ftp://api.example"}, "base_url"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("sendgrid").validate(SendGridBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


def test_the_documented_example_of_a_signature_is_taken(
    bench: SendGridBench, http: HttpClient
) -> None:
    fields = bench.credentials | {"verification_key": DOCUMENTED_KEY}
    day = datetime(2020, 9, 14, 20, 0, tzinfo=UTC)
    adapter = get_provider("sendgrid").connect(fields, lambda: day, http)
    [event] = adapter.events_from(DOCUMENTED_CALLBACK)
    assert (event.kind, event.provider_message_id) == (EventKind.FAILED, SENDGRID_ID)
    assert event.is_permanent


@pytest.mark.parametrize("age", [timedelta(hours=27), timedelta(minutes=-6)])
def test_a_stale_callback_is_refused(age: timedelta, adapter: Adapter) -> None:
    with pytest.raises(CallbackRefused, match="old"):
        adapter.events_from(signed(posted(item("open")), at=NOON - age))


def test_a_body_that_was_written_anew_is_refused(adapter: Adapter, bench: SendGridBench) -> None:
    callback = bench.authentic(posted(item("open")))
    changed = Callback(callback.url, callback.headers, callback.body.rstrip())
    with pytest.raises(CallbackRefused, match="signature"):
        adapter.events_from(changed)


@pytest.mark.parametrize(
    ("full", "own"),
    [
        (f"{SENDGRID_ID}.filter0001.16648.5515E0B88.0", SENDGRID_ID),
        ("14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", "14c5d75ce93.dfd.64b469"),
        (f"{SENDGRID_ID}.recvd-5f5d64b469-x", SENDGRID_ID),
        (SENDGRID_ID, SENDGRID_ID),
    ],
)
def test_the_id_in_an_event_is_the_one_of_the_receipt(
    full: str, own: str, adapter: Adapter, bench: SendGridBench
) -> None:
    [event] = adapter.events_from(bench.authentic(posted(item("open", sg_message_id=full))))
    assert event.provider_message_id == own
