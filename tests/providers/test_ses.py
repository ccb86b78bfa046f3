from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from senderkit.domain import Channel, EventKind
from senderkit.errors import (
    AccountBroken,
    CallbackRefused,
    InvalidRequest,
    Unavailable,
    Unsupported,
)
from senderkit.http_client import HttpClient
from senderkit.http_client.network import Target
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from senderkit.providers.ses import find_kind
from tests import fakes_sns
from tests.fakes_http import Answer, FakeProvider
from tests.providers.benches.ses import SES_ID, SesBench, record
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_EMAIL, MESSAGE_ID, PNG, outgoing


@pytest.fixture
def bench() -> Iterator[SesBench]:
    bench = SesBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: SesBench, http_with_sns: HttpClient) -> Adapter:
    return get_provider("ses").connect(bench.credentials, lambda: NOON, http_with_sns)


def mail_in(payload: dict[str, Any]) -> EmailMessage:
    content = b64decode(payload.pop("Content")["Raw"]["Data"], validate=True)
    return message_from_bytes(content, policy=policy.default)


def test_a_plain_email_as_amazon_documents_it(bench: SesBench, adapter: Adapter) -> None:
    assert adapter.send(outgoing(Channel.EMAIL)).provider_message_id == SES_ID
    [request] = bench.sends
    assert request.headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260302/eu-west-1/ses/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature="
    )
    payload = request.json
    mail = mail_in(payload)
    assert payload == {
        "Destination": {"ToAddresses": ["ada@example.com"]},
        "EmailTags": [{"Name": "senderkit_message", "Value": MESSAGE_ID}],
        "ConfigurationSetName": "mail",
    }
    assert {name: str(value) for name, value in mail.items()} == {
        "From": "Acme <hello@acme.example>",
        "To": "ada@example.com",
        "Subject": "Hello",
        "Date": "Mon, 02 Mar 2026 12:00:00 +0000",
        "Message-ID": f"<{MESSAGE_ID}@acme.example>",
        "X-SenderKit-Message": MESSAGE_ID,
        "MIME-Version": "1.0",
        "Content-Type": mail["Content-Type"],
    }
    texts = [part.get_content().strip() for part in mail.iter_parts()]
    assert texts == ["Hello", "<p>Hello</p>"]


