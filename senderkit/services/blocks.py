"""Synced blocks: fragments that templates name, with versions of their own.

What a block currently says is what every template gets at its next render; going back to an earlier
version is as immediate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from senderkit.commands import MAX_DATABASE_INTEGER, SaveBlock, merge_translation
from senderkit.domain import JsonObject, new_public_id
from senderkit.errors import InvalidRequest, Issue, NotFound, TemplateError, VersionNotFound
from senderkit.models import Block, BlockVersion, Template, TemplateVersion
from senderkit.mustache import ReferenceKind, compile_template
from senderkit.services.surroundings import current_blocks


@dataclass(frozen=True, slots=True)
class Use:
    """A template that names a block, itself or through another block.

    `is_live` when its published version does; else its newest one alone.
    """

    slug: str
    is_live: bool


# -- reading ----------------------------------------------------------------------------------


def list_blocks(session: Session, workspace_id: int) -> list[Block]:
    """By name, with what they currently say."""
    statement = (
        select(Block)
        .where(Block.workspace_id == workspace_id)
        .options(joinedload(Block.current_version))
        .order_by(Block.name)
    )
    return list(session.scalars(statement))


def get_block(session: Session, workspace_id: int, name: str) -> Block:
    """Raises `NotFound`."""
    statement = (
        select(Block)
        .where(Block.workspace_id == workspace_id, Block.name == name)
        .options(joinedload(Block.current_version))
    )
    block = session.scalars(statement).one_or_none()
    if block is None:
        raise NotFound(f"There is no block '{name}'.")
    return block


def list_versions(session: Session, block: Block) -> list[BlockVersion]:
    """Newest first."""
    statement = (
        select(BlockVersion)
        .where(BlockVersion.block_id == block.id)
        .options(joinedload(BlockVersion.created_by))
        .order_by(BlockVersion.number.desc())
    )
    return list(session.scalars(statement))


def get_version(session: Session, block: Block, number: int) -> BlockVersion:
    """Raises `VersionNotFound`."""
    statement = select(BlockVersion).where(
        BlockVersion.block_id == block.id, BlockVersion.number == number
    )
    is_possible = number <= MAX_DATABASE_INTEGER
    version = session.scalars(statement).one_or_none() if is_possible else None
    if version is None:
        raise VersionNotFound(f"The block '{block.name}' has no version {number}.")
    return version


def names_in(source: str) -> frozenset[str]:
    """The blocks that a text names. One that is no template names none."""
    try:
        references = compile_template(source).references()
    except TemplateError:
        return frozenset()
    return frozenset(each.path for each in references if each.kind is ReferenceKind.PARTIAL)


def names_in_content(content: JsonObject) -> frozenset[str]:
    """The blocks that any field of a content names."""
    return frozenset(name for text in _texts(content.values()) for name in names_in(text))


def _texts(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(value.values())
        elif isinstance(value, list):
            yield from _texts(value)


def uses_by_block(session: Session, workspace_id: int) -> dict[str, tuple[Use, ...]]:
    """Which templates name each block, themselves or through another, by block name.

    Of a template the published and the newest version count; archived ones do not.
    """
    inner = {
        name: names_in(content)
        for name, content in current_blocks(session.connection(), workspace_id).items()
    }
    found: dict[str, dict[str, bool]] = {}
    for slug, is_live, version in _current_versions(session, workspace_id):
        for name in _reached(_names_in_version(version), inner):
            uses = found.setdefault(name, {})
            uses[slug] = uses.get(slug, False) or is_live
    return {
        name: tuple(Use(slug, is_live) for slug, is_live in sorted(uses.items()))
        for name, uses in found.items()
    }


def _names_in_version(version: TemplateVersion) -> frozenset[str]:
    translations = (version.translations or {}).values()
    contents = [version.content, *(merge_translation(version.content, t) for t in translations)]
    return frozenset(name for content in contents for name in names_in_content(content))


def _reached(names: Iterable[str], inner: Mapping[str, frozenset[str]]) -> set[str]:
    waiting, reached = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(inner.get(name, ()))
    return reached


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


# -- writing ----------------------------------------------------------------------------------


def create_block(
    session: Session,
    workspace_id: int,
    command: SaveBlock,
    *,
    created_by_id: int | None,
    now: datetime,
) -> Block:
    """A new block, current at once. Raises `InvalidRequest`, also for a name that is taken."""
    _check_content(session, workspace_id, command)
    block = Block(
        public_id=new_public_id("blk", now),
        workspace_id=workspace_id,
        name=command.name,
        description=command.description,
        created_at=now,
        updated_at=now,
    )
    session.add(block)
    try:
        session.flush()
    except IntegrityError as error:
        session.rollback()
        message = f"There is a block '{command.name}' already."
        raise InvalidRequest(message, [Issue("slug_taken", ("name",), message)]) from error
    _add_version(session, block, 1, command, created_by_id, now)
    session.commit()
    return block


def save_version(
    session: Session,
    workspace_id: int,
    command: SaveBlock,
    *,
    created_by_id: int | None,
    now: datetime,
) -> BlockVersion:
    """The next version of the block, current at once. Raises `NotFound`, `InvalidRequest`."""
    block = get_block(session, workspace_id, command.name)
    _check_content(session, workspace_id, command)
    # Locking the block's row gives two authors at once two numbers.
    session.execute(select(Block.id).where(Block.id == block.id).with_for_update())
    newest = select(func.max(BlockVersion.number)).where(BlockVersion.block_id == block.id)
    number = (session.scalars(newest).one() or 0) + 1
    block.description = command.description
    version = _add_version(session, block, number, command, created_by_id, now)
    session.commit()
    return version


def _add_version(
    session: Session,
    block: Block,
    number: int,
    command: SaveBlock,
    created_by_id: int | None,
    now: datetime,
) -> BlockVersion:
    version = BlockVersion(
        block_id=block.id,
        number=number,
        content=command.content,
        note=command.note,
        created_at=now,
        created_by_id=created_by_id,
    )
    session.add(version)
    session.flush()
    block.current_version_id = version.id
    block.updated_at = now
    return version


def go_back(
    session: Session, workspace_id: int, name: str, number: int, *, now: datetime
) -> BlockVersion:
    """Make an earlier version the current one. Raises what `get_version` raises, and
    `InvalidRequest` when it would include itself by now."""
    block = get_block(session, workspace_id, name)
    version = get_version(session, block, number)
    _check_cycle(session, workspace_id, name, version.content)
    block.current_version_id = version.id
    block.updated_at = now
    session.commit()
    return version


def remove_block(session: Session, workspace_id: int, name: str) -> None:
    """Templates that name it get nothing in its place. Raises `NotFound`."""
    block = get_block(session, workspace_id, name)
    block.current_version_id = None
    session.flush()
    session.delete(block)
    session.commit()


def _check_content(session: Session, workspace_id: int, command: SaveBlock) -> None:
    try:
        compile_template(command.content)
    except TemplateError as error:
        issue = Issue("template_syntax", ("content",), str(error))
        raise InvalidRequest("The block is not a valid template.", [issue]) from error
    _check_cycle(session, workspace_id, command.name, command.content)


def _check_cycle(session: Session, workspace_id: int, name: str, content: str) -> None:
    blocks = current_blocks(session.connection(), workspace_id) | {name: content}
    cycle = find_cycle({each: names_in(source) for each, source in blocks.items()})
    if cycle:
        message = f"It would include itself: {' → '.join(cycle)}."
        raise InvalidRequest(message, [Issue("invalid_value", ("content",), message)])


def find_cycle(inner: Mapping[str, Iterable[str]]) -> Sequence[str]:
    """Blocks that include each other in a circle, the first of them named at its end again."""
    try:
        TopologicalSorter(inner).prepare()
    except CycleError as error:
        found: Sequence[str] = error.args[1][::-1]
        return found
    return ()
