"""Who a message is for: addresses, phone numbers, device tokens and push subscriptions.

Nothing here asks the network. An address is judged by its syntax alone, so domains that exist
only inside a company, in documentation or in the simulator are as good as any other.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import email_validator
import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from senderkit.commands.fields import check_single_line
from senderkit.commands.issues import IssueCode, flaw, issue_of, refuse
from senderkit.commands.limits import (
    MAX_ADDRESS_TEXT,
    MAX_COPIES,
    MAX_ENDPOINT,
    MAX_NAME,
    MAX_PUSH_TOKEN,
    MAX_RECIPIENT,
)
from senderkit.commands.strict_json import parse_json_object
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest

# The library refuses names such as `test` and `local` by this list, which it documents as ours to
# change. Whether such a name takes mail is for the provider to say.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

_QUOTED_NAME: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_NEEDS_QUOTES: Final = re.compile(r"[()\[\]:@]")
_NOT_IN_BARE_NAME: Final = re.compile(r'[,;"\\<>]')
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_TOKEN: Final = re.compile(r"[!-~]+")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_P256_POINT_BYTES: Final = 65
_UNCOMPRESSED_POINT: Final = 4
_AUTH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Recipient:
    """`text` is what people read and the provider gets; `key` is what suppression compares."""

    text: str
    key: str


def check_recipient(channel: Channel, to: str) -> Recipient:
    """Read `to` as a recipient of `channel`. Raises `InvalidRequest` with an issue at `to`."""
    try:
        return _READERS[channel](to)
    except PydanticCustomError as found:
        refuse([issue_of(found, ("to",))])


# -- email --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox. `text` is bare or `Name <address>`; `key` is lower-case with an ASCII domain."""

    text: str
    key: str


def read_address(text: str, *, needs_dot: bool = True) -> Address:
    """Read a bare address or `Name <address>`; raises a flaw.

    A name with characters that a header would misread comes back in double quotes. `needs_dot`
    asks for a domain as the public internet has them, not just `host`.
    """
    _check_length(text, MAX_ADDRESS_TEXT)
    check_single_line(text)
    name, bare = _split(text)
    try:
        key = _address_key(bare, needs_dot=needs_dot)
    except email_validator.EmailNotValidError as error:
        message = f"Must be one email address, bare or as 'Name <address>'. {error}"
        raise flaw(IssueCode.INVALID_VALUE, message) from error
    return Address(f"{_phrase(name)} <{bare}>" if name else bare, key)


@lru_cache(maxsize=1024)
def _address_key(bare: str, *, needs_dot: bool) -> str:
    # Senders and reply addresses come again and again, and this is most of a send's validation.
    valid = email_validator.validate_email(
        bare, check_deliverability=False, strict=True, globally_deliverable=needs_dot
    )
    return f"{valid.local_part}@{valid.ascii_domain}".lower()


def _split(text: str) -> tuple[str, str]:
    if not text.endswith(">"):
        return "", text
    name, mark, bare = text[:-1].rpartition("<")
    # Without the opening bracket the text is no address, and the validator says so.
    return (name.strip(" "), bare) if mark else ("", text)


def _phrase(name: str) -> str:
    if len(name) > MAX_NAME:
        raise flaw(IssueCode.TOO_LONG, f"The name must have at most {MAX_NAME} characters.")
    if _QUOTED_NAME.fullmatch(name):
        return name
    if _NOT_IN_BARE_NAME.search(name):
        message = (
            "Must be one email address. Put a name with a comma, semicolon, quote or bracket "
            'in double quotes: "Lovelace, Ada" <ada@example.com>.'
        )
        raise flaw(IssueCode.INVALID_VALUE, message)
    return f'"{name}"' if _NEEDS_QUOTES.search(name) else name


def _email_recipient(text: str) -> Recipient:
    address = read_address(text)
    return Recipient(address.text, address.key)


def _check_address(text: str) -> str:
    return read_address(text).text


def _check_sender(text: str) -> str:
    # As given: a sender's domain may be one label, and the provider judges it.
    read_address(text, needs_dot=False)
    return text


# -- the other channels -------------------------------------------------------------------------


def _phone_recipient(text: str) -> Recipient:
    if not _E164.fullmatch(text):
        message = "Must be a phone number in E.164 form: +, country code and digits only."
        raise flaw(IssueCode.INVALID_VALUE, message)
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        message = "Must be a phone number whose country code exists."
        raise flaw(IssueCode.INVALID_VALUE, message) from error
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        message = "No number of this country has this many digits."
        raise flaw(IssueCode.INVALID_VALUE, message)
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return Recipient(e164, e164)


def _push_recipient(text: str) -> Recipient:
    _check_length(text, MAX_PUSH_TOKEN)
    if not _TOKEN.fullmatch(text):
        message = "Must be a device token: visible ASCII characters without spaces."
        raise flaw(IssueCode.INVALID_VALUE, message)
    return Recipient(text, text)


