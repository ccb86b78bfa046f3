"""Push to browsers: RFC 8030, encrypted by RFC 8291 and signed by RFC 8292 (VAPID).

The service worker gets the content as JSON, by the names it was sent with: `title`, `body`, `icon`,
`clickUrl`, `badge` and `data`, whatever of them the message has, and `tag`, the message's own id:
`showNotification` with it shows a repeated message once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from senderkit.domain import Channel, Clock, JsonObject, Outgoing, Receipt, WebPushBody
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    DestinationRefused,
    Issue,
    Refused,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.base import Adapter, Fact, Field, Provider, find_text, readable
from senderkit.providers.callbacks import object_of
from senderkit.providers.over_http import HttpAdapter
from senderkit.providers.pushes import TTL_SECONDS, read_web_push, utf8_json
from senderkit.providers.vapid import (
    from_base64url,
    is_subject,
    new_vapid_keys,
    public_key_of,
    to_base64url,
)

ACCEPTED: Final = frozenset({200, 201, 202})
"""RFC 8030 says 201; some services answer 200 or 202."""

GONE: Final = "The browser no longer accepts notifications: its subscription has ended."
GONE_STATUSES: Final = frozenset({404, 410})

OTHER_KEY: Final = "The subscription was made with another VAPID key than the connection's."
OTHER_KEY_SIGNS: Final = (
    "do not correspond to the credentials used to create the subscription",
    "VapidPkHashMismatch",
    "UnauthorizedRegistration",
)
"""How push services say so: Google's and Mozilla's words, and two codes."""
OTHER_KEY_STATUSES: Final = frozenset({400, 401, 403})

PUSH_SERVICES: Final = (
    "fcm.googleapis.com",
    ".push.services.mozilla.com",
    ".push.apple.com",
    ".notify.windows.com",
)
"""The browsers' own services. Only they may say that our key or subject is not right: any other
server was named by a subscription, and must not be able to stop the connection."""

MOST_PLAIN_BYTES: Final = 3_993
"""A push service takes a body of 4,096 bytes, of which encryption needs 103."""

SIGNATURE_LIFETIME: Final = timedelta(hours=12)

_POINT_BYTES: Final = 65
_AUTH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a browser listens, and the keys to encrypt for it. The endpoint itself is a secret."""

    endpoint: str = field(repr=False)
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)

    @property
    def origin(self) -> str:
        """`https://host`, with its port when that is not the usual one."""
        parts = urlsplit(self.endpoint)
        usual = {"https": 443, "http": 80}.get(parts.scheme)
        port = "" if parts.port in {None, usual} else f":{parts.port}"
        return f"{parts.scheme}://{parts.hostname}{port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The endpoint, and what in it a server may repeat: whoever knows it may send there."""
        parts = urlsplit(self.endpoint)
        return tuple(text for text in (self.endpoint, parts.path, parts.query) if len(text) > 1)

    @property
    def is_at_a_push_service(self) -> bool:
        host = urlsplit(self.endpoint).hostname or ""
        return any(host == own or (own[0] == "." and host.endswith(own)) for own in PUSH_SERVICES)


class WebPushAdapter(HttpAdapter):
    """One VAPID key pair. The message says where it goes."""

    def __init__(
        self, provider: Provider, values: Mapping[str, str], clock: Clock, http: HttpClient
    ) -> None:
        super().__init__(provider, values, clock, http)
        self._encryption = _Encryption(values["private_key"])

    def send(self, outgoing: Outgoing) -> Receipt:
        payload = build_payload(read_web_push(outgoing), outgoing.message_id)
        subscription = read_subscription(outgoing.recipient)
        login = self._encryption.sign(self._claims(subscription))
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(TTL_SECONDS),
            "Urgency": "high",
            # A second try replaces the first while the service still keeps it.
            "Topic": outgoing.message_id[:32],
            "Authorization": login,
        }
        body = self._encryption.encrypt(subscription, payload)
        reply = self._call(Request("POST", subscription.endpoint, headers, body))
        if reply.status not in ACCEPTED:
            raise self._refusal(reply, subscription, login)
        return Receipt(find_text(reply.headers.get("location")))

    def check(self) -> None:
        """Nothing to call: key and subject were checked when the connection was made."""

    def _call(self, request: Request) -> Reply:
        try:
            return super()._call(request)
        except DestinationRefused as error:
            # It came with the message: a bad subscription says nothing about the connection.
            raise Refused(str(error)) from error

    def _claims(self, subscription: Subscription) -> dict[str, Any]:
        expires_at = int((self._clock() + SIGNATURE_LIFETIME).timestamp())
        subject = self._credentials["subject"]
        return {"aud": subscription.origin, "exp": expires_at, "sub": subject}

    def _refusal(self, reply: Reply, subscription: Subscription, login: str) -> DeliveryError:
        if reply.status in GONE_STATUSES:
            return self._error(Refused, reply, GONE)
        words = _words(reply)
        if reply.status in OTHER_KEY_STATUSES and any(sign in words for sign in OTHER_KEY_SIGNS):
            return self._error(Refused, reply, OTHER_KEY)
        token = login.partition("t=")[2].partition(",")[0]
        said = readable(words, [token, *subscription.secrets])
        error = self._error_by_status(reply, said)
        is_about_us = reply.status in {401, 403} and subscription.is_at_a_push_service
        if isinstance(error, AccountBroken) and not is_about_us:
            return self._error(Refused, reply, said)
        return error


