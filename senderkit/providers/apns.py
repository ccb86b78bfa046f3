"""Push to Apple devices through APNs, over HTTP/2 with a token of our own:
https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import jwt

from senderkit.domain import Channel, Clock, JsonObject, Outgoing, PushBody, Receipt
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    Issue,
    Refused,
    Unavailable,
    Unsupported,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.base import Adapter, Field, FieldType, Provider, find_text
from senderkit.providers.over_http import HttpAdapter
from senderkit.providers.pushes import GONE, TTL_SECONDS, read_push, utf8_json
from senderkit.providers.signing import BadKey, CachedToken, Token, read_p256_key

ERRORS: Final[Mapping[str, type[DeliveryError]]] = {
    "Unregistered": Refused,
    "ExpiredToken": Refused,
    "BadDeviceToken": Refused,
    "MissingDeviceToken": Refused,
    "DeviceTokenNotForTopic": Refused,  # of another app: it says nothing about the account
    "PayloadTooLarge": Refused,
    "PayloadEmpty": Refused,
    "BadCollapseId": Refused,
    "BadExpirationDate": Refused,
    "BadMessageId": Refused,
    "BadPriority": Refused,
    "InvalidPushType": Refused,
    "DuplicateHeaders": Refused,
    "BadTopic": AccountBroken,
    "MissingTopic": AccountBroken,
    "TopicDisallowed": AccountBroken,
    "InvalidProviderToken": AccountBroken,
    "MissingProviderToken": AccountBroken,
    "ExpiredProviderToken": AccountBroken,
    "UnrelatedKeyIdInToken": AccountBroken,
    "BadEnvironmentKeyIdInToken": AccountBroken,
    "Forbidden": AccountBroken,
    "BadCertificate": AccountBroken,
    "BadCertificateEnvironment": AccountBroken,
    "BadPath": AccountBroken,
    "MethodNotAllowed": AccountBroken,
    "TooManyRequests": Unavailable,
    "TooManyProviderTokenUpdates": Unavailable,
    "IdleTimeout": Unavailable,
    "InternalServerError": Unavailable,
    "ServiceUnavailable": Unavailable,
    "Shutdown": Unavailable,
}
"""The `reason` in an answer of APNs."""

SENTENCES: Final[Mapping[str, str]] = {
    "Unregistered": GONE,
    "ExpiredToken": "The device no longer accepts notifications: its token has expired.",
    "BadDeviceToken": "The device token is malformed, or belongs to the other environment "
    "(production or development).",
    "DeviceTokenNotForTopic": "The device token belongs to another app than the bundle ID.",
    "PayloadTooLarge": "The message is larger than 4,096 bytes.",
    "TooManyRequests": "This device gets too many notifications at a time.",
    "InvalidProviderToken": "Team ID, key ID and key do not belong together, or the key was "
    "revoked.",
    "BadEnvironmentKeyIdInToken": "The key is for the other environment.",
    "UnrelatedKeyIdInToken": "The key belongs to another team or app.",
    "TopicDisallowed": "The key may not send to this bundle ID.",
    "BadTopic": "There is no app with this bundle ID.",
}
"""What a reason means, where its name alone does not tell."""

HOSTS: Final[Mapping[str, str]] = {
    "production": "https://api.push.apple.com",
    "development": "https://api.sandbox.push.apple.com",
}

NOBODYS_TOKEN: Final = "0" * 64
"""No device has it. APNs looks at our token before it looks at the device's."""

TOKEN_LIFETIME: Final = timedelta(minutes=45)
"""APNs takes a token for an hour, and wants no new one within 20 minutes."""

_DEVICE_TOKEN: Final = re.compile(r"(?:[0-9a-fA-F]{2}){8,256}")
_APPLE_ID: Final = re.compile(r"[A-Z0-9]{10}")
_BUNDLE_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,155}")


