from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from senderkit.domain import Channel, EmailBody
from senderkit.errors import AccountBroken, CallbackRefused, InvalidRequest
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter, Callback
from tests.providers.benches.base import SECRET
from tests.providers.benches.resend import RESEND_ID, ResendBench, record, refused, signed
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_EMAIL, MESSAGE_ID, PNG, outgoing


@pytest.fixture
def bench() -> Iterator[ResendBench]:
    bench = ResendBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: ResendBench, http: HttpClient) -> Adapter:
    return get_provider("resend").connect(bench.credentials, lambda: NOON, http)


def sent(bench: ResendBench) -> dict[str, Any]:
    body: dict[str, Any] = bench.sends[-1].json
    return body


def test_a_plain_email_as_resend_documents_it(bench: ResendBench, adapter: Adapter) -> None:
    assert adapter.send(outgoing(Channel.EMAIL)).provider_message_id == RESEND_ID
    [request] = bench.sends
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["idempotency-key"] == MESSAGE_ID
    assert request.json == {
        "from": "Acme <hello@acme.example>",
        "to": ["ada@example.com"],
        "subject": "Hello",
        "html": "<p>Hello</p>",
        "text": "Hello",
        "headers": {"X-SenderKit-Message": MESSAGE_ID},
        "tags": [{"name": "senderkit_message", "value": MESSAGE_ID}],
    }


def test_every_field_of_an_email_arrives(bench: ResendBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, **FULL_EMAIL))
    body = sent(bench)
    files = body.pop("attachments")
    assert body == {
        "from": '"Acme, Inc. \\"Orders\\"" <orders@acme.example>',
        "to": ["Ada Lovelace <ada@example.com>"],
        "cc": ["Bo <bo@example.com>", "cy@example.com"],
        "bcc": ["di@example.com"],
        "reply_to": "Hilfe für Sie <help@acme.example>",
        "subject": "Grüße, Ada 👋",
        "html": '<p>Grüße, <b>Ada</b>. <img src="cid:logo@acme"></p>',
        "text": "Grüße, Ada.\n\n-- \nAcme",
        "headers": {
            "X-SenderKit-Message": MESSAGE_ID,
            "List-Unsubscribe": f"<{FULL_EMAIL['list_unsubscribe_url']}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "X-Order": "4711",
            "X-Greeting": "=?utf-8?b?R3LDvMOfZQ==?=",
        },
        "tags": [{"name": "senderkit_message", "value": MESSAGE_ID}],
    }
    contents = [b64decode(file.pop("content"), validate=True) for file in files]
    assert contents == [b"%PDF-1.7\n\x00\xff", PNG, "Grüße".encode()]
    assert files == [
        {"filename": "Rechnung März.pdf", "content_type": "application/pdf"},
        {"filename": "logo.png", "content_type": "image/png", "content_id": "logo@acme"},
        {"filename": "notes.txt", "content_type": "text/plain"},
    ]


def test_every_try_of_a_message_has_the_same_key(bench: ResendBench, adapter: Adapter) -> None:
    for key in ("a", None):
        adapter.send(outgoing(Channel.EMAIL, idempotency_key=key))
    assert {request.headers["idempotency-key"] for request in bench.sends} == {MESSAGE_ID}


def test_a_file_with_a_content_id_that_is_not_inline_stays_an_attachment(
    bench: ResendBench, adapter: Adapter
) -> None:
    [_, logo, _] = FULL_EMAIL["attachments"]
    adapter.send(outgoing(Channel.EMAIL, attachments=(replace(logo, inline=False),)))
    assert "content_id" not in sent(bench)["attachments"][0]


def test_what_a_message_does_not_have_is_left_out(bench: ResendBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, body=EmailBody("Hi", "", "Only text")))
    assert "html" not in sent(bench)


def test_a_key_that_may_only_send_passes_the_check(bench: ResendBench, adapter: Adapter) -> None:
    restricted = refused(401, "restricted_api_key", "This API key is restricted to send emails")
    bench.server.answer("GET /domains", restricted)
    adapter.check()
    bench.server.answer("GET /domains", refused(403, "suspended_api_key", "Suspended"))
    with pytest.raises(AccountBroken, match="Suspended"):
        adapter.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"api_key": ""}, "api_key"),
        ({"from": "nobody"}, "from"),
        ({"webhook_secret": "whsec_"}, "webhook_secret"),
        ({"webhook_secret": "whsec_!"}, "webhook_secret"),
        ({"webhook_secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "webhook_secret"),
        ({"base_url": "ftp://api.example"}, "base_url"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("resend").validate(ResendBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


def test_the_documented_example_of_a_signature_is_taken(
    bench: ResendBench, http: HttpClient
) -> None:
    headers = {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": "1614265330",
        "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    callback = Callback(
        "https://notify.acme.example/hooks/resend/1", headers, b'{"test": 2432232314}'
    )
    fields = bench.credentials | {"webhook_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    then = datetime.fromtimestamp(1_614_265_330, UTC)
    adapter = get_provider("resend").connect(fields, lambda: then, http)
    assert list(adapter.events_from(callback)) == []
    late = get_provider("resend").connect(fields, lambda: then + timedelta(minutes=6), http)
    with pytest.raises(CallbackRefused, match="old"):
        late.events_from(callback)


@pytest.mark.parametrize("prefix", ["svix", "webhook"])
def test_both_names_of_the_headers_are_understood(prefix: str, adapter: Adapter) -> None:
    callback = signed(record("email.opened"), NOON, prefix=prefix)
    assert len(adapter.events_from(callback)) == 1


def test_one_of_several_signatures_is_enough(adapter: Adapter) -> None:
    callback = signed(record("email.opened"), NOON)
    old = signed(record("email.opened"), NOON, key=b"another").headers["svix-signature"]
    both = f"{old} v2,x {callback.headers['svix-signature']}"
    headers = {**callback.headers, "svix-signature": both}
    assert len(adapter.events_from(replace(callback, headers=headers))) == 1
    with pytest.raises(CallbackRefused, match="signature"):
        adapter.events_from(replace(callback, headers={**headers, "svix-signature": old}))


@pytest.mark.parametrize("age", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_a_stale_callback_is_refused(age: timedelta, adapter: Adapter) -> None:
    with pytest.raises(CallbackRefused, match="old"):
        adapter.events_from(signed(record("email.opened"), NOON - age))


def test_a_body_that_was_written_anew_is_refused(adapter: Adapter) -> None:
    callback = signed(record("email.opened"), NOON)
    with pytest.raises(CallbackRefused, match="signature"):
        adapter.events_from(replace(callback, body=callback.body + b"\n"))
