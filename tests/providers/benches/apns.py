from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from senderkit.errors import AccountBroken, Refused, Unavailable
from senderkit.providers.apns import NOBODYS_TOKEN
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import HttpBench, Refusal

APNS_ID = "eabeae54-14a8-11e5-b60b-1697f925ec7b"


@cache
def key_of(owner: str) -> ec.EllipticCurvePrivateKey:
    """A key of this owner's, the same for a whole test run."""
    return ec.generate_private_key(ec.SECP256R1())


def p8_of(owner: str) -> str:
    """It as a .p8 file."""
    key = key_of(owner)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def token_of(request: Recorded) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme == "bearer" else ""


def claims_of(token: str) -> dict[str, Any]:
    """Raises `jwt.InvalidTokenError` for a token that the account did not sign."""
    options: Any = {"require": ["iss", "iat"], "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(
        token, key_of("acme").public_key(), algorithms=["ES256"], options=options
    )
    return claims


def refused(status: int, reason: str, **more: Any) -> Answer:
    return Answer(status, json={"reason": reason, **more}, headers={"apns-id": APNS_ID})


class ApnsBench(HttpBench):
    sending = "POST /3/device/*"
    accepts = Answer(200, headers={"apns-id": APNS_ID})
    unauthorized = refused(403, "InvalidProviderToken")
    rate_limited = refused(429, "TooManyRequests")
    refusals: ClassVar = (
        Refusal("gone", refused(410, "Unregistered", timestamp=1454948015990), Refused),
        Refusal("expired token", refused(410, "ExpiredToken"), Refused),
        Refusal("bad token", refused(400, "BadDeviceToken"), Refused),
        Refusal("no token", refused(400, "MissingDeviceToken"), Refused),
        Refusal("another app's token", refused(400, "DeviceTokenNotForTopic"), Refused),
        Refusal("too large", refused(413, "PayloadTooLarge"), Refused),
        Refusal("empty", refused(400, "PayloadEmpty"), Refused),
        Refusal("bad push type", refused(400, "InvalidPushType"), Refused),
        Refusal("a reason of tomorrow", refused(400, "BadWeather"), Refused),
        Refusal("wrong key", refused(403, "InvalidProviderToken"), AccountBroken),
        Refusal("no key", refused(403, "MissingProviderToken"), AccountBroken),
        Refusal("stale for good", refused(403, "ExpiredProviderToken"), AccountBroken),
        Refusal("bad topic", refused(400, "BadTopic"), AccountBroken),
        Refusal("forbidden topic", refused(400, "TopicDisallowed"), AccountBroken),
        Refusal("another team's key", refused(403, "UnrelatedKeyIdInToken"), AccountBroken),
        Refusal("another place's key", refused(403, "BadEnvironmentKeyIdInToken"), AccountBroken),
        Refusal("forbidden", refused(403, "Forbidden"), AccountBroken),
        Refusal("wrong path", refused(404, "BadPath"), AccountBroken),
        Refusal("shutdown", refused(503, "Shutdown"), Unavailable),
        Refusal("overloaded", refused(503, "ServiceUnavailable"), Unavailable),
        Refusal("internal", refused(500, "InternalServerError"), Unavailable),
        Refusal("idle", refused(400, "IdleTimeout"), Unavailable),
        Refusal("too many tokens", refused(429, "TooManyProviderTokenUpdates"), Unavailable),
    )

    def fields(self) -> dict[str, str]:
        return {
            "private_key": p8_of("acme"),
            "key_id": "ABC123DEFG",
            "team_id": "DEF123GHIJ",
            "bundle_id": "com.acme.shop",
            "environment": "production",
        }

    def wrong_credentials(self) -> dict[str, str]:
        return self.credentials | {"private_key": p8_of("somebody else")}

    def is_authorized(self, request: Recorded) -> bool:
        try:
            claims_of(token_of(request))
        except jwt.InvalidTokenError:
            return False
        return True

    def error(self, words: str) -> Answer:
        return refused(400, words)

    def find_trial_answer(self, request: Recorded) -> Answer | None:
        is_trial = request.path.endswith(NOBODYS_TOKEN)
        return refused(400, "BadDeviceToken") if is_trial else None


BENCH = ApnsBench
