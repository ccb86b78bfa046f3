"""The settings of a template and its life: describe, theme, rename, duplicate, archive, restore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import parse_change_template, parse_slug
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest, NotFound, SlugTaken
from senderkit.models import Template
from senderkit.services import channels, slugs, template_copies, templates, themes
from senderkit.web.dashboard.frame import field_errors, viewer
from senderkit.web.dashboard.template_form import editor_errors
from senderkit.web.dashboard.template_frame import template_page
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("template_settings", __name__, url_prefix="/templates")


@pages.get("/<slug>/settings")
def show(slug: str) -> str:
    """Everything about a template but its words."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    return _show_page(template, {}, {})


def _show_page(template: Template, typed: Mapping[str, object], errors: Mapping[str, str]) -> str:
    """`typed` is what a form held that was refused."""
    newest = templates.get_newest_version(session(), template)
    return template_page(
        "templates/settings.html",
        template,
        newest.number,
        settings={**_settings(template), **typed},
        errors=errors,
        connections=_connections(template),
        themes=_themes(template),
        is_mjml=newest.content.get("mjml") is not None,
        senders=slugs.recent_senders(session(), template, now=runtime().clock()),
        aliases=slugs.list_aliases(session(), template),
    )


def _connections(template: Template) -> list[tuple[str, str]]:
    """What the template may go through: id and name of each connection of its channel."""
    found = channels.list_connections(session(), template.workspace_id)
    return [(each.uuid, each.name) for each in found if each.channel == template.channel]


def _themes(template: Template) -> list[tuple[str, str]]:
    """Id and name of each theme; none but for email."""
    if template.channel != Channel.EMAIL.value:
        return []
    found = themes.list_themes(session(), template.workspace_id)
    return [
        (each.public_id, f"{each.name} (default)" if each.is_default else each.name)
        for each in found
    ]


def _settings(template: Template) -> Mapping[str, object]:
    """What stands in the fields before anybody types."""
    found = channels.list_connections(session(), template.workspace_id)
    worn = themes.list_themes(session(), template.workspace_id)
    connections = {each.id: each.uuid for each in found}
    return {
        "description": template.description,
        "is_essential": template.is_essential,
        "connection_id": connections.get(template.connection_id or 0, ""),
        "theme_id": {each.id: each.public_id for each in worn}.get(template.theme_id or 0, ""),
        "slug": template.slug,
        "copy_slug": f"{template.slug[:95]}-copy",
        "keeps_alias": True,
    }


@pages.post("/<slug>/settings")
def describe(slug: str) -> ResponseReturnValue:
    """Change the description, the theme, whether it is essential, and what it goes through."""
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
        "theme_id": form.get("theme_id", ""),
    }


# -- its slug ---------------------------------------------------------------------------------


@pages.post("/<slug>/rename")
def rename(slug: str) -> ResponseReturnValue:
    """Give it another slug; the old one may go on working."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    wanted, keeps_alias = request.form.get("slug", ""), "keeps_alias" in request.form
    try:
        new_slug = parse_slug(wanted)
        slugs.rename(session(), workspace_id, slug, new_slug, keeps_alias=keeps_alias, now=now)
    except (InvalidRequest, SlugTaken) as error:
        typed = {"slug": wanted, "keeps_alias": keeps_alias}
        return _refuse(slug, typed, _slug_errors(error, "slug")), 422
    flash(f"The template is “{new_slug}” from now on.", "success")
    return redirect(url_for("template_settings.show", slug=new_slug))


def _slug_errors(error: InvalidRequest | SlugTaken, field: str) -> Mapping[str, str]:
    if isinstance(error, SlugTaken):
        return {field: error.message}
    return field_errors(error, {"slug": field})


def _refuse(slug: str, typed: Mapping[str, object], errors: Mapping[str, str]) -> str:
    template = templates.get_template(session(), viewer().workspace_id, slug)
    return _show_page(template, typed, errors)


@pages.get("/<slug>/aliases/<alias>/remove")
def unlink(slug: str, alias: str) -> str:
    """Ask before an earlier slug stops working. Raises `NotFound`."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    if alias not in {each.slug for each in slugs.list_aliases(session(), template)}:
        raise NotFound(f"'{alias}' is no earlier slug of this template.")
    newest = templates.get_newest_version(session(), template)
    return template_page("templates/unlink.html", template, newest.number, alias=alias)


@pages.post("/<slug>/aliases/<alias>/remove")
def unlink_now(slug: str, alias: str) -> ResponseReturnValue:
    """Sends by it are refused from then on."""
    slugs.remove_alias(session(), viewer().workspace_id, slug, alias)
    flash(f"“{alias}” does not work any more: sends by it are refused.", "success")
    return redirect(url_for("template_settings.show", slug=slug))


# -- another one, and its end -----------------------------------------------------------------


@pages.post("/<slug>/duplicate")
def duplicate(slug: str) -> ResponseReturnValue:
    """Make a draft of the same words and settings under another slug."""
    looking, now = viewer(), runtime().clock()
    wanted = request.form.get("copy_slug", "")
    try:
        copy = template_copies.duplicate(
            session(),
            looking.workspace_id,
            slug,
            parse_slug(wanted),
            created_by_id=looking.member.id,
            now=now,
        )
    except (InvalidRequest, SlugTaken) as error:
        return _refuse(slug, {"copy_slug": wanted}, _slug_errors(error, "copy_slug")), 422
    flash(f"“{copy.slug}” is a draft with the newest words of “{slug}”.", "success")
    return redirect(url_for("template_editor.show", slug=copy.slug))


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
