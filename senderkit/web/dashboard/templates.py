"""Templates: the list, and making a new one.

Every form builds the same commands as the API. A form that is refused is shown again with what was
typed and, beside each field, what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import parse_create_template
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest, SlugTaken
from senderkit.models import Template
from senderkit.services import templates
from senderkit.web.dashboard.frame import page, viewer
from senderkit.web.dashboard.template_form import NOTHING, editor_errors, read_command
from senderkit.web.dashboard.template_frame import row_of
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("templates", __name__, url_prefix="/templates")

Texts = Mapping[str, str]


@pages.get("")
def index() -> str:
    """All templates, archived ones folded away."""
    workspace_id = viewer().workspace_id
    published = templates.published_numbers(session(), workspace_id)
    newest = templates.newest_numbers(session(), workspace_id)
    found = templates.list_templates(session(), workspace_id)
    rows = [row_of(template, published.get(template.id), newest[template.id]) for template in found]
    return page("templates/index.html", "templates", rows=rows)


# -- making one -------------------------------------------------------------------------------


@pages.get("/-/new")
def new() -> str:
    """The form of a new template, for one channel at a time. No slug can take its address."""
    wanted = request.args.get("channel", "")
    channel = Channel(wanted) if wanted in set(Channel) else Channel.EMAIL
    return _new_page(channel, {}, {})


def _new_page(channel: Channel, values: Texts, errors: Texts) -> str:
    return page(
        "templates/new.html",
        "templates",
        channel=channel.value,
        channels=[each.value for each in Channel],
        values=values,
        errors=errors,
    )


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
    about = {
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
    return templates.create_template(
        session(), looking.workspace_id, command, created_by_id=looking.member.id, now=now
    )
