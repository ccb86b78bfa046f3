"""New templates that begin with the words of something else: a starter, or another template."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from senderkit.commands import CreateTemplate, parse_create_template
from senderkit.domain import Channel, new_public_id
from senderkit.models import Template, TemplateVersion
from senderkit.services import templates, themes
from senderkit.starters import Starter


def starter_command(
    starter: Starter, *, slug: str, description: str, is_essential: bool
) -> CreateTemplate:
    """The template that a starter makes under a slug. Raises `InvalidRequest`."""
    folder = starter.folder
    body = {
        "slug": slug.strip(),
        "channel": folder.channel,
        "description": description.strip() or None,
        "content": dict(folder.content),
        "variables": [dict(variable) for variable in folder.variables],
    }
    note = f"From the starter “{starter.title}”"
    return parse_create_template(body, is_essential=is_essential, note=note)


def create_from_starter(
    session: Session,
    workspace_id: int,
    command: CreateTemplate,
    *,
    created_by_id: int | None,
    now: datetime,
) -> Template:
    """A draft; an email has the default theme, which is made if there is none. Raises `SlugTaken`.

    A starter is a fragment, and needs a theme to look like an email.
    """
    theme_id = None
    if command.channel is Channel.EMAIL:
        theme_id = themes.ensure_default(session, workspace_id, now=now).id
    return templates.create_template(
        session, workspace_id, command, created_by_id=created_by_id, now=now, theme_id=theme_id
    )


def duplicate(
    session: Session,
    workspace_id: int,
    slug: str,
    new_slug: str,
    *,
    created_by_id: int | None,
    now: datetime,
) -> Template:
    """A draft with the newest words and the settings of another template.

    Raises `TemplateNotFound`, and `SlugTaken` for the new slug.
    """
    source = templates.get_template(session, workspace_id, slug)
    newest = templates.get_newest_version(session, source)
    copy = _copy_of(source, new_slug, now)
    note = f"Copied from {source.slug}, version {newest.number}"
    templates.add_row(session, copy)
    session.add(_first_version(copy, newest, note, created_by_id, now))
    session.commit()
    return copy


def _copy_of(source: Template, slug: str, now: datetime) -> Template:
    return Template(
        public_id=new_public_id("tpl", now),
        workspace_id=source.workspace_id,
        slug=slug,
        channel=source.channel,
        description=source.description,
        is_essential=source.is_essential,
        connection_id=source.connection_id,
        theme_id=source.theme_id,
        sample_vars=source.sample_vars,
        created_at=now,
        updated_at=now,
    )


def _first_version(
    copy: Template, newest: TemplateVersion, note: str, created_by_id: int | None, now: datetime
) -> TemplateVersion:
    return TemplateVersion(
        template_id=copy.id,
        number=1,
        content=newest.content,
        translations=newest.translations,
        compiled=newest.compiled,
        variables=newest.variables,
        note=note,
        created_at=now,
        created_by_id=created_by_id,
    )
