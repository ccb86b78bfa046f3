"""One call from its first attempt to its end, without a socket in sight.

`Call` says what to ask and how to read the answer, `Reply` and `Fault` are what an attempt may end
in, `Exchange` decides whether there is a next attempt and when, and what the caller gets. The two
clients differ only in how they send and how they wait.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

from senderkit.client.errors import (
    SenderKitApiError,
    SenderKitAuthenticationError,
    SenderKitConflictError,
    SenderKitNetworkError,
    SenderKitPaymentRequiredError,
    SenderKitPermissionError,
    SenderKitRateLimitError,
    SenderKitTimeoutError,
    SenderKitValidationError,
)

T = TypeVar("T")

RETRY_BASE_SECONDS: Final = 0.25
RETRY_CAP_SECONDS: Final = 5.0
MAX_RETRY_AFTER_SECONDS: Final = 60.0

_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_NOT_IMPLEMENTED: Final = 501
_REFUSED_UNDONE: Final = frozenset({429, 503})
"""Answers that are given before anything is done."""

_ERRORS: Final[Mapping[int, type[SenderKitApiError]]] = {
    400: SenderKitValidationError,
    401: SenderKitAuthenticationError,
    402: SenderKitPaymentRequiredError,
    403: SenderKitPermissionError,
    409: SenderKitConflictError,
    422: SenderKitValidationError,
    429: SenderKitRateLimitError,
}


@dataclass(frozen=True)
class Reply:
    """An answer that came whole. `headers` are found in any case.

    `in_doubt` says that an earlier attempt of the same call may have been carried out although its
    answer never came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    in_doubt: bool = False

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body's value; `ValueError` when it is not JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Fault:
    """An attempt without an answer; `may_have_arrived` unless there was not even a connection."""

    error: SenderKitTimeoutError | SenderKitNetworkError
    may_have_arrived: bool


Outcome = Reply | Fault


@dataclass(frozen=True)
class Call(Generic[T]):
    """One operation: `path` with its query, `read` turns a successful reply into its result.

    `is_repeatable`: carrying it out twice is the same as once, so that an attempt whose answer was
    lost may be made again.
    """

    method: str
    path: str
    read: Callable[[Reply], T]
    body: bytes | None = None
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    is_repeatable: bool = True
    takes: frozenset[int] = frozenset()
    """Statuses beside 2xx that `read` understands."""


class Exchange(Generic[T]):
    """Decides on the attempts of one call. `roll` gives a random number from 0 to 1."""

    def __init__(
        self, call: Call[T], max_retries: int, roll: Callable[[], float] = random.random
    ) -> None:
        self._call = call
        self._retries_left = max_retries
        self._max_retries = max_retries
        self._roll = roll
        self._in_doubt = False

    def wait_after(self, outcome: Outcome) -> float | None:
        """Seconds to wait before the next attempt; None when `outcome` is the last word."""
        if self._retries_left <= 0 or not is_passing(outcome):
            return None
        may_be_done = is_possibly_done(outcome)
        if may_be_done and not self._call.is_repeatable:
            return None
        self._in_doubt = self._in_doubt or may_be_done
        retry_number = self._max_retries - self._retries_left
        self._retries_left -= 1
        return wait_seconds(outcome, retry_number, self._roll)

    def result_of(self, outcome: Outcome) -> T:
        """What the caller gets, or the error that it sees."""
        if isinstance(outcome, Fault):
            raise outcome.error
        reply = replace(outcome, in_doubt=True) if self._in_doubt else outcome
        if not reply.is_success and reply.status not in self._call.takes:
            raise error_of(reply)
        try:
            return self._call.read(reply)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise unreadable(reply) from error


def is_passing(outcome: Outcome) -> bool:
    """Whether the same request may fare better in a moment: 429, 5xx but 501, any fault."""
    if isinstance(outcome, Fault):
        return True
    return outcome.status == 429 or (500 <= outcome.status != _NOT_IMPLEMENTED)


def is_possibly_done(outcome: Outcome) -> bool:
    """Whether the server may have carried out what a failed attempt asked for."""
    if isinstance(outcome, Fault):
        return outcome.may_have_arrived
    return outcome.status not in _REFUSED_UNDONE


def wait_seconds(outcome: Outcome, retry_number: int, roll: Callable[[], float]) -> float:
    """Full jitter: anything from 0 to 0.25 s, doubled with each retry, at most 5 s.

    A `Retry-After` of up to 60 s is waited for first (a longer one counts as 60 s), so that many
    who were told the same second do not come back in the same one.
    """
    jitter = roll() * min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0 ** min(retry_number, 10))
    hint = None if isinstance(outcome, Fault) else retry_after(outcome)
    return jitter + min(hint or 0.0, MAX_RETRY_AFTER_SECONDS)


def retry_after(reply: Reply) -> float | None:
    """`Retry-After` in seconds: a number, or a date seen from the answer's own `Date`."""
    text = reply.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        seconds = until - parsedate_to_datetime(reply.headers.get("date", ""))
        return max(0.0, seconds.total_seconds())
    except (TypeError, ValueError):
        return None  # neither a number nor a date: no hint


# -- errors -------------------------------------------------------------------------------------


def error_of(reply: Reply) -> SenderKitApiError:
    """The error that an unsuccessful reply stands for."""
    found = _error_object(reply)
    more: dict[str, Any] = {}
    kind = _ERRORS.get(reply.status, SenderKitApiError)
    if kind is SenderKitRateLimitError:
        more = {"retry_after": retry_after(reply), "limit": found.get("limit")}
    return kind(
        found.get("message") or _plain_words(reply),
        status=reply.status,
        code=found.get("code"),
        issues=found.get("issues"),
        request_id=reply.headers.get("x-request-id"),
        **more,
    )


def _error_object(reply: Reply) -> dict[str, Any]:
    """The `error` of the API's own errors; empty for what something in between answered."""
    try:
        found = reply.json()["error"]
    except (KeyError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain_words(reply: Reply) -> str:
    if 300 <= reply.status < 400:
        target = reply.headers.get("location", "elsewhere")
        return f"The server redirects to {target}: check the base URL (redirects are not followed)."
    return f"The server answered HTTP {reply.status} without an error of the API."


def unreadable(reply: Reply) -> SenderKitApiError:
    """The error of an answer that succeeded, but is not one of SenderKit's."""
    return SenderKitApiError(
        f"The server answered HTTP {reply.status}, but not as SenderKit does: check the base URL.",
        status=reply.status,
        request_id=reply.headers.get("x-request-id"),
    )
