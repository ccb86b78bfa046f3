"""The overview: how the last day went, what failed, and a newcomer's next step."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, url_for

from senderkit.domain import MessageStatus
from senderkit.services import overview
from senderkit.services.overview import Day, Progress, Summary
from senderkit.services.reports import Count
from senderkit.web.dashboard.frame import page, viewer
from senderkit.web.dashboard.wording import shown_duration
from senderkit.web.runtime import runtime

pages = Blueprint("overview", __name__)

_NOTHING: Final = "\N{EN DASH}"


@pages.get("/")
def index() -> str:
    """The last 24 hours of the mode shown."""
    looking, now = viewer(), runtime().clock()
    has_environment = runtime().connections.has_environment
    with runtime().reader.connect() as connection:
        room = (connection, looking.workspace_id, looking.livemode)
        summary = overview.summarize(*room, now=now)
        failures = overview.list_failures(*room, now=now)
        progress = overview.find_progress(
            connection, looking.workspace_id, has_environment_connection=has_environment
        )
    return page(
        "overview/index.html",
        "overview",
        is_capped=summary.today.accepted.is_capped,
        counts=[(status.value, number, _list_url(status)) for status, number in _ends(summary)],
        figures=_figures(summary),
        failures=failures,
        steps=_steps(progress),
    )


def _ends(summary: Summary) -> list[tuple[MessageStatus, int]]:
    return [(status, summary.today.by_status[status]) for status in MessageStatus]


def _list_url(status: MessageStatus) -> str:
    return url_for("messages.index", status=status.value)


# -- figures ----------------------------------------------------------------------------------


def _figures(summary: Summary) -> list[dict[str, Any]]:
    today, before = summary.today, summary.before
    is_comparable = before.accepted.number > 0 and not before.accepted.is_capped
    earlier = before if is_comparable else None
    return [
        _accepted(today, earlier),
        _arrived(today, earlier),
        _failed(today, earlier),
        _time(today, earlier),
        _scheduled(summary.scheduled),
    ]


def _figure(
    words: str, text: str, sign: str, *, change: str | None = None, url: str | None = None
) -> dict[str, Any]:
    return {"words": words, "text": text, "sign": sign, "change": change, "url": url}


def _accepted(today: Day, before: Day | None) -> dict[str, Any]:
    number = today.accepted.number
    change = _relative(number, before.accepted.number) if before else None
    url = url_for("messages.index")
    return _figure("Accepted", _counted(today.accepted), "messages", change=change, url=url)


def _counted(count: Count) -> str:
    return f"{count.number:,}{'+' if count.is_capped else ''}"


def _arrived(today: Day, before: Day | None) -> dict[str, Any]:
    """Where no provider reports what arrived, what was handed over is all that is known."""
    is_reported = today.reports_deliveries
    words, status = ("Delivered", "delivered") if is_reported else ("Handed over", "sent")
    share = _share(today, is_reported=is_reported)
    earlier = _share(before, is_reported=is_reported) if before else None
    change = None if share is None or earlier is None else _points(share, earlier)
    text = _NOTHING if share is None else _percent(share)
    url = url_for("messages.index", status=status)
    return _figure(words, text, f"s-{status}", change=change, url=url)


def _share(day: Day, *, is_reported: bool) -> float | None:
    return day.delivered_share if is_reported else day.handed_over_share


def _failed(today: Day, before: Day | None) -> dict[str, Any]:
    change = _difference(today.failed, before.failed) if before else None
    url = _list_url(MessageStatus.FAILED)
    return _figure("Failed", f"{today.failed:,}", "s-failed", change=change, url=url)


def _time(today: Day, before: Day | None) -> dict[str, Any]:
    """From acceptance to the hand-over."""
    median, earlier = today.median_ms, before.median_ms if before else None
    change = f", {_relative(median, earlier)}" if median and earlier else ""
    text = _NOTHING if median is None else shown_duration(median)
    return _figure("Median time", text, "clock", change=f"to hand-over{change}")


def _scheduled(count: Count) -> dict[str, Any]:
    url = _list_url(MessageStatus.SCHEDULED)
    return _figure("Scheduled ahead", _counted(count), "s-scheduled", url=url)


def _percent(share: float) -> str:
    """Never 100 % while anything is missing from it."""
    percent = share * 100
    return "100 %" if share == 1 else f"{min(percent, 99.9):.1f} %"


_SAME: Final = "the same as the day before"


def _relative(number: float, before: float) -> str:
    percent = round((number - before) / before * 100)
    return _SAME if percent == 0 else f"{percent:+,} % on the day before"


def _points(share: float, before: float) -> str:
    points = round((share - before) * 100, 1)
    return (
        "the same as the day before" if points == 0 else f"{points:+.1f} points on the day before"
    )


def _difference(number: int, before: int) -> str:
    change = number - before
    return _SAME if change == 0 else f"{change:+,} on the day before"


# -- set-up -----------------------------------------------------------------------------------


def _steps(progress: Progress) -> list[dict[str, Any]]:
    return [
        {
            "title": "Make a key",
            "text": "An app shows it with every request. Start with a test key.",
            "done": progress.has_key,
            "url": url_for("keys.new"),
            "action": "New key",
        },
        {
            "title": "Send a test",
            "text": "With a test key, from your app or the shell. Nothing leaves this server.",
            "done": progress.has_test_message,
            "url": url_for("messages.index"),
            "action": "Show how",
        },
        {
            "title": "Connect a provider",
            "text": "Live messages leave through the accounts that you have already.",
            "done": progress.has_connection,
            "url": url_for("channels.choose"),
            "action": "Add connection",
        },
        {
            "title": "Publish a template",
            "text": "It keeps the words out of your code. Live sends use its published version.",
            "done": progress.has_published,
            "url": url_for("templates.index"),
            "action": "Templates",
        },
        {
            "title": "Go live",
            "text": "Put a live key into your app; done when a provider took the first message.",
            "done": progress.has_live_message,
            "url": url_for("keys.new"),
            "action": "New live key",
        },
    ]
