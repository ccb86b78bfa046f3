"""A template's slug: renaming it, and the slugs it had before, by which sends go on working."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from senderkit.errors import NotFound, SlugTaken
from senderkit.models import ApiKey, Message, Template, TemplateAlias
from senderkit.services.templates import get_template

_RECENT: Final = timedelta(days=7)
_MOST_READ: Final = 10_000


@dataclass(frozen=True, slots=True)
class RecentSender:
    """A key that sent a template lately; `name` is None for a key that is gone."""

    name: str | None
    last_at: datetime


def list_aliases(session: Session, template: Template) -> list[TemplateAlias]:
    """The slugs that it had before, by name."""
    statement = select(TemplateAlias).where(TemplateAlias.template_id == template.id)
    return list(session.scalars(statement.order_by(TemplateAlias.slug)))


def recent_senders(session: Session, template: Template, *, now: datetime) -> list[RecentSender]:
    """The keys that sent it in the last seven days, the latest first; of its newest sends."""
    newest = (
        select(Message.api_key_id, Message.created_at)
        .where(*_sent(template, now))
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(_MOST_READ)
        .subquery()
    )
    statement = (
        select(ApiKey.name, func.max(newest.c.created_at))
        .select_from(newest)
        .outerjoin(ApiKey, ApiKey.id == newest.c.api_key_id)
        .group_by(newest.c.api_key_id, ApiKey.name)
        .order_by(func.max(newest.c.created_at).desc())
    )
    return [RecentSender(name, last_at) for name, last_at in session.execute(statement)]


def _sent(template: Template, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Message.workspace_id == template.workspace_id,
        Message.livemode.in_((True, False)),
        Message.template_slug == template.slug,
        Message.created_at >= now - _RECENT,
    )


def rename(
    session: Session,
    workspace_id: int,
    slug: str,
    new_slug: str,
    *,
    keeps_alias: bool,
    now: datetime,
) -> Template:
    """Give a template another slug; with `keeps_alias` the old one goes on working.

    An alias of its own is taken back. Raises `SlugTaken` for the slug or alias of another.
    """
    template = get_template(session, workspace_id, slug)
    if new_slug == template.slug:
        return template
    _take_alias(session, template, new_slug)
    old = template.slug
    template.slug, template.updated_at = new_slug, now
    try:
        session.flush()
    except IntegrityError as error:
        session.rollback()
        raise SlugTaken(f"There is a template '{new_slug}' already.") from error
    if keeps_alias:
        session.add(_alias(template, old, now))
    session.commit()
    return template


def _take_alias(session: Session, template: Template, slug: str) -> None:
    """Free an earlier slug of the template itself. Raises `SlugTaken` for another's."""
    alias = session.get(TemplateAlias, (template.workspace_id, slug))
    if alias is None:
        return
    if alias.template_id != template.id:
        raise SlugTaken(f"'{slug}' is an earlier slug of another template.")
    session.delete(alias)
    session.flush()


def _alias(template: Template, slug: str, now: datetime) -> TemplateAlias:
    return TemplateAlias(
        workspace_id=template.workspace_id, slug=slug, template_id=template.id, created_at=now
    )


def remove_alias(session: Session, workspace_id: int, slug: str, alias: str) -> None:
    """Sends by it are refused from then on. Raises `NotFound`."""
    template = get_template(session, workspace_id, slug)
    statement = delete(TemplateAlias).where(
        TemplateAlias.workspace_id == workspace_id,
        TemplateAlias.template_id == template.id,
        TemplateAlias.slug == alias,
    )
    removed = session.execute(statement.returning(TemplateAlias.slug)).one_or_none()
    if removed is None:
        raise NotFound(f"'{alias}' is no earlier slug of this template.")
    session.commit()


def is_alias(session: Session, workspace_id: int, slug: str) -> bool:
    """Whether sends by this slug reach a template that has another by now."""
    statement = select(
        exists().where(TemplateAlias.workspace_id == workspace_id, TemplateAlias.slug == slug)
    )
    return bool(session.scalars(statement).one())
