from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from senderkit.errors import AccountBroken, CallbackRefused, Unavailable
from senderkit.http_client import HttpClient, Reply, Request, Timeouts
from senderkit.providers.aws import SnsTopic, find_error_code, region_issues, sign, topic_issues
from senderkit.providers.base import Callback
from tests.fakes_http import Answer, FakeProvider, Trouble
from tests.fakes_sns import (
    CERTIFICATE_PATH,
    HOST,
    SENT_AT,
    TOPIC,
    certificate,
    control,
    delivered,
    notification,
    resolver_to,
    signed,
)
from tests.providers.conftest import NOON

ACCOUNT = {
    "region": "eu-west-1",
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}


@pytest.fixture
def topic(http_with_sns: HttpClient) -> SnsTopic:
    return SnsTopic(TOPIC, http_with_sns, lambda: NOON)


# -- requests ---------------------------------------------------------------------------------


def test_a_request_is_signed_as_in_amazons_own_example() -> None:
    account = ACCOUNT | {"region": "us-east-1"}
    content_type = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    signed_request = sign(Request("GET", url, content_type), "iam", account, at)
    assert signed_request.headers == {
        **content_type,
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    }


def test_a_body_is_signed_as_botocore_itself_signs_it() -> None:
    url = "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails"
    request = Request.post_json(url, {"x": "Grüße"})
    draft = AWSRequest("POST", url, dict(request.headers), request.body)
    keys = Credentials(ACCOUNT["access_key_id"], ACCOUNT["secret_access_key"])
    SigV4Auth(keys, "ses", "eu-west-1").add_auth(draft)
    at = datetime.strptime(draft.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert sign(request, "ses", ACCOUNT, at).headers == dict(draft.headers)


def test_a_missing_botocore_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(AccountBroken, match=r"senderkit-server\[aws\]"):
        sign(Request("GET", "https://email.eu-west-1.amazonaws.com/"), "ses", ACCOUNT, NOON)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(400, {"x-amzn-errortype": "MessageRejected"}), "MessageRejected"),
        (Reply(400, {"x-amzn-errortype": "MessageRejected:http://internal/"}), "MessageRejected"),
        (Reply(400, body=b'{"__type": "com.amazon#MessageRejected"}'), "MessageRejected"),
        (Reply(400, body=b'{"code": "MessageRejected"}'), "MessageRejected"),
        (Reply(400, body=b'{"code": {}}'), ""),
        (Reply(400), ""),
    ],
)
def test_an_error_code_is_found_wherever_it_stands(reply: Reply, code: str) -> None:
    assert find_error_code(reply) == code


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "ap-southeast-4", "cn-north-1"])
def test_a_region_is_taken(region: str) -> None:
    assert not list(region_issues(region))


@pytest.mark.parametrize("region", ["x", "eu-west-1.evil.example", "eu-west-1/", "EU-WEST-1", "é"])
def test_a_region_that_would_be_another_host_is_not_taken(region: str) -> None:
    assert list(region_issues(region))


# -- deliveries of SNS ------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("more", [{}, {"Subject": "Grüße"}])
@pytest.mark.parametrize("message", ["{}", "Grüße\n\nvon SNS\n", ""])
def test_a_notification_of_the_topic_is_taken(
    version: str, more: dict[str, str], message: str, topic: SnsTopic
) -> None:
    fields = notification(message, SignatureVersion=version, **more)
    assert topic.message_of(signed(fields)) == message


def test_a_certificate_is_fetched_once(topic: SnsTopic, sns: FakeProvider) -> None:
    for message in ("a", "b"):
        topic.message_of(signed(notification(message)))
    assert [request.target for request in sns.requests] == [CERTIFICATE_PATH]


def changed(**changes: Any) -> Callback:
    """A delivery that was signed, and then changed."""
    fields = notification("hello", Subject="A subject")
    body = signed(fields).body
    return delivered({**fields, "Signature": signature_in(body), **changes})


def signature_in(body: bytes) -> str:
    return body.decode().partition('"Signature": "')[2].partition('"')[0]


def flipped(text: str) -> str:
    raw = bytearray(b64decode(text))
    raw[7] ^= 1
    return b64encode(raw).decode("ascii")


