"""What the editor of a template asks beside saving: the words that are not saved yet rendered as a
send would, the values to show them with, the languages that the workspace writes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Text, case, cast, func, literal, select, true
from sqlalchemy.orm import Session

from senderkit.commands import merge_translation
from senderkit.domain import Channel, JsonObject
from senderkit.models import Template, TemplateVersion
from senderkit.rendering import Rendered, Surroundings
from senderkit.services import templates
from senderkit.services.compiled import compile_version
from senderkit.services.surroundings import current_blocks, find_theme
from senderkit.template_samples import sample_values
from senderkit.themes import Theme

_MOST_LANGUAGES: Final = 40
_EMPTY: Final[Mapping[Channel, JsonObject]] = {
    Channel.EMAIL: {"subject": "", "html": ""},
    Channel.SMS: {"body": ""},
    Channel.PUSH: {"title": "", "body": ""},
    Channel.WEB_PUSH: {"title": "", "body": ""},
}


@dataclass(frozen=True, slots=True)
class Draft:
    """The words of a template as they stand in the editor: well-formed as far as they go.

    `language` is the one that is looked at, empty for the content's own.
    """

    channel: Channel
    content: JsonObject
    variables: tuple[JsonObject, ...] = ()
    translations: Mapping[str, JsonObject] = field(default_factory=dict)
    language: str = ""

    @property
    def words(self) -> JsonObject:
        """The whole content in the language that is looked at."""
        return merge_translation(self.content, self.translations.get(self.language, {}))


@dataclass(frozen=True, slots=True)
class Studio:
    """What a template of a workspace is made with at the moment."""

    blocks: Mapping[str, str]
    theme: Theme | None

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(self.blocks.get, self.theme)


def read_studio(connection: Connection, workspace_id: int, theme_id: int | None) -> Studio:
    return Studio(current_blocks(connection, workspace_id), find_theme(connection, theme_id))


def render_draft(draft: Draft, studio: Studio, values: JsonObject) -> Rendered:
    """As a send of these words would be rendered; a field that is not there yet is empty.

    Raises `TemplateError`.
    """
    words = draft.words
    empty = dict(_EMPTY[draft.channel])
    if words.get("mjml") is not None:
        empty.pop("html")
    compiled = compile_version(draft.channel, {**empty, **words}, None, None)
    return compiled.own.render(values, studio.surroundings)


def shown_values(template: Template, variables: tuple[JsonObject, ...]) -> JsonObject:
    """What previews are filled with: what was saved for them, else the examples of `variables`."""
    saved = template.sample_vars
    return sample_values(variables) if saved is None else saved


def save_sample(
    session: Session, workspace_id: int, slug: str, values: dict[str, Any] | None, *, now: datetime
) -> None:
    """Keep the values that previews are filled with; None for the examples of the variables."""
    template = templates.get_template(session, workspace_id, slug)
    template.sample_vars = values
    template.updated_at = now
    session.commit()


def languages_in_use(connection: Connection, workspace_id: int) -> list[str]:
    """The languages that a version of any template of the workspace is translated into."""
    versions = (
        select(TemplateVersion.translations)
        .join(Template, Template.id == TemplateVersion.template_id)
        .where(Template.workspace_id == workspace_id, Template.archived_at.is_(None))
        .subquery()
    )
    column = versions.c.translations
    if connection.dialect.name == "postgresql":
        # A version without translations holds JSON's null, which has no keys to list.
        is_object = func.json_typeof(column) == "object"
        tag = func.json_object_keys(case((is_object, column), else_=literal({}, column.type)))
        tags = select(tag).select_from(versions)
    else:
        each = func.json_each(cast(column, Text)).table_valued("key")
        tags = select(each.c.key).select_from(versions).join(each, true())
        tags = tags.where(each.c.key.is_not(None))
    return sorted(connection.scalars(tags.distinct().limit(_MOST_LANGUAGES)))
