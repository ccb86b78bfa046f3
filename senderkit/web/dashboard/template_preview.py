"""The preview beside the editor: what is typed, rendered as a send would, in a frame that can do
nothing; and the fragment of the page that follows the typing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response, render_template, request, url_for

from senderkit.domain import EmailBody
from senderkit.errors import InvalidRequest, TemplateError
from senderkit.web.dashboard.studio_preview import body_answer
from senderkit.web.dashboard.template_desk import Desk, open_desk
from senderkit.web.dashboard.template_look import look_at, render_form
from senderkit.web.headers import as_preview

pages = Blueprint("template_preview", __name__, url_prefix="/templates")

_PLAIN: Final = frozenset({"text", "source"})


@pages.get("/<slug>/preview")
def saved(slug: str) -> Response:
    """A part of a version as it is stored."""
    asked = request.args
    desk = open_desk(slug, asked.get("version", ""), asked.get("language", ""))
    return _frame(desk, desk.shown, asked)


@pages.post("/<slug>/preview")
def frame(slug: str) -> Response:
    """A part of what is typed."""
    form = request.form
    desk = open_desk(slug, form.get("base", ""), form.get("language", ""))
    return _frame(desk, form, form)


@pages.post("/<slug>/live")
def live(slug: str) -> str:
    """The preview's head and the checks of what is typed, to be put into the page."""
    form = request.form
    desk = open_desk(slug, form.get("base", ""), form.get("language", ""))
    edit_url = url_for("template_editor.edit", slug=slug)
    return render_template("templates/_live.html", look=look_at(desk, form), edit_url=edit_url)


def _frame(desk: Desk, form: Mapping[str, str], wanted: Mapping[str, str]) -> Response:
    part = wanted.get("part", "html")
    try:
        body = render_form(desk, form).body
    except InvalidRequest as error:
        return _plain(error.message, 422)
    except TemplateError as error:
        return _plain(f"It cannot be rendered. {error}", 422)
    if not isinstance(body, EmailBody):
        return _plain(body.body)
    if part in _PLAIN:
        return _plain(body.text if part == "text" else body.html)
    is_dark = wanted.get("scheme") == "dark"
    return body_answer(body, from_elsewhere="pictures" in wanted, is_dark=is_dark)


def _plain(text: str, status: int = 200) -> Response:
    return as_preview(Response(text, status=status, mimetype="text/plain"))
