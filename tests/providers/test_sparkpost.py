from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from senderkit.domain import Channel, EmailBody, Envelope
from senderkit.errors import InvalidRequest, Unsupported
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from senderkit.providers.sparkpost import find_kind
from tests.fakes_http import Answer
from tests.providers.benches.base import SECRET
from tests.providers.benches.sparkpost import TRANSMISSION, SparkPostBench
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_EMAIL, MESSAGE_ID, PNG, outgoing

OPTIONS = {"transactional": True, "perform_substitutions": False}


@pytest.fixture
def bench() -> Iterator[SparkPostBench]:
    bench = SparkPostBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: SparkPostBench, http: HttpClient) -> Adapter:
    return get_provider("sparkpost").connect(bench.credentials, lambda: NOON, http)


def sent(bench: SparkPostBench) -> dict[str, Any]:
    body: dict[str, Any] = bench.sends[-1].json
    return body


def test_a_plain_email_as_sparkpost_documents_it(bench: SparkPostBench, adapter: Adapter) -> None:
    assert adapter.send(outgoing(Channel.EMAIL)).provider_message_id == TRANSMISSION
    [request] = bench.sends
    assert request.headers["authorization"] == SECRET
    assert request.json == {
        "options": OPTIONS,
        "metadata": {"senderkit_message": MESSAGE_ID},
        "recipients": [{"address": {"email": "ada@example.com"}}],
        "content": {
            "from": {"email": "hello@acme.example", "name": "Acme"},
            "subject": "Hello",
            "headers": {"X-SenderKit-Message": MESSAGE_ID},
            "text": "Hello",
            "html": "<p>Hello</p>",
        },
    }


def test_every_field_of_an_email_arrives(bench: SparkPostBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, **FULL_EMAIL))
    body = sent(bench)
    files = [body["content"].pop(name) for name in ("attachments", "inline_images")]
    to = "Ada Lovelace <ada@example.com>"
    assert body == {
        "options": OPTIONS,
        "metadata": {"senderkit_message": MESSAGE_ID},
        "recipients": [
            {"address": {"email": "ada@example.com", "name": "Ada Lovelace"}},
            {"address": {"email": "bo@example.com", "header_to": to}},
            {"address": {"email": "cy@example.com", "header_to": to}},
            {"address": {"email": "di@example.com", "header_to": to}},
        ],
        "content": {
            "from": {"email": "orders@acme.example", "name": 'Acme, Inc. "Orders"'},
            "subject": "Grüße, Ada 👋",
            "reply_to": "Hilfe für Sie <help@acme.example>",
            "headers": {
                "CC": "Bo <bo@example.com>, cy@example.com",
                "X-SenderKit-Message": MESSAGE_ID,
                "List-Unsubscribe": f"<{FULL_EMAIL['list_unsubscribe_url']}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "X-Order": "4711",
                "X-Greeting": "Grüße",
            },
            "text": "Grüße, Ada.\n\n-- \nAcme",
            "html": '<p>Grüße, <b>Ada</b>. <img src="cid:logo@acme"></p>',
        },
    }
    described = [[(f["name"], f["type"]) for f in group] for group in files]
    assert described == [
        [("Rechnung März.pdf", "application/pdf"), ("notes.txt", "text/plain; charset=utf-8")],
        [("logo@acme", "image/png")],
    ]
    contents = [b64decode(f["data"], validate=True) for group in files for f in group]
    assert contents == [b"%PDF-1.7\n\x00\xff", "Grüße".encode(), PNG]


def test_a_file_with_a_content_id_that_is_not_inline_stays_an_attachment(
    bench: SparkPostBench, adapter: Adapter
) -> None:
    [_, logo, _] = FULL_EMAIL["attachments"]
    adapter.send(outgoing(Channel.EMAIL, attachments=(replace(logo, inline=False),)))
    assert "inline_images" not in sent(bench)["content"]


def test_nobody_gets_a_message_twice(bench: SparkPostBench, adapter: Adapter) -> None:
    copies = Envelope(cc=("Ada@example.com", "bo@example.com"), bcc=("BO@example.com",))
    adapter.send(outgoing(Channel.EMAIL, envelope=copies))
    addresses = [one["address"]["email"] for one in sent(bench)["recipients"]]
    assert addresses == ["ada@example.com", "bo@example.com"]


@pytest.mark.parametrize(
    "changes",
    [
        {"body": EmailBody("Hello {{name}}", "<p>x</p>", "x")},
        {"headers": {"X-Extra": "}}"}},
        {"envelope": Envelope(from_name="{{x}}")},
        {"envelope": Envelope(reply_to="{{x}} <a@b.example>")},
        {"envelope": Envelope(cc=("{{x}} <a@b.example>",))},
        {"recipient": "{{x}} <ada@example.com>"},
    ],
)
def test_braces_in_a_header_are_not_supported(
    changes: dict[str, Any], bench: SparkPostBench, adapter: Adapter
) -> None:
    with pytest.raises(Unsupported, match="SparkPost"):
        adapter.send(outgoing(Channel.EMAIL, **changes))
    assert bench.sends == []


def test_braces_in_the_text_arrive(bench: SparkPostBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, body=EmailBody("Hi", "<p>{{x}}</p>", "{{x}}")))
    assert sent(bench)["content"]["html"] == "<p>{{x}}</p>"


def test_a_copy_that_was_rejected_is_told(bench: SparkPostBench, adapter: Adapter) -> None:
    counts = {"total_rejected_recipients": 1, "total_accepted_recipients": 1, "id": TRANSMISSION}
    errors = [{"message": "Invalid recipient", "description": "bo@", "code": "2000"}]
    bench.arrange_answer(Answer(json={"results": counts, "errors": errors}))
    receipt = adapter.send(outgoing(Channel.EMAIL, envelope=Envelope(cc=("bo@example.com",))))
    assert receipt.provider_message_id == TRANSMISSION
    assert receipt.detail == "Invalid recipient: bo@ (code 2000)"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"api_key": ""}, "api_key"),
        ({"region": "mars"}, "region"),
        ({"from": "nobody"}, "from"),
        ({"callback_user": ""}, "callback_user"),
        ({"callback_password": ""}, "callback_password"),
        ({"base_url": "ftp://api.example"}, "base_url"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("sparkpost").validate(SparkPostBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


def test_a_type_that_is_no_text_is_nothing() -> None:
    odd_values: tuple[object, ...] = (None, 1, [], {}, True)
    for odd in odd_values:
        assert find_kind({"type": odd}) is None