def _web_push_recipient(text: str) -> Recipient:
    _check_length(text, MAX_RECIPIENT)
    subscription = _parse_subscription(text)
    endpoint = subscription.get("endpoint")
    if not _is_https_url(endpoint):
        raise _bad_subscription("'endpoint' must be an https URL")
    keys = subscription.get("keys")
    if not isinstance(keys, dict):
        raise _bad_subscription("'keys' must be an object with 'p256dh' and 'auth'")
    _check_subscription_keys(keys)
    return Recipient(text, str(endpoint))


def _parse_subscription(text: str) -> dict[str, Any]:
    try:
        return parse_json_object(text.encode("utf-8", "surrogatepass"))
    except InvalidRequest as error:
        raise _bad_subscription(f"it cannot be read ({error.message})") from error


def _check_subscription_keys(keys: Mapping[str, Any]) -> None:
    point = _decode_base64url(keys.get("p256dh"))
    if len(point) != _P256_POINT_BYTES or point[0] != _UNCOMPRESSED_POINT:
        raise _bad_subscription("'keys.p256dh' must be an uncompressed P-256 point in base64url")
    if len(_decode_base64url(keys.get("auth"))) != _AUTH_BYTES:
        raise _bad_subscription("'keys.auth' must be 16 bytes in base64url")


def _bad_subscription(reason: str) -> PydanticCustomError:
    message = f"Must be the JSON text of a browser's PushSubscription: {reason}."
    return flaw(IssueCode.INVALID_VALUE, message)


def _decode_base64url(value: object) -> bytes:
    """The decoded bytes; empty when `value` is no base64url text."""
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        return b""
    bare = value.rstrip("=")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return b""


def _is_https_url(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MAX_ENDPOINT or not _TOKEN.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
        # Reading the port is what checks it.
        has_bad_port = parts.port == 0
    except ValueError:
        return False
    is_plain = parts.username is None and not has_bad_port
    return parts.scheme == "https" and bool(parts.hostname) and is_plain


def _check_length(text: str, longest: int) -> None:
    if not text:
        raise flaw(IssueCode.REQUIRED, "This field is required and must not be empty.")
    if len(text) > longest:
        raise flaw(IssueCode.TOO_LONG, f"Must have at most {longest} characters.")


_READERS: Final[Mapping[Channel, Callable[[str], Recipient]]] = {
    Channel.EMAIL: _email_recipient,
    Channel.SMS: _phone_recipient,
    Channel.PUSH: _push_recipient,
    Channel.WEB_PUSH: _web_push_recipient,
}

# -- as fields of a body ------------------------------------------------------------------------


def _reader(channel: Channel) -> BeforeValidator:
    def read(value: object) -> Recipient:
        if not isinstance(value, str):
            raise flaw(IssueCode.INVALID_TYPE, "Must be a string.")
        return _READERS[channel](value)

    return BeforeValidator(read)


def _documented(longest: int, description: str, example: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": longest,
            "description": description,
            "examples": [example],
            **more,
        }
    )


_ADDRESS_PATTERN: Final = r"^[^<>@\s]+@[^<>@\s]+$|<[^<>@\s]+@[^<>@\s]+>$"
_ADDRESS_HELP: Final = "An email address, bare or `Name <address>`."
EXAMPLE_SUBSCRIPTION: Final = (
    '{"endpoint":"https://push.example.com/send/abc","keys":{"p256dh":"BNcRdreALRFXTkOOUHK1EtK2wtaz'
    '5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM","auth":"tBHItJI5svbpez7KI4CCXg"}}'
)

EmailRecipient = Annotated[
    Recipient,
    _reader(Channel.EMAIL),
    _documented(
        MAX_ADDRESS_TEXT, _ADDRESS_HELP, "Ada Lovelace <ada@example.com>", pattern=_ADDRESS_PATTERN
    ),
]
PhoneRecipient = Annotated[
    Recipient,
    _reader(Channel.SMS),
    _documented(16, "A phone number in E.164 form.", "+15555550100", pattern=r"^\+[1-9][0-9]+$"),
]
PushRecipient = Annotated[
    Recipient,
    _reader(Channel.PUSH),
    _documented(
        MAX_PUSH_TOKEN,
        "A device token of APNs, FCM or Expo.",
        "ExponentPushToken[abc]",
        pattern="^[!-~]+$",
    ),
]
WebPushRecipient = Annotated[
    Recipient,
    _reader(Channel.WEB_PUSH),
    _documented(
        MAX_RECIPIENT,
        "The JSON text of a browser's PushSubscription.",
        EXAMPLE_SUBSCRIPTION,
        contentMediaType="application/json",
    ),
]
AddressText = Annotated[
    str,
    AfterValidator(_check_address),
    _documented(MAX_ADDRESS_TEXT, _ADDRESS_HELP, "help@acme.example", pattern=_ADDRESS_PATTERN),
]
SenderText = Annotated[
    str,
    AfterValidator(_check_sender),
    _documented(MAX_ADDRESS_TEXT, _ADDRESS_HELP, "receipts@acme.example", pattern=_ADDRESS_PATTERN),
]
Copies = Annotated[list[AddressText], Field(max_length=MAX_COPIES)]
