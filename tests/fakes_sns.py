"""Amazon SNS as the receiver of a topic knows it: what it posts, and what it answers when asked.

It is called at its real name over TLS; a client with `resolver_to` finds it on this machine.
"""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from senderkit.http_client.network import Resolver, Target, resolve
from senderkit.providers.base import Callback
from tests.fakes import Authority
from tests.fakes_http import LOOPBACK, Answer, FakeProvider

HOST: Final = "sns.eu-west-1.amazonaws.com"
TOPIC: Final = "arn:aws:sns:eu-west-1:123456789012:mail"
CERTIFICATE_PATH: Final = "/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem"
SENT_AT: Final = "2026-03-02T11:59:58.123Z"

_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONTROL: Final = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
)


def fake_sns(authority: Authority) -> FakeProvider:
    """A server that gives the certificate out and confirms subscriptions."""
    server = FakeProvider(tls=authority.server_context(HOST))
    server.answer(f"GET {CERTIFICATE_PATH}", Answer(body=certificate(signing_key())))
    server.answer("GET /", Answer(body=b"<ConfirmSubscriptionResponse/>"))
    return server


def resolver_to(server: FakeProvider) -> Resolver:
    """Finds this server under the name of SNS, and everything else where it is."""

    def find(host: str, port: int) -> list[Target]:
        return resolve(host, port) if host != HOST else resolve(LOOPBACK, server.port)

    return find


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """The key of this run."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def certificate(key: Any) -> bytes:
    """A certificate of this key, as PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def notification(message: str, **changes: Any) -> dict[str, Any]:
    """The fields of a notification with this message, not signed yet."""
    usual = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": SENT_AT,
        "SignatureVersion": "1",
        "SigningCertURL": f"https://{HOST}{CERTIFICATE_PATH}",
        "UnsubscribeURL": f"https://{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:c9135db0",
    }
    return usual | changes


def control(kind: str = "SubscriptionConfirmation", **changes: Any) -> dict[str, Any]:
    """The fields of a request to confirm a subscription, or its end."""
    token = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a9"
    address = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={token}"
    usual = {
        "Type": kind,
        "Token": token,
        "SubscribeURL": address,
        "Message": "You have chosen to subscribe to the topic.",
    }
    return notification("", **(usual | changes))


def signed(fields: dict[str, Any], key: Any = None) -> Callback:
    """These fields as SNS delivers them."""
    names = _NOTIFICATION if fields["Type"] == "Notification" else _CONTROL
    text = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
    algorithm = hashes.SHA256() if fields["SignatureVersion"] == "2" else hashes.SHA1()  # noqa: S303
    signature = (key or signing_key()).sign(text.encode(), PKCS1v15(), algorithm)
    return delivered(fields | {"Signature": b64encode(signature).decode("ascii")})


def delivered(fields: dict[str, Any]) -> Callback:
    """A delivery of these fields, whatever they say."""
    headers = {
        "content-type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": str(fields.get("Type")),
        "x-amz-sns-message-id": str(fields.get("MessageId")),
        "x-amz-sns-topic-arn": str(fields.get("TopicArn")),
    }
    body = json.dumps(fields).encode()
    return Callback("https://notify.acme.example/hooks/ses/1", headers, body)
