"""Text messages through MessageBird's REST API, the one from before the Bird platform.

https://developers.messagebird.com/api/sms-messaging/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from senderkit.domain import (
    Channel,
    Clock,
    EventKind,
    JsonObject,
    Outgoing,
    ProviderEvent,
    Receipt,
)
from senderkit.errors import (
    AccountBroken,
    CallbackRefused,
    DeliveryError,
    Issue,
    Refused,
    Unavailable,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.base import Adapter, Callback, Field, FieldType, Provider, find_text
from senderkit.providers.callback_tokens import ALGORITHMS, check_period, is_hash_of, read_claims
from senderkit.providers.callbacks import moment_of, object_of
from senderkit.providers.over_http import HttpAdapter
from senderkit.providers.text_messages import (
    TextMessage,
    events_of_failure,
    events_of_reply,
    find_phone_number,
    form_fields,
    query_of,
    read_text_message,
    sender_digits,
    sender_issues,
)

ERRORS: Final[Mapping[int, type[DeliveryError]]] = {
    2: AccountBroken,  # wrong access key
    9: Refused,  # missing parameters, such as no correct recipient
    10: Refused,  # invalid parameters
    20: AccountBroken,  # not found
    25: AccountBroken,  # not enough credit
    98: Unavailable,  # internal error
    99: Unavailable,  # internal error
}
"""The `code` of an error. What is not here goes by its HTTP status."""

SETTINGS: Final = frozenset({"originator", "reportUrl"})
"""The parameters of a send that come from the connection: a wrong one breaks every message."""

STATUSES: Final[Mapping[str, EventKind | None]] = {
    "scheduled": None,
    "sent": None,
    "buffered": None,
    "delivered": EventKind.DELIVERED,
    "delivery_failed": EventKind.FAILED,
    "expired": EventKind.FAILED,
}
"""`status` of a status report."""

OPTED_OUT: Final = "103"
"""`statusErrorCode` of a message to somebody who replied STOP."""

PERMANENT: Final = frozenset({"1", "5", "9", "10", "11", "12"})
"""`statusErrorCode` of a subscriber whom no network knows."""

_ISSUER: Final = "MessageBird"
_LEEWAY: Final = timedelta(seconds=1)


class MessageBirdAdapter(HttpAdapter):
    """One MessageBird account, by its access key."""

    def send(self, outgoing: Outgoing) -> Receipt:
        message = read_text_message(outgoing)
        payload = build_payload(
            message, self._credentials["originator"], self._credentials["callback_url"]
        )
        request = Request.post_json(self._url("/messages"), payload, self._headers())
        return self._receipt(self._call(request))

    def check(self) -> None:
        """The access key, by the account's balance."""
        reply = self._call(Request("GET", self._url("/balance"), self._headers()))
        if not reply.is_success or not reply.json_object():
            raise self._refusal(reply)

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        check_signature(callback, self._credentials["signing_key"], self._clock())
        fields = form_fields(query_of(callback.url))
        fields |= form_fields(callback.body.decode("utf-8", "replace"))
        if "status" in fields:
            return self._events_of_status(fields)
        words = fields.get("body", fields.get("message"))
        at = _moment_of(fields.get("createdDatetime"), self._clock())
        return events_of_reply(fields.get("originator"), words, at)

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "Authorization": f"AccessKey {self._credentials['access_key']}",
        }

    def _receipt(self, reply: Reply) -> Receipt:
        message_id = find_text(reply.json_object().get("id"))
        if not reply.is_success or message_id is None:
            raise self._refusal(reply)
        return Receipt(message_id)

    def _refusal(self, reply: Reply) -> DeliveryError:
        error = _first_error(reply.json_object())
        code, words = error.get("code"), error.get("description")
        said = f"{words} (code {code})" if isinstance(words, str) else ""
        kind = ERRORS.get(code) if type(code) is int and not reply.is_success else None
        if kind is Refused and error.get("parameter") in SETTINGS:
            kind = AccountBroken
        return self._error(kind, reply, said) if kind else self._error_by_status(reply, said)

    def _events_of_status(self, fields: Mapping[str, str]) -> list[ProviderEvent]:
        kind = STATUSES.get(fields["status"])
        if kind is None:
            return []
        code = fields.get("statusErrorCode", "")
        event = ProviderEvent(
            kind=kind,
            at=_moment_of(fields.get("statusDatetime"), self._clock()),
            provider_message_id=find_text(fields.get("id")),
            message_id=find_text(fields.get("reference")),
            recipient=find_phone_number(fields.get("recipient")),
            detail=_detail(fields.get("statusReason", ""), code),
            is_permanent=kind is EventKind.FAILED and code in PERMANENT,
        )
        is_opted_out = kind is EventKind.FAILED and code == OPTED_OUT
        return events_of_failure(event, is_opted_out=is_opted_out)


