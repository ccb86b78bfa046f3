"""Text messages through Amazon SNS: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html.

SNS reports nothing of what became of a text message but in Amazon's own logs, so a message ends as
sent. Replies come through an SNS topic, where a number of yours has two-way messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape
from typing import Final
from urllib.parse import urlencode

from senderkit.domain import Channel, Clock, Outgoing, ProviderEvent, Receipt
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    Issue,
    Refused,
    Suppressed,
    Unavailable,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.aws import (
    AWS_FIELDS,
    BY_CODE,
    AwsAdapter,
    SnsTopic,
    region_issues,
    topic_issues,
)
from senderkit.providers.base import Adapter, Callback, Field, FieldType, Provider, find_text
from senderkit.providers.callbacks import json_object
from senderkit.providers.over_http import BASE_URL
from senderkit.providers.text_messages import TextMessage, events_of_reply, read_text_message

ERRORS: Final[Mapping[str, type[DeliveryError]]] = {
    "AuthorizationError": AccountBroken,
    "InvalidSecurity": AccountBroken,
    "InvalidParameter": Refused,  # mostly a number that is none
    "ParameterValueInvalid": Refused,
    "ValidationException": Refused,
    "OptedOut": Suppressed,
    "InternalError": Unavailable,
    "RequestLimitExceeded": Unavailable,
    "Throttled": Unavailable,
    "ThrottledException": Unavailable,
}
"""The `Code` of an error; those of every service are in `aws.BY_CODE`."""

SETTINGS: Final = ("SenderID", "OriginationNumber")
"""What an error names when a part of the connection, not of the message, is invalid."""

OPT_OUT_WORDS: Final = frozenset({"ARRET", "REMOVE", "TD"})
"""What Amazon takes for STOP beyond the keywords that all carriers know."""

_VERSION: Final = "2010-03-31"
_MAY_NOT_READ: Final = "AuthorizationError"
_SENDERS: Final = {
    "sender_id": (
        re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9-]{3,11}"),
        "Sender ID must be 3 to 11 letters, digits and hyphens, one of them a letter.",
    ),
    "origination_number": (
        re.compile(r"\+?[0-9]{5,14}"),
        "Origination number must be 5 to 14 digits, with or without a plus.",
    ),
}


class SnsAdapter(AwsAdapter):
    """One Amazon account in one region, by an access key."""

    service = "sns"
    endpoint = "sns"

    def __init__(
        self, provider: Provider, values: Mapping[str, str], clock: Clock, http: HttpClient
    ) -> None:
        super().__init__(provider, values, clock, http)
        self._topic = SnsTopic(values["topic_arn"], http, clock)

    def send(self, outgoing: Outgoing) -> Receipt:
        fields = build_form(read_text_message(outgoing), self._credentials)
        reply = self._call(Request.post_form(self._url("/"), fields))
        message_id = _find_element(reply, "MessageId")
        if not reply.is_success or message_id is None:
            raise self._refusal(reply)
        return Receipt(message_id)

    def check(self) -> None:
        """The key. One that may only send is told so, which proves it as well."""
        query = urlencode({"Action": "GetSMSAttributes", "Version": _VERSION})
        reply = self._call(Request("GET", self._url(f"/?{query}")))
        if not reply.is_success and _find_element(reply, "Code") != _MAY_NOT_READ:
            raise self._refusal(reply)

    def events_from(self, callback: Callback) -> Sequence[ProviderEvent]:
        reply = json_object(self._topic.message_of(callback).encode("utf-8", "replace"))
        sender, words = reply.get("originationNumber"), reply.get("messageBody")
        return events_of_reply(sender, words, self._clock(), more_words=OPT_OUT_WORDS)

    def _refusal(self, reply: Reply) -> DeliveryError:
        code = _find_element(reply, "Code") or ""
        words = _find_element(reply, "Message") or ""
        said = f"{words} (code {code})" if words else code
        kind = None if reply.is_success else ERRORS.get(code) or BY_CODE.get(code)
        if kind is Refused and any(name in words for name in SETTINGS):
            kind = AccountBroken
        return self._error(kind, reply, said) if kind else self._error_by_status(reply, said)


class SnsProvider(Provider):
    name = "sns"
    label = "Amazon SNS"
    channel = Channel.SMS
    capabilities = frozenset()
    reports_by_callback = True
    callback_help = (
        "Amazon SNS reports no delivery of an SMS: a message stays at sent. For replies that say "
        "STOP, let your number publish two-way messages to a topic, enter the topic's ARN in this "
        "connection's settings, then subscribe this address to it over HTTPS, raw message delivery "
        "off: the subscription confirms itself."
    )
    fields = (
        *AWS_FIELDS,
        Field(
            "sms_type",
            "Type of messages",
            "Transactional ones are delivered with more care and cost more in some countries. The "
            "key needs sns:Publish on every resource.",
            type=FieldType.CHOICE,
            choices=("Transactional", "Promotional"),
            default="Transactional",
        ),
        Field(
            "sender_id",
            "Sender ID",
            "3 to 11 letters, digits and hyphens that are shown as the sender, where the country "
            "allows it.",
        ),
        Field(
            "origination_number",
            "Origination number",
            "A number of yours to send from; left empty, Amazon chooses one.",
        ),
        Field(
            "topic_arn",
            "SNS topic of replies",
            "The ARN of the topic that two-way messages of your number are published to, and whose "
            "HTTPS subscription calls this connection. Leave raw message delivery off.",
        ),
        BASE_URL,
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        return SnsAdapter(self, values, clock, http)

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "region" not in bad_fields:
            yield from region_issues(values["region"])
        if "topic_arn" not in bad_fields:
            yield from topic_issues(values["topic_arn"])
        for name, (shape, words) in _SENDERS.items():
            if values[name] and name not in bad_fields and not shape.fullmatch(values[name]):
                yield Issue("invalid", (name,), words)


def build_form(message: TextMessage, settings: Mapping[str, str]) -> list[tuple[str, str]]:
    """The fields of `Publish`. SNS chooses the encoding and splits long texts itself."""
    attributes = {
        "AWS.SNS.SMS.SMSType": settings["sms_type"],
        "AWS.SNS.SMS.SenderID": settings["sender_id"],
        "AWS.MM.SMS.OriginationNumber": settings["origination_number"],
    }
    given = [(name, value) for name, value in attributes.items() if value]
    fields = [
        ("Action", "Publish"),
        ("Version", _VERSION),
        ("PhoneNumber", message.number),
        ("Message", message.words),
    ]
    for position, (name, value) in enumerate(given, start=1):
        entry = f"MessageAttributes.entry.{position}"
        fields.append((f"{entry}.Name", name))
        fields.append((f"{entry}.Value.DataType", "String"))
        fields.append((f"{entry}.Value.StringValue", value))
    return fields


def _find_element(reply: Reply, name: str) -> str | None:
    """The text of an element that occurs once in an XML reply; no parser that follows entities."""
    found = re.search(f"<{name}>([^<>]*)</{name}>", reply.text())
    return find_text(unescape(found[1])) if found else None
