"""Text messages through Twilio: https://www.twilio.com/docs/messaging/api/message-resource."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from senderkit.domain import Channel, Clock, EventKind, Outgoing, ProviderEvent, Receipt
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
from senderkit.providers.base import (
    CORRELATION_KEY,
    Adapter,
    Callback,
    Field,
    FieldType,
    Provider,
    find_text,
)
from senderkit.providers.callbacks import is_same_secret
from senderkit.providers.over_http import HttpAdapter, basic_auth
from senderkit.providers.text_messages import (
    TextMessage,
    events_of_failure,
    events_of_reply,
    find_phone_number,
    form_fields,
    opt_out_of,
    pair_issues,
    query_of,
    read_text_message,
    sender_issues,
    with_message_id,
)

ERRORS: Final[Mapping[int, type[DeliveryError]]] = {
    10001: AccountBroken,  # account is not active
    10002: AccountBroken,  # a trial account does not do this
    14107: Unavailable,  # too many messages at a time
    20003: AccountBroken,  # wrong credentials
    20008: AccountBroken,  # test credentials
    20404: AccountBroken,  # no such account
    20403: AccountBroken,  # account suspended or closed
    20429: Unavailable,  # too many requests
    20500: Unavailable,
    20503: Unavailable,
    21211: Refused,  # invalid To
    21212: AccountBroken,  # invalid From
    21217: Refused,  # not a phone number
    21266: Refused,  # To and From are the same
    21268: Refused,  # a premium or information number
    21408: AccountBroken,  # this region is not enabled
    21602: Refused,  # no body
    21603: AccountBroken,  # no From
    21604: Refused,  # no To
    21606: AccountBroken,  # From is no number of this account that can send texts
    21608: AccountBroken,  # a trial account sends to verified numbers only
    21609: AccountBroken,  # invalid StatusCallback
    21610: Suppressed,  # the recipient replied STOP
    21611: Unavailable,  # the sender's queue is full
    21612: Refused,  # no route from this sender to this recipient
    21614: Refused,  # not a mobile number
    21617: Refused,  # too long
    21635: Refused,  # a landline
    21658: Refused,  # too long
    21659: AccountBroken,  # From is no number of Twilio's
    21660: AccountBroken,  # From belongs to another account
    21661: AccountBroken,  # From cannot send texts
    21701: AccountBroken,  # no such Messaging Service
    21702: AccountBroken,  # a Messaging Service is not enabled
    21703: AccountBroken,  # the Messaging Service has no numbers
    21705: AccountBroken,  # invalid MessagingServiceSid
    30001: Unavailable,  # queue overflow
    30002: AccountBroken,  # account suspended
    30018: AccountBroken,  # sender is not registered
    30022: Unavailable,  # more a second than the registration allows
    30023: Unavailable,  # daily cap
    30024: AccountBroken,  # sender is not provisioned
    30027: Unavailable,  # daily cap
    30032: AccountBroken,  # toll-free number is not verified
    30034: AccountBroken,  # number is not registered
    63038: Unavailable,  # daily limit of the account
    90010: AccountBroken,  # account is not active
}
"""Twilio's error `code`. What is not here goes by its HTTP status, mostly 400: refused."""

STATUSES: Final[Mapping[str, EventKind | None]] = {
    "accepted": None,
    "scheduled": None,
    "queued": None,
    "sending": None,
    "sent": None,
    "partially_delivered": None,
    "delivered": EventKind.DELIVERED,
    "read": EventKind.DELIVERED,
    "undelivered": EventKind.FAILED,
    "failed": EventKind.FAILED,
    "canceled": EventKind.FAILED,
}
"""`MessageStatus` of a status callback."""

OPTED_OUT: Final = "21610"
"""`ErrorCode` of a message to somebody who replied STOP to this sender or Messaging Service."""

PERMANENT: Final = frozenset({"21211", "21217", "21614", "21635", "30005", "30006"})
"""`ErrorCode` of a number that no text will ever reach: none at all, unknown, or a landline."""

_ACCOUNT_SID: Final = re.compile("AC[0-9a-fA-F]{32}")
_SERVICE_SID: Final = re.compile("MG[0-9a-fA-F]{32}")
_KEY_SID: Final = re.compile("SK[0-9a-fA-F]{32}")
_PORTS: Final = {"https": 443, "http": 80}


