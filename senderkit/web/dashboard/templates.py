"""Templates: the list, and making a new one.

Every form builds the same commands as the API. A form that is refused is shown again with what was
typed and, beside each field, what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import parse_create_template
from senderkit.domain import Channel, TemplateStatus
from senderkit.errors import InvalidRequest, SlugTaken
from senderkit.models import Template
from senderkit.services import template_list, templates, themes
from senderkit.services.template_list import ListedTemplate
from senderkit.web.dashboard.frame import page, viewer
from senderkit.web.dashboard.template_form import NOTHING, editor_errors, read_command
from senderkit.web.dashboard.template_frame import TemplateRow, row_of
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("templates", __name__, url_prefix="/templates")

Texts = Mapping[str, str]

CHANGED: Final = "changed"
"""The state of a template whose newest version is not the live one."""
_STATES: Final = (*(status.value for status in TemplateStatus), CHANGED)
_FILTERS: Final = ("channel", "state", "q")


@dataclass(frozen=True, slots=True)
class ListRow:
    """`author` is None for the API; `sends` is text such as "12" or "1,000+", empty for none."""

    about: TemplateRow
    author: str | None
    sends: str

    @property
    def is_changed(self) -> bool:
        return self.about.newest_number != self.about.published_number

    @property
    def is_archived(self) -> bool:
        return self.about.status == TemplateStatus.ARCHIVED.value


@pages.get("")
def index() -> str:
    """All templates, archived ones folded away."""
    looking = viewer()
    found = template_list.list_listed(
        session(), looking.workspace_id, looking.livemode, now=runtime().clock()
    )
    chosen = {name: request.args.get(name, "").strip()[:200] or None for name in _FILTERS}
    rows = [_list_row(each) for each in found]
    shown = [row for row in rows if _fits(row, chosen)]
    return page(
        "templates/index.html",
        "templates",
        any=bool(rows),
        current=[row for row in shown if not row.is_archived],
        archived=[row for row in shown if row.is_archived],
        chosen=chosen,
        channels=[each.value for each in Channel],
        states=_STATES,
        since=(runtime().clock() - template_list.SENDS_WITHIN).date().isoformat(),
    )


def _list_row(listed: ListedTemplate) -> ListRow:
    about = row_of(listed.template, listed.published_number, listed.newest.number)
    plus = "+" if listed.is_capped else ""
    sends = f"{listed.sends:,}{plus}" if listed.sends else ""
    return ListRow(about, listed.newest.author, sends)


def _fits(row: ListRow, chosen: Mapping[str, str | None]) -> bool:
    about, state, words = row.about, chosen["state"], (chosen["q"] or "").lower()
    if chosen["channel"] not in {None, about.channel}:
        return False
    if state == CHANGED and not (row.is_changed and not row.is_archived):
        return False
    if state not in {None, CHANGED, about.status}:
        return False
    return words in about.slug or words in (about.description or "").lower()


# -- making one -------------------------------------------------------------------------------


@pages.get("/-/new")
def new() -> str:
    """The form of a new template, for one channel at a time. No slug can take its address."""
    wanted = request.args.get("channel", "")
    channel = Channel(wanted) if wanted in set(Channel) else Channel.EMAIL
    default = themes.find_default(session(), viewer().workspace_id)
    return _new_page(channel, {"theme_id": default.public_id if default else ""}, {})


def _new_page(channel: Channel, values: Texts, errors: Texts) -> str:
    return page(
        "templates/new.html",
        "templates",
        channel=channel.value,
        channels=[each.value for each in Channel],
        themes=_themes(channel),
        values=values,
        errors=errors,
    )


def _themes(channel: Channel) -> list[tuple[str, str]]:
    """Id and name of each theme; none but for email."""
    if channel is not Channel.EMAIL:
        return []
    found = themes.list_themes(session(), viewer().workspace_id)
    return [(each.public_id, each.name) for each in found]


@pages.post("")
def create() -> ResponseReturnValue:
    """Make a template with its first draft."""
    wanted = request.form.get("channel", "")
    channel = Channel(wanted) if wanted in set(Channel) else Channel.EMAIL
    try:
        template = _create(channel, request.form)
    except InvalidRequest as error:
        return _new_page(channel, request.form, editor_errors(channel, error)), 422
    except SlugTaken as error:
        return _new_page(channel, request.form, {"slug": error.message}), 422
    flash("Draft 1 is saved. Live sends can use it once it is published.", "success")
    return redirect(url_for("template_editor.show", slug=template.slug))


def _create(channel: Channel, form: Texts) -> Template:
    """Raises `InvalidRequest` with the issues of all fields, and `SlugTaken`."""
    looking, now = viewer(), runtime().clock()
    about: dict[str, Any] = {
        "slug": form.get("slug", "").strip(),
        "channel": channel.value,
        "description": form.get("description", "").strip() or None,
    }
    is_essential = "is_essential" in form
    command = read_command(
        channel,
        form,
        NOTHING,
        lambda body: parse_create_template(about | body, is_essential=is_essential),
    )
    theme = templates.find_theme_id(session(), looking.workspace_id, form.get("theme_id") or None)
    return templates.create_template(
        session(),
        looking.workspace_id,
        command,
        created_by_id=looking.member.id,
        now=now,
        theme_id=theme if channel is Channel.EMAIL else None,
    )
