from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from senderkit.domain import Channel, EmailBody, Envelope, EventKind
from senderkit.errors import AccountBroken, InvalidRequest, Suppressed
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from senderkit.providers.postmark import find_kind
from tests.fakes_http import Answer
from tests.providers.benches.base import SECRET
from tests.providers.benches.postmark import POSTMARK_ID, PostmarkBench, bounce, record, refused
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_EMAIL, MESSAGE_ID, PNG, outgoing


@pytest.fixture
def bench() -> Iterator[PostmarkBench]:
    bench = PostmarkBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: PostmarkBench, http: HttpClient) -> Adapter:
    return get_provider("postmark").connect(bench.credentials, lambda: NOON, http)


def sent(bench: PostmarkBench) -> dict[str, Any]:
    body: dict[str, Any] = bench.sends[-1].json
    return body


def test_a_plain_email_as_postmark_documents_it(bench: PostmarkBench, adapter: Adapter) -> None:
    receipt = adapter.send(outgoing(Channel.EMAIL))
    assert (receipt.provider_message_id, receipt.detail) == (POSTMARK_ID, None)
    [request] = bench.sends
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-postmark-server-token"] == SECRET
    assert request.json == {
        "From": "Acme <hello@acme.example>",
        "To": "ada@example.com",
        "Subject": "Hello",
        "HtmlBody": "<p>Hello</p>",
        "TextBody": "Hello",
        "Headers": [{"Name": "X-SenderKit-Message", "Value": MESSAGE_ID}],
        "Metadata": {"senderkit_message": MESSAGE_ID},
        "MessageStream": "outbound",
    }


def test_every_field_of_an_email_arrives(bench: PostmarkBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, **FULL_EMAIL))
    body = sent(bench)
    files = body.pop("Attachments")
    assert body == {
        "From": '"Acme, Inc. \\"Orders\\"" <orders@acme.example>',
        "To": "Ada Lovelace <ada@example.com>",
        "Cc": "Bo <bo@example.com>, cy@example.com",
        "Bcc": "di@example.com",
        "ReplyTo": "Hilfe für Sie <help@acme.example>",
        "Subject": "Grüße, Ada 👋",
        "HtmlBody": '<p>Grüße, <b>Ada</b>. <img src="cid:logo@acme"></p>',
        "TextBody": "Grüße, Ada.\n\n-- \nAcme",
        "Headers": [
            {"Name": "X-SenderKit-Message", "Value": MESSAGE_ID},
            {"Name": "List-Unsubscribe", "Value": f"<{FULL_EMAIL['list_unsubscribe_url']}>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
            {"Name": "X-Order", "Value": "4711"},
            {"Name": "X-Greeting", "Value": "Grüße"},
        ],
        "Metadata": {"senderkit_message": MESSAGE_ID},
        "MessageStream": "outbound",
    }
    assert [(f["Name"], f["ContentType"], f.get("ContentID")) for f in files] == [
        ("Rechnung März.pdf", "application/pdf", None),
        ("logo.png", "image/png", "cid:logo@acme"),
        ("notes.txt", "text/plain; charset=utf-8", None),
    ]
    contents = [b64decode(f["Content"], validate=True) for f in files]
    assert contents == [b"%PDF-1.7\n\x00\xff", PNG, "Grüße".encode()]


def test_a_file_with_a_content_id_that_is_not_inline_stays_an_attachment(
    bench: PostmarkBench, adapter: Adapter
) -> None:
    [_, logo, _] = FULL_EMAIL["attachments"]
    adapter.send(outgoing(Channel.EMAIL, attachments=(replace(logo, inline=False),)))
    assert "ContentID" not in sent(bench)["Attachments"][0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Ada <ada@example.com>", "Ada <ada@example.com>"),
        ("Grüße <ada@bücher.example>", "Grüße <ada@xn--bcher-kva.example>"),
        ("Doe, Jane <jane@example.com>", '"Doe, Jane" <jane@example.com>'),
        ('"Doe, Jane" <jane@example.com>', '"Doe, Jane" <jane@example.com>'),
        ("a@b <jane@example.com>", '"a@b" <jane@example.com>'),
        ("=?utf-8?q?x?= <jane@example.com>", '"=?utf-8?q?x?=" <jane@example.com>'),
    ],
)
def test_a_name_is_quoted_as_it_needs_to_be_and_never_encoded(
    given: str, expected: str, bench: PostmarkBench, adapter: Adapter
) -> None:
    adapter.send(outgoing(Channel.EMAIL, recipient=given))
    assert sent(bench)["To"] == expected


def test_what_a_message_does_not_have_is_left_out(bench: PostmarkBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, body=EmailBody("Hi", "", "Only text")))
    assert "HtmlBody" not in sent(bench)
    assert "Attachments" not in sent(bench)


