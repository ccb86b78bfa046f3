"""The dashboard: one blueprint for each area, named after the service it shows."""

from __future__ import annotations

from flask import Flask

from senderkit.web.dashboard.frame import add_frame


def add_dashboard(app: Flask) -> None:
    """Register every page, the frame around them and what guards them."""
    add_frame(app)