@pytest.mark.parametrize(
    "changes",
    [
        {"Message": "hello!"},
        {"MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325"},
        {"Subject": "Another"},
        {"Subject": None},
        {"Subject": 1},
        {"Timestamp": "2026-03-02T11:59:59.123Z"},
        {"Type": "SubscriptionConfirmation"},
        {"Type": "Thought"},
        {"Type": ["Notification"]},
        {"Message": None},
        {"Message": {"a": 1}},
        {"Message": "\ud800"},
        {"SignatureVersion": "2"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": 1},
        {"Signature": ""},
        {"Signature": "!"},
        {"Signature": None},
        pytest.param(
            {"Signature": flipped(signature_in(signed(notification("hello")).body))}, id="flipped"
        ),
    ],
    ids=str,
)
def test_a_delivery_with_another_word_in_it_is_refused(
    changes: dict[str, Any], topic: SnsTopic
) -> None:
    assert topic.message_of(changed()) == "hello"
    with pytest.raises(CallbackRefused):
        topic.message_of(changed(**changes))


def test_another_topic_is_refused_however_well_it_is_signed(topic: SnsTopic) -> None:
    theirs = TOPIC.replace("123456789012", "210987654321")
    for fields in (notification("hello", TopicArn=theirs), control(TopicArn=theirs)):
        callback = signed(fields)
        for headers in (callback.headers, {**callback.headers, "x-amz-sns-topic-arn": TOPIC}):
            with pytest.raises(CallbackRefused, match="topic"):
                topic.message_of(replace(callback, headers=headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-sns-topic-arn": TOPIC},
        {"x-amz-sns-message-type": "Notification"},
        {"x-amz-sns-topic-arn": TOPIC, "x-amz-sns-message-type": "SubscriptionConfirmation"},
        {"x-amz-sns-topic-arn": f"{TOPIC}2", "x-amz-sns-message-type": "Notification"},
    ],
)
def test_a_delivery_whose_headers_say_something_else_is_refused(
    headers: dict[str, str], topic: SnsTopic
) -> None:
    with pytest.raises(CallbackRefused):
        topic.message_of(replace(changed(), headers=headers))


@pytest.mark.parametrize("age", [timedelta(days=1, minutes=1), timedelta(days=-2)])
def test_a_stale_delivery_is_refused(age: timedelta, http_with_sns: HttpClient) -> None:
    sent_at = datetime.fromisoformat(SENT_AT)
    topic = SnsTopic(TOPIC, http_with_sns, lambda: sent_at + age)
    with pytest.raises(CallbackRefused, match="old"):
        topic.message_of(changed())
    undated = signed(notification("hello", Timestamp="soon"))
    with pytest.raises(CallbackRefused, match="old"):
        topic.message_of(undated)


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}{CERTIFICATE_PATH}",
        f"https://{HOST}.evil.example{CERTIFICATE_PATH}",
        f"https://evil.example/{HOST}{CERTIFICATE_PATH}",
        f"https://{HOST}@evil.example{CERTIFICATE_PATH}",
        f"https://evil.example@{HOST}{CERTIFICATE_PATH}",
        f"https://{HOST}:8443{CERTIFICATE_PATH}",
        f"https://{HOST}\\.evil.example{CERTIFICATE_PATH}",
        f"https://sns.eu-west-2.amazonaws.com{CERTIFICATE_PATH}",
        f"https://s3.amazonaws.com/bucket{CERTIFICATE_PATH}",
        f"https://{HOST}/bucket{CERTIFICATE_PATH}",
        f"https://{HOST}{CERTIFICATE_PATH}?x",
        f"https://{HOST}{CERTIFICATE_PATH}#x",
        f"https://{HOST}/evil.pem",
        f"https://{HOST}/../evil{CERTIFICATE_PATH}",
        f" https://{HOST}{CERTIFICATE_PATH}",
        f"https://{HOST}\n{CERTIFICATE_PATH}",
        "",
        None,
    ],
)
def test_a_certificate_of_somebody_else_is_never_fetched(
    url: str | None, topic: SnsTopic, sns: FakeProvider
) -> None:
    with pytest.raises(CallbackRefused, match="certificate"):
        topic.message_of(changed(SigningCertURL=url))
    assert sns.requests == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: certificate(ec.generate_private_key(ec.SECP256R1())),
        lambda: certificate(rsa.generate_private_key(public_exponent=65_537, key_size=1_024)),  # noqa: S505
        lambda: certificate(rsa.generate_private_key(public_exponent=65_537, key_size=2_048)),
        lambda: b"<html>",
        lambda: b"",
    ],
    ids=["no RSA", "short", "another", "HTML", "nothing"],
)
def test_a_certificate_that_does_not_fit_is_refused(
    make: Callable[[], bytes], topic: SnsTopic, sns: FakeProvider
) -> None:
    sns.answer(f"GET {CERTIFICATE_PATH}", Answer(body=make()))
    with pytest.raises(CallbackRefused):
        topic.message_of(changed())