class ApnsAdapter(HttpAdapter):
    """One app of one team, in one of the two environments."""

    def __init__(
        self, provider: Provider, values: Mapping[str, str], clock: Clock, http: HttpClient
    ) -> None:
        super().__init__(provider, values, clock, http)
        self._key = read_p256_key(values["private_key"])
        self._token = CachedToken(self._mint, clock, self._credentials)

    def send(self, outgoing: Outgoing) -> Receipt:
        payload = build_payload(read_push(outgoing))
        if not _DEVICE_TOKEN.fullmatch(outgoing.recipient):
            raise Refused("APNs cannot reach this device: its token is not hexadecimal.")
        reply = self._ask(self._request(outgoing.recipient.lower(), payload, outgoing.message_id))
        apns_id = find_text(reply.headers.get("apns-id"))
        if reply.status != 200 or apns_id is None or _reason(reply):
            raise self._refusal(reply)
        return Receipt(apns_id)

    def check(self) -> None:
        """Key, team and topic, by a message to a device that does not exist."""
        payload = build_payload(PushBody("Test", "Test"))
        request = self._request(NOBODYS_TOKEN, payload, "check")
        reply = self._ask(replace(request, only_asks=True))
        if _reason(reply) not in {"BadDeviceToken", "Unregistered", "DeviceTokenNotForTopic"}:
            raise self._refusal(reply)

    def _base_url(self) -> str:
        return self._credentials["base_url"] or HOSTS[self._credentials["environment"]]

    def _request(self, token: str, payload: JsonObject, collapse_id: str) -> Request:
        """Of two with the same `collapse_id`, the device shows the second in place of the first."""
        expires_at = int(self._clock().timestamp()) + TTL_SECONDS
        headers = {
            "content-type": "application/json",
            "apns-topic": self._credentials["bundle_id"],
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-expiration": str(expires_at),
            "apns-collapse-id": collapse_id,
        }
        url = self._url(f"/3/device/{token}")
        return Request("POST", url, headers, utf8_json(payload), http2=True)

    def _ask(self, request: Request) -> Reply:
        """The reply, with a new token of ours if APNs found the old one stale."""
        token = self._token.get()
        reply = self._call(_authorized(request, token))
        if _reason(reply) != "ExpiredProviderToken":
            return reply
        return self._call(_authorized(request, self._token.renew(token)))

    def _mint(self) -> Token:
        now = self._clock()
        claims = {"iss": self._credentials["team_id"], "iat": int(now.timestamp())}
        key_id = {"kid": self._credentials["key_id"]}
        text = jwt.encode(claims, self._key, algorithm="ES256", headers=key_id)
        return Token(text, now + TOKEN_LIFETIME)

    def _refusal(self, reply: Reply) -> DeliveryError:
        reason = _reason(reply)
        said = f"{SENTENCES[reason]} ({reason})" if reason in SENTENCES else reason
        kind = ERRORS.get(reason)
        return self._error(kind, reply, said) if kind else self._error_by_status(reply, said)


class ApnsProvider(Provider):
    name = "apns"
    label = "APNs"
    channel = Channel.PUSH
    capabilities = frozenset()
    callback_help = (
        "Apple reports nothing once it has taken a message, which stays at sent. A device token "
        "that has died shows with the next message to it."
    )
    fields = (
        Field(
            "private_key",
            "Key file",
            "The text of the AuthKey_….p8 file from Keys in your Apple developer account.",
            type=FieldType.FILE,
            is_secret=True,
            is_required=True,
        ),
        Field(
            "key_id",
            "Key ID",
            "Ten letters and digits, shown beside the key and part of its file's name.",
            is_required=True,
        ),
        Field(
            "team_id",
            "Team ID",
            "Ten letters and digits, from Membership details in your Apple developer account.",
            is_required=True,
        ),
        Field(
            "bundle_id",
            "Bundle ID",
            "Of the app that shows the notifications, such as com.acme.shop.",
            is_required=True,
        ),
        Field(
            "environment",
            "Environment",
            "Apps from the App Store and TestFlight use production, builds from Xcode development.",
            type=FieldType.CHOICE,
            is_required=True,
            default="production",
            choices=("production", "development"),
        ),
        Field(
            "base_url",
            "API address",
            "Leave it empty, unless a proxy of yours stands in.",
            type=FieldType.URL,
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return ApnsAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "private_key" not in bad_fields:
            yield from _key_issues(values["private_key"])
        for name, label in (("key_id", "Key ID"), ("team_id", "Team ID")):
            if name not in bad_fields and not _APPLE_ID.fullmatch(values[name]):
                message = f"{label} must be ten upper-case letters and digits."
                yield Issue("invalid", (name,), message)
        if "bundle_id" not in bad_fields and not _BUNDLE_ID.fullmatch(values["bundle_id"]):
            message = "Bundle ID must look like com.acme.shop: letters, digits, dots and hyphens."
            yield Issue("invalid", ("bundle_id",), message)


def build_payload(body: PushBody) -> dict[str, Any]:
    """The body of a notification: what Apple defines is in `aps`, the data stands beside it.

    Raises `Unsupported` for data of that name.
    """
    if "aps" in body.data:
        raise Unsupported("APNs keeps the name 'aps' for itself: no data can be called so.")
    aps: dict[str, Any] = {"alert": {"title": body.title, "body": body.body}}
    if body.badge is not None:
        aps["badge"] = body.badge
    if body.sound:
        aps["sound"] = body.sound
    return {"aps": aps, **body.data}


def _authorized(request: Request, token: str) -> Request:
    return replace(request, headers={**request.headers, "authorization": f"bearer {token}"})


def _reason(reply: Reply) -> str:
    """Why APNs did not take a message, empty without a reason."""
    reason = reply.json_object().get("reason")
    return reason if isinstance(reason, str) else ""


def _key_issues(pem: str) -> Iterator[Issue]:
    try:
        read_p256_key(pem)
    except BadKey as error:
        message = f"Key file is not the text of a .p8 file from Apple: {error}."
        yield Issue("invalid", ("private_key",), message)