class _Encryption:
    """What the optional library does. Raises `AccountBroken` when it is not installed."""

    def __init__(self, private_key: str) -> None:
        try:
            # Slow to import, and only this provider needs them.
            import py_vapid  # noqa: PLC0415
            import pywebpush  # noqa: PLC0415
        except ImportError:
            raise AccountBroken(
                "Web push needs the package pywebpush: install senderkit-server[webpush]."
            ) from None
        self._pusher = pywebpush.WebPusher
        self._vapid = py_vapid.Vapid02.from_raw(private_key.rstrip("=").encode("ascii"))
        self._fault = py_vapid.VapidException

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The value of the `Authorization` header. Raises `Refused` for an endpoint on no name."""
        try:
            return str(self._vapid.sign(claims)["Authorization"])
        except self._fault:
            raise Refused("The push subscription's endpoint is not on a host name.") from None

    def encrypt(self, subscription: Subscription, plain: bytes) -> bytes:
        keys = {
            "p256dh": to_base64url(subscription.p256dh),
            "auth": to_base64url(subscription.auth),
        }
        info = {"endpoint": subscription.endpoint, "keys": keys}
        return bytes(self._pusher(info).encode(plain)["body"])


class WebPushProvider(Provider):
    name = "web_push"
    label = "Web push"
    channel = Channel.WEB_PUSH
    capabilities = frozenset()
    callback_help = (
        "Push services report nothing once they have taken a message, which stays at sent. A "
        "subscription that has ended shows with the next message to it."
    )
    checks_alone = True
    makes = "Make a key pair"
    fields = (
        Field(
            "private_key",
            "VAPID private key",
            "43 characters. Browsers subscribe with the public key that belongs to it; with "
            "another key all their subscriptions end.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "subject",
            "Contact",
            "How a push service reaches you about your messages: mailto:ops@acme.example or "
            "https://acme.example.",
            is_required=True,
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return WebPushAdapter(self, values, clock, http)

    def new_secrets(self) -> dict[str, str]:
        return {"private_key": new_vapid_keys().private_key}

    def public_facts(self, values: Mapping[str, str]) -> Sequence[Fact]:
        private_key = values.get("private_key", "")
        if any(_key_issues(private_key)):
            return ()
        words = "Browsers subscribe with it, as applicationServerKey; it is no secret."
        return (Fact("VAPID public key", words, public_key_of(private_key)),)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "private_key" not in bad_fields:
            yield from _key_issues(values["private_key"])
        if "subject" not in bad_fields and not is_subject(values["subject"]):
            message = "Contact must be mailto: and an email address, or https:// and a host name."
            yield Issue("invalid", ("subject",), message)


def read_subscription(recipient: str) -> Subscription:
    """The subscription in a recipient's JSON text. Raises `Refused`, repeating nothing of it."""
    data = _parse_subscription(recipient)
    keys = object_of(data.get("keys"))
    endpoint, p256dh, auth = data.get("endpoint"), keys.get("p256dh"), keys.get("auth")
    if not isinstance(endpoint, str) or not _has_host(endpoint):
        raise Refused("The push subscription has no endpoint that can be called.")
    point = from_base64url(p256dh) if isinstance(p256dh, str) else b""
    if len(point) != _POINT_BYTES or not _is_on_curve(point):
        raise Refused("The push subscription's key p256dh is not a public key.")
    secret = from_base64url(auth) if isinstance(auth, str) else b""
    if len(secret) != _AUTH_BYTES:
        raise Refused("The push subscription's key auth is not 16 bytes.")
    return Subscription(endpoint, point, secret)


def _parse_subscription(recipient: str) -> JsonObject:
    try:
        return object_of(json.loads(recipient))
    except (ValueError, RecursionError):
        raise Refused("The push subscription is not JSON.") from None


def build_payload(body: WebPushBody, message_id: str) -> bytes:
    """What the service worker gets. Raises `Refused` when it is too large for a push service."""
    payload = {
        "title": body.title,
        "body": body.body,
        "icon": body.icon,
        "clickUrl": body.click_url,
        "badge": body.badge,
        "data": dict(body.data) or None,
        "tag": message_id,
    }
    plain = utf8_json({name: value for name, value in payload.items() if value is not None})
    if len(plain) > MOST_PLAIN_BYTES:
        raise Refused(
            f"Push services take no more than {MOST_PLAIN_BYTES:,} bytes of content: "
            f"these are {len(plain):,}."
        )
    return plain


def _words(reply: Reply) -> str:
    """What a push service says in JSON or in plain text; markup is nothing to show."""
    data = reply.json_object()
    for name in ("message", "reason", "error"):
        if isinstance(data.get(name), str):
            return str(data[name])
    is_plain = reply.headers.get("content-type", "").startswith("text/plain")
    return reply.text() if is_plain else ""


def _has_host(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        # Reading the port is what checks it.
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_on_curve(point: bytes) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return False
    return True


def _key_issues(private_key: str) -> Iterator[Issue]:
    try:
        public_key_of(private_key)
    except ValueError:
        message = "VAPID private key must be 43 characters of base64url, as it was generated."
        yield Issue("invalid", ("private_key",), message)