@pytest.fixture
def hurried(sns: FakeProvider) -> Iterator[SnsTopic]:
    client = HttpClient(
        allow_private_addresses=True, resolver=resolver_to(sns), timeouts=Timeouts(1, 1, 1)
    )
    with closing(client):
        yield SnsTopic(TOPIC, client, lambda: NOON)


@pytest.mark.parametrize("trouble", [Answer(500), Answer(503), Trouble.LOSE_REPLY])
def test_a_certificate_that_cannot_be_had_now_makes_sns_deliver_again(
    trouble: Any, hurried: SnsTopic, sns: FakeProvider
) -> None:
    sns.answer(f"GET {CERTIFICATE_PATH}", trouble)
    with pytest.raises(Unavailable, match="SNS"):
        hurried.message_of(changed())
    sns.answer(f"GET {CERTIFICATE_PATH}", Answer(404))
    with pytest.raises(CallbackRefused):
        hurried.message_of(changed())


def test_a_name_that_leads_inside_is_not_called(sns: FakeProvider) -> None:
    with closing(HttpClient(resolver=resolver_to(sns))) as guarded:
        topic = SnsTopic(TOPIC, guarded, lambda: NOON)
        with pytest.raises(Unavailable, match="is not called"):
            topic.message_of(changed())
    assert sns.requests == []


# -- subscriptions ----------------------------------------------------------------------------


def test_a_subscription_to_the_topic_is_confirmed(topic: SnsTopic, sns: FakeProvider) -> None:
    assert topic.message_of(signed(control())) == ""
    [request] = sns.requests_to("GET /")
    assert request.query["Action"] == "ConfirmSubscription"
    assert request.query["TopicArn"] == TOPIC


def test_the_end_of_a_subscription_is_nothing(topic: SnsTopic, sns: FakeProvider) -> None:
    assert topic.message_of(signed(control("UnsubscribeConfirmation"))) == ""
    assert sns.requests_to("GET /") == []


def test_a_confirmation_that_is_not_signed_calls_nobody(topic: SnsTopic, sns: FakeProvider) -> None:
    with pytest.raises(CallbackRefused):
        topic.message_of(delivered(control(Signature="eA==")))
    assert sns.requests_to("GET /") == []


@pytest.mark.parametrize(
    "url",
    [
        f"https://{HOST}.evil.example/?Action=ConfirmSubscription&TopicArn={TOPIC}",
        f"http://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}",
        f"https://{HOST}/?Action=Publish&TopicArn={TOPIC}",
        f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}2",
        f"https://{HOST}/?Action=ConfirmSubscription&Action=Publish&TopicArn={TOPIC}",
        "",
    ],
)
def test_a_confirmation_that_leads_elsewhere_calls_nobody(
    url: str, topic: SnsTopic, sns: FakeProvider
) -> None:
    with pytest.raises(CallbackRefused, match="confirmation"):
        topic.message_of(signed(control(SubscribeURL=url)))
    assert sns.requests_to("GET /") == []


def test_a_confirmation_that_fails_is_told(topic: SnsTopic, sns: FakeProvider) -> None:
    sns.answer("GET /", Answer(503))
    with pytest.raises(Unavailable, match="confirmation"):
        topic.message_of(signed(control()))
    sns.answer("GET /", Answer(403))
    with pytest.raises(CallbackRefused, match="confirmation"):
        topic.message_of(signed(control()))


@pytest.mark.parametrize(
    "arn",
    [
        "",
        TOPIC,
        "arn:aws-cn:sns:cn-north-1:123456789012:a",
        "arn:aws-us-gov:sns:us-gov-west-1:123456789012:a_b",
    ],
)
def test_an_arn_is_taken(arn: str) -> None:
    assert not list(topic_issues(arn))


@pytest.mark.parametrize("arn", ["mail", f"{TOPIC}:1", TOPIC.replace("sns", "sqs"), f"{TOPIC}/é"])
def test_what_is_no_arn_is_not_taken(arn: str) -> None:
    assert list(topic_issues(arn))


def test_without_a_topic_nothing_is_taken(http_with_sns: HttpClient, sns: FakeProvider) -> None:
    for arn in ("", "mail"):
        topic = SnsTopic(arn, http_with_sns, lambda: NOON)
        with pytest.raises(CallbackRefused):
            topic.message_of(signed(notification("hello", TopicArn=arn)))
    assert sns.requests == []
