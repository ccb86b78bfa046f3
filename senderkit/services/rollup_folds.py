"""What a message counts as, worked out of its timeline up to some number: a pure function.

The timeline's entries are applied in their order under the same legal moves as everywhere else, so
the outcome is the status that the message had then. Whatever else became of it since does not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from senderkit.domain import MessageStatus, TimelineEvent, may_move
from senderkit.services.histograms import bucket_of
from senderkit.services.reasons import Reason, reason_of
from senderkit.services.steps import latency_ms


class Step(NamedTuple):
    """An entry of the timeline."""

    number: int
    at: datetime
    event: str
    detail: Mapping[str, Any]


class Standing(NamedTuple):
    """What a message counts as: once under a status, and its times where they are known.

    `provider` is the one it was last handed to; `handed_over` and `arrived` are buckets.
    """

    status: MessageStatus
    provider: str | None = None
    handed_over: int | None = None
    arrived: int | None = None
    reason: Reason | None = None


_STATUS_OF: Final[Mapping[str, MessageStatus]] = {
    TimelineEvent.SCHEDULED: MessageStatus.SCHEDULED,
    TimelineEvent.QUEUED: MessageStatus.QUEUED,
    TimelineEvent.RENDERED: MessageStatus.RENDERED,
    TimelineEvent.DISPATCHED: MessageStatus.RENDERED,
    TimelineEvent.SENT: MessageStatus.SENT,
    TimelineEvent.DELIVERED: MessageStatus.DELIVERED,
    TimelineEvent.FAILED: MessageStatus.FAILED,
    TimelineEvent.CANCELED: MessageStatus.CANCELED,
    TimelineEvent.OPTED_OUT: MessageStatus.OPTED_OUT,
    TimelineEvent.SUPPRESSED: MessageStatus.SUPPRESSED,
}
_HANDED: Final = frozenset({TimelineEvent.DISPATCHED.value, TimelineEvent.SENT.value})
_TAKEN: Final = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED})


@dataclass(slots=True)
class _Life:
    """A message as far as its timeline has been read."""

    created_at: datetime
    status: MessageStatus | None = None
    provider: str | None = None
    is_scheduled: bool = False
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    reason_text: str | None = None

    def take(self, step: Step) -> None:
        if step.event in _HANDED:
            self.provider = step.detail.get("provider") or self.provider
        status = _STATUS_OF.get(step.event)
        if status is None or not self._moves_to(status, step):
            return
        self.status = status
        if status is MessageStatus.SCHEDULED:
            self.is_scheduled = True
        elif status is MessageStatus.SENT:
            self.sent_at = step.at
        elif status is MessageStatus.DELIVERED:
            self.delivered_at = step.at
        elif status is MessageStatus.FAILED:
            self.reason_text = step.detail.get("reason")

    def _moves_to(self, status: MessageStatus, step: Step) -> bool:
        """Somebody who opts out by what a message said does not stop that message any more."""
        if status is MessageStatus.OPTED_OUT and "by" in step.detail:
            return False
        return self.status is None or may_move(self.status, status)

    def standing(self) -> Standing | None:
        if self.status is None:
            return None
        reason = reason_of(self.reason_text) if self.status is MessageStatus.FAILED else None
        handed_over = self._bucket(self.sent_at) if self.status in _TAKEN else None
        arrived = None
        if self.status is MessageStatus.DELIVERED:
            arrived = self._bucket(self.delivered_at)
        return Standing(self.status, self.provider, handed_over, arrived, reason)

    def _bucket(self, at: datetime | None) -> int | None:
        """Of the time that it took; what was scheduled waited on purpose."""
        if at is None or self.is_scheduled:
            return None
        return bucket_of(latency_ms(self.created_at, at))


def fold(
    created_at: datetime, steps: Iterable[Step], after: int
) -> tuple[Standing | None, Standing | None]:
    """What a message counted as at the number `after`, and what at the end of `steps`.

    The steps are all there were until then, in their order. None: it was not there yet.
    """
    life, before, has_passed = _Life(created_at), None, False
    for step in steps:
        if step.number > after and not has_passed:
            before, has_passed = life.standing(), True
        life.take(step)
    now = life.standing()
    return (before if has_passed else now), now
