"""What a block looks like before it is saved: alone in the default theme, or within a template.

Rendered by what renders a send, with the other blocks and the theme of the moment.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from senderkit.domain import Body, Channel
from senderkit.models import Template, TemplateVersion
from senderkit.rendering import Surroundings, compile_content
from senderkit.services import templates, themes
from senderkit.services.compiled import compile_version
from senderkit.services.surroundings import current_blocks, find_theme
from senderkit.themes import Theme


def preview_alone(session: Session, workspace_id: int, name: str, content: str) -> Body:
    """The block as an email of its own. Raises `TemplateError`."""
    blocks = current_blocks(session.connection(), workspace_id) | {name: content}
    stored = themes.find_default(session, workspace_id)
    theme = Theme.of(stored.values) if stored else Theme()
    compiled = compile_content(Channel.EMAIL, {"subject": name, "html": content})
    return compiled.render({}, Surroundings(blocks.get, theme)).body


def preview_within(session: Session, workspace_id: int, name: str, content: str, slug: str) -> Body:
    """The template with the block as `content` says: its live version, else the newest.

    Raises `TemplateNotFound`, `TemplateError`.
    """
    template = templates.get_template(session, workspace_id, slug)
    version = template.published_version or templates.list_versions(session, template)[0]
    blocks = current_blocks(session.connection(), workspace_id) | {name: content}
    theme = find_theme(session.connection(), template.theme_id)
    compiled = compile_version(
        Channel(template.channel), version.content, version.translations, version.compiled
    )
    variables = _samples(template, version)
    return compiled.own.render(variables, Surroundings(blocks.get, theme)).body


def _samples(template: Template, version: TemplateVersion) -> dict[str, Any]:
    """What the template's own preview is filled with, else the examples that it declares."""
    if template.sample_vars is not None:
        return template.sample_vars
    return {each["name"]: each.get("example") for each in version.variables}
