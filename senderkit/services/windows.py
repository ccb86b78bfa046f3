"""Windows: the hours or days (UTC) that are shown, and the time before that they compare with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from senderkit.commands import Period
from senderkit.domain import Grain

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_LENGTHS: Final = {
    Period.DAY: (Grain.HOUR, 24),
    Period.WEEK: (Grain.DAY, 7),
    Period.MONTH: (Grain.DAY, 30),
    Period.QUARTER: (Grain.DAY, 90),
}


@dataclass(frozen=True, slots=True)
class Window:
    """The hours or days that are shown, the last one under way, and as much time before them.

    `before` lists stretches: their grain, when they begin and, not included, when they end.
    """

    grain: Grain
    starts: tuple[datetime, ...]
    before: tuple[tuple[Grain, datetime, datetime], ...]

    @property
    def begins_at(self) -> datetime:
        return self.starts[0]

    @property
    def ends_at(self) -> datetime:
        """The end of the hour or day that is under way."""
        return self.starts[-1] + (_HOUR if self.grain is Grain.HOUR else _DAY)


def window_of(period: Period, now: datetime) -> Window:
    """The hours or days up to now.

    The days before end at the same time of day, to the hour: what is under way is not over.
    """
    grain, count = _LENGTHS[period]
    hour = now.replace(minute=0, second=0, microsecond=0)
    if grain is Grain.HOUR:
        starts = tuple(hour - place * _HOUR for place in reversed(range(count)))
        return Window(grain, starts, ((grain, starts[0] - count * _HOUR, starts[0]),))
    today = hour.replace(hour=0)
    starts = tuple(today - place * _DAY for place in reversed(range(count)))
    shift = count * _DAY
    whole = (Grain.DAY, starts[0] - shift, today - shift)
    rest = (Grain.HOUR, today - shift, hour - shift + _HOUR)
    return Window(grain, starts, (whole, rest))