class TwilioAdapter(HttpAdapter):
    """One Twilio account, or subaccount, with one sender or Messaging Service."""

    def send(self, outgoing: Outgoing) -> Receipt:
        message = read_text_message(outgoing)
        fields = build_form(message, self._credentials["from"], self._credentials["callback_url"])
        url = self._account_url("/Messages.json")
        return self._receipt(self._call(Request.post_form(url, fields, self._headers())))

    def check(self) -> None:
        """The account and its auth token, that it is active, and the API key where there is one.

        An API key may not read the account itself, so it reads one message.
        """
        by_token = self._login(self._credentials["account_sid"], self._credentials["auth_token"])
        reply = self._read(self._account_url(".json"), by_token)
        status = find_text(reply.json_object().get("status"))
        if status != "active":
            raise self._error(AccountBroken, reply, f"the account is {status or 'unknown'}")
        if self._credentials["api_key_sid"]:
            self._read(self._account_url("/Messages.json?PageSize=1"), self._headers())

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        check_signature(callback, self._credentials["auth_token"])
        query = form_fields(query_of(callback.url))
        form = form_fields(callback.body.decode("utf-8", "replace")) if callback.body else query
        status = form.get("MessageStatus", "")
        if status:
            return self._events_of_status(status, form, query.get(CORRELATION_KEY))
        return self._events_of_reply(form)

    def _account_url(self, path: str) -> str:
        return self._url(f"/2010-04-01/Accounts/{self._credentials['account_sid']}{path}")

    def _headers(self) -> dict[str, str]:
        if self._credentials["api_key_sid"]:
            sid, secret = self._credentials["api_key_sid"], self._credentials["api_key_secret"]
            return self._login(sid, secret)
        return self._login(self._credentials["account_sid"], self._credentials["auth_token"])

    def _login(self, user: str, password: str) -> dict[str, str]:
        return {"Authorization": basic_auth(self._credentials, user, password)}

    def _read(self, url: str, headers: Mapping[str, str]) -> Reply:
        reply = self._call(Request("GET", url, headers))
        if not reply.is_success:
            raise self._refusal(reply)
        return reply

    def _receipt(self, reply: Reply) -> Receipt:
        sid = find_text(reply.json_object().get("sid"))
        if not reply.is_success or sid is None:
            raise self._refusal(reply)
        return Receipt(sid)

    def _refusal(self, reply: Reply) -> DeliveryError:
        data = reply.json_object()
        code = data.get("code")
        # Newer hosts of theirs answer as RFC 9457 has it.
        words = data.get("message") or data.get("detail") or data.get("title")
        said = f"{words} (code {code})" if isinstance(words, str) else ""
        kind = ERRORS.get(code) if type(code) is int else None
        if kind is None or reply.is_success:
            return self._error_by_status(reply, said)
        return self._error(kind, reply, said)

    def _events_of_status(
        self, status: str, form: Mapping[str, str], message_id: str | None
    ) -> list[ProviderEvent]:
        kind = STATUSES.get(status)
        if kind is None:
            return []
        code = form.get("ErrorCode", "")
        event = ProviderEvent(
            kind=kind,
            at=self._clock(),
            provider_message_id=find_text(form.get("MessageSid")),
            message_id=find_text(message_id),
            recipient=find_phone_number(form.get("To")),
            detail=_detail(status, code, form.get("ErrorMessage", "")),
            is_permanent=kind is EventKind.FAILED and code in PERMANENT,
        )
        is_opted_out = kind is EventKind.FAILED and code == OPTED_OUT
        return events_of_failure(event, is_opted_out=is_opted_out)

    def _events_of_reply(self, form: Mapping[str, str]) -> list[ProviderEvent]:
        """`OptOutType` is what Twilio made of the words, where Advanced Opt-Out is on."""
        verdict = form.get("OptOutType")
        if verdict is None:
            return events_of_reply(form.get("From"), form.get("Body"), self._clock())
        number = find_phone_number(form.get("From"))
        if verdict != "STOP" or number is None:
            return []
        return [opt_out_of(number, self._clock(), find_text(form.get("Body")))]


