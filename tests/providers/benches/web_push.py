from __future__ import annotations

import json
from functools import cache
from typing import Any, ClassVar

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from senderkit.domain import Channel, Outgoing
from senderkit.errors import Refused, Unavailable
from senderkit.providers.vapid import VapidKeys, from_base64url, new_vapid_keys, to_base64url
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import HttpBench, Refusal

AUTH = b"sixteen bytes it"
LOCATION = "https://push.example/m/gAAAAABmessage"


@cache
def keys_of(owner: str) -> VapidKeys:
    """A sender's key pair, the same for a whole test run."""
    return new_vapid_keys()


@cache
def browser_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def subscription(endpoint: str, **keys: Any) -> str:
    """What a browser gives out, as JSON text."""
    usual = {"p256dh": to_base64url(public_point(browser_key())), "auth": to_base64url(AUTH)}
    return json.dumps({"endpoint": endpoint, "expirationTime": None, "keys": usual | keys})


def decrypted(body: bytes) -> bytes:
    """What the browser reads."""
    plain: bytes = http_ece.decrypt(
        body, private_key=browser_key(), auth_secret=AUTH, version="aes128gcm"
    )
    return plain


def claims_of(request: Recorded, audience: str) -> dict[str, Any]:
    """What a request's signature says. Raises `jwt.InvalidTokenError` if it is not Acme's."""
    scheme, _, rest = request.headers["authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(","))
    assert scheme == "vapid"
    assert parts["k"] == keys_of("acme").public_key
    point = from_base64url(parts["k"])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    options: Any = {"verify_exp": False}
    claims: dict[str, Any] = jwt.decode(
        parts["t"], key, algorithms=["ES256"], audience=audience, options=options
    )
    return claims


def text(status: int, words: str) -> Answer:
    return Answer(status, body=words.encode(), headers={"Content-Type": "text/plain"})


class WebPushBench(HttpBench):
    message_names_server = True
    success_says_nothing = True
    sending = "POST /push/v2/gAAAAABsubscription"
    accepts = Answer(201, headers={"Location": LOCATION})
    unauthorized = text(403, "invalid JWT provided")
    refusals: ClassVar = (
        Refusal("gone", Answer(410, json={"reason": "Unregistered"}), Refused),
        Refusal("not found", Answer(404, json={"code": 404, "errno": 102}), Refused),
        Refusal("too large", text(413, "Payload too large"), Refused),
        Refusal("bad request", Answer(400, json={"reason": "BadRequest"}), Refused),
        Refusal(
            "another key",
            text(
                403,
                "the VAPID credentials in the authorization header do not correspond to the "
                "credentials used to create the subscriptions.",
            ),
            Refused,
        ),
        Refusal(
            "another key, at Apple", Answer(403, json={"reason": "VapidPkHashMismatch"}), Refused
        ),
        Refusal("an odd server", Answer(401), Refused),
        Refusal("a server of another kind", Answer(405), Refused),
        Refusal("wants money", Answer(402), Refused),
        Refusal("overloaded", Answer(503), Unavailable),
    )

    def __init__(self) -> None:
        super().__init__()
        self.credentials = self.fields()

    def fields(self) -> dict[str, str]:
        return {
            "private_key": keys_of("acme").private_key,
            "subject": "mailto:ops@acme.example",
        }

    def message(self, channel: Channel, **changes: Any) -> Outgoing:
        endpoint = f"{self.server.url}{self.sending.partition(' ')[2]}"
        return super().message(channel, **({"recipient": subscription(endpoint)} | changes))

    def aimed_at(self, url: str, channel: Channel) -> tuple[dict[str, str], Outgoing]:
        return self.credentials, self.message(channel, recipient=subscription(url))

    def is_authorized(self, request: Recorded) -> bool:
        try:
            claims_of(request, self.server.url)
        except jwt.InvalidTokenError:
            return False
        return True

    def error(self, words: str) -> Answer:
        return text(400, words)


BENCH = WebPushBench
