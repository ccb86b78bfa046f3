"""Templates: list, new, editor, publish and go back, describe, archive and restore.

Every form builds the same commands as the API. A form that is refused is shown again with what was
typed and, beside each field, what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import parse_add_version, parse_change_template, parse_create_template
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest, SlugTaken, VersionNotFound
from senderkit.models import Template, TemplateVersion
from senderkit.services import channels, templates
from senderkit.web.dashboard.frame import page, viewer
from senderkit.web.dashboard.template_form import (
    NOTHING,
    Base,
    editor_errors,
    read_command,
    shown_values,
)
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("templates", __name__, url_prefix="/templates")

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as the pages show it; `published_number` is None without a live version."""

    slug: str
    channel: str
    status: str
    description: str | None
    is_essential: bool
    published_number: int | None
    newest_number: int
    updated_at: datetime


def _row(template: Template, published: int | None, newest: int) -> TemplateRow:
    return TemplateRow(
        slug=template.slug,
        channel=template.channel,
        status=templates.status_of(template).value,
        description=template.description,
        is_essential=template.is_essential,
        published_number=published,
        newest_number=newest,
        updated_at=template.updated_at,
    )


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version as the editor lists it."""

    number: int
    created_at: datetime
    created_by: str | None
    published_at: datetime | None
    is_published: bool


def _version_row(version: TemplateVersion, template: Template) -> VersionRow:
    return VersionRow(
        number=version.number,
        created_at=version.created_at,
        created_by=version.created_by.email if version.created_by else None,
        published_at=version.published_at,
        is_published=version.id == template.published_version_id,
    )


@pages.get("")
def index() -> str:
    """All templates, archived ones folded away."""
    workspace_id = viewer().workspace_id
    published = templates.published_numbers(session(), workspace_id)
    newest = templates.newest_numbers(session(), workspace_id)
    found = templates.list_templates(session(), workspace_id)
    rows = [_row(template, published.get(template.id), newest[template.id]) for template in found]
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
    return redirect(url_for("templates.show", slug=template.slug))


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


# -- the editor -------------------------------------------------------------------------------


@pages.get("/<slug>")
def show(slug: str) -> str:
    """The words of one version in the editor, the newest unless another is asked for."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    version = _get_version(template, request.args.get("version", ""))
    values = shown_values(Channel(template.channel), _base_of(version))
    return _show_page(template, version, values, {})


def _get_version(template: Template, wanted: str) -> TemplateVersion:
    """Raises `VersionNotFound`."""
    if not wanted:
        return templates.list_versions(session(), template)[0]
    if not wanted.isascii() or not wanted.isdigit() or len(wanted) > 9:
        raise VersionNotFound(f"The template '{template.slug}' has no such version.")
    return templates.get_version(session(), template, int(wanted))


def _base_of(version: TemplateVersion) -> Base:
    return Base(version.content, tuple(version.variables))


def _show_page(
    template: Template,
    version: TemplateVersion,
    values: Texts,
    errors: Texts,
    settings: Mapping[str, object] | None = None,
) -> str:
    published = template.published_version
    versions = templates.list_versions(session(), template)
    row = _row(template, published.number if published else None, versions[0].number)
    return page(
        "templates/show.html",
        "templates",
        template=row,
        versions=[_version_row(each, template) for each in versions],
        version_number=version.number,
        is_mjml=version.content.get("mjml") is not None,
        values=values,
        errors=errors,
        connections=_connections(template),
        settings=settings or _settings(template),
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


@pages.post("/<slug>/versions")
def add_version(slug: str) -> ResponseReturnValue:
    """Save the words as the next draft."""
    looking = viewer()
    template = templates.get_template(session(), looking.workspace_id, slug)
    version = _get_version(template, request.form.get("base", ""))
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
    return redirect(url_for("templates.show", slug=slug, version=draft.number))


@pages.post("/<slug>/publish")
def publish(slug: str) -> ResponseReturnValue:
    """Make a version the live one; an older one is the way back."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    template = templates.get_template(session(), workspace_id, slug)
    wanted = _get_version(template, request.form.get("version", ""))
    version = templates.publish(session(), workspace_id, slug, wanted.number, now=now)
    flash(f"Version {version.number} is live: the next send uses it.", "success")
    return redirect(url_for("templates.show", slug=slug, version=version.number))


# -- its life ---------------------------------------------------------------------------------


@pages.post("/<slug>")
def describe(slug: str) -> ResponseReturnValue:
    """Change the description, whether it is essential, and what it goes through."""
    workspace_id, form = viewer().workspace_id, request.form
    template = templates.get_template(session(), workspace_id, slug)
    description, is_essential = form.get("description", ""), "is_essential" in form
    connection_id = form.get("connection_id", "")
    try:
        command = parse_change_template(
            description=description, is_essential=is_essential, connection_id=connection_id
        )
        templates.change_template(session(), workspace_id, slug, command, now=runtime().clock())
    except InvalidRequest as error:
        version = _get_version(template, "")
        values = shown_values(Channel(template.channel), _base_of(version))
        errors = editor_errors(Channel(template.channel), error)
        typed = {
            "description": description,
            "is_essential": is_essential,
            "connection_id": connection_id,
        }
        return _show_page(template, version, values, errors, typed), 422
    flash("The settings are saved.", "success")
    return redirect(url_for("templates.show", slug=slug))


@pages.post("/<slug>/archive")
def archive(slug: str) -> ResponseReturnValue:
    """Stop new sends."""
    template = templates.archive(session(), viewer().workspace_id, slug, now=runtime().clock())
    flash(f"“{template.slug}” is archived: new sends of it are refused.", "success")
    return redirect(url_for("templates.show", slug=slug))


@pages.post("/<slug>/restore")
def restore(slug: str) -> ResponseReturnValue:
    """Take it back as a draft."""
    template = templates.restore(session(), viewer().workspace_id, slug, now=runtime().clock())
    flash(f"“{template.slug}” is back as a draft: publish a version before it is live.", "success")
    return redirect(url_for("templates.show", slug=slug))
