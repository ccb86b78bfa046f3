"""The gallery: templates to begin with, each shown as it looks and made with one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.domain import Channel
from senderkit.errors import InvalidRequest, NotFound, SlugTaken
from senderkit.rendering import Output, Surroundings, compile_content, render_output
from senderkit.services import template_copies, themes
from senderkit.starters import STARTERS, Starter, find_starter
from senderkit.template_samples import sample_values
from senderkit.themes import Theme
from senderkit.web.dashboard.frame import field_errors, page, viewer
from senderkit.web.dashboard.preview import shown_html
from senderkit.web.extensions import session
from senderkit.web.headers import as_preview
from senderkit.web.runtime import runtime

pages = Blueprint("template_gallery", __name__, url_prefix="/templates/-/gallery")

_NO_TYPING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Card:
    """A starter as the gallery shows it, filled with its examples."""

    starter: Starter
    channel: str
    description: str
    output: Output


@pages.get("")
def index() -> str:
    """All of them, or those of one channel."""
    wanted = request.args.get("channel")
    found = [_card(each) for each in STARTERS if wanted in {None, each.folder.channel}]
    groups: dict[str, list[Card]] = {}
    for card in found:
        groups.setdefault(card.starter.group, []).append(card)
    channels = dict.fromkeys(each.folder.channel for each in STARTERS)
    return page(
        "templates/gallery.html",
        "templates",
        groups=groups,
        channel=wanted,
        channels=list(channels),
    )


def _card(starter: Starter) -> Card:
    folder = starter.folder
    return Card(starter, folder.channel, folder.description or "", _output(starter, None))


def _output(starter: Starter, theme: Theme | None) -> Output:
    folder = starter.folder
    compiled = compile_content(Channel(folder.channel), folder.content)
    found = compiled.render(sample_values(folder.variables), Surroundings(theme=theme))
    return render_output(found.body)


def _get_starter(name: str) -> Starter:
    """Raises `NotFound`."""
    starter = find_starter(name)
    if starter is None:
        raise NotFound(f"The gallery has no '{name[:100]}'.")
    return starter


@pages.get("/<name>/preview")
def preview(name: str) -> Response:
    """An email as it looks in the default theme, for the sandboxed frame of its page."""
    starter = _get_starter(name)
    row = themes.find_default(session(), viewer().workspace_id)
    output: Mapping[str, Any] = _output(starter, Theme.of(row.values) if row else Theme())
    if "html" not in output:
        raise NotFound("There is no preview of this one.")
    html = shown_html(output["html"], {}, from_elsewhere=False)
    return as_preview(Response(html, mimetype="text/html"))


@pages.get("/<name>")
def show(name: str) -> str:
    """One of them with the form that makes a template of it."""
    starter = _get_starter(name)
    values = {"slug": starter.name, "description": starter.folder.description or ""}
    essential = {"is_essential": "yes"} if starter.is_essential else _NO_TYPING
    return _show_page(starter, {**values, **essential}, {})


def _show_page(starter: Starter, values: Mapping[str, str], errors: Mapping[str, str]) -> str:
    return page(
        "templates/starter.html",
        "templates",
        card=_card(starter),
        variables=starter.folder.variables,
        values=values,
        errors=errors,
    )


@pages.post("/<name>")
def create(name: str) -> ResponseReturnValue:
    """Make a template of it: a draft, an email in the default theme."""
    starter = _get_starter(name)
    looking, form = viewer(), request.form
    try:
        command = template_copies.starter_command(
            starter,
            slug=form.get("slug", ""),
            description=form.get("description", ""),
            is_essential="is_essential" in form,
        )
        template = template_copies.create_from_starter(
            session(),
            looking.workspace_id,
            command,
            created_by_id=looking.member.id,
            now=runtime().clock(),
        )
    except InvalidRequest as error:
        return _show_page(starter, form, field_errors(error)), 422
    except SlugTaken as error:
        return _show_page(starter, form, {"slug": error.message}), 422
    flash("Draft 1 is saved. Live sends can use it once it is published.", "success")
    return redirect(url_for("template_editor.show", slug=template.slug))
