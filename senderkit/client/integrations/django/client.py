"""The client that Django's settings describe."""

from __future__ import annotations

import threading
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from senderkit.client.client import SenderKit

_LOCK: Final = threading.Lock()
_made: list[SenderKit] = []


def get_config() -> dict[str, Any]:
    """The `SENDERKIT` setting; empty when there is none."""
    return dict(getattr(settings, "SENDERKIT", None) or {})


def get_client() -> SenderKit:
    """The process's client: made on first use, then kept, whatever thread asks.

    Raises `ImproperlyConfigured` for settings that make no client.
    """
    with _LOCK:
        if not _made:
            _made.append(_make_client(get_config()))
        return _made[0]


def reset_client() -> None:
    """Close and forget the client: after a change of settings, in tests."""
    with _LOCK:
        while _made:
            _made.pop().close()


def _make_client(config: dict[str, Any]) -> SenderKit:
    try:
        return SenderKit(
            config.get("API_KEY"),
            base_url=config.get("BASE_URL"),
            timeout=config.get("TIMEOUT"),
            max_retries=config.get("MAX_RETRIES"),
            webhook_secret=config.get("WEBHOOK_SECRET"),
        )
    except ValueError as error:
        raise ImproperlyConfigured(f"SENDERKIT: {error}") from error