class TwilioProvider(Provider):
    name = "twilio"
    label = "Twilio"
    channel = Channel.SMS
    capabilities = frozenset()
    reports_by_callback = True
    callback_help = (
        "Enter this address as the callback address in this connection's settings: every message "
        "then asks Twilio to report to it. For replies that say STOP, enter it in the Twilio "
        "Console as well, at your number or Messaging Service, for incoming messages by HTTP POST."
    )
    fields = (
        Field(
            "account_sid",
            "Account SID",
            "From the Twilio Console; AC and 32 hexadecimal digits.",
            is_required=True,
        ),
        Field(
            "auth_token",
            "Auth token",
            "From the Twilio Console. Twilio signs what it reports with it, so it is needed even "
            "when you send with an API key.",
            is_secret=True,
            is_required=True,
        ),
        Field(
            "api_key_sid",
            "API key SID",
            "Send with an API key in place of the auth token; SK and 32 hexadecimal digits.",
        ),
        Field(
            "api_key_secret",
            "API key secret",
            "Belongs to the API key SID.",
            is_secret=True,
        ),
        Field(
            "from",
            "Sender",
            "A number of yours such as +15550100200, a short code, a sender ID, or the SID of a "
            "Messaging Service.",
            is_required=True,
        ),
        Field(
            "callback_url",
            "Callback address",
            "Where Twilio reports what became of a message: this connection's callback address. "
            "Leave it empty if a Messaging Service has it already.",
            type=FieldType.URL,
        ),
        Field(
            "base_url",
            "API address",
            "Leave it, unless your account is in another region or a proxy of yours stands in.",
            type=FieldType.URL,
            is_required=True,
            default="https://api.twilio.com",
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return TwilioAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        for name, shape, label, prefix in (
            ("account_sid", _ACCOUNT_SID, "Account SID", "AC"),
            ("api_key_sid", _KEY_SID, "API key SID", "SK"),
        ):
            if values[name] and name not in bad_fields and not shape.fullmatch(values[name]):
                message = f"{label} must be {prefix} and 32 hexadecimal digits."
                yield Issue("invalid", (name,), message)
        if "from" not in bad_fields and not _SERVICE_SID.fullmatch(values["from"]):
            yield from sender_issues("from", "Sender", values["from"])
        yield from pair_issues(
            values, "api_key_sid", "api_key_secret", "API key SID and API key secret"
        )


def build_form(message: TextMessage, sender: str, callback_url: str) -> list[tuple[str, str]]:
    """The fields of a new message. Twilio chooses the encoding and splits long texts itself."""
    kind = "MessagingServiceSid" if _SERVICE_SID.fullmatch(sender) else "From"
    fields = [("To", message.number), (kind, sender), ("Body", message.words)]
    if callback_url:
        fields.append(("StatusCallback", with_message_id(callback_url, message.message_id)))
    return fields


def check_signature(callback: Callback, auth_token: str) -> None:
    """Raises `CallbackRefused` unless Twilio signed this call with the account's auth token."""
    given = callback.headers.get("x-twilio-signature", "")
    pairs = sorted(set(parse_qsl(callback.body.decode("utf-8", "replace"), keep_blank_values=True)))
    ending = "".join(name + value for name, value in pairs)
    for url in _spellings(callback.url):
        signed = hmac.digest(auth_token.encode(), (url + ending).encode("utf-8", "replace"), "sha1")
        if is_same_secret(given, b64encode(signed).decode("ascii")):
            return
    raise CallbackRefused("The callback is not signed with this account's auth token.")


def _spellings(url: str) -> Iterator[str]:
    """The address without and with its port: which of them Twilio signs is not settled."""
    parts = urlsplit(url)
    yield url
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    for netloc in (host, f"{host}:{parts.port or _PORTS.get(parts.scheme, 443)}"):
        yield urlunsplit(parts._replace(netloc=netloc))


def _detail(status: str, code: str, words: str) -> str | None:
    """Why a message failed: `Twilio error 30005: Unknown destination handset`."""
    if not code:
        return "The message was canceled." if status == "canceled" else None
    return find_text(f"Twilio error {code}: {words}" if words else f"Twilio error {code}")
