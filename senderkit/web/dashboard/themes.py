"""Themes: the list with their colours, making and changing one beside a sample, its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import SaveTheme, parse_save_theme
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest
from senderkit.models import Theme as ThemeRow
from senderkit.rendering import Surroundings, compile_content
from senderkit.services import themes
from senderkit.themes import FONTS, MAX_RADIUS, MAX_WIDTH, MIN_WIDTH, Pairing, Theme, pairings
from senderkit.web.dashboard.frame import field_errors, page, viewer
from senderkit.web.dashboard.studio_preview import body_answer, reason_answer
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("themes", __name__, url_prefix="/templates/-/themes")

Texts = Mapping[str, str]

_LIMITS: Final = {"min_width": MIN_WIDTH, "max_width": MAX_WIDTH, "max_radius": MAX_RADIUS}
_FONT_WORDS: Final = {
    "system": "That of the system",
    "helvetica": "Helvetica or Arial",
    "verdana": "Verdana",
    "georgia": "Georgia",
    "courier": "Courier",
}
_NAMES: Final = {
    "text": "Text",
    "muted": "Muted text",
    "background": "Background",
    "surface": "Surface",
    "accent": "Accent",
    "on_accent": "Button text",
}
_ADVICE: Final = {
    "text": "Make the text darker, or what it stands on lighter.",
    "muted": "Make it darker: it holds addresses and legal lines that must be read.",
    "accent": "Links are hard to make out: choose a darker accent, or a lighter one on dark.",
}
"""Button text is not among them: of black and white, one is always read well."""
_UNNAMED: Final = "Preview"


@dataclass(frozen=True, slots=True)
class ThemeCard:
    """A theme as the pages show it; `slugs` are the templates that have it."""

    public_id: str
    name: str
    is_default: bool
    theme: Theme
    slugs: tuple[str, ...]
    changed_at: datetime

    @property
    def hard_to_read(self) -> int:
        """How many pairs of its colours are."""
        return sum(not pair.is_readable for pair in pairings(self.theme))


@dataclass(frozen=True, slots=True)
class Hint:
    """What is to be said about two colours that meet."""

    words: str
    contrast: float
    is_readable: bool
    advice: str


def hints_of(theme: Theme) -> list[Hint]:
    """For each pair, the ones that are hard to read first."""
    return [_hint(pair) for pair in sorted(pairings(theme), key=lambda pair: pair.is_readable)]


def _hint(pair: Pairing) -> Hint:
    words = f"{_NAMES[pair.name]} on {_NAMES[pair.on].lower()}"
    return Hint(words, pair.contrast, pair.is_readable, _ADVICE.get(pair.name, ""))


def _card(row: ThemeRow, slugs: tuple[str, ...]) -> ThemeCard:
    return ThemeCard(
        public_id=row.public_id,
        name=row.name,
        is_default=row.is_default,
        theme=Theme.of(row.values),
        slugs=slugs,
        changed_at=row.updated_at,
    )


def _get_card(public_id: str) -> ThemeCard:
    """Raises `NotFound`."""
    workspace_id = viewer().workspace_id
    row = themes.get_theme(session(), workspace_id, public_id)
    return _card(row, themes.uses_by_theme(session(), workspace_id).get(row.id, ()))


# -- the list and a new one -------------------------------------------------------------------


@pages.get("")
def index() -> str:
    """Every theme, with its colours."""
    workspace_id = viewer().workspace_id
    uses = themes.uses_by_theme(session(), workspace_id)
    found = themes.list_themes(session(), workspace_id)
    rows = [_card(row, uses.get(row.id, ())) for row in found]
    return page("themes/index.html", "templates", rows=rows)


@pages.get("/-/new")
def new() -> str:
    """The form of a new theme, filled with plain values."""
    return _form_page("themes/new.html", _texts(Theme()), {})


def _texts(theme: Theme) -> dict[str, str]:
    """Its values as they stand in a form: a box that is not ticked is empty."""
    stored = theme.stored()
    return {name: _text(value) for name, value in stored.items()}


def _text(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value)


def _form_page(template: str, values: Texts, errors: Texts, **context: Any) -> str:
    theme = _find_typed(values)
    return page(
        template,
        "templates",
        values=values,
        errors=errors,
        fonts=[(name, _FONT_WORDS[name]) for name in FONTS],
        limits=_LIMITS,
        hints=hints_of(theme) if theme else [],
        shown=_shown(values),
        **context,
    )


def _shown(values: Texts) -> dict[str, str]:
    """What the preview's address carries: nothing but the theme's own values."""
    return {name: values[name] for name in Theme().stored() if values.get(name)}


def _find_typed(values: Texts) -> Theme | None:
    """The theme that stands in a form; None while it is none."""
    try:
        return _read(values).theme
    except InvalidRequest:
        return None


def _read(values: Texts) -> SaveTheme:
    """A preview needs no name. Raises `InvalidRequest`."""
    return parse_save_theme({**values, "name": _UNNAMED})


@pages.post("")
def create() -> ResponseReturnValue:
    """Store a new theme."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    try:
        command = parse_save_theme(request.form)
        row = themes.create_theme(session(), workspace_id, command, now=now)
    except InvalidRequest as error:
        return _form_page("themes/new.html", request.form, field_errors(error)), 422
    flash(f"The theme “{row.name}” is saved. Choose it in the settings of a template.", "success")
    return redirect(url_for("themes.show", public_id=row.public_id))


