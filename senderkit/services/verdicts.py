"""What a provider call makes of its message: a pure function from its outcome to a change."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from senderkit.domain import AttemptOutcome, Channel, MessageStatus, Receipt
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    NotMade,
    OutcomeUnknown,
    Refused,
    Suppressed,
    Unavailable,
    Unsupported,
)
from senderkit.outbox import Claim
from senderkit.services import steps
from senderkit.services.connections import Route
from senderkit.services.preparing import Call
from senderkit.services.rounds import Past
from senderkit.services.steps import AttemptEnd, Change

DelayAfter = Callable[[int, float | None], float | None]
"""Seconds to the next round after so many failed ones, with the provider's hint; None: no more."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a message is tried again, and on which channels also when it may have gone out."""

    delay_after: DelayAfter
    repeats_in_doubt: Set[Channel] = frozenset(Channel)


_OUTCOMES: Final = (
    (Unavailable, AttemptOutcome.UNAVAILABLE),
    (Refused, AttemptOutcome.REFUSED),
    (Suppressed, AttemptOutcome.SUPPRESSED),
    (AccountBroken, AttemptOutcome.ACCOUNT_BROKEN),
    (Unsupported, AttemptOutcome.UNSUPPORTED),
)
_FAULTS: Final = (Unavailable, OutcomeUnknown, OSError)


def is_fault(error: Exception | None) -> bool:
    """Whether an error is a transient fault of the provider or of the way there."""
    return isinstance(error, _FAULTS) and not isinstance(error, NotMade)


def is_answer(error: Exception | None) -> bool:
    """Whether the provider gave an answer, yes (None) or no."""
    return error is None or (isinstance(error, DeliveryError) and not isinstance(error, _FAULTS))


def verdict(
    call: Call,
    receipt: Receipt | None,
    error: Exception | None,
    now: datetime,
    policy: Policy,
    following: Route | None = None,
) -> Change:
    """What becomes of the message after a call that gave a receipt or raised `error`.

    `following` is the connection whose turn it is if this one cannot take the message. What an
    adapter raises beyond its contract is a fault of ours, which a repetition would not mend: the
    message fails, and its attempt is in doubt. A broken line (OSError) is no such fault.
    """
    begin = call.beginning
    if receipt is not None:
        return steps.accepted(begin, receipt, now)
    end = AttemptEnd(begin.number, outcome_of(error), now, _reason_of(error))
    if isinstance(error, AccountBroken | Unavailable) and not isinstance(error, NotMade):
        return _passed_on(call, end, error, policy, following)
    if isinstance(error, _FAULTS):
        return _again(call, end, policy)
    is_suppressed = isinstance(error, Suppressed)
    status = MessageStatus.SUPPRESSED if is_suppressed else MessageStatus.FAILED
    return steps.ended(begin.claim, status, end.detail or "", now, attempt=end)


def _passed_on(
    call: Call,
    end: AttemptEnd,
    error: AccountBroken | Unavailable,
    policy: Policy,
    following: Route | None,
) -> Change:
    """This connection cannot take the message now: the next one may, or the round is over."""
    if following is not None:
        return steps.failed_over(
            call.beginning,
            end,
            to_id=following.connection_id,
            to_name=following.name,
            to_provider=following.provider,
        )
    if isinstance(error, AccountBroken) and not call.choice.is_transient:
        first = call.choice.first
        reason = first.broken_reason or end.detail or ""
        return steps.held_after_try(call.claim, first.connection_id, reason, end)
    hint = error.retry_after_seconds if isinstance(error, Unavailable) else None
    return _again(call, end, policy, hint)


def _again(call: Call, end: AttemptEnd, policy: Policy, hint: float | None = None) -> Change:
    """The next round begins after a while, unless this was the last."""
    claim, reason, now = call.claim, end.detail or "", end.finished_at
    if end.outcome is AttemptOutcome.UNKNOWN and claim.channel not in policy.repeats_in_doubt:
        return steps.ended(claim, MessageStatus.FAILED, _unrepeated(reason), now, attempt=end)
    delay = policy.delay_after(call.failed_rounds + 1, hint)
    if delay is None:
        reason = _given_up(end.number, reason)
        return steps.ended(claim, MessageStatus.FAILED, reason, now, attempt=end)
    lane = claim.lane if end.outcome is AttemptOutcome.UNKNOWN else call.choice.first.connection_id
    return steps.retried(claim, reason, now, delay, lane=lane, attempt=end)


def round_over(claim: Claim, past: Past, now: datetime, policy: Policy) -> Change:
    """No connection is left to try in this round, and no call ended it."""
    reason = "No connection could take the message."
    delay = policy.delay_after(past.failed_rounds(claim.round) + 1, None)
    if delay is None:
        reason = _given_up(claim.attempts, reason)
        return steps.ended(claim, MessageStatus.FAILED, reason, now)
    return steps.retried(claim, reason, now, delay)


def not_understood(call: Call, now: datetime) -> Change:
    """The message fails, since what its provider answered cannot be told."""
    begin, reason = call.beginning, "What the provider answered was not understood."
    end = AttemptEnd(begin.number, AttemptOutcome.UNKNOWN, now, reason)
    return steps.ended(begin.claim, MessageStatus.FAILED, reason, now, attempt=end)


def find_end_by_crash(claim: Claim, past: Past, now: datetime, policy: Policy) -> Change | None:
    """The end of a message whose attempt was cut off, so that no result ended it, if it is one."""
    if past.cut_off is None:
        return None
    reason = "the process stopped during it."
    if claim.channel not in policy.repeats_in_doubt:
        reason = _unrepeated("The process stopped during the attempt.")
    elif policy.delay_after(past.failed_rounds(claim.round), None) is None:
        reason = _given_up(claim.attempts, reason)
    else:
        return None
    return steps.ended(claim, MessageStatus.FAILED, reason, now)


def outcome_of(error: Exception | None) -> AttemptOutcome:
    """How a call that gave no receipt ended; in doubt when what it raised does not say."""
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


def _unrepeated(reason: str) -> str:
    return (
        f"{reason} The provider may have taken the message; on this channel it is not sent again "
        "when that is in doubt."
    )
