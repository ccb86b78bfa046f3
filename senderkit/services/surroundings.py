"""What templates are rendered in at the moment: the workspace's blocks and the template's theme.

Both are read for each batch of renders and kept by nobody, so that an edit reaches the next one in
every process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, exists, select

from senderkit.models import Block, BlockVersion, Template, TemplateVersion
from senderkit.models import Theme as ThemeRow
from senderkit.mustache import Partials
from senderkit.rendering import Surroundings, no_partials
from senderkit.themes import Theme

# The statements are made once: making them costs more than running them.
_HAS_BLOCKS: Final = exists().where(Block.workspace_id == Template.workspace_id)
_OF_VERSIONS: Final = (
    select(TemplateVersion.id, Template.workspace_id, ThemeRow.values, _HAS_BLOCKS)
    .join(Template, Template.id == TemplateVersion.template_id)
    .outerjoin(ThemeRow, ThemeRow.id == Template.theme_id)
    .where(TemplateVersion.id.in_(bindparam("ids", expanding=True)))
)
_BLOCKS: Final = (
    select(Block.name, BlockVersion.content)
    .join(BlockVersion, BlockVersion.id == Block.current_version_id)
    .where(Block.workspace_id == bindparam("workspace_id"))
)


def find_surroundings(
    connection: Connection, version_ids: Sequence[int]
) -> dict[int, Surroundings]:
    """By version id."""
    if not version_ids:
        return {}
    rows = connection.execute(_OF_VERSIONS, {"ids": version_ids}).all()
    with_blocks = {workspace_id for _, workspace_id, _, has_blocks in rows if has_blocks}
    partials = {id_: current_blocks(connection, id_).get for id_ in with_blocks}
    return {
        version_id: surroundings_of(partials.get(workspace_id, no_partials), values)
        for version_id, workspace_id, values, _ in rows
    }


def surroundings_of(partials: Partials, values: Mapping[str, object] | None) -> Surroundings:
    """`values` are those of a stored theme, None without one."""
    return Surroundings(partials, None if values is None else Theme.of(values))


def current_blocks(connection: Connection, workspace_id: int) -> dict[str, str]:
    """The current content of each block of a workspace, by name."""
    rows = connection.execute(_BLOCKS, {"workspace_id": workspace_id})
    return {name: content for name, content in rows}  # noqa: C416 - typed rows


def find_theme(connection: Connection, theme_id: int | None) -> Theme | None:
    """The theme with this id, None without one."""
    if theme_id is None:
        return None
    values = connection.execute(
        select(ThemeRow.values).where(ThemeRow.id == theme_id)
    ).scalar_one_or_none()
    return None if values is None else Theme.of(values)