class MessageBirdProvider(Provider):
    name = "messagebird"
    label = "MessageBird (classic)"
    channel = Channel.SMS
    capabilities = frozenset()
    reports_by_callback = True
    callback_help = (
        "Enter this address as the callback address in this connection's settings: every message "
        "then asks MessageBird to report to it. For replies that say STOP, let the flow of your "
        "number forward incoming messages to it as well. MessageBird signs with the signing key of "
        "the Developers settings."
    )
    fields = (
        Field(
            "access_key",
            "Access key",
            "From the API access page of the MessageBird Dashboard. Keys of the newer Bird "
            "platform, which begin with bk_, are for another API.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "originator",
            "Sender",
            "A number of yours such as +15550100200, or a name of up to 11 letters and digits.",
            is_required=True,
        ),
        Field(
            "signing_key",
            "Signing key",
            "From the Developers settings. MessageBird signs what it reports with it; without it "
            "no report is taken.",
            is_secret=True,
        ),
        Field(
            "callback_url",
            "Callback address",
            "Where MessageBird reports what became of a message: this connection's callback "
            "address. Give it to MessageBird for incoming messages as well, for replies that say "
            "STOP.",
            type=FieldType.URL,
        ),
        Field(
            "base_url",
            "API address",
            "Leave it, unless a proxy of yours stands in.",
            type=FieldType.URL,
            is_required=True,
            default="https://rest.messagebird.com",
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return MessageBirdAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "originator" not in bad_fields:
            yield from sender_issues("originator", "Sender", values["originator"])


def build_payload(message: TextMessage, originator: str, callback_url: str) -> dict[str, Any]:
    """The body of `POST /messages`. There are no status reports without a `reference`."""
    payload: dict[str, Any] = {
        "originator": sender_digits(originator),
        "recipients": [message.digits],
        "body": message.words,
        "datacoding": "auto",
        "reference": message.message_id,
    }
    return payload | ({"reportUrl": callback_url} if callback_url else {})


def check_signature(callback: Callback, signing_key: str, now: datetime) -> None:
    """Raises `CallbackRefused` unless MessageBird signed this very address and body."""
    token = callback.headers.get("messagebird-signature-jwt", "")
    claims = read_claims(token, signing_key, ALGORITHMS)
    if claims.get("iss") != _ISSUER:
        raise CallbackRefused("The callback's token is another issuer's.")
    check_period(now, claims.get("nbf"), claims.get("exp"), _LEEWAY)
    if not is_hash_of(claims.get("url_hash"), callback.url.encode("utf-8", "replace")):
        raise CallbackRefused("The callback's token was made for another address.")
    body_hash = claims.get("payload_hash")
    is_empty = not callback.body and body_hash is None
    if not is_empty and not (callback.body and is_hash_of(body_hash, callback.body)):
        raise CallbackRefused("The callback's token was made for another body.")


def _first_error(data: JsonObject) -> JsonObject:
    errors = data.get("errors")
    return object_of(errors[0]) if isinstance(errors, list) and errors else {}


def _moment_of(text: str | None, otherwise: datetime) -> datetime:
    """A time whose plus may have been decoded into a space."""
    return moment_of((text or "").strip().replace(" ", "+"), otherwise)


def _detail(reason: str, code: str) -> str | None:
    """`unknown subscriber (code 1)`."""
    words = find_text(reason)
    return (
        find_text(f"{words or 'not delivered'} (code {code})") if code not in ("", "0") else words
    )
