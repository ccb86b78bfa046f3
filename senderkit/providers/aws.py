"""What all adapters of Amazon's services share: signed requests, and messages that SNS brings.

::

    AwsAdapter      signs each request (Signature Version 4) with the fields in AWS_FIELDS
    find_error_code the code of a refusal of a service that speaks JSON; BY_CODE: what it means
    SnsTopic        checks an HTTP delivery of SNS, confirms subscriptions, gives the message out
    topic_issues    what is wrong with the ARN that a person entered

The signature is computed by botocore, which is an extra (`senderkit-server[aws]`) and therefore
imported when the first request is signed. The call itself goes through our own HTTP client.
"""

from __future__ import annotations

import logging
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from senderkit.domain import Clock, JsonObject
from senderkit.errors import (
    AccountBroken,
    CallbackRefused,
    DeliveryError,
    Issue,
    Refused,
    Unavailable,
)
from senderkit.http_client import HttpClient, Reply, Request, Timeouts, check_url
from senderkit.providers.base import Callback, Field
from senderkit.providers.callbacks import json_object, moment_of
from senderkit.providers.over_http import HttpAdapter

AWS_FIELDS: Final = (
    Field(
        "region",
        "Region",
        "Where the service is set up, such as eu-west-1.",
        is_required=True,
    ),
    Field(
        "access_key_id",
        "Access key ID",
        "Of an IAM user that may do no more than this connection needs.",
        is_required=True,
    ),
    Field(
        "secret_access_key",
        "Secret access key",
        "Shown once, when the access key is created in IAM.",
        is_secret=True,
        is_required=True,
    ),
)

BY_CODE: Final[Mapping[str, type[DeliveryError]]] = {
    "AccessDenied": AccountBroken,
    "AccessDeniedException": AccountBroken,
    "ExpiredToken": AccountBroken,
    "ExpiredTokenException": AccountBroken,
    "IncompleteSignature": AccountBroken,
    "IncompleteSignatureException": AccountBroken,
    "InvalidClientTokenId": AccountBroken,
    "InvalidSignatureException": AccountBroken,
    "MissingAuthenticationToken": AccountBroken,
    "MissingAuthenticationTokenException": AccountBroken,
    "NotAuthorized": AccountBroken,
    "OptInRequired": AccountBroken,
    "SignatureDoesNotMatch": AccountBroken,
    "UnrecognizedClientException": AccountBroken,
    "InternalFailure": Unavailable,
    "InternalServerError": Unavailable,
    "RequestTimeoutException": Unavailable,
    "ServiceUnavailable": Unavailable,
    "Throttling": Unavailable,
    "ThrottlingException": Unavailable,
    "TooManyRequestsException": Unavailable,
    "ValidationError": Refused,
}
"""Error codes that any of Amazon's services may answer. A service's own come before them."""

STALE_AFTER: Final = timedelta(days=1)
"""SNS tries a delivery again for an hour at most; the rest allows for clocks and outages."""

_REGION: Final = re.compile("[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")
_ARN: Final = re.compile(
    rf"arn:aws(-[a-z-]{{1,12}})?:sns:(?P<region>{_REGION.pattern}):[0-9]{{12}}:[\w-]{{1,256}}",
    re.ASCII,
)
_SUFFIXES: Final = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
_CERTIFICATE: Final = re.compile(r"https://[^/]+/SimpleNotificationService-[0-9a-f]{8,64}\.pem")

_SIGNED_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_CONTROL: Final = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
)
_SIGNED: Final = {
    "Notification": _SIGNED_NOTIFICATION,
    "SubscriptionConfirmation": _SIGNED_CONTROL,
    "UnsubscribeConfirmation": _SIGNED_CONTROL,
}
_OPTIONAL: Final = "Subject"
_LEAST_KEY_BITS: Final = 2_048

# A provider waits 15 seconds for our answer, and two calls may be needed.
_BRIEF: Final = Timeouts(connect_seconds=3, read_seconds=3, total_seconds=5)

# At DEBUG it writes the string to sign into the log.
logging.getLogger("botocore").setLevel(logging.WARNING)


# -- what we ask ------------------------------------------------------------------------------


