"""Push to apps made with Expo: https://docs.expo.dev/push-notifications/sending-notifications/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from senderkit.domain import (
    Channel,
    Clock,
    EventKind,
    JsonObject,
    Outgoing,
    ProviderEvent,
    PushBody,
    Receipt,
    new_uuid,
)
from senderkit.errors import AccountBroken, DeliveryError, Refused, Unavailable
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.base import Adapter, Field, FieldType, Provider, find_text
from senderkit.providers.callbacks import object_of
from senderkit.providers.over_http import HttpAdapter
from senderkit.providers.pushes import GONE, TTL_SECONDS, read_push

ERRORS: Final[Mapping[str, type[DeliveryError]]] = {
    # of one message, in its ticket
    "DeviceNotRegistered": Refused,
    "MessageTooBig": Refused,
    "MessageRateExceeded": Unavailable,
    "InvalidCredentials": AccountBroken,
    "MismatchSenderId": AccountBroken,
    "DeveloperError": AccountBroken,
    "ProviderError": Unavailable,
    "ExpoError": Unavailable,
    # of a whole request
    "UNAUTHORIZED": AccountBroken,
    "TOO_MANY_REQUESTS": Unavailable,
    "PUSH_TOO_MANY_EXPERIENCE_IDS": Refused,
    "PUSH_TOO_MANY_NOTIFICATIONS": Refused,
    "PUSH_TOO_MANY_RECEIPTS": Refused,
}
"""What Expo calls an error: `details.error` of a ticket, `code` of a request."""

RECEIPTS: Final[Mapping[str, EventKind]] = {"ok": EventKind.DELIVERED, "error": EventKind.FAILED}
"""The `status` of a receipt. `ok`: Apple or Google has taken the message."""

DEAD: Final = "DeviceNotRegistered"


class ExpoAdapter(HttpAdapter):
    """One Expo project. Without an access token anybody may send to it, as Expo has it."""

    def send(self, outgoing: Outgoing) -> Receipt:
        payload = build_payload(read_push(outgoing), outgoing.recipient, outgoing.message_id)
        reply = self._call(self._request("/push/send", payload))
        ticket = _ticket(reply)
        ticket_id = find_text(ticket.get("id"))
        if not reply.is_success or ticket.get("status") != "ok" or ticket_id is None:
            raise self._refusal(reply)
        return Receipt(ticket_id)

    def check(self) -> None:
        """The access token, by asking after a message that there is not."""
        self._read_receipts([new_uuid()])

    def receipts_of(self, provider_message_ids: Sequence[str]) -> Sequence[ProviderEvent]:
        receipts = self._read_receipts(list(provider_message_ids))
        events = (self._event(id_, object_of(receipts.get(id_))) for id_ in provider_message_ids)
        return [event for event in events if event is not None]

    def _read_receipts(self, ids: Sequence[str]) -> JsonObject:
        request = self._request("/push/getReceipts", {"ids": ids})
        reply = self._call(replace(request, only_asks=True))
        receipts = reply.json_object().get("data")
        if not reply.is_success or not isinstance(receipts, dict):
            raise self._refusal(reply)
        return receipts

    def _request(self, path: str, payload: JsonObject) -> Request:
        token = self._credentials["access_token"]
        login = {"Authorization": f"Bearer {token}"} if token else {}
        return Request.post_json(self._url(path), payload, {"Accept": "application/json", **login})

    def _event(self, ticket_id: str, receipt: JsonObject) -> ProviderEvent | None:
        kind = RECEIPTS.get(str(receipt.get("status")))
        if kind is None:
            return None
        code, words = _fault(receipt)
        return ProviderEvent(
            kind=kind,
            at=self._clock(),
            provider_message_id=ticket_id,
            detail=find_text(self._credentials.readable(_spoken(code, words))),
            is_permanent=code == DEAD,
        )

    def _refusal(self, reply: Reply) -> DeliveryError:
        """A ticket's error, which comes with HTTP 200, or the first one of a refused request."""
        ticket = _ticket(reply)
        code, words = _fault(ticket) if ticket else _request_fault(reply)
        said, kind = _spoken(code, words), ERRORS.get(code)
        if kind is None and reply.is_success and ticket.get("status") == "error":
            kind = Refused
        return self._error(kind, reply, said) if kind else self._error_by_status(reply, said)


class ExpoProvider(Provider):
    name = "expo"
    label = "Expo"
    channel = Channel.PUSH
    capabilities = frozenset()
    polls_receipts = True
    receipt_batch_size = 300
    callback_help = (
        "There is nothing to set up: Expo is asked for the receipt of each message, from 15 "
        "minutes after it was sent on."
    )
    fields = (
        Field(
            "access_token",
            "Access token",
            "From Access tokens in your Expo account; needed once enhanced security for push "
            "notifications is on.",
            is_secret=True,
        ),
        Field(
            "base_url",
            "API address",
            "Leave it, unless a proxy of yours stands in.",
            type=FieldType.URL,
            is_required=True,
            default="https://exp.host/--/api/v2",
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return ExpoAdapter(self, values, clock, http)


def build_payload(body: PushBody, recipient: str, message_id: str) -> dict[str, Any]:
    """One notification; what a message does not have is left out.

    A second try replaces the first on the device: `collapseId` and `tag` are the same.
    """
    payload: dict[str, Any] = {
        "to": recipient,
        "title": body.title,
        "body": body.body,
        "priority": "high",
        # Without it Apple would try once and forget.
        "ttl": TTL_SECONDS,
        "collapseId": message_id,
        "tag": message_id,
    }
    further = {"data": dict(body.data) or None, "badge": body.badge, "sound": body.sound or None}
    return payload | {name: value for name, value in further.items() if value is not None}


def _ticket(reply: Reply) -> JsonObject:
    """The ticket of the one message of a request, alone or in a list."""
    data = reply.json_object().get("data")
    return object_of(data[0] if isinstance(data, list) and data else data)


def _fault(ticket: JsonObject) -> tuple[str, str]:
    """Code and words of a ticket's or receipt's error, empty where there is none."""
    code, words = object_of(ticket.get("details")).get("error"), ticket.get("message")
    return code if isinstance(code, str) else "", words if isinstance(words, str) else ""


def _request_fault(reply: Reply) -> tuple[str, str]:
    errors = reply.json_object().get("errors")
    first = object_of(errors[0]) if isinstance(errors, list) and errors else {}
    code, words = first.get("code"), first.get("message")
    return code if isinstance(code, str) else "", words if isinstance(words, str) else ""


def _spoken(code: str, words: str) -> str:
    said = GONE if code == DEAD else words
    return f"{said} ({code})" if code and said else said or code
