"""The list of templates as people look at it: what is live, what is newer, who sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, literal, select, tuple_, union_all
from sqlalchemy.orm import Session

from senderkit.models import Member, Message, Template, TemplateAlias, TemplateVersion
from senderkit.services import templates

SENDS_WITHIN: Final = timedelta(days=7)
MAX_COUNTED: Final = 1_000
"""Sends of one slug; a larger number is that and a plus."""


@dataclass(frozen=True, slots=True)
class NewestVersion:
    """`author` is None for a version that came over the API."""

    number: int
    created_at: datetime
    author: str | None


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    """`sends` counts at most `MAX_COUNTED` for the slug and each that it had before."""

    template: Template
    published_number: int | None
    newest: NewestVersion
    sends: int
    is_capped: bool


def list_listed(
    session: Session, workspace_id: int, livemode: bool, *, now: datetime
) -> list[ListedTemplate]:
    """All of a workspace by slug, archived ones too; sends are those of one mode."""
    published = templates.published_numbers(session, workspace_id)
    newest = _newest_versions(session, workspace_id)
    sends = _sends_by_template(session, workspace_id, livemode, now - SENDS_WITHIN)
    return [
        ListedTemplate(
            template,
            published.get(template.id),
            newest[template.id],
            sum(sends.get(template.id, ())),
            MAX_COUNTED in sends.get(template.id, ()),
        )
        for template in templates.list_templates(session, workspace_id)
    ]


def _newest_versions(session: Session, workspace_id: int) -> dict[int, NewestVersion]:
    numbers = (
        select(TemplateVersion.template_id, func.max(TemplateVersion.number))
        .join(Template, Template.id == TemplateVersion.template_id)
        .where(Template.workspace_id == workspace_id)
        .group_by(TemplateVersion.template_id)
    )
    statement = (
        select(
            TemplateVersion.template_id,
            TemplateVersion.number,
            TemplateVersion.created_at,
            Member.email,
        )
        .outerjoin(Member, Member.id == TemplateVersion.created_by_id)
        .where(tuple_(TemplateVersion.template_id, TemplateVersion.number).in_(numbers))
    )
    return {
        template_id: NewestVersion(number, created_at, email)
        for template_id, number, created_at, email in session.execute(statement)
    }


def _sends_by_template(
    session: Session, workspace_id: int, livemode: bool, since: datetime
) -> Mapping[int, list[int]]:
    """By template the sends of its slug and of each earlier one, each up to `MAX_COUNTED`.

    Of each only so many entries of the index are read, however many there are.
    """
    own = select(Template.id, Template.slug).where(Template.workspace_id == workspace_id)
    earlier = select(TemplateAlias.template_id, TemplateAlias.slug).where(
        TemplateAlias.workspace_id == workspace_id
    )
    slugs = union_all(own, earlier).subquery()
    some = (
        select(literal(1).label("one"))
        .where(
            Message.workspace_id == workspace_id,
            Message.livemode.is_(livemode),
            Message.template_slug == slugs.c.slug,
            Message.created_at >= since,
        )
        .correlate(slugs)
        .limit(MAX_COUNTED)
        .subquery()
    )
    count = select(func.count()).select_from(some).scalar_subquery()
    found: dict[int, list[int]] = {}
    for template_id, number in session.execute(select(slugs.c.id, count)):
        found.setdefault(template_id, []).append(number)
    return found
