"""The frame of every page behind the login: who looks, in which mode, and the filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask, g, render_template
from markupsafe import Markup, escape

from senderkit.domain import Mode
from senderkit.models import Member


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page, and which mode they chose."""

    member: Member
    mode: Mode

    @property
    def workspace_id(self) -> int:
        return self.member.workspace_id

    @property
    def livemode(self) -> bool:
        return self.mode.livemode


def viewer() -> Viewer:
    """The person who is logged in; only on pages behind the login."""
    member: Member = g.member
    return Viewer(member, Mode.of(member.livemode_shown))


def page(template: str, nav: str = "", **context: Any) -> str:
    """A page in the frame. `nav` is its area in the navigation, empty for none."""
    looking = viewer()
    return render_template(
        template,
        nav=nav,
        mode=looking.mode.value,
        member=looking.member,
        workspace=looking.member.workspace,
        **context,
    )


def relative_time(at: datetime) -> Markup:
    """`<time>` with the exact UTC moment; app.js turns its text into how long ago it was."""
    exact = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), exact, escape(exact)
    )


def grouped(number: int | float) -> str:
    """1234 as 1,234."""
    return f"{number:,}"


def add_frame(app: Flask) -> None:
    app.jinja_env.filters["when"] = relative_time
    app.jinja_env.filters["count"] = grouped
