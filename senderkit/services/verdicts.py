"""What a provider call makes of its message: a pure function from its outcome to a change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from senderkit.domain import AttemptOutcome, MessageStatus, Receipt
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    OutcomeUnknown,
    Refused,
    Suppressed,
    Unavailable,
    Unsupported,
)
from senderkit.outbox import Claim
from senderkit.services import steps
from senderkit.services.preparing import Call
from senderkit.services.steps import AttemptEnd, Change

DelayAfter = Callable[[int, float | None], float | None]
"""Seconds to the next attempt after so many tries and with the provider's hint; None: no more."""

_TRANSIENT: Final = (Unavailable, OutcomeUnknown, OSError)
_OUTCOMES: Final = (
    (Unavailable, AttemptOutcome.UNAVAILABLE),
    (Refused, AttemptOutcome.REFUSED),
    (Suppressed, AttemptOutcome.SUPPRESSED),
    (AccountBroken, AttemptOutcome.ACCOUNT_BROKEN),
    (Unsupported, AttemptOutcome.UNSUPPORTED),
)


def verdict(
    call: Call,
    receipt: Receipt | None,
    error: Exception | None,
    now: datetime,
    delay_after: DelayAfter,
) -> Change:
    """What becomes of the message after a call that gave a receipt or raised `error`.

    What an adapter raises beyond its contract is a fault of ours, which a repetition would not
    mend: the message fails, and its attempt is in doubt. A broken line (OSError) is no such fault.
    """
    begin = call.beginning
    if receipt is not None:
        return steps.accepted(begin, receipt, now)
    reason = _reason_of(error)
    end = AttemptEnd(begin.number, _outcome_of(error), now, reason)
    if isinstance(error, AccountBroken):
        return steps.held(begin.claim, call.route.connection_id, reason, now, attempt=end)
    if isinstance(error, _TRANSIENT):
        hint = error.retry_after_seconds if isinstance(error, Unavailable) else None
        delay = delay_after(begin.tries, hint)
        if delay is not None:
            return steps.retried(begin, end, delay)
        reason = _given_up(begin.number, reason)
    is_suppressed = isinstance(error, Suppressed)
    status = MessageStatus.SUPPRESSED if is_suppressed else MessageStatus.FAILED
    return steps.ended(begin.claim, status, reason, now, attempt=end)


def not_understood(call: Call, now: datetime) -> Change:
    """The message fails, since what its provider answered cannot be told."""
    begin, reason = call.beginning, "What the provider answered was not understood."
    end = AttemptEnd(begin.number, AttemptOutcome.UNKNOWN, now, reason)
    return steps.ended(begin.claim, MessageStatus.FAILED, reason, now, attempt=end)


def ended_by_crash(claim: Claim, now: datetime) -> Change:
    """The message fails: its last attempt was cut off, so that no result ended it."""
    reason = _given_up(claim.attempts, "the process stopped during it.")
    return steps.ended(claim, MessageStatus.FAILED, reason, now)


def _outcome_of(error: Exception | None) -> AttemptOutcome:
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome
    return AttemptOutcome.UNKNOWN


def _reason_of(error: Exception | None) -> str:
    if isinstance(error, DeliveryError):
        return steps.shown(str(error))
    name = type(error).__name__
    return f"The adapter stopped unexpectedly ({name}): the provider may have taken the message."


def _given_up(attempts: int, reason: str) -> str:
    return f"Given up after {attempts} attempts. The last one: {reason}"