class AwsAdapter(HttpAdapter):
    """An adapter with the fields of `AWS_FIELDS` and a `base_url` that may be empty.

    `service` is the name in the signature, `endpoint` the one that opens the host's.
    """

    service: ClassVar[str]
    endpoint: ClassVar[str]

    def _base_url(self) -> str:
        region = self._credentials["region"]
        own = f"https://{self.endpoint}.{region}.{domain_of(region)}"
        return self._credentials["base_url"] or own

    def _call(self, request: Request) -> Reply:
        check_url(request.url)  # botocore crashes on what is no address
        signed = sign(request, self.service, self._credentials, self._clock())
        reply = super()._call(signed)
        # A server that repeats its request must not make us show what was made from the secret.
        signature = signed.headers["Authorization"].rpartition("=")[2]
        return replace(reply, body=reply.body.replace(signature.encode("ascii"), b"[hidden]"))


def sign(request: Request, service: str, account: Mapping[str, str], at: datetime) -> Request:
    """The request with `X-Amz-Date` and `Authorization`; `account` holds the `AWS_FIELDS`.

    Raises `AccountBroken` where botocore is not installed.
    """
    try:
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415
    except ImportError as error:
        raise AccountBroken("Amazon needs botocore: install senderkit-server[aws].") from error
    keys = Credentials(account["access_key_id"], account["secret_access_key"])
    signer = SigV4Auth(keys, service, account["region"])
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    headers = {**request.headers, "X-Amz-Date": stamp}
    draft = AWSRequest(request.method, request.url, headers, request.body or b"")
    draft.context["timestamp"] = stamp
    signature = signer.signature(
        signer.string_to_sign(draft, signer.canonical_request(draft)), draft
    )
    names = signer.signed_headers(signer.headers_to_sign(draft))
    proof = f"Credential={signer.scope(draft)}, SignedHeaders={names}, Signature={signature}"
    return replace(request, headers={**headers, "Authorization": f"AWS4-HMAC-SHA256 {proof}"})


def domain_of(region: str) -> str:
    """The domain under which the services of a region stand."""
    found = (suffix for start, suffix in _SUFFIXES.items() if region.startswith(start))
    return next(found, "amazonaws.com")


def region_issues(region: str) -> Iterator[Issue]:
    """What is wrong with the region that a person entered: it becomes a part of a host name."""
    if not _REGION.fullmatch(region):
        yield Issue("invalid", ("region",), "Region must be a name such as eu-west-1.")


def find_error_code(reply: Reply) -> str:
    """The error code of a service that speaks JSON, or nothing."""
    data = reply.json_object()
    code = reply.headers.get("x-amzn-errortype") or data.get("__type") or data.get("code")
    return str(code or "").partition(":")[0].rpartition("#")[2]


# -- what SNS brings --------------------------------------------------------------------------


