"""Push to Android, Apple and web apps through Firebase Cloud Messaging, HTTP v1:
https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from senderkit.domain import Channel, Clock, JsonObject, Outgoing, PushBody, Receipt
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    Issue,
    Refused,
    Unavailable,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.base import Adapter, Field, FieldType, Provider, find_text
from senderkit.providers.callbacks import object_of
from senderkit.providers.over_http import HttpAdapter
from senderkit.providers.pushes import GONE, TTL_SECONDS, read_push
from senderkit.providers.signing import BadKey, CachedToken, Token, load_rsa_key, read_rsa_key

ERRORS: Final[Mapping[str, type[DeliveryError]]] = {
    "UNREGISTERED": Refused,
    "SENDER_ID_MISMATCH": Refused,  # a token of another project: it says nothing about the account
    "INVALID_ARGUMENT": Refused,
    "QUOTA_EXCEEDED": Unavailable,
    "UNAVAILABLE": Unavailable,
    "INTERNAL": Unavailable,
    "THIRD_PARTY_AUTH_ERROR": AccountBroken,
}
"""The `errorCode` of an FcmError. An answer without one is judged by its HTTP status: a 404 then
means that there is no such project."""

SENTENCES: Final[Mapping[str, str]] = {
    "UNREGISTERED": GONE,
    "SENDER_ID_MISMATCH": "The device token belongs to another Firebase project.",
    "THIRD_PARTY_AUTH_ERROR": "The Firebase project lacks its APNs key or web push key.",
}
"""What an error code means, where Google's own words do not tell."""

AUDIENCE: Final = "https://oauth2.googleapis.com/token"
"""Google's token endpoint, whatever address a key file may name: an uploaded file does not decide
where its signature goes."""

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFETIME: Final = timedelta(hours=1)
RENEWED_BEFORE_END: Final = timedelta(minutes=5)
USUAL_TOKEN_SECONDS: Final = 3600

_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9.:-]{0,127}")


class BadKeyFile(ValueError):
    """The text is no service account's key file; says why and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What a key file says: whose it is, and the key it signs with as PEM."""

    project_id: str
    client_email: str
    key_id: str = field(repr=False)
    private_key: str = field(repr=False)


class FcmAdapter(HttpAdapter):
    """One Firebase project, by a service account of it."""

    def __init__(
        self, provider: Provider, values: Mapping[str, str], clock: Clock, http: HttpClient
    ) -> None:
        super().__init__(provider, values, clock, http)
        self._account = read_service_account(values["service_account"])
        self._key = load_rsa_key(self._account.private_key)
        self._credentials.hide(*self._account.private_key.splitlines())
        self._token = CachedToken(self._mint, clock, self._credentials)

    def send(self, outgoing: Outgoing) -> Receipt:
        expires_at = int(self._clock().timestamp()) + TTL_SECONDS
        message = build_message(read_push(outgoing), outgoing.message_id, expires_at)
        reply = self._ask({"message": {"token": outgoing.recipient, **message}})
        return Receipt(self._name_of(reply))

    def check(self) -> None:
        """Key, project and right to send, by a message that Google only validates."""
        trial = {"topic": "connection-test", "notification": {"title": "Test", "body": "Test"}}
        self._name_of(self._ask({"validate_only": True, "message": trial}, only_asks=True))

    def _name_of(self, reply: Reply) -> str:
        """The name that Google gave the message. Raises a `DeliveryError`."""
        name = find_text(reply.json_object().get("name"))
        if not reply.is_success or name is None:
            raise self._refusal(reply)
        return name

    def _ask(self, payload: JsonObject, *, only_asks: bool = False) -> Reply:
        """The reply, with a new access token if Google did not take the old one."""
        url = self._url(f"/v1/projects/{self._account.project_id}/messages:send")
        request = replace(Request.post_json(url, payload), http2=True, only_asks=only_asks)
        token = self._token.get()
        reply = self._call(_authorized(request, token))
        if reply.status != 401 or _error_code(reply):
            return reply
        return self._call(_authorized(request, self._token.renew(token)))

    def _mint(self) -> Token:
        """An access token. Raises `Unavailable` or `AccountBroken`."""
        now = self._clock()
        assertion = sign_assertion(self._account, self._key, now)
        fields = [("grant_type", GRANT), ("assertion", assertion)]
        request = Request.post_form(self._credentials["token_url"], fields)
        reply = self._call(replace(request, http2=True, only_asks=True))
        data = reply.json_object()
        text, seconds = data.get("access_token"), data.get("expires_in")
        if not reply.is_success or not isinstance(text, str) or not text:
            raise self._token_refusal(reply)
        lifetime = seconds if type(seconds) is int else USUAL_TOKEN_SECONDS
        return Token(text, now + timedelta(seconds=lifetime) - RENEWED_BEFORE_END)

    def _token_refusal(self, reply: Reply) -> DeliveryError:
        """No message has been handed over yet, so nothing is in doubt and no message is bad."""
        data = reply.json_object()
        words = (data.get("error"), data.get("error_description"))
        said = ": ".join(word for word in words if isinstance(word, str))
        is_transient = reply.is_success or reply.status >= 500 or reply.status in {408, 429}
        kind = Unavailable if is_transient else AccountBroken
        return self._error(kind, reply, f"No access token was given: {said}." if said else "")

    def _refusal(self, reply: Reply) -> DeliveryError:
        error = object_of(reply.json_object().get("error"))
        code, words = _error_code(reply), error.get("message")
        said = SENTENCES.get(code) or (words if isinstance(words, str) else "")
        label = code or error.get("status")
        said = f"{said} ({label})" if said and isinstance(label, str) else said
        kind = ERRORS.get(code)
        return self._error(kind, reply, said) if kind else self._error_by_status(reply, said)


