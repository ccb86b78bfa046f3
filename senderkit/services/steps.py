"""The steps of a message's life as values: each function here says what is to become of a message.

Nothing is decided or written here; `senderkit.services.delivery` applies them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, overload

from senderkit.domain import AttemptOutcome, JsonObject, MessageStatus, Receipt, TimelineEvent
from senderkit.outbox import Claim
from senderkit.rendering import one_line

_FREED: Final[Mapping[str, Any]] = {"lease_until": None, "lease_token": None}
_DONE: Final[Mapping[str, Any]] = {**_FREED, "due_at": None, "held_reason": None}
_MAX_TEXT: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One step for the timeline; `detail` holds the step's own extra fields."""

    event: TimelineEvent
    at: datetime
    detail: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one message.

    `status` None leaves it as it is. With a `lease_token`, the change is dropped unless the lease
    is still ours. `rendered` is kept for the dashboard; `begins` is the attempt that begins with
    the change, `attempt` the end of an earlier one.
    """

    message_id: int
    entries: tuple[Entry, ...]
    status: MessageStatus | None = None
    lease_token: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    rendered: JsonObject | None = None
    attempt: AttemptEnd | None = None
    begins: Beginning | None = None

    @property
    def is_passed_on(self) -> bool:
        """Whether another connection is to take the message at once."""
        return self.entries[-1].event is TimelineEvent.FAILOVER


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How the attempt `number` of a message ended; `detail` is `shown` text."""

    number: int
    outcome: AttemptOutcome
    finished_at: datetime
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """A provider call about to be made: committed before it, so that a crash leaves a trace.

    `connection` is the name of the connection, as people know it.
    """

    claim: Claim
    connection_id: str
    connection: str
    provider: str
    rendered: JsonObject

    @property
    def number(self) -> int:
        return self.claim.attempts + 1


def cut_off(claim: Claim, number: int, now: datetime) -> Change:
    """A crash left the attempt `number` without an outcome: mark it as in doubt.

    Its round ended with it: `claim` is in the next one.
    """
    reason = "The process stopped during the attempt: the provider may have taken the message."
    return Change(
        claim.id,
        (Entry(TimelineEvent.IN_DOUBT, now, {"attempt": number, "reason": reason}),),
        lease_token=claim.lease_token,
        values={"error": reason, "round": claim.round},
        attempt=AttemptEnd(number, AttemptOutcome.UNKNOWN, now, reason),
    )


def begun(begin: Beginning, now: datetime, *, lease_until: datetime) -> Change:
    """The message is rendered and its attempt begins: committed just before the call."""
    entries = [*_late_queued(begin.claim, now), *_late_rendered(begin.claim, now)]
    detail = {
        "provider": begin.provider,
        "connection": begin.connection,
        "attempt": begin.number,
    }
    entries.append(Entry(TimelineEvent.DISPATCHED, now, detail))
    return Change(
        begin.claim.id,
        tuple(entries),
        MessageStatus.RENDERED,
        begin.claim.lease_token,
        {
            "attempts": begin.number,
            "provider": begin.provider,
            "connection_id": begin.connection_id,
            "lease_until": lease_until,
        },
        begin.rendered,
        begins=begin,
    )


def accepted(begin: Beginning, receipt: Receipt, now: datetime) -> Change:
    """The provider took the message."""
    their_id, words = shown(receipt.provider_message_id), shown(receipt.detail)
    detail = {"provider": begin.provider, "providerMessageId": their_id, "detail": words}
    return Change(
        begin.claim.id,
        (Entry(TimelineEvent.SENT, now, {name: value for name, value in detail.items() if value}),),
        MessageStatus.SENT,
        begin.claim.lease_token,
        {
            **settled_values(begin.claim.created_at, now),
            "provider_message_id": their_id,
            "error": None,
        },
        attempt=AttemptEnd(begin.number, AttemptOutcome.ACCEPTED, now, words),
    )


@overload
def shown(text: str) -> str: ...
@overload
def shown(text: str | None) -> str | None: ...
def shown(text: str | None) -> str | None:
    """Text from outside made fit for both databases and for people: one line, capped, or None."""
    if not text:
        return text
    return one_line(text.encode("utf-8", "replace").decode())[:_MAX_TEXT]


