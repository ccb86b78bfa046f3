"""VAPID (RFC 8292): the key pair by which push services know a sender."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_PRIVATE_BYTES: Final = 32
# Apple wants an address that could be one, and py_vapid knows no path.
_HOST: Final = r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
_MAILTO: Final = re.compile(rf"mailto:[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_HOST}")
_ORIGIN: Final = re.compile(rf"https://{_HOST}")


@dataclass(frozen=True, slots=True)
class VapidKeys:
    """Both in base64url: the public key for `applicationServerKey` in the browser (87 characters),
    the private key for the connection (43 characters)."""

    public_key: str
    private_key: str = field(repr=False)


def new_vapid_keys() -> VapidKeys:
    """A fresh key pair. Subscriptions that were made with another one do not work with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    number = key.private_numbers().private_value
    private_key = to_base64url(number.to_bytes(_PRIVATE_BYTES, "big"))
    return VapidKeys(public_key_of(private_key), private_key)


def public_key_of(private_key: str) -> str:
    """What browsers subscribe with. Raises `ValueError` unless `private_key` is a VAPID key."""
    raw = from_base64url(private_key)
    if len(raw) != _PRIVATE_BYTES:
        raise ValueError("a VAPID private key has 32 bytes")
    key = ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return to_base64url(public)


def is_subject(text: str) -> bool:
    """Whether push services take this as the way to reach a sender."""
    return bool(_MAILTO.fullmatch(text) or _ORIGIN.fullmatch(text))


def to_base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The decoded bytes, empty when `text` is no base64url. Padding may be there or not."""
    bare = text.rstrip("=")
    if not _BASE64URL.fullmatch(text) or len(bare) % 4 == 1:
        return b""
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
