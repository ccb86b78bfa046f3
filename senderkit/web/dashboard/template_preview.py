"""The preview beside the editor: what is typed, rendered as a send would, in a frame that can do
nothing; and the fragment of the page that follows the typing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response, render_template, request, url_for

from senderkit.domain import EmailBody
from senderkit.errors import InvalidRequest, TemplateError
from senderkit.web.dashboard.preview import shown_html
from senderkit.web.dashboard.template_desk import Desk, open_desk
from senderkit.web.dashboard.template_look import look_at, render_form
from senderkit.web.headers import as_preview

pages = Blueprint("template_preview", __name__, url_prefix="/templates")

_PLAIN: Final = frozenset({"text", "source"})
_STYLE: Final = re.compile(r"(<style[^>]*+>)(.*?)(?=</style)", re.I | re.DOTALL)
_PREFERRED: Final = re.compile(r"\(\s*+prefers-color-scheme\s*+:\s*+(dark|light)\s*+\)", re.I)
_DOCTYPE: Final = "<!doctype html>"
_TRUE, _FALSE = "(min-width: 0px)", "(min-width: 100000px)"


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
    html = shown_html(body.html, {}, from_elsewhere="pictures" in wanted)
    scheme = "dark" if wanted.get("scheme") == "dark" else "light"
    return as_preview(Response(with_scheme(html, scheme), mimetype="text/html"))


def _plain(text: str, status: int = 200) -> Response:
    return as_preview(Response(text, status=status, mimetype="text/plain"))


def with_scheme(html: str, scheme: str) -> str:
    """`html` as a mail program in the light or dark scheme shows it, whatever this browser is in.

    Its own rules for a scheme hold or not by what is asked; what it leaves open is the browser's.
    """

    def answered(style: re.Match[str]) -> str:
        css = _PREFERRED.sub(lambda wish: _TRUE if wish[1].lower() == scheme else _FALSE, style[2])
        return style[1] + css

    head = f'{_DOCTYPE}<meta charset="utf-8"><meta name="color-scheme" content="{scheme}">'
    return head + _STYLE.sub(answered, html).removeprefix(_DOCTYPE)
