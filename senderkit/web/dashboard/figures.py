"""The figures on top of the overview: each with what it was in the time before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from senderkit.commands import Period
from senderkit.domain import MessageStatus
from senderkit.services import histograms
from senderkit.services.reports import Count
from senderkit.services.totals import Totals
from senderkit.web.dashboard.wording import shown_duration

NOTHING: Final = "\N{EN DASH}"
BEFORE: Final[Mapping[Period, str]] = {
    Period.DAY: "the day before",
    Period.WEEK: "the 7 days before",
    Period.MONTH: "the 30 days before",
    Period.QUARTER: "the 90 days before",
}
MEDIAN: Final = 0.5
SLOW: Final = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """Totals of a period and of as much time before it; `before` None where there was nothing."""

    now: Totals
    before: Totals | None
    period: Period

    @property
    def is_reported(self) -> bool:
        """Where no provider reports what arrived, what was handed over is all that is known."""
        return self.now.reports_deliveries


def figures(found: Comparison, urls: Mapping[str, str]) -> list[dict[str, Any]]:
    """`urls` leads to the messages: `all`, and by status those of one."""
    return [_accepted(found, urls), _arrived(found, urls), _failed(found, urls), _time(found)]


def _figure(
    words: str, text: str, sign: str, *, change: str | None = None, url: str | None = None
) -> dict[str, Any]:
    return {"words": words, "text": text, "sign": sign, "change": change, "url": url}


def _accepted(found: Comparison, urls: Mapping[str, str]) -> dict[str, Any]:
    number, before = found.now.accepted, found.before
    change = _relative(number, before.accepted, found.period) if before else None
    return _figure("Accepted", f"{number:,}", "messages", change=change, url=urls["all"])


def _arrived(found: Comparison, urls: Mapping[str, str]) -> dict[str, Any]:
    words, status = ("Delivered", "delivered") if found.is_reported else ("Handed over", "sent")
    share = share_of(found.now, is_reported=found.is_reported)
    earlier = share_of(found.before, is_reported=found.is_reported) if found.before else None
    change = None
    if share is not None and earlier is not None:
        change = _points(share, earlier, found.period)
    text = shown_share(share)
    return _figure(words, text, f"s-{status}", change=change, url=urls[status])


def share_of(totals: Totals, *, is_reported: bool) -> float | None:
    """Of the messages whose end is known, those that arrived or, if nobody says, were taken."""
    return totals.delivered_share if is_reported else totals.handed_over_share


def _failed(found: Comparison, urls: Mapping[str, str]) -> dict[str, Any]:
    number, before = found.now.failed, found.before
    change = _difference(number, before.failed, found.period) if before else None
    url = urls[MessageStatus.FAILED.value]
    return _figure("Failed", f"{number:,}", "s-failed", change=change, url=url)


def _time(found: Comparison) -> dict[str, Any]:
    """From acceptance to the delivery, or to the hand-over."""
    whither = "delivery" if found.is_reported else "hand-over"
    median = duration(found.now, MEDIAN, is_reported=found.is_reported)
    before = found.before
    earlier = duration(before, MEDIAN, is_reported=found.is_reported) if before else None
    change = f", {_relative(median, earlier, found.period)}" if median and earlier else ""
    return _figure("Median time", shown_time(median), "clock", change=f"to {whither}{change}")


def duration(totals: Totals, share: float, *, is_reported: bool) -> float | None:
    """The milliseconds that this share of messages did not exceed, to either end."""
    histogram = totals.arrived if is_reported else totals.handed_over
    return histograms.percentile(histogram, share)


def shown_time(milliseconds: float | None) -> str:
    return NOTHING if milliseconds is None else shown_duration(milliseconds)


def shown_share(share: float | None) -> str:
    """Never 100 % while anything is missing from it."""
    if share is None:
        return NOTHING
    return "100 %" if share == 1 else f"{min(share * 100, 99.9):.1f} %"


def counted(count: Count) -> str:
    return f"{count.number:,}{'+' if count.is_capped else ''}"


def _relative(number: float, before: float, period: Period) -> str:
    percent = round((number - before) / before * 100)
    return _change(f"{percent:+,} %" if percent else None, period)


def _points(share: float, before: float, period: Period) -> str:
    points = round((share - before) * 100, 1)
    return _change(f"{points:+.1f} points" if points else None, period)


def _difference(number: int, before: int, period: Period) -> str:
    change = number - before
    return _change(f"{change:+,}" if change else None, period)


def _change(words: str | None, period: Period) -> str:
    return f"{words} on {BEFORE[period]}" if words else f"the same as {BEFORE[period]}"
