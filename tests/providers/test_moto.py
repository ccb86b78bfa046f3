"""Amazon's adapters against moto, which knows Amazon's APIs and signatures from another source.

It is a server of its own on a socket. What it does not have, such as the account of SES version 2
or the codes of its errors in JSON, `test_ses.py` and `test_sns.py` test on our own fake.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email import message_from_string
from typing import Any, Final

import botocore.session
import pytest
from moto.core.authorization import enable_iam_authentication
from moto.iam.models import iam_backends
from moto.server import ThreadedMotoServer
from moto.ses.models import SESBackend, ses_backends
from moto.sns.models import SNSBackend, sns_backends

from senderkit.domain import Channel, SmsBody
from senderkit.errors import AccountBroken, Refused
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from tests.fakes_http import LOOPBACK
from tests.providers import samples
from tests.providers.conftest import NOON

REGION: Final = "eu-west-1"
ACCOUNT: Final = "123456789012"
MAY: Final = ["ses:SendEmail", "ses:SendRawEmail", "sns:Publish"]

Key = dict[str, str]


@dataclass(frozen=True)
class Aws:
    """moto, up: what it has taken, and Amazon's own client for setting an account up."""

    url: str

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "AKIDOWNER", "aws_secret_access_key": "owner"}
        session = botocore.session.get_session()
        return session.create_client(service, REGION, endpoint_url=self.url, **keys)

    @property
    def ses(self) -> SESBackend:
        return ses_backends[ACCOUNT][REGION]

    @property
    def sns(self) -> SNSBackend:
        return sns_backends[ACCOUNT][REGION]

    def new_key(self, may: list[str]) -> Key:
        """The access key of a new user who may do this and nothing else."""
        iam = self.client("iam")
        iam.create_user(UserName="senderkit")
        statement = {"Effect": "Allow", "Action": may or ["ec2:StopInstances"], "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_user_policy(
            UserName="senderkit", PolicyName="sends", PolicyDocument=json.dumps(policy)
        )
        key = iam.create_access_key(UserName="senderkit")["AccessKey"]
        return {
            "access_key_id": key["AccessKeyId"],
            "secret_access_key": key["SecretAccessKey"],
        }


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(LOOPBACK, 0, verbose=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def aws(server: ThreadedMotoServer) -> Aws:
    """An account in which the domain acme.example is verified."""
    host, port = server.get_host_and_port()
    for backends in (ses_backends, sns_backends, iam_backends):
        backends.reset()
    aws = Aws(f"http://{host}:{port}")
    aws.client("sesv2").create_email_identity(EmailIdentity="acme.example")
    return aws


MakeAdapter = Callable[..., Adapter]


@pytest.fixture
def connect(aws: Aws, http: HttpClient) -> Iterator[MakeAdapter]:
    own: dict[str, dict[str, str]] = {"ses": {"from": "Acme <hello@acme.example>"}, "sns": {}}

    with ExitStack() as adapters:

        def make(name: str, key: Key) -> Adapter:
            credentials = {"region": REGION, "base_url": aws.url} | own[name] | key
            adapter = get_provider(name).connect(credentials, lambda: NOON, http)
            adapters.callback(adapter.close)
            return adapter

        yield make


def test_ses_takes_an_email_with_everything_in_it(aws: Aws, connect: MakeAdapter) -> None:
    ses = connect("ses", aws.new_key(MAY))
    with enable_iam_authentication():
        receipt = ses.send(samples.outgoing(Channel.EMAIL, **samples.FULL_EMAIL))

    [taken] = aws.ses.sent_messages
    assert receipt.provider_message_id == taken.id
    assert set(taken.destinations) >= {"bo@example.com", "cy@example.com", "di@example.com"}
    mail = message_from_string(taken.raw_data)
    assert "di@example.com" not in taken.raw_data.partition("\r\n\r\n")[0]
    names = [part.get_filename() for part in mail.walk() if part.get_filename()]
    assert len(names) == len(samples.FULL_EMAIL["attachments"])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_ses_refuses_a_sender_that_is_not_verified(aws: Aws, connect: MakeAdapter) -> None:
    aws.client("sesv2").delete_email_identity(EmailIdentity="acme.example")
    words = r"hello@acme\.example \(code MessageRejected\)"
    ses = connect("ses", aws.new_key(MAY))
    with pytest.raises(Refused, match=words):
        ses.send(samples.outgoing(Channel.EMAIL))
    assert aws.ses.sent_messages == []


def test_sns_takes_a_text_message(aws: Aws, connect: MakeAdapter) -> None:
    words = "Grüße & <b> 100 % + = ? 👋"
    body = SmsBody(words)
    sns = connect("sns", aws.new_key(MAY))
    with enable_iam_authentication():
        receipt = sns.send(samples.outgoing(Channel.SMS, body=body))

    taken = aws.sns.sms_messages
    assert taken == {receipt.provider_message_id: ("+15550100200", words)}


def test_a_check_of_sns_reads_its_settings(aws: Aws, connect: MakeAdapter) -> None:
    # moto takes the query of a GET for its body, so it cannot check that signature.
    connect("sns", aws.new_key(MAY)).check()


@pytest.mark.parametrize("name", ["ses", "sns"])
@pytest.mark.parametrize("fault", ["unknown", "wrong", "denied"])
def test_a_key_that_is_not_right_breaks_the_account(
    aws: Aws, connect: MakeAdapter, name: str, fault: str
) -> None:
    key = aws.new_key([] if fault == "denied" else MAY)
    other = {
        "unknown": {"access_key_id": "AKIDEXAMPLE"},
        "wrong": {"secret_access_key": key["secret_access_key"].swapcase()},
        "denied": {},
    }
    message = samples.outgoing(get_provider(name).channel)
    adapter = connect(name, key | other[fault])
    with enable_iam_authentication(), pytest.raises(AccountBroken, match="HTTP 403") as raised:
        adapter.send(message)

    assert key["secret_access_key"].lower() not in str(raised.value).lower()
    assert aws.ses.sent_messages == []
    assert aws.sns.sms_messages == {}