def test_a_stream_of_ones_own_is_used(bench: PostmarkBench, http: HttpClient) -> None:
    fields = bench.credentials | {"message_stream": "receipts/2"}
    adapter = get_provider("postmark").connect(fields, lambda: NOON, http)
    adapter.send(outgoing(Channel.EMAIL))
    assert sent(bench)["MessageStream"] == "receipts/2"
    bench.server.answer("GET /message-streams/receipts/2", Answer(json={"ID": "receipts/2"}))
    adapter.check()
    assert bench.server.requests[-1].target == "/message-streams/receipts%2F2"


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ({"MessageID": POSTMARK_ID}, None),
        (
            {"MessageID": POSTMARK_ID, "Message": "Message accepted, but may be delayed."},
            "Message accepted, but may be delayed.",
        ),
        (
            {
                "MessageID": POSTMARK_ID,
                "ErrorCode": 0,
                "Message": "Message OK, but will not deliver to these inactive addresses: "
                "bo@example.com. Inactive recipients are ones that have bounced.",
            },
            "Message OK, but will not deliver to these inactive addresses: bo@example.com. "
            "Inactive recipients are ones that have bounced.",
        ),
    ],
)
def test_a_success_in_other_words_is_a_success(
    answer: dict[str, Any], detail: str | None, bench: PostmarkBench, adapter: Adapter
) -> None:
    bench.arrange_answer(Answer(json=answer))
    receipt = adapter.send(outgoing(Channel.EMAIL))
    assert (receipt.provider_message_id, receipt.detail) == (POSTMARK_ID, detail)


def test_a_recipient_left_out_of_a_success_is_suppressed(
    bench: PostmarkBench, adapter: Adapter
) -> None:
    words = (
        "Message OK, but will not deliver to these inactive addresses: cy@example.com, "
        "ada@example.com. Inactive recipients are ones that have bounced."
    )
    bench.arrange_answer(Answer(json={"MessageID": "1", "ErrorCode": 0, "Message": words}))
    copies = Envelope(cc=("bo@example.com",))
    with pytest.raises(Suppressed, match="inactive addresses"):
        adapter.send(outgoing(Channel.EMAIL, recipient="Ada <Ada@Example.com>", envelope=copies))


def test_a_check_names_a_missing_stream(bench: PostmarkBench, adapter: Adapter) -> None:
    gone = refused(1226, "The message stream for the provided 'ID' was not found.")
    bench.server.answer("GET /message-streams/outbound", gone)
    with pytest.raises(AccountBroken, match="message stream"):
        adapter.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"server_token": ""}, "server_token"),
        ({"from": "nobody"}, "from"),
        ({"from": "jürgen@acme.example"}, "from"),
        ({"callback_user": ""}, "callback_user"),
        ({"callback_password": ""}, "callback_password"),
        ({"base_url": "ftp://api.example"}, "base_url"),
        ({"base_url": "https://user:password@api.example"}, "base_url"),
        ({"base_url": "https://api.example/?x=1"}, "base_url"),
        ({"base_url": "https://api.example/#x"}, "base_url"),
        ({"base_url": "api.example"}, "base_url"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("postmark").validate(PostmarkBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


def test_an_event_without_a_time_happened_when_it_came(
    bench: PostmarkBench, adapter: Adapter
) -> None:
    for time in (None, "soon", 10**30, ["x"], "2026-99-99T00:00:00Z"):
        body = record("Delivery", Recipient="ada@example.com", DeliveredAt=time)
        [event] = adapter.events_from(bench.authentic(body))
        assert event.at == NOON


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://a.example/" + "x" * 3_000, "https://a\u2028b", 5, None]
)
def test_a_link_that_is_none_is_left_out(
    link: object, bench: PostmarkBench, adapter: Adapter
) -> None:
    body = record("Click", "ReceivedAt", Recipient="ada@example.com", OriginalLink=link)
    [event] = adapter.events_from(bench.authentic(body))
    assert (event.kind, event.link) == (EventKind.CLICKED, None)


def test_what_a_provider_says_is_made_fit_to_store(bench: PostmarkBench, adapter: Adapter) -> None:
    body = bounce("HardBounce", Details="a\x00b\r\n" + "x" * 2_000, Email="ada\x00@example.com")
    [event] = adapter.events_from(bench.authentic(body))
    assert event.detail is not None
    assert event.detail.startswith("a b x")
    assert len(event.detail) <= 500
    assert event.recipient == "ada @example.com"


def test_a_record_type_that_is_no_text_is_nothing() -> None:
    odd_values: tuple[object, ...] = (None, 1, [], {}, True)
    for odd in odd_values:
        assert find_kind({"RecordType": odd}) is None
        assert find_kind({"RecordType": "Bounce", "Type": odd}) is None
        assert find_kind({"RecordType": "SubscriptionChange", "SuppressSending": odd}) is None
