"""Where blocks are used: by which templates, live or as drafts, and by which other blocks."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from senderkit.commands import merge_translation
from senderkit.models import Template, TemplateVersion
from senderkit.services.inclusions import names_in, names_in_content, reached
from senderkit.services.surroundings import current_blocks


@dataclass(frozen=True, slots=True)
class Use:
    """A template that names a block, itself or through another block.

    `is_live` when its published version does; else its newest one alone.
    """

    slug: str
    is_live: bool


@dataclass(frozen=True, slots=True)
class Uses:
    """Where one block is used: by templates, and by the blocks that name it themselves."""

    templates: tuple[Use, ...] = ()
    blocks: tuple[str, ...] = ()

    @property
    def live(self) -> tuple[str, ...]:
        """The slugs of what is live."""
        return tuple(use.slug for use in self.templates if use.is_live)

    @property
    def drafts(self) -> tuple[str, ...]:
        return tuple(use.slug for use in self.templates if not use.is_live)


NO_USES = Uses()


def uses_by_block(session: Session, workspace_id: int) -> dict[str, Uses]:
    """Where each block is used, by its name; those that nothing names are left out.

    Of a template the published and the newest version count; archived ones do not.
    """
    blocks = current_blocks(session.connection(), workspace_id)
    inner = {name: names_in(content) for name, content in blocks.items()}
    found: dict[str, dict[str, bool]] = {}
    for slug, is_live, version in _current_versions(session, workspace_id):
        for name in reached(_names_in_version(version), inner):
            uses = found.setdefault(name, {})
            uses[slug] = uses.get(slug, False) or is_live
    outer: dict[str, set[str]] = {}
    for name, names in inner.items():
        for one in names:
            outer.setdefault(one, set()).add(name)
    return {
        name: Uses(
            tuple(Use(slug, is_live) for slug, is_live in sorted(found.get(name, {}).items())),
            tuple(sorted(outer.get(name, ()))),
        )
        for name in found.keys() | outer.keys()
    }


def _names_in_version(version: TemplateVersion) -> frozenset[str]:
    translations = (version.translations or {}).values()
    contents = [version.content, *(merge_translation(version.content, t) for t in translations)]
    return frozenset(name for content in contents for name in names_in_content(content))


def _current_versions(
    session: Session, workspace_id: int
) -> list[tuple[str, bool, TemplateVersion]]:
    """The slug of each template, whether this is its live version, and the version."""
    newest = (
        select(TemplateVersion.template_id, func.max(TemplateVersion.number).label("number"))
        .group_by(TemplateVersion.template_id)
        .subquery()
    )
    statement = (
        select(Template.slug, Template.published_version_id, TemplateVersion)
        .join(TemplateVersion, TemplateVersion.template_id == Template.id)
        .join(newest, newest.c.template_id == Template.id)
        .where(
            Template.workspace_id == workspace_id,
            Template.archived_at.is_(None),
            (TemplateVersion.number == newest.c.number)
            | (TemplateVersion.id == Template.published_version_id),
        )
    )
    rows = session.execute(statement)
    return [(slug, version.id == published_id, version) for slug, published_id, version in rows]
