from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from botocore.serialize import create_serializer
from botocore.session import Session

from senderkit.domain import Channel, EventKind, SmsBody
from senderkit.errors import AccountBroken, CallbackRefused, InvalidRequest, Unavailable
from senderkit.http_client import HttpClient
from senderkit.http_client.network import Target
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from tests import fakes_sns
from tests.providers.benches.sns import SNS_ID, SnsBench, refused, reply
from tests.providers.conftest import NOON
from tests.providers.samples import outgoing

BARE = {"sender_id": "", "origination_number": ""}


@pytest.fixture
def bench() -> Iterator[SnsBench]:
    bench = SnsBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: SnsBench, http: HttpClient) -> Adapter:
    return connect(bench, http)


def connect(bench: SnsBench, http: HttpClient, **fields: str) -> Adapter:
    return get_provider("sns").connect(bench.credentials | fields, lambda: NOON, http)


def sent(bench: SnsBench) -> dict[str, str]:
    return dict(bench.sends[-1].form)


def test_a_plain_text_as_amazon_documents_it(bench: SnsBench, http: HttpClient) -> None:
    receipt = connect(bench, http, **BARE).send(outgoing(Channel.SMS))
    assert (receipt.provider_message_id, receipt.detail) == (SNS_ID, None)
    [request] = bench.sends
    assert request.target == "/"
    assert request.headers["x-amz-date"] == "20260302T120000Z"
    scope = "Credential=AKIDEXAMPLE/20260302/eu-west-1/sns/aws4_request"
    assert request.headers["authorization"].startswith(f"AWS4-HMAC-SHA256 {scope}, ")
    assert request.form == [
        ("Action", "Publish"),
        ("Version", "2010-03-31"),
        ("PhoneNumber", "+15550100200"),
        ("Message", "Hello"),
        ("MessageAttributes.entry.1.Name", "AWS.SNS.SMS.SMSType"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", "Transactional"),
    ]


def test_every_setting_arrives_as_botocore_itself_writes_it(
    bench: SnsBench, adapter: Adapter
) -> None:
    adapter.send(outgoing(Channel.SMS))
    attributes = {
        "AWS.SNS.SMS.SMSType": "Transactional",
        "AWS.SNS.SMS.SenderID": "Acme",
        "AWS.MM.SMS.OriginationNumber": "+15550100300",
    }
    parameters = {
        "PhoneNumber": "+15550100200",
        "Message": "Hello",
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }
    operation = Session().get_service_model("sns").operation_model("Publish")
    expected = create_serializer("query").serialize_to_request(parameters, operation)
    assert sent(bench) == expected["body"]


def test_promotional_messages_say_so(bench: SnsBench, http: HttpClient) -> None:
    connect(bench, http, sms_type="Promotional").send(outgoing(Channel.SMS))
    assert sent(bench)["MessageAttributes.entry.1.Value.StringValue"] == "Promotional"


@pytest.mark.parametrize(
    "words",
    ["Grüße €5 [ok]", "“Ça va?” — 👋🏽", "a\nb\r\nc", " a+b&c=d%20;e ", "a" * 1_600, "\x00"],
)
def test_any_words_arrive_as_they_are_in_one_request(
    words: str, bench: SnsBench, adapter: Adapter
) -> None:
    adapter.send(outgoing(Channel.SMS, body=SmsBody(words)))
    assert len(bench.sends) == 1
    assert sent(bench)["Message"] == words


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "sns.eu-west-1.amazonaws.com"),
        ("cn-north-1", "sns.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_address_follows_from_the_region(region: str, host: str) -> None:
    looked_up = []

    def resolve_nothing(name: str, port: int) -> list[Target]:
        looked_up.append((name, port))
        return []

    with closing(HttpClient(resolver=resolve_nothing)) as client:
        adapter = connect(SnsBench(), client, region=region, base_url="")
        with pytest.raises(Unavailable, match=host):
            adapter.send(outgoing(Channel.SMS))
    assert looked_up == [(host, 443)]


def test_a_key_that_may_only_send_passes_a_check(bench: SnsBench, adapter: Adapter) -> None:
    denied = "User: arn:aws:iam::1:user/x is not authorized to perform: SNS:GetSMSAttributes"
    bench.server.answer("GET /", refused("AuthorizationError", denied, 403))
    adapter.check()
    bench.server.answer("GET /", refused("InvalidClientTokenId", "The token is invalid.", 403))
    with pytest.raises(AccountBroken, match="InvalidClientTokenId"):
        adapter.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"region": "eu-west-1.evil.example"}, "region"),
        ({"secret_access_key": ""}, "secret_access_key"),
        ({"sms_type": "Free"}, "sms_type"),
        ({"sender_id": "ab"}, "sender_id"),
        ({"sender_id": "123"}, "sender_id"),
        ({"sender_id": "Acme 24"}, "sender_id"),
        ({"origination_number": "+1 555"}, "origination_number"),
        ({"origination_number": "Acme"}, "origination_number"),
        ({"topic_arn": "arn:aws:sqs:eu-west-1:123456789012:mail"}, "topic_arn"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("sns").validate(SnsBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


def test_a_reply_of_another_topic_is_refused(bench: SnsBench, http_with_sns: HttpClient) -> None:
    adapter = connect(bench, http_with_sns)
    [event] = adapter.events_from(bench.authentic(reply("STOP")))
    assert event.kind is EventKind.OPTED_OUT
    theirs = fakes_sns.TOPIC.replace("123456789012", "210987654321")
    fields = fakes_sns.notification(reply("STOP").decode(), TopicArn=theirs)
    with pytest.raises(CallbackRefused):
        adapter.events_from(fakes_sns.signed(fields))
