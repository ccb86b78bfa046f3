"""Every part of the dashboard on one page, while debugging only."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from senderkit.domain import Channel, MessageStatus, TimelineEvent
from senderkit.web.dashboard.charts import WIDTH, Columns, Lines, duration_lines, stacked_columns
from senderkit.web.dashboard.frame import page
from senderkit.web.runtime import runtime

pages = Blueprint("styleguide", __name__)


@pages.get("/styleguide")
def index() -> str:
    """The parts with made-up content."""
    return page(
        "styleguide.html",
        now=runtime().clock(),
        statuses=[status.value for status in MessageStatus],
        events=[event.value for event in TimelineEvent],
        channels=[channel.value for channel in Channel],
        sends=_chart(),
        times=_times(),
    )


_SENDS: Final = ((12, 0), (30, 2), (0, 0), (41, 9))


def _chart() -> dict[str, Any]:
    found = stacked_columns(_SENDS)
    columns = [
        {
            "words": f"{place}:00",
            "title": f"{place}:00: {sum(numbers)} messages",
            "url": "#content",
            "numbers": numbers,
            "blocks": [(_SIGNS[block.place], block) for block in found.blocks[place]],
        }
        for place, numbers in enumerate(_SENDS)
    ]
    series = [(sign, sign.capitalize(), 1) for sign in _SIGNS]
    return _frame(found) | {"series": series, "columns": columns}


_SIGNS: Final = ("delivered", "failed")


def _times() -> dict[str, Any]:
    found = duration_lines([[120, 300, None, 90], [2_000, 9_000, None, 700]])
    rows = [(f"{place}:00", "0.1 s", "2 s") for place in range(len(_SENDS))]
    return _frame(found) | {"paths": found.paths, "rows": rows}


def _frame(found: Columns | Lines) -> dict[str, Any]:
    below = [f"{place}:00" for place in range(len(_SENDS))]
    return {"axis": found.axis, "width": found.width, "step": WIDTH, "below": below}
