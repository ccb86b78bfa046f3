from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from senderkit.domain import Channel, Outgoing
from senderkit.errors import AccountBroken, Refused, Unavailable
from senderkit.providers.fcm import AUDIENCE, GRANT
from tests.fakes_http import Answer, Recorded, Reply
from tests.providers.benches.base import SECRET, HttpBench, Refusal

NAME = "projects/acme-shop/messages/0:1500415314455276%31bd1c9631bd1c96"
ACCESS_TOKEN = "ya29.c.b0Aaekm1K-access"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
TOKENS = "POST /token"


@cache
def key_of(owner: str) -> rsa.RSAPrivateKey:
    """A key of this owner's, the same for a whole test run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(owner: str, **changes: Any) -> dict[str, Any]:
    """A service account's key file, as the Firebase console gives it out."""
    key = key_of(owner)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "project_id": "acme-shop",
        "private_key_id": f"{SECRET}-id",
        "private_key": pem,
        "client_email": "firebase-adminsdk@acme-shop.iam.gserviceaccount.com",
        "client_id": "104",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://token.evil.example/",
    } | changes


def refused(status: int, google: str, code: str = "", words: str = "No.") -> Answer:
    details = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    error = {"code": status, "message": words, "status": google, "details": details}
    return Answer(status, json={"error": error})


def claims_of(request: Recorded) -> dict[str, Any]:
    """What the assertion in a request for a token says. Raises `jwt.InvalidTokenError`."""
    form = dict(request.form)
    assert form["grant_type"] == GRANT
    options: Any = {"verify_iat": False, "verify_exp": False}
    claims: dict[str, Any] = jwt.decode(
        form["assertion"],
        key_of("acme").public_key(),
        algorithms=["RS256"],
        audience=AUDIENCE,
        options=options,
    )
    return claims


class FcmBench(HttpBench):
    sending = "POST /v1/projects/acme-shop/messages:send"
    accepts = Answer(json={"name": NAME})
    unauthorized = refused(
        401, "UNAUTHENTICATED", words="Request had invalid authentication credentials."
    )
    rate_limited = refused(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    refusals: ClassVar = (
        Refusal("gone", refused(404, "NOT_FOUND", "UNREGISTERED"), Refused),
        Refusal("bad token", refused(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), Refused),
        Refusal("bad payload", refused(400, "INVALID_ARGUMENT"), Refused),
        Refusal(
            "another project's", refused(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Refused
        ),
        Refusal("no such project", refused(404, "NOT_FOUND"), AccountBroken),
        Refusal("no right to send", refused(403, "PERMISSION_DENIED"), AccountBroken),
        Refusal("not authenticated", refused(401, "UNAUTHENTICATED"), AccountBroken),
        Refusal(
            "no APNs key",
            refused(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
            AccountBroken,
        ),
        Refusal("overloaded", refused(503, "UNAVAILABLE", "UNAVAILABLE"), Unavailable),
        Refusal("internal", refused(500, "INTERNAL", "INTERNAL"), Unavailable),
        Refusal("a code of tomorrow", refused(400, "INVALID_ARGUMENT", "RAINY"), Refused),
    )

    def fields(self) -> dict[str, str]:
        key = json.dumps(key_file("acme"))
        return {"service_account": key, "token_url": f"{self.server.url}/token"}

    def wrong_credentials(self) -> dict[str, str]:
        return self.credentials | {"service_account": json.dumps(key_file("somebody else"))}

    def nobody_there(self) -> dict[str, str]:
        nobody = super().nobody_there()
        return nobody | {"token_url": f"{nobody['base_url']}/token"}

    def aimed_at(self, url: str, channel: Channel) -> tuple[dict[str, str], Outgoing]:
        credentials, message = super().aimed_at(url, channel)
        return credentials | {"token_url": url}, message

    def is_authorized(self, request: Recorded) -> bool:
        if request.path == "/token":
            try:
                claims_of(request)
            except jwt.InvalidTokenError:
                return False
            return True
        return request.headers.get("authorization") == f"Bearer {ACCESS_TOKEN}"

    def other_routes(self) -> Mapping[str, Answer]:
        answer = {"access_token": ACCESS_TOKEN, "expires_in": 3599, "token_type": "Bearer"}
        return {TOKENS: Answer(json=answer)}

    def error(self, words: str) -> Answer:
        return refused(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", words)

    def find_trial_answer(self, request: Recorded) -> Answer | None:
        is_trial = request.json.get("validate_only")
        name = "projects/acme-shop/messages/fake_message_id"
        return Answer(json={"name": name}) if is_trial else None

    def arrange_tokens(self, reply: Reply, *, times: int | None = None) -> None:
        """Answer requests for an access token like this."""
        self.server.answer(TOKENS, reply, times=times)


BENCH = FcmBench
