"""Totals: some messages by the status they have now, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from senderkit.domain import MessageStatus
from senderkit.services import histograms
from senderkit.services.histograms import Histogram

_HANDED_OVER: Final = (MessageStatus.SENT, MessageStatus.DELIVERED)
_NOT_TAKEN: Final = (MessageStatus.FAILED, MessageStatus.SUPPRESSED, MessageStatus.BLOCKED)


@dataclass(frozen=True, slots=True)
class Totals:
    """Some messages by the status they have now, and how long they took.

    `handed_over` and `arrived` are of those that were not scheduled.
    """

    by_status: Mapping[MessageStatus, int]
    handed_over: Histogram = field(default_factory=dict)
    arrived: Histogram = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        return sum(self.by_status.values())

    @property
    def failed(self) -> int:
        return self.by_status[MessageStatus.FAILED]

    @property
    def reports_deliveries(self) -> bool:
        """Whether a provider (or the simulator) said of any message that it arrived."""
        return self.by_status[MessageStatus.DELIVERED] > 0

    @property
    def delivered_share(self) -> float | None:
        """Of the messages whose end is known, those that arrived (0 to 1)."""
        return self._share((MessageStatus.DELIVERED,))

    @property
    def handed_over_share(self) -> float | None:
        """Of the messages whose end is known, those that a provider took (0 to 1)."""
        return self._share(_HANDED_OVER)

    def _share(self, good: Sequence[MessageStatus]) -> float | None:
        well = sum(self.by_status[status] for status in good)
        known = well + sum(self.by_status[status] for status in _NOT_TAKEN)
        return well / known if known else None


NOTHING: Final = Totals(dict.fromkeys(MessageStatus, 0))


def summed(parts: Iterable[Totals]) -> Totals:
    """All of them as one."""
    found = list(parts)
    return Totals(
        {status: sum(part.by_status[status] for part in found) for status in MessageStatus},
        histograms.merged(part.handed_over for part in found),
        histograms.merged(part.arrived for part in found),
    )
