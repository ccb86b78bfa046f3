"""Text messages through Vonage: https://developer.vonage.com/en/api/messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from senderkit.domain import (
    Channel,
    Clock,
    EventKind,
    JsonObject,
    Outgoing,
    ProviderEvent,
    Receipt,
    new_uuid,
)
from senderkit.errors import (
    AccountBroken,
    CallbackRefused,
    DeliveryError,
    Issue,
    Refused,
    Suppressed,
    Unavailable,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.base import Adapter, Callback, Field, FieldType, Provider, find_text
from senderkit.providers.callback_tokens import check_period, is_hash_of, read_claims
from senderkit.providers.callbacks import json_object, moment_of, object_of
from senderkit.providers.over_http import HttpAdapter, basic_auth
from senderkit.providers.signing import BadKey, CachedToken, Token, load_rsa_key, read_rsa_key
from senderkit.providers.text_messages import (
    TextMessage,
    events_of_failure,
    events_of_reply,
    find_phone_number,
    pair_issues,
    read_text_message,
    sender_digits,
    sender_issues,
)

ERRORS: Final[Mapping[str, type[DeliveryError]]] = {
    "1000": Unavailable,  # throttled
    "1030": Unavailable,  # internal error
    "1040": Refused,  # invalid message, such as an unknown prefix of the number
    "1050": Suppressed,  # the number is barred
    "1060": AccountBroken,  # account barred
    "1070": AccountBroken,  # quota exceeded
    "1080": AccountBroken,  # account not enabled for this API
    "1090": Refused,  # too long
    "1100": Unavailable,  # not submitted: a communication failure
    "1120": AccountBroken,  # sender not allowed
    "1140": AccountBroken,  # the callback address is not valid
    "1160": AccountBroken,  # a trial account sends to listed numbers only
    "1170": Refused,  # unknown or invalid number
    "1180": Unavailable,  # absent subscriber, temporarily
    "1190": Refused,  # absent subscriber, for good
    "1220": Unavailable,  # network error
    "1230": Unavailable,  # the network is busy
    "1240": Suppressed,  # the recipient replied STOP
    "1241": Unavailable,  # too many messages to this number
    "1260": Refused,  # destination unreachable
    "1300": Refused,  # not part of the provider's network
    "1330": Refused,  # unknown: check the number
    "1331": Unavailable,  # unknown, temporarily
}
"""The number after the # of an error's `type`. What is not here goes by its HTTP status."""

STATUSES: Final[Mapping[str, EventKind | None]] = {
    "submitted": None,
    "delivered": EventKind.DELIVERED,
    "read": EventKind.DELIVERED,
    "rejected": EventKind.FAILED,
    "undeliverable": EventKind.FAILED,
}
"""`status` of a message status callback."""

OPTED_OUT: Final = "1240"
"""The error of a message to somebody who replied STOP: the send itself was accepted."""

PERMANENT: Final = frozenset({"1170", "1190"})
"""Errors of a number that no text will ever reach."""

_CODE: Final = re.compile(r"[0-9]{1,6}")
_LEEWAY: Final = timedelta(minutes=10)
_ISSUER: Final = "Vonage"
_TOKEN_LIFETIME: Final = timedelta(minutes=15)
_RENEW_AFTER: Final = timedelta(minutes=10)


class VonageAdapter(HttpAdapter):
    """One Vonage account, through the Messages API, and as one of its applications if it names it.

    Vonage recommends the latter: what becomes of its messages goes to the application's webhooks.
    """

    def __init__(
        self, provider: Provider, values: Mapping[str, str], clock: Clock, http: HttpClient
    ) -> None:
        super().__init__(provider, values, clock, http)
        self._token: CachedToken | None = None
        if values["private_key"]:
            key = load_rsa_key(values["private_key"])
            application = values["application_id"]
            self._token = CachedToken(
                lambda: mint_token(key, application, clock()), clock, self._credentials
            )

    def send(self, outgoing: Outgoing) -> Receipt:
        message = read_text_message(outgoing)
        payload = build_payload(
            message, self._credentials["from"], self._credentials["callback_url"]
        )
        request = Request.post_json(
            self._url("/v1/messages"), payload, self._headers(self._login())
        )
        return self._receipt(self._call(request))

    def check(self) -> None:
        """The API key and secret, and that the application is theirs.

        Only a message tells whether its key and the sender are right.
        """
        application = quote(self._credentials["application_id"], safe="")
        path = f"/v2/applications/{application}" if application else "/v2/applications?page_size=1"
        reply = self._call(Request("GET", self._url(path), self._headers(self._account_login())))
        if not reply.is_success or not reply.json_object():
            raise self._refusal(reply)

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        self._check_token(callback)
        data = json_object(callback.body)
        if "status" in data:
            return self._events_of_status(data)
        at = moment_of(data.get("timestamp"), self._clock())
        return events_of_reply(data.get("from"), data.get("text"), at)

    def _headers(self, login: str) -> dict[str, str]:
        return {"Accept": "application/json", "Authorization": login}

    def _login(self) -> str:
        return self._account_login() if self._token is None else f"Bearer {self._token.get()}"

    def _account_login(self) -> str:
        key, secret = self._credentials["api_key"], self._credentials["api_secret"]
        return basic_auth(self._credentials, key, secret)

    def _receipt(self, reply: Reply) -> Receipt:
        message_id = find_text(reply.json_object().get("message_uuid"))
        if not reply.is_success or message_id is None:
            raise self._refusal(reply)
        return Receipt(message_id)

    def _refusal(self, reply: Reply) -> DeliveryError:
        data = reply.json_object()
        code = _code_of(data)
        words = data.get("detail") or data.get("title")
        said = words if isinstance(words, str) else ""
        kind = None if reply.is_success or reply.status == 429 else ERRORS.get(code)
        said = f"{said} (code {code})" if said and code else said
        return self._error(kind, reply, said) if kind else self._error_by_status(reply, said)

    def _check_token(self, callback: Callback) -> None:
        """Vonage signs a token with the account's signature secret; it names the body's hash."""
        scheme, _, token = callback.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise CallbackRefused("The callback brings no token.")
        claims = read_claims(token, self._credentials["signature_secret"])
        issued_at = claims.get("iat")
        check_period(self._clock(), issued_at, issued_at, _LEEWAY)
        is_ours = claims.get("api_key") == self._credentials["api_key"]
        if claims.get("iss") != _ISSUER or not is_ours:
            raise CallbackRefused("The callback's token is for another account.")
        if not is_hash_of(claims.get("payload_hash"), callback.body):
            raise CallbackRefused("The callback's token was made for another body.")

    def _events_of_status(self, data: JsonObject) -> list[ProviderEvent]:
        kind = STATUSES.get(str(data["status"]))
        if kind is None:
            return []
        error = _error_of(data)
        code = _code_of(error)
        event = ProviderEvent(
            kind=kind,
            at=moment_of(data.get("timestamp"), self._clock()),
            provider_message_id=find_text(data.get("message_uuid")),
            message_id=find_text(data.get("client_ref")),
            recipient=find_phone_number(data.get("to")),
            detail=_detail(error, code),
            is_permanent=kind is EventKind.FAILED and code in PERMANENT,
        )
        is_opted_out = kind is EventKind.FAILED and code == OPTED_OUT
        return events_of_failure(event, is_opted_out=is_opted_out)


