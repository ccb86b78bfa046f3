"""Synced blocks: fragments that templates name, with versions of their own.

What a block currently says is what every template gets at its next render; going back to an earlier
version is as immediate. So what would make renders fail is refused before it is current: circles,
and blocks that bring along more of each other than a render allows.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from senderkit.commands import MAX_DATABASE_INTEGER, SaveBlock
from senderkit.domain import new_public_id
from senderkit.errors import InvalidRequest, Issue, NotFound, TemplateError, VersionNotFound
from senderkit.models import Block, BlockVersion, Workspace
from senderkit.mustache import compile_template
from senderkit.services.inclusions import find_cycle, find_excess, names_in
from senderkit.services.surroundings import current_blocks


class ChangedMeanwhile(InvalidRequest):
    """Somebody has saved the block, or taken it back, since the form was opened."""


# -- reading ----------------------------------------------------------------------------------


def list_blocks(session: Session, workspace_id: int) -> list[Block]:
    """By name, with what they currently say and who wrote it."""
    statement = (
        select(Block)
        .where(Block.workspace_id == workspace_id)
        .options(joinedload(Block.current_version).joinedload(BlockVersion.created_by))
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
    _lock(session, workspace_id)
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
    base: int | None = None,
) -> BlockVersion:
    """The next version of the block, current at once; words that stay the same make none.

    `base` is the number of the version that the author has changed; None for whatever is there.
    Raises `NotFound`, `InvalidRequest`, `ChangedMeanwhile`.
    """
    _lock(session, workspace_id)
    block = get_block(session, workspace_id, command.name)
    _check_base(block, base)
    _check_content(session, workspace_id, command)
    block.description = command.description
    current = block.current_version
    if current is not None and current.content == command.content:
        session.commit()
        return current
    newest = select(func.max(BlockVersion.number)).where(BlockVersion.block_id == block.id)
    number = (session.scalars(newest).one() or 0) + 1
    version = _add_version(session, block, number, command, created_by_id, now)
    session.commit()
    return version


def _lock(session: Session, workspace_id: int) -> None:
    """One author at a time: two at once would get the same number, or close a circle together.

    A foreign key to the workspace, as every send stores one, does not wait for this.
    """
    statement = select(Workspace.id).where(Workspace.id == workspace_id)
    session.execute(statement.with_for_update(key_share=True))


def _check_base(block: Block, base: int | None) -> None:
    current = block.current_version.number if block.current_version else 0
    if base is not None and base != current:
        raise ChangedMeanwhile(
            f"Version {current} is current by now: somebody was faster. What you wrote is kept "
            "below; save it again to put it in the place of theirs."
        )


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
    `InvalidRequest` when it would include itself, or too much, by now."""
    _lock(session, workspace_id)
    block = get_block(session, workspace_id, name)
    version = get_version(session, block, number)
    _check_inclusions(session, workspace_id, name, version.content)
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
        raise InvalidRequest(f"The block is not a valid template: {error}", [issue]) from error
    _check_inclusions(session, workspace_id, command.name, command.content)


def _check_inclusions(session: Session, workspace_id: int, name: str, content: str) -> None:
    sources = current_blocks(session.connection(), workspace_id) | {name: content}
    inner = {each: names_in(source) for each, source in sources.items()}
    cycle = find_cycle(inner)
    if cycle:
        _refuse_content(f"It would include itself: {' → '.join(cycle)}.")
    excess = find_excess(inner, name)
    if excess:
        _refuse_content(excess)


def _refuse_content(message: str) -> None:
    raise InvalidRequest(message, [Issue("invalid_value", ("content",), message)])
