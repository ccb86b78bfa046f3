"""What providers say to us, read with distrust: secrets compared, bodies parsed, times understood.

Nothing here raises for a body that is not as it should be: what cannot be understood is nothing.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from senderkit.domain import JsonObject
from senderkit.errors import CallbackRefused, Issue
from senderkit.providers.base import Callback

LONGEST_LINK: Final = 2_000

CLOCK_DIFFERENCE: Final = timedelta(minutes=5)
"""How far a provider's clock may be ahead of ours."""

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def is_same_secret(given: str, expected: str) -> bool:
    """Constant-time comparison of two texts; an empty secret is the same as none."""
    same = hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8"))
    return same and bool(expected)


def check_basic_auth(callback: Callback, user: str, password: str) -> None:
    """Raises `CallbackRefused` unless the callback brings this user and password."""
    if not user or not password:
        raise CallbackRefused("This connection has no secret for callbacks.")
    given = _basic_auth(callback.headers.get("authorization", ""))
    if not is_same_secret(given, f"{user}:{password}"):
        raise CallbackRefused("The callback does not bring the user name and password agreed on.")


def login_issues(values: Mapping[str, str]) -> Iterator[Issue]:
    """What is wrong with the fields `callback_user` and `callback_password` taken together."""
    if bool(values["callback_user"]) != bool(values["callback_password"]):
        missing = "callback_password" if values["callback_user"] else "callback_user"
        message = "Webhook user name and password belong together: give both or neither."
        yield Issue("required", (missing,), message)


def is_within(seconds: str, now: datetime, past: timedelta) -> bool:
    """Whether a time in seconds since 1970 is at most `past` ago, and hardly in the future."""
    if not _SECONDS.fullmatch(seconds):
        return False
    moment = moment_of(seconds, now - 2 * past)
    return -CLOCK_DIFFERENCE <= now - moment <= past


def json_object(body: bytes) -> JsonObject:
    """The body as a JSON object, empty when it is anything else."""
    return object_of(_json(body))


def json_objects(body: bytes) -> list[JsonObject]:
    """The objects in a body that is a JSON array; empty when it is anything else."""
    value = _json(body)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def object_of(value: object) -> JsonObject:
    """A part that should be an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def moment_of(value: object, otherwise: datetime) -> datetime:
    """A time in ISO 8601 or in seconds since 1970, or `otherwise` when it is neither."""
    try:
        if isinstance(value, str) and not _SECONDS.fullmatch(value):
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, int | float | str):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return otherwise
    return otherwise


def find_link(value: object) -> str | None:
    """A web address that somebody clicked, or None when it is none or too long to keep."""
    if not isinstance(value, str) or len(value) > LONGEST_LINK or not value.isprintable():
        return None
    return value if value.startswith(("https://", "http://")) else None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _basic_auth(header: str) -> str:
    """`user:password`, or nothing."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(token.strip(), validate=True).decode("utf-8")
    except ValueError:
        return ""