def latency_ms(accepted_at: datetime, now: datetime) -> int:
    """Milliseconds from acceptance to the hand-over."""
    return max(0, (now - accepted_at) // timedelta(milliseconds=1))


def settled_values(accepted_at: datetime, now: datetime) -> dict[str, Any]:
    """The columns of a message that a provider has taken just now: nobody's work any more."""
    return {**_DONE, "latency_ms": latency_ms(accepted_at, now)}


_END_EVENTS: Final = {
    MessageStatus.FAILED: TimelineEvent.FAILED,
    MessageStatus.SUPPRESSED: TimelineEvent.SUPPRESSED,
    MessageStatus.OPTED_OUT: TimelineEvent.OPTED_OUT,
}


def ended(
    claim: Claim,
    status: MessageStatus,
    reason: str,
    now: datetime,
    *,
    attempt: AttemptEnd | None = None,
    rendered: JsonObject | None = None,
) -> Change:
    """The message ends as failed, suppressed or opted out, for a reason that people read."""
    text = shown(reason)
    is_rendered_now = _late_rendered(claim, now) if rendered is not None else ()
    return Change(
        claim.id,
        (
            *_late_queued(claim, now),
            *is_rendered_now,
            *_doubt(attempt),
            Entry(_END_EVENTS[status], now, {"reason": text}),
        ),
        status,
        claim.lease_token,
        {**_DONE, "error": text},
        rendered,
        attempt,
    )


def unstorable(change: Change, now: datetime) -> Change:
    """The message fails, since what was to become of it cannot be stored."""
    reason = "What became of this message cannot be stored. It was logged."
    doubt = change.attempt and replace(
        change.attempt, outcome=AttemptOutcome.UNKNOWN, detail="The outcome cannot be stored."
    )
    entries = (*_doubt(doubt), Entry(TimelineEvent.FAILED, now, {"reason": reason}))
    values = {**_DONE, "error": reason}
    return Change(
        change.message_id,
        entries,
        MessageStatus.FAILED,
        change.lease_token,
        values,
        attempt=doubt,
    )


def failed_over(
    begin: Beginning, end: AttemptEnd, *, to_id: str, to_name: str, to_provider: str
) -> Change:
    """Another connection takes its turn at once, in the same round.

    The message keeps its due moment, so that it goes before what came later.
    """
    detail = {
        "from": begin.connection,
        "to": to_name,
        "provider": to_provider,
        "reason": end.detail,
        "attempt": end.number,
    }
    return Change(
        begin.claim.id,
        (Entry(TimelineEvent.FAILOVER, end.finished_at, detail),),
        None,
        begin.claim.lease_token,
        {**_FREED, "lane": to_id, "error": end.detail},
        attempt=end,
    )


def retried(
    claim: Claim,
    reason: str,
    now: datetime,
    delay_seconds: float,
    *,
    lane: str | None = None,
    attempt: AttemptEnd | None = None,
) -> Change:
    """The round is over: the next one begins after `delay_seconds`, in `lane` if one is named.

    An attempt of unknown outcome is marked as in doubt.
    """
    number = {} if attempt is None else {"attempt": attempt.number}
    detail = {"reason": reason, **number, "inSeconds": round(delay_seconds)}
    values = {"due_at": now + timedelta(seconds=delay_seconds), "round": claim.round + 1}
    return Change(
        claim.id,
        (*_doubt(attempt), Entry(TimelineEvent.RETRY, now, detail)),
        None,
        claim.lease_token,
        {**_FREED, **values, "error": reason} | ({} if lane is None else {"lane": lane}),
        attempt=attempt,
    )


def _doubt(end: AttemptEnd | None) -> tuple[Entry, ...]:
    if end is None or end.outcome is not AttemptOutcome.UNKNOWN:
        return ()
    detail = {"attempt": end.number, "reason": end.detail}
    return (Entry(TimelineEvent.IN_DOUBT, end.finished_at, detail),)


def held(claim: Claim, connection_id: str | None, reason: str, now: datetime) -> Change:
    """Keep the message until its connection is repaired: no status change, nothing due.

    `connection_id` None: there is no connection for it. A new round begins when it is released.
    """
    text = shown(reason)
    values = {"held_reason": text, "connection_id": connection_id, "round": claim.round + 1}
    return Change(
        claim.id,
        (Entry(TimelineEvent.HELD, now, {"reason": text}),),
        None,
        claim.lease_token,
        {**_DONE, **values},
    )


def held_after_try(claim: Claim, connection_id: str, reason: str, attempt: AttemptEnd) -> Change:
    """The same after a try of the last connection that was left, which is what its step tells.

    The message waits for its first connection, so `reason` says what is wrong with that one.
    """
    change = held(claim, connection_id, reason, attempt.finished_at)
    told = {"reason": attempt.detail or shown(reason)}
    entries = (Entry(TimelineEvent.HELD, attempt.finished_at, told),)
    return replace(change, entries=entries, attempt=attempt)


def _late_queued(claim: Claim, now: datetime) -> tuple[Entry, ...]:
    return (Entry(TimelineEvent.QUEUED, now),) if claim.status is MessageStatus.SCHEDULED else ()


def _late_rendered(claim: Claim, now: datetime) -> tuple[Entry, ...]:
    is_rendered = claim.status is MessageStatus.RENDERED
    return () if is_rendered else (Entry(TimelineEvent.RENDERED, now),)


def simulated_delivery(claim: Claim, rendered: JsonObject, now: datetime) -> Change:
    """A test message's whole way to `delivered`, in one step."""
    detail = {"simulated": True}
    entries = (
        *_late_queued(claim, now),
        *_late_rendered(claim, now),
        Entry(TimelineEvent.SENT, now, detail),
        Entry(TimelineEvent.DELIVERED, now, detail),
    )
    values = {**settled_values(claim.created_at, now), "error": None}
    return Change(claim.id, entries, MessageStatus.DELIVERED, claim.lease_token, values, rendered)


def simulated_delay(
    claim: Claim, rendered: JsonObject, reason: str, delay_seconds: float, now: datetime
) -> Change:
    """A test message whose first try meets a simulated transient fault."""
    entries = (
        *_late_queued(claim, now),
        *_late_rendered(claim, now),
        Entry(TimelineEvent.RETRY, now, {"reason": reason, "inSeconds": round(delay_seconds)}),
    )
    values = {
        **_FREED,
        "due_at": now + timedelta(seconds=delay_seconds),
        "attempts": claim.attempts + 1,
        "error": reason,
    }
    return Change(claim.id, entries, MessageStatus.RENDERED, claim.lease_token, values, rendered)


# -- from outside -----------------------------------------------------------------------------


def canceled(message_id: int, by: str, now: datetime) -> Change:
    """`by` is the public id of a person or key."""
    entry = Entry(TimelineEvent.CANCELED, now, {"by": by})
    return Change(message_id, (entry,), MessageStatus.CANCELED, values=_DONE)


def released(message_id: int, by: str, now: datetime) -> Change:
    """A held message is tried again. `by` is the public id of a person or key, or what else it
    was."""
    entry = Entry(TimelineEvent.RETRY, now, {"reason": "Released from hold.", "by": by})
    return Change(message_id, (entry,), values={"due_at": now, "held_reason": None})
