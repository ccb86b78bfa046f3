"""How each kind of setting is read: a text in, a value out, `ValueError` saying what it must be.

No problem repeats the text: many of them are secrets.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from senderkit import crypto
from senderkit.domain import Channel

_MINIMUM_SECRET_LENGTH: Final = 32
_MINIMUM_TOKEN_LENGTH: Final = 16
_POSTGRES: Final = re.compile(r"postgres(?:ql)?(?:\+psycopg)?://")
_HOST_NAME: Final = re.compile(r"[^\s/?#@\[\]:]+")
_SWITCH: Final = {
    **dict.fromkeys(("1", "on", "true", "yes"), True),
    **dict.fromkeys(("0", "off", "false", "no"), False),
}
_LOG_LEVELS: Final = ("debug", "info", "warning", "error")


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """A reader of whole numbers in ASCII digits, both ends included."""

    def parse(text: str) -> int:
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
        if not is_number or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError("must be 'on' or 'off'")
    return _SWITCH[text.lower()]


def channels(text: str) -> frozenset[Channel]:
    """Names of channels, separated by commas; `none` for no channel at all."""
    if text.lower() == "none":
        return frozenset()
    try:
        return frozenset(Channel(name.strip()) for name in text.lower().split(",") if name.strip())
    except ValueError as error:
        names = ", ".join(channel.value for channel in Channel)
        raise ValueError(f"must be 'none' or some of {names}, separated by commas") from error


def log_level(text: str) -> str:
    if text.lower() not in _LOG_LEVELS:
        raise ValueError("must be 'debug', 'info', 'warning' or 'error'")
    return text.lower()


def public_url(text: str) -> str:
    """`https://host[:port]` in lower case, without a slash at its end."""
    refusal = "must be an http or https address without a path: https://notify.acme.example"
    try:
        parts = urlsplit(text.lower())
        has_port_only = parts.port is not None or not parts.netloc.endswith(":")
    except ValueError as error:
        raise ValueError(refusal) from error
    is_host = _is_address(parts.hostname or "") or _HOST_NAME.fullmatch(parts.hostname or "")
    has_more = parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in {"http", "https"} or not is_host or not has_port_only or has_more:
        raise ValueError(refusal)
    return f"{parts.scheme}://{parts.netloc}"


def database_url(text: str) -> str:
    """SQLAlchemy's form of the address: a file of SQLite's, or a database of a Postgres server."""
    if _POSTGRES.match(text):
        return _postgres_url(_POSTGRES.sub("postgresql+psycopg://", text, count=1))
    if text.startswith("sqlite:///"):
        return _sqlite_url(text)
    raise ValueError("must start with sqlite:/// or postgresql://")


def _postgres_url(text: str) -> str:
    try:
        parts = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ValueError(
            "must look like postgresql://user:password@host:5432/name, with characters such as "
            "/ ? # @ : % in user name and password percent-encoded"
        ) from error
    if not parts.database:
        raise ValueError("must name its database: postgresql://user:password@host/name")
    return text


def _sqlite_url(text: str) -> str:
    path = text.removeprefix("sqlite:///")
    if not path or path == ":memory:" or "?" in path:
        raise ValueError("must name a file, without options: sqlite:////srv/senderkit.sqlite3")
    return text


def encryption_keys(text: str) -> tuple[str, ...]:
    """Fernet keys, newest first, separated by commas or new lines."""
    keys = tuple(key.strip() for key in text.replace("\n", ",").split(",") if key.strip())
    try:
        crypto.Vault(keys)
    except ValueError as error:
        raise ValueError("must hold Fernet keys (32 bytes as URL-safe base64)") from error
    return keys


def metrics_token(text: str) -> str | None:
    """What a header can hold: visible ASCII."""
    if len(text) < _MINIMUM_TOKEN_LENGTH or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("must be at least 16 characters of ASCII without spaces")
    return text


def secret_key(text: str) -> str:
    if len(text) < _MINIMUM_SECRET_LENGTH:
        raise ValueError(f"must have at least {_MINIMUM_SECRET_LENGTH} characters")
    return text


# -- addresses --------------------------------------------------------------------------------


def url_on(host: str, port: int) -> str:
    """The http address of a server that listens there, as this machine reaches it."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - every address: the loopback one is among them
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server there."""
    return host.lower() == "localhost" or (
        _is_address(host) and ipaddress.ip_address(host).is_loopback
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
