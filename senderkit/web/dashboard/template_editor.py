"""The editor of a template: the words of one version in one language, saved as the next draft.

Everything on the page is one form, so that no button loses what was typed: those that do not save
show the page again with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import AddVersion, parse_add_version
from senderkit.errors import ApiError, InvalidRequest, NotFound
from senderkit.models import TemplateVersion
from senderkit.services import drafts, templates
from senderkit.web.dashboard.editor_page import editor_page
from senderkit.web.dashboard.frame import viewer
from senderkit.web.dashboard.template_desk import Desk, open_desk
from senderkit.web.dashboard.template_form import (
    editor_errors,
    fallback_values,
    read_command,
    read_draft,
)
from senderkit.web.dashboard.template_look import infer, studio_of
from senderkit.web.dashboard.template_markups import converted
from senderkit.web.dashboard.template_samples import SAMPLE, read_sample
from senderkit.web.dashboard.test_sends import send_to_oneself
from senderkit.web.dashboard.variable_rows import row_fields, shown_rows, typed_rows
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("template_editor", __name__, url_prefix="/templates")

Texts = Mapping[str, str]
_MORE_ROWS: Final = 3


@pages.get("/<slug>")
def show(slug: str) -> ResponseReturnValue:
    """The words of one version in the editor, the newest unless another is asked for."""
    language = request.args.get("language", "").strip()
    try:
        desk = open_desk(slug, request.args.get("version", ""), language)
    except NotFound as error:
        if not language or type(error) is not NotFound:
            raise
        flash(f"“{language[:40]}” is no language tag: it looks like de or pt-BR.", "error")
        return redirect(url_for("template_editor.show", slug=slug))
    return editor_page(desk)


# -- saving -----------------------------------------------------------------------------------


@pages.post("/<slug>/versions")
def save(slug: str) -> ResponseReturnValue:
    """Save the words as the next draft, unless somebody else has saved one meanwhile."""
    desk, form = _open_typed(slug), request.form
    newest = templates.get_newest_version(session(), desk.template)
    if newest.number > _read_number(form.get("newest", "")):
        return editor_page(desk, form, conflict=newest, status=409)
    try:
        command = read_command(desk.channel, form, desk.base, _parse_version)
        draft = _add_version(desk, command)
    except InvalidRequest as error:
        errors = editor_errors(desk.channel, error, desk.language)
        return editor_page(desk, form, errors, status=422)
    flash(f"Draft {draft.number} is saved. Publish it when it is ready.", "success")
    return _to_editor(slug, draft.number, desk.language)


def _open_typed(slug: str) -> Desk:
    return open_desk(slug, request.form.get("base", ""), request.form.get("language", ""))


def _read_number(text: str) -> int:
    """The newest version that the person knew of; a form that does not say knew all."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 2**31


def _parse_version(body: dict[str, object]) -> AddVersion:
    return parse_add_version(body, note=request.form.get("note", ""))


def _add_version(desk: Desk, command: AddVersion) -> TemplateVersion:
    looking = viewer()
    return templates.add_version(
        session(),
        looking.workspace_id,
        desk.template.slug,
        command,
        created_by_id=looking.member.id,
        now=runtime().clock(),
    )


def _to_editor(slug: str, number: int, language: str) -> ResponseReturnValue:
    return redirect(
        url_for("template_editor.show", slug=slug, version=number, language=language or None)
    )


@pages.post("/<slug>/languages/remove")
def remove_language(slug: str) -> ResponseReturnValue:
    """Save a draft without one of the languages; the version with it stays."""
    desk = _open_typed(slug)
    translations = dict(desk.version.translations or {})
    if translations.pop(desk.language, None) is None:
        raise NotFound(f"This version has no words in “{desk.language}”.")
    body = {
        "content": desk.version.content,
        "variables": list(desk.version.variables),
        "translations": translations,
    }
    command = parse_add_version(body, note=f"Without {desk.language}")
    draft = _add_version(desk, command)
    flash(f"Draft {draft.number} has no words in “{desk.language}”.", "success")
    return _to_editor(slug, draft.number, "")


# -- going on ---------------------------------------------------------------------------------


@pages.post("/<slug>/edit")
def edit(slug: str) -> ResponseReturnValue:
    """Do what a button of the page is for, and show the page again with what was typed."""
    desk = _open_typed(slug)
    wanted = request.form.get("do", "")
    if wanted not in _DOES:
        raise NotFound("This button is none of the editor.")
    return _DOES[wanted](desk, request.form.to_dict())


def _check(desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    return editor_page(desk, form)


def _add_rows(desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    return editor_page(desk, form, blank_rows=_MORE_ROWS)


def _declare(desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    """Add a row for each variable that is used and not declared."""
    draft, _ = read_draft(desk.channel, form, desk.base)
    rows = [row for row in typed_rows(form) if not row.is_blank]
    start = max((row.index for row in typed_rows(form)), default=-1) + 1
    added = shown_rows(infer(draft, studio_of(desk)), start=start)
    kept = {name: text for name, text in form.items() if not name.startswith("var-")}
    words = f"{len(added)} added: look at their types and examples." if added else ""
    return editor_page(desk, kept | row_fields([*rows, *added]), note=words)


def _copy(desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    """Begin a translation with the default's words, where it has none of its own."""
    words = {
        name: text
        for name, text in fallback_values(desk.channel, desk.base).items()
        if not form.get(name)
    }
    return editor_page(desk, form | words)


def _convert(desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    """Write the email in the other markup from now on."""
    try:
        return editor_page(desk, form | converted(form, studio_of(desk).theme))
    except InvalidRequest as error:
        errors = editor_errors(desk.channel, error, desk.language)
        return editor_page(desk, form, errors, status=422)


def _save_sample(desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    draft, _ = read_draft(desk.channel, form, desk.base)
    try:
        values = read_sample(form, desk.template, desk.base.variables, draft.variables)
    except InvalidRequest as error:
        return editor_page(desk, form, {SAMPLE: error.message}, status=422)
    return _keep_sample(desk, form, dict(values), "The sample values are saved.")


def _forget_sample(desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    form = {name: text for name, text in form.items() if name != SAMPLE}
    return _keep_sample(desk, form, None, "The preview follows the examples again.")


def _keep_sample(
    desk: Desk, form: dict[str, str], values: dict[str, object] | None, note: str
) -> ResponseReturnValue:
    slug, now = desk.template.slug, runtime().clock()
    drafts.save_sample(session(), viewer().workspace_id, slug, values, now=now)
    desk = _open_typed(slug)
    return editor_page(desk, form | {SAMPLE: desk.shown[SAMPLE]}, note=note)


def _send_test(desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    slug = desk.template.slug
    try:
        sent = send_to_oneself(desk, form, viewer())
    except InvalidRequest as error:
        told = editor_errors(desk.channel, error)
        place = SAMPLE if SAMPLE in told else "to"
        return editor_page(_open_typed(slug), form, {place: " ".join(told.values())}, status=422)
    except ApiError as error:
        return editor_page(_open_typed(slug), form, {"to": error.message}, status=422)
    return editor_page(_open_typed(slug), form, sent=sent)


_DOES: Final[Mapping[str, Callable[[Desk, dict[str, str]], ResponseReturnValue]]] = {
    "check": _check,
    "rows": _add_rows,
    "declare": _declare,
    "copy": _copy,
    "convert": _convert,
    "sample": _save_sample,
    "examples": _forget_sample,
    "test": _send_test,
}
