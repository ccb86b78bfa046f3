"""Where a client gets its key, its server and its limits: arguments, else the environment.

The client's only reader of the environment.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import urlsplit

from senderkit.client.keys import is_well_formed, mode_of

T = TypeVar("T")

DEFAULT_BASE_URL: Final = "http://127.0.0.1:8025"
"""Where `senderkit serve` listens unless told otherwise: a key never leaves the machine unasked."""

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds."""

DEFAULT_MAX_RETRIES: Final = 2


@dataclass(frozen=True)
class Configuration:
    """Checked and complete. `timeout` is in seconds; secrets stay out of `repr`."""

    api_key: str = field(repr=False)
    base_url: str
    timeout: float
    max_retries: int
    webhook_secret: str | None = field(repr=False)

    @property
    def mode(self) -> str:
        return mode_of(self.api_key)


def configure(
    api_key: str | None = None,
    *,
    base_url: str | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    webhook_secret: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Configuration:
    """Take each value from its argument, else from `environ`, else its default.

    Raises `ValueError` naming the argument or the variable that is wrong; never shows a key.
    """
    given = _Environment(os.environ if environ is None else environ)
    return Configuration(
        api_key=read_api_key(given.text("API_KEY") if api_key is None else api_key),
        base_url=given.parsed("BASE_URL", base_url, read_base_url) or DEFAULT_BASE_URL,
        timeout=given.parsed("TIMEOUT", timeout, _seconds) or DEFAULT_TIMEOUT,
        max_retries=_or(given.parsed("MAX_RETRIES", max_retries, _count), DEFAULT_MAX_RETRIES),
        webhook_secret=webhook_secret or given.text("WEBHOOK_SECRET"),
    )


def find_setting(name: str) -> str | None:
    """`SENDERKIT_<name>` of the environment; None when it is empty or missing."""
    return _Environment(os.environ).text(name)


class _Environment:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        """The variable's text; None when it is empty or missing."""
        return self._environ.get(f"SENDERKIT_{name}", "").strip() or None

    def parsed(
        self, name: str, argument: float | str | None, parse: Callable[[str], T]
    ) -> T | None:
        """The argument, else the variable, read by `parse`; None when neither is given."""
        text, source = str(argument), name.lower()
        if argument is None:
            text, source = self.text(name) or "", f"SENDERKIT_{name}"
        try:
            return parse(text) if text else None
        except ValueError as error:
            raise ValueError(f"{source} {_MUST[name]}") from error


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def read_api_key(text: str | None) -> str:
    """The key itself. Raises `ValueError` for one that is missing or malformed; never shows it."""
    if not text:
        raise ValueError("api_key is required: pass it, or set SENDERKIT_API_KEY")
    if not is_well_formed(text):
        raise ValueError(
            "api_key is malformed: a key is 'sk_live_' or 'sk_test_' and 49 letters and digits, "
            "the last six of them a checksum. Copy it again"
        )
    return text


def read_base_url(text: str) -> str:
    """A server's address without its last slash. Raises `ValueError` for anything else."""
    parts = urlsplit(text)
    is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    # A name and password in the address would take the place of the key.
    if not is_address or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(text)
    return text.rstrip("/")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


_MUST: Final = {
    "BASE_URL": "must be an http or https address such as https://notify.acme.example",
    "TIMEOUT": "must be a positive number of seconds",
    "MAX_RETRIES": "must be a whole number, 0 or more",
}
