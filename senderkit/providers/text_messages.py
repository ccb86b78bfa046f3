"""What SMS providers share: a checked text message, phone numbers, and replies that say STOP."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from senderkit.domain import EventKind, Outgoing, ProviderEvent, SmsBody
from senderkit.errors import Issue, Refused, Unsupported
from senderkit.providers.base import CORRELATION_KEY, find_text

OPT_OUT_WORDS: Final = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
"""A reply that holds one of these and nothing else stops further messages, as carriers ask."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SENDER_NUMBER: Final = re.compile(r"\+?[0-9]{3,15}")
_SENDER_ID: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &+._-]{1,11}")


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A checked text message. `number` is in E.164 form, the plus included."""

    message_id: str
    number: str
    words: str

    @property
    def digits(self) -> str:
        """The number as an API wants it that takes no plus."""
        return self.number[1:]


def read_text_message(outgoing: Outgoing) -> TextMessage:
    """The text message of `outgoing`.

    Raises `Unsupported` when the message is none, `Refused` when its number is no phone number or
    its words cannot be encoded.
    """
    if not isinstance(outgoing.body, SmsBody):
        raise Unsupported("This connection delivers text messages only.")
    if not _E164.fullmatch(outgoing.recipient):
        raise Refused("The recipient is no phone number in E.164 form, such as +15550100200.")
    try:
        outgoing.body.body.encode()
    except UnicodeEncodeError as error:
        raise Refused("The text of this message holds characters that cannot be sent.") from error
    return TextMessage(outgoing.message_id, outgoing.recipient, outgoing.body.body)


def is_sender_number(sender: str) -> bool:
    """Whether a sender is a number or a short code, not a name."""
    return _SENDER_NUMBER.fullmatch(sender) is not None


def sender_digits(sender: str) -> str:
    """The sender as an API wants it whose numbers have no plus; a name stays as it is."""
    return sender.removeprefix("+") if is_sender_number(sender) else sender


def sender_issues(name: str, label: str, sender: str) -> Iterator[Issue]:
    """What is wrong with the sender that a person entered in the field `name`."""
    if not is_sender_number(sender) and not _SENDER_ID.fullmatch(sender):
        message = (
            f"{label} must be a phone number such as +15550100200, a short code, or a name of up "
            "to 11 letters, digits and spaces."
        )
        yield Issue("invalid", (name,), message)


def pair_issues(values: Mapping[str, str], first: str, second: str, label: str) -> Iterator[Issue]:
    """Two fields that only mean something together; `label` names them both."""
    if bool(values[first]) != bool(values[second]):
        missing = second if values[first] else first
        yield Issue("required", (missing,), f"{label} belong together: give both or neither.")


def form_fields(text: str) -> dict[str, str]:
    """The fields of a form or a query; of a name that comes twice, the last value."""
    return dict(parse_qsl(text, keep_blank_values=True))


def query_of(url: str) -> str:
    return urlsplit(url).query


def with_message_id(callback_url: str, message_id: str) -> str:
    """The address to report one message to, where a provider keeps no words of ours with it."""
    return f"{callback_url}?{urlencode({CORRELATION_KEY: message_id})}"


def find_phone_number(value: object) -> str | None:
    """A number in E.164 form, however a provider writes it: as a JSON number, without its plus,
    with a space where the plus was decoded away."""
    text = (find_text(value) or "").strip().removeprefix("+")
    return f"+{text}" if _E164.fullmatch(f"+{text}") else None


def events_of_failure(failed: ProviderEvent, *, is_opted_out: bool) -> list[ProviderEvent]:
    """A message that failed; because its recipient had opted out with this provider, or not."""
    opted_out = [replace(failed, kind=EventKind.OPTED_OUT)] if is_opted_out else []
    return [failed, *opted_out]


def events_of_reply(
    sender: object, words: object, at: datetime, more_words: Collection[str] = ()
) -> list[ProviderEvent]:
    """What a text message to us means: an opt-out of its sender, or nothing.

    `more_words` are keywords that this provider takes for STOP as well, in upper case.
    """
    number = find_phone_number(sender)
    if number is None or not is_opt_out(words, more_words):
        return []
    return [opt_out_of(number, at, find_text(words))]


def opt_out_of(number: str, at: datetime, detail: str | None) -> ProviderEvent:
    """The owner of this number wants no more messages, whichever of ours made them say so."""
    return ProviderEvent(EventKind.OPTED_OUT, at, None, recipient=number, detail=detail)


def is_opt_out(words: object, more_words: Collection[str] = ()) -> bool:
    """Whether a reply is an opt-out keyword and nothing else; case, spaces and marks aside."""
    bare = "".join(c for c in words if c.isalnum()) if isinstance(words, str) else ""
    return bare.upper() in OPT_OUT_WORDS or bare.upper() in more_words