# -- one theme --------------------------------------------------------------------------------


@pages.get("/<public_id>")
def show(public_id: str) -> str:
    """Its values, in the form that changes them, beside a sample."""
    card = _get_card(public_id)
    return _show_page(card, _texts(card.theme) | {"name": card.name}, {})


def _show_page(card: ThemeCard, values: Texts, errors: Texts) -> str:
    return _form_page("themes/show.html", values, errors, card=card)


@pages.post("/<public_id>")
def save(public_id: str) -> ResponseReturnValue:
    """Store other values: emails have them at their next render."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    card = _get_card(public_id)
    try:
        command = parse_save_theme(request.form)
        themes.change_theme(session(), workspace_id, public_id, command, now=now)
    except InvalidRequest as error:
        return _show_page(card, request.form, field_errors(error)), 422
    flash("The theme is saved: the next send has it.", "success")
    return redirect(url_for("themes.show", public_id=public_id))


@pages.route("/-/preview", methods=["GET", "POST"])
def preview() -> Response:
    """A sample email in the theme that was given, for the sandboxed frame of its page."""
    try:
        theme = _read(request.values).theme
    except InvalidRequest as error:
        reasons = [f"{issue.path[0]}: {issue.message}" for issue in error.issues]
        return reason_answer("\n".join(reasons))
    content = {"subject": "", "html": render_template("themes/_sample.html")}
    body = compile_content(Channel.EMAIL, content).render({}, Surroundings(theme=theme)).body
    return body_answer(body, is_dark="dark" in request.values)


@pages.post("/-/hints")
def hints() -> ResponseReturnValue:
    """How well the colours in the form are read, for app.js; 422 while they are none."""
    theme = _find_typed(request.form)
    if theme is None:
        return "", 422
    return render_template("themes/_hints.html", hints=hints_of(theme))


# -- its end ----------------------------------------------------------------------------------


@pages.get("/<public_id>/remove")
def remove(public_id: str) -> str:
    """Ask before it is removed, with what goes out without it from then."""
    return page("themes/remove.html", "templates", card=_get_card(public_id))


@pages.post("/<public_id>/remove")
def remove_now(public_id: str) -> ResponseReturnValue:
    """Remove it."""
    workspace_id = viewer().workspace_id
    name = themes.get_theme(session(), workspace_id, public_id).name
    heir = themes.remove_theme(session(), workspace_id, public_id)
    more = f" “{heir.name}” is the default from now on." if heir else ""
    flash(f"The theme “{name}” is removed.{more}", "success")
    return redirect(url_for("themes.index"))