class SnsTopic:
    """Deliveries of one SNS topic, by its ARN. Safe to use from several threads.

    Anybody can subscribe our address to a topic of theirs, with signatures that are as good as
    ours: so nothing counts but the topic of this ARN. Certificates are fetched from the SNS of the
    topic's own region and nowhere else, and kept.
    """

    def __init__(self, arn: str, http: HttpClient, clock: Clock) -> None:
        self._arn = arn
        self._http = http
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}

    def message_of(self, callback: Callback) -> str:
        """The `Message` of a notification; empty for every other delivery.

        A request to confirm a subscription to this topic is confirmed by calling SNS. Raises
        `CallbackRefused` for what does not prove that it comes from this topic, `Unavailable` when
        SNS cannot be asked just now: then SNS shall deliver again, so the answer is 503.
        """
        fields = self._verified(callback)
        if fields["Type"] == "SubscriptionConfirmation":
            self._confirm(fields["SubscribeURL"])
        return fields["Message"] if fields["Type"] == "Notification" else ""

    def _verified(self, callback: Callback) -> Mapping[str, str]:
        """The signed fields. What costs nothing to check comes before a certificate is fetched."""
        data = json_object(callback.body)
        fields = _signed_fields(data)
        self._check_origin(callback, fields)
        self._check_age(fields["Timestamp"])
        self._check_signature(data, fields)
        return fields

    def _check_origin(self, callback: Callback, fields: Mapping[str, str]) -> None:
        if not self._arn:
            raise CallbackRefused("This connection has no topic for callbacks.")
        topics = {fields["TopicArn"], callback.headers.get("x-amz-sns-topic-arn")}
        kinds = {fields["Type"], callback.headers.get("x-amz-sns-message-type")}
        if topics != {self._arn} or len(kinds) > 1:
            raise CallbackRefused("The callback does not come from the topic agreed on.")

    def _check_age(self, timestamp: str) -> None:
        now = self._clock()
        said = moment_of(timestamp, now - 2 * STALE_AFTER)
        if abs(now - said) > STALE_AFTER:
            raise CallbackRefused("The callback is too old, or dated in the future.")

    def _check_signature(self, data: JsonObject, fields: Mapping[str, str]) -> None:
        algorithm = _algorithm(data.get("SignatureVersion"))
        key = self._key(str(data.get("SigningCertURL")))
        text = "".join(f"{name}\n{value}\n" for name, value in fields.items())
        try:
            signature = b64decode(str(data.get("Signature")), validate=True)
            key.verify(signature, text.encode(), PKCS1v15(), algorithm)
        except (ValueError, InvalidSignature):
            raise CallbackRefused("The signature of the callback is not valid.") from None

    def _key(self, url: str) -> RSAPublicKey:
        if not self._is_at_sns(url) or not _CERTIFICATE.fullmatch(url):
            raise CallbackRefused("The callback names a certificate that is not Amazon's.")
        if url not in self._keys:
            self._keys[url] = _key_of(self._ask(url, "certificate"))
        return self._keys[url]

    def _confirm(self, url: str) -> None:
        query = parse_qs(urlsplit(url).query) if self._is_at_sns(url) else {}
        asked = (query.get("Action"), query.get("TopicArn"))
        if asked != (["ConfirmSubscription"], [self._arn]):
            raise CallbackRefused("The callback asks for something else than its confirmation.")
        self._ask(url, "confirmation")

    def _is_at_sns(self, url: str) -> bool:
        """Whether a URL, made of printable ASCII only, leads to the SNS of the topic's region."""
        found = _ARN.fullmatch(self._arn)
        region = found["region"] if found else ""
        start = f"https://sns.{region}.{domain_of(region)}/"
        return bool(region) and url.startswith(start) and url.isascii() and url.isprintable()

    def _ask(self, url: str, what: str) -> bytes:
        try:
            reply = self._http.send(Request("GET", url), _BRIEF)
        except DeliveryError as error:
            raise Unavailable(f"Amazon SNS cannot be asked for a {what}: {error}") from error
        if reply.status >= 500 or not reply.is_whole:
            raise Unavailable(f"Amazon SNS gives no {what} now (HTTP {reply.status}).")
        if reply.status != 200:
            raise CallbackRefused(f"Amazon SNS gives no {what} (HTTP {reply.status}).")
        return reply.body


def topic_issues(arn: str) -> Iterator[Issue]:
    """What is wrong with a topic's ARN that a person entered; none is nothing wrong."""
    if arn and not _ARN.fullmatch(arn):
        message = "SNS topic must be an ARN such as arn:aws:sns:eu-west-1:123456789012:mail."
        yield Issue("invalid", ("topic_arn",), message)


def _signed_fields(data: JsonObject) -> dict[str, str]:
    """The fields that are signed, in the order in which they are. Raises `CallbackRefused`."""
    names = _SIGNED.get(str(data.get("Type")), ())
    wanted = [name for name in names if name != _OPTIONAL or data.get(name) is not None]
    fields = {name: data[name] for name in wanted if _is_text(data.get(name))}
    if not names or len(fields) < len(wanted):
        raise CallbackRefused("The callback is not a delivery of Amazon SNS.")
    return fields


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _algorithm(version: object) -> hashes.HashAlgorithm:
    if version == "2":
        return hashes.SHA256()
    if version == "1":
        # Still what a topic signs with unless its owner chooses 2.
        return hashes.SHA1()  # noqa: S303
    raise CallbackRefused("The callback is signed in a way that is not known.")


def _key_of(certificate: bytes) -> RSAPublicKey:
    try:
        key = load_pem_x509_certificate(certificate).public_key()
    except ValueError:
        raise CallbackRefused("What should be a certificate is none.") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_KEY_BITS:
        raise CallbackRefused("The certificate holds no key that signs such callbacks.")
    return key
