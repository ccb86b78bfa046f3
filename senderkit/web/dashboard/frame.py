"""The frame of every page behind the login: who looks, in which mode, and the filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Flask, g, render_template, url_for
from markupsafe import Markup, escape

from senderkit.domain import Mode
from senderkit.errors import InvalidRequest
from senderkit.models import Member
from senderkit.services.attention import Attention, find_attention
from senderkit.web.dashboard import sessions
from senderkit.web.runtime import runtime

AREAS: Final = ("overview", "messages", "templates", "channels", "webhooks", "keys")
"""The blueprints that the navigation leads to, each with an `index`."""

_WORD: Final = re.compile(r"[^\W_]+")


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
    return _viewer_of(g.member)


def page(template: str, nav: str = "", /, **context: Any) -> str:
    """A page in the frame. `nav` is its area in the navigation, empty for none."""
    return render_template(template, **frame_context(viewer(), nav), **context)


def frame_context(looking: Viewer, nav: str = "") -> dict[str, Any]:
    """What base.html needs."""
    return {
        "nav": nav,
        "mode": looking.mode.value,
        "member": looking.member,
        "workspace": looking.member.workspace,
        "attention": _find_attention(looking),
    }


def _find_attention(looking: Viewer) -> Attention | None:
    with runtime().reader.connect() as connection:
        return find_attention(connection, looking.workspace_id)


def find_viewer() -> Viewer | None:
    """The person who is logged in, on any page; None for everybody else."""
    signed_in = sessions.find_signed_in()
    return _viewer_of(signed_in.member) if signed_in else None


def _viewer_of(member: Member) -> Viewer:
    return Viewer(member, Mode.of(member.livemode_shown))


def area_path(area: str) -> str:
    """Where an area begins; the overview for a name that is none."""
    return url_for(f"{area if area in AREAS else AREAS[0]}.index")


def field_errors(error: InvalidRequest, names: Mapping[str, str] | None = None) -> dict[str, str]:
    """A form's field -> the first thing that is wrong with it; `form` for the form as a whole.

    `names` translates a command's field into the form's where the two differ.
    """
    found: dict[str, str] = {}
    for issue in error.issues:
        field = str(issue.path[0]) if issue.path else "form"
        found.setdefault((names or {}).get(field, field), issue.message)
    return found or {"form": error.message}


def initials(email: str) -> str:
    """`ada.lovelace@example.com` as AL."""
    words: list[str] = _WORD.findall(email.partition("@")[0])
    if len(words) == 1:
        return words[0][:2].upper()
    return "".join(word[0] for word in words[:2]).upper()


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
    app.jinja_env.filters["initials"] = initials