class FcmProvider(Provider):
    name = "fcm"
    label = "Firebase Cloud Messaging"
    channel = Channel.PUSH
    capabilities = frozenset()
    callback_help = (
        "Google reports nothing once it has taken a message, which stays at sent. A device token "
        "that has died shows with the next message to it."
    )
    fields = (
        Field(
            "service_account",
            "Service account key",
            "The text of the JSON file from Project settings, Service accounts, Generate new "
            "private key in the Firebase console.",
            type=FieldType.FILE,
            is_secret=True,
            is_required=True,
        ),
        Field(
            "base_url",
            "API address",
            "Leave it, unless a proxy of yours stands in.",
            type=FieldType.URL,
            is_required=True,
            default="https://fcm.googleapis.com",
        ),
        Field(
            "token_url",
            "Token address",
            "Where Google gives out access tokens; leave it, unless a proxy of yours stands in.",
            type=FieldType.URL,
            is_required=True,
            default=AUDIENCE,
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return FcmAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "service_account" in bad_fields:
            return
        try:
            read_rsa_key(read_service_account(values["service_account"]).private_key)
        except BadKeyFile as error:
            message = f"Service account key cannot be used: {error}."
            yield Issue("invalid", ("service_account",), message)
        except BadKey as error:
            message = f"The private_key of the service account key cannot be used: {error}."
            yield Issue("invalid", ("service_account",), message)


def read_service_account(text: str) -> ServiceAccount:
    """The account that a key file is for; its key is not looked at. Raises `BadKeyFile`."""
    data = _read_key_file(text)
    if not _PROJECT.fullmatch(data["project_id"]):
        raise BadKeyFile("its project_id is not one of a Firebase project")
    return ServiceAccount(
        data["project_id"], data["client_email"], data["private_key_id"], data["private_key"]
    )


def _read_key_file(text: str) -> Mapping[str, str]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise BadKeyFile("it is not the text of a JSON file") from None
    if not isinstance(data, dict) or data.get("type") != "service_account":
        # Other types may name files to read or programs to run.
        raise BadKeyFile("it is not the key of a service account")
    names = ("project_id", "client_email", "private_key_id", "private_key")
    missing = [name for name in names if not isinstance(data.get(name), str) or not data[name]]
    if missing:
        raise BadKeyFile(f"it lacks {' and '.join(missing)}")
    return {name: data[name] for name in names}


def sign_assertion(account: ServiceAccount, key: RSAPrivateKey, now: datetime) -> str:
    """What the account shows to get an access token: a JWT that is good for an hour."""
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": AUDIENCE,
        "iat": int(now.timestamp()),
        "exp": int((now + ASSERTION_LIFETIME).timestamp()),
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": account.key_id})


def build_message(body: PushBody, message_id: str, expires_at: int) -> dict[str, Any]:
    """A message without its target. `expires_at` is in Unix seconds.

    A second try replaces the first on the device: `tag` and `apns-collapse-id` are the same.
    """
    message: dict[str, Any] = {
        "notification": {"title": body.title, "body": body.body},
        "android": {
            "priority": "high",
            "ttl": f"{TTL_SECONDS}s",
            "notification": {"tag": message_id, **_android(body)},
        },
        "apns": {
            "headers": {
                "apns-priority": "10",
                "apns-expiration": str(expires_at),
                "apns-collapse-id": message_id,
            },
        },
        "webpush": {"headers": {"TTL": str(TTL_SECONDS), "Urgency": "high"}},
    }
    if aps := _aps(body):
        message["apns"]["payload"] = {"aps": aps}
    return message | ({"data": dict(body.data)} if body.data else {})


def _android(body: PushBody) -> dict[str, Any]:
    sound = {"sound": body.sound} if body.sound else {}
    return sound | ({"notification_count": body.badge} if body.badge is not None else {})


def _aps(body: PushBody) -> dict[str, Any]:
    sound = {"sound": body.sound} if body.sound else {}
    return sound | ({"badge": body.badge} if body.badge is not None else {})


def _authorized(request: Request, token: str) -> Request:
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})


def _error_code(reply: Reply) -> str:
    """The `errorCode` of the FcmError among an error's details, or nothing."""
    details = object_of(reply.json_object().get("error")).get("details")
    for detail in details if isinstance(details, list) else ():
        code = object_of(detail).get("errorCode")
        if isinstance(code, str):
            return code
    return ""