class VonageProvider(Provider):
    name = "vonage"
    label = "Vonage"
    channel = Channel.SMS
    capabilities = frozenset()
    reports_by_callback = True
    callback_help = (
        "Enter this address as the callback address in this connection's settings: every message "
        "then asks Vonage to report to it. For replies that say STOP, enter it in the Vonage "
        "Dashboard as well, as the inbound webhook of your number or application. Vonage signs "
        "with the signature secret of the API Settings."
    )
    fields = (
        Field(
            "api_key",
            "API key",
            "From the API Settings of the Vonage Dashboard, where SMS is set to the Messages API.",
            is_required=True,
        ),
        Field(
            "api_secret",
            "API secret",
            "Belongs to the API key.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "from",
            "Sender",
            "A number of yours such as +15550100200, or a name of up to 11 letters and digits.",
            is_required=True,
        ),
        Field(
            "signature_secret",
            "Signature secret",
            "From the API Settings too. Vonage signs what it reports with it; without it no report "
            "is taken.",
            is_secret=True,
        ),
        Field(
            "application_id",
            "Application ID",
            "Of an application with the Messages capability, to send in its name.",
        ),
        Field(
            "private_key",
            "Private key",
            "The text of the private.key file that Vonage gave out with the application.",
            type=FieldType.FILE,
            is_secret=True,
        ),
        Field(
            "callback_url",
            "Callback address",
            "Where Vonage reports what became of a message: this connection's callback address. "
            "Give it to Vonage as the inbound webhook as well, for replies that say STOP.",
            type=FieldType.URL,
        ),
        Field(
            "base_url",
            "API address",
            "Leave it, unless a proxy of yours stands in.",
            type=FieldType.URL,
            is_required=True,
            default="https://api.nexmo.com",
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return VonageAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "from" not in bad_fields:
            yield from sender_issues("from", "Sender", values["from"])
        if ":" in values["api_key"] and "api_key" not in bad_fields:
            yield Issue("invalid", ("api_key",), "API key must not hold a colon.")
        names = "Application ID and private key"
        yield from pair_issues(values, "application_id", "private_key", names)
        if "private_key" not in bad_fields and values["private_key"]:
            yield from _key_issues(values["private_key"])


def build_payload(message: TextMessage, sender: str, callback_url: str) -> dict[str, Any]:
    """The body of `POST /v1/messages`. Vonage takes numbers without their plus."""
    payload: dict[str, Any] = {
        "message_type": "text",
        "channel": "sms",
        "to": message.digits,
        "from": sender_digits(sender),
        "text": message.words,
        "client_ref": message.message_id,
        "sms": {"encoding_type": "auto"},
    }
    if callback_url:
        payload |= {"webhook_url": callback_url, "webhook_version": "v1"}
    return payload


def mint_token(key: RSAPrivateKey, application_id: str, now: datetime) -> Token:
    """A token in the name of an application."""
    claims = {
        "application_id": application_id,
        "iat": int(now.timestamp()),
        "exp": int((now + _TOKEN_LIFETIME).timestamp()),
        "jti": new_uuid(),
    }
    return Token(jwt.encode(claims, key, algorithm="RS256"), now + _RENEW_AFTER)


def _key_issues(pem: str) -> Iterator[Issue]:
    try:
        read_rsa_key(pem)
    except BadKey as error:
        yield Issue("invalid", ("private_key",), f"Private key cannot be used: {error}.")


def _error_of(data: JsonObject) -> JsonObject:
    """The error of a status, which may stand within another one."""
    error = object_of(data.get("error"))
    return object_of(error["error"]) if "error" in error else error


def _code_of(error: JsonObject) -> str:
    """`1120`: of the error's `type`, `https://…/messages-olympus#1120`, or as its title."""
    kind = error.get("type")
    fragment = kind.rpartition("#")[2] if isinstance(kind, str) else ""
    candidates = (fragment, str(error.get("title")))
    return next((text for text in candidates if _CODE.fullmatch(text)), "")


def _detail(error: JsonObject, code: str) -> str | None:
    words = find_text(error.get("detail") or error.get("title"))
    return find_text(f"{words} (code {code})") if words and code else words
