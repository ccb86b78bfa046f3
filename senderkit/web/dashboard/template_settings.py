"""The settings of a template, and its end: describe, essential, connection, archive, restore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import parse_change_template
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest
from senderkit.models import Template
from senderkit.services import channels, templates
from senderkit.web.dashboard.frame import viewer
from senderkit.web.dashboard.template_form import editor_errors
from senderkit.web.dashboard.template_frame import template_page
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("template_settings", __name__, url_prefix="/templates")


@pages.get("/<slug>/settings")
def show(slug: str) -> str:
    """Everything about a template but its words."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    return _show_page(template, _settings(template), {})


def _show_page(template: Template, values: Mapping[str, object], errors: Mapping[str, str]) -> str:
    newest = templates.list_versions(session(), template)[0]
    return template_page(
        "templates/settings.html",
        template,
        newest.number,
        connections=_connections(template),
        settings=values,
        errors=errors,
    )


def _connections(template: Template) -> list[tuple[str, str]]:
    """What the template may go through: id and name of each connection of its channel."""
    found = channels.list_connections(session(), template.workspace_id)
    return [(each.uuid, each.name) for each in found if each.channel == template.channel]


def _settings(template: Template) -> Mapping[str, object]:
    found = channels.list_connections(session(), template.workspace_id)
    own = next((each.uuid for each in found if each.id == template.connection_id), "")
    return {
        "description": template.description,
        "is_essential": template.is_essential,
        "connection_id": own,
    }


@pages.post("/<slug>/settings")
def describe(slug: str) -> ResponseReturnValue:
    """Change the description, whether it is essential, and what it goes through."""
    workspace_id = viewer().workspace_id
    template = templates.get_template(session(), workspace_id, slug)
    typed = _typed(request.form)
    try:
        command = parse_change_template(**typed)
        templates.change_template(session(), workspace_id, slug, command, now=runtime().clock())
    except InvalidRequest as error:
        errors = editor_errors(Channel(template.channel), error)
        return _show_page(template, typed, errors), 422
    flash("The settings are saved.", "success")
    return redirect(url_for("template_settings.show", slug=template.slug))


def _typed(form: Mapping[str, str]) -> dict[str, Any]:
    return {
        "description": form.get("description", ""),
        "is_essential": "is_essential" in form,
        "connection_id": form.get("connection_id", ""),
    }


@pages.post("/<slug>/archive")
def archive(slug: str) -> ResponseReturnValue:
    """Stop new sends."""
    template = templates.archive(session(), viewer().workspace_id, slug, now=runtime().clock())
    flash(f"“{template.slug}” is archived: new sends of it are refused.", "success")
    return redirect(url_for("template_settings.show", slug=template.slug))


@pages.post("/<slug>/restore")
def restore(slug: str) -> ResponseReturnValue:
    """Take it back as a draft."""
    template = templates.restore(session(), viewer().workspace_id, slug, now=runtime().clock())
    flash(f"“{template.slug}” is back as a draft: publish a version before it is live.", "success")
    return redirect(url_for("template_settings.show", slug=template.slug))