def test_every_field_of_an_email_arrives(bench: SesBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.EMAIL, **FULL_EMAIL))
    payload = bench.sends[-1].json
    mail = mail_in(payload)
    assert payload["Destination"] == {
        "ToAddresses": ["ada@example.com"],
        "BccAddresses": ["bo@example.com", "cy@example.com", "di@example.com"],
    }
    assert str(mail["From"]) == '"Acme, Inc. \\"Orders\\"" <orders@acme.example>'
    assert str(mail["To"]) == "Ada Lovelace <ada@example.com>"
    assert str(mail["Cc"]) == "Bo <bo@example.com>, cy@example.com"
    assert mail["Bcc"] is None
    assert str(mail["Reply-To"]) == "Hilfe für Sie <help@acme.example>"
    assert str(mail["Subject"]) == "Grüße, Ada 👋"
    assert str(mail["List-Unsubscribe"]) == f"<{FULL_EMAIL['list_unsubscribe_url']}>"
    assert str(mail["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"
    assert (str(mail["X-Order"]), str(mail["X-Greeting"])) == ("4711", "Grüße")
    files = [part for part in mail.walk() if part.get_filename()]
    assert [(part.get_filename(), part.get_content_disposition()) for part in files] == [
        ("logo.png", "inline"),
        ("Rechnung März.pdf", "attachment"),
        ("notes.txt", "attachment"),
    ]
    contents = [part.get_payload(decode=True) for part in files]
    assert contents == [PNG, b"%PDF-1.7\n\x00\xff", "Grüße".encode()]
    assert files[0]["Content-ID"] == "<logo@acme>"


def test_a_connection_without_a_configuration_set_names_none(
    bench: SesBench, http: HttpClient
) -> None:
    fields = bench.credentials | {"configuration_set": ""}
    get_provider("ses").connect(fields, lambda: NOON, http).send(outgoing(Channel.EMAIL))
    assert "ConfigurationSetName" not in bench.sends[-1].json


def test_an_address_that_ses_cannot_say_is_not_supported(bench: SesBench, adapter: Adapter) -> None:
    with pytest.raises(Unsupported, match="ASCII"):
        adapter.send(outgoing(Channel.EMAIL, recipient="jürgen@example.com"))
    assert bench.sends == []


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "email.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "email.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "email.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "email.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_the_region_says_whom_to_call(region: str, host: str) -> None:
    asked: list[str] = []

    def knows_nobody(name: str, port: int) -> list[Target]:
        asked.append(name)
        raise OSError

    fields = SesBench().fields() | {"region": region}
    with closing(HttpClient(resolver=knows_nobody)) as client, pytest.raises(Unavailable):
        get_provider("ses").connect(fields, lambda: NOON, client).check()
    assert asked == [host]


def test_an_account_that_may_not_send_is_found_out(bench: SesBench, adapter: Adapter) -> None:
    bench.server.answer("GET /v2/email/account", Answer(json={"SendingEnabled": False}))
    with pytest.raises(AccountBroken, match="paused"):
        adapter.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"region": "eu-west-1.evil.example/"}, "region"),
        ({"access_key_id": ""}, "access_key_id"),
        ({"secret_access_key": ""}, "secret_access_key"),
        ({"from": "nobody"}, "from"),
        ({"topic_arn": "mail"}, "topic_arn"),
        ({"topic_arn": "arn:aws:sqs:eu-west-1:123456789012:mail"}, "topic_arn"),
        ({"base_url": "ftp://api.example"}, "base_url"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("ses").validate(SesBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


def test_a_subscription_is_confirmed_and_is_no_event(adapter: Adapter, sns: FakeProvider) -> None:
    assert list(adapter.events_from(fakes_sns.signed(fakes_sns.control()))) == []
    assert len(sns.requests_to("GET /")) == 1


def test_each_recipient_of_an_event_has_its_own(adapter: Adapter, bench: SesBench) -> None:
    addresses = [{"emailAddress": "ada@example.com"}, {"emailAddress": "bo@example.com"}, None]
    detail = {"bounceType": "Permanent", "bouncedRecipients": addresses}
    events = adapter.events_from(bench.authentic(record("Bounce", bounce=detail)))
    assert [event.recipient for event in events] == ["ada@example.com", "bo@example.com", None]
    delivery = {"recipients": ["ada@example.com", "bo@example.com"], "timestamp": 5}
    events = adapter.events_from(bench.authentic(record("Delivery", delivery=delivery)))
    assert [event.recipient for event in events] == ["ada@example.com", "bo@example.com"]


def test_an_open_of_a_message_with_copies_does_not_say_whose(
    adapter: Adapter, bench: SesBench
) -> None:
    mail = {"messageId": SES_ID, "destination": ["ada@example.com", "bo@example.com"]}
    [event] = adapter.events_from(bench.authentic(record("Open", open={}, mail=mail)))
    assert (event.kind, event.recipient, event.at) == (EventKind.OPENED, None, NOON)


def test_an_older_feedback_notification_is_understood() -> None:
    older = json.loads(record("Bounce", bounce={})) | {"notificationType": "Bounce"}
    del older["eventType"]
    assert find_kind(older) is EventKind.FAILED


def test_an_event_type_that_is_no_text_is_nothing() -> None:
    odd_values: tuple[object, ...] = (None, 1, [], {}, True)
    for odd in odd_values:
        assert find_kind({"eventType": odd}) is None


def test_two_connections_do_not_share_a_topic(bench: SesBench, http_with_sns: HttpClient) -> None:
    other = bench.credentials | {"topic_arn": fakes_sns.TOPIC + "2"}
    adapter = get_provider("ses").connect(other, lambda: NOON, http_with_sns)
    with pytest.raises(CallbackRefused, match="topic"):
        adapter.events_from(bench.authentic(b"{}"))
