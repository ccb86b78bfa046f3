"""Every part of the dashboard on one page, while debugging only."""

from __future__ import annotations

from flask import Blueprint

from senderkit.domain import Channel, MessageStatus, TimelineEvent
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
    )
