"""The editor of a template: the words of one version, saved as the next draft."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import parse_add_version
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest
from senderkit.models import Template, TemplateVersion
from senderkit.services import templates
from senderkit.web.dashboard.frame import viewer
from senderkit.web.dashboard.template_form import Base, editor_errors, read_command, shown_values
from senderkit.web.dashboard.template_frame import read_version, template_page
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("template_editor", __name__, url_prefix="/templates")

Texts = Mapping[str, str]


@pages.get("/<slug>")
def show(slug: str) -> str:
    """The words of one version in the editor, the newest unless another is asked for."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    version = read_version(template, request.args.get("version", ""))
    values = shown_values(Channel(template.channel), _base_of(version))
    return _show_page(template, version, values, {})


def _base_of(version: TemplateVersion) -> Base:
    return Base(version.content, tuple(version.variables))


def _show_page(template: Template, version: TemplateVersion, values: Texts, errors: Texts) -> str:
    return template_page(
        "templates/editor.html",
        template,
        templates.list_versions(session(), template)[0].number,
        version_number=version.number,
        is_mjml=version.content.get("mjml") is not None,
        values=values,
        errors=errors,
    )


@pages.post("/<slug>/versions")
def save(slug: str) -> ResponseReturnValue:
    """Save the words as the next draft."""
    looking = viewer()
    template = templates.get_template(session(), looking.workspace_id, slug)
    version = read_version(template, request.form.get("base", ""))
    channel = Channel(template.channel)
    try:
        command = read_command(channel, request.form, _base_of(version), parse_add_version)
        draft = templates.add_version(
            session(),
            looking.workspace_id,
            slug,
            command,
            created_by_id=looking.member.id,
            now=runtime().clock(),
        )
    except InvalidRequest as error:
        errors = editor_errors(channel, error)
        return _show_page(template, version, request.form, errors), 422
    flash(f"Draft {draft.number} is saved. Publish it when it is ready.", "success")
    return redirect(url_for("template_editor.show", slug=slug, version=draft.number))
