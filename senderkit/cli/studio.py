"""`senderkit admin blocks` and `admin themes`: what templates share, from the shell."""

from __future__ import annotations

import io

import click
from sqlalchemy.orm import Session

from senderkit.cli.application import get_workspace, opened_session, told
from senderkit.commands import parse_save_block
from senderkit.models import Block
from senderkit.services import blocks, themes
from senderkit.services.block_uses import NO_USES, Uses, uses_by_block
from senderkit.themes import Theme
from senderkit.web.runtime import runtime_of
from senderkit.web.wire import moment

# -- blocks -----------------------------------------------------------------------------------


@click.group("blocks")
def blocks_group() -> None:
    """Blocks: pieces that many templates share."""


@blocks_group.command("list")
@told
def list_blocks() -> None:
    """List blocks: name, version, when it was changed, live templates that name it, description."""
    with opened_session() as (_, session):
        workspace_id = get_workspace(session).id
        uses = uses_by_block(session, workspace_id)
        for block in blocks.list_blocks(session, workspace_id):
            click.echo("\t".join(_block_columns(block, uses.get(block.name, NO_USES))))


def _block_columns(block: Block, uses: Uses) -> tuple[str, ...]:
    version = block.current_version
    return (
        block.name,
        str(version.number) if version else "-",
        moment(block.updated_at) or "-",
        ",".join(uses.live) or "none",
        " ".join((block.description or "").split()),
    )


@blocks_group.command("show")
@click.argument("name")
@told
def show_block(name: str) -> None:
    """Print what the block NAME says at the moment."""
    with opened_session() as (_, session):
        block = blocks.get_block(session, get_workspace(session).id, name)
        if block.current_version is not None:
            click.echo(block.current_version.content)


@blocks_group.command("save")
@click.argument("name")
@click.argument("file", type=click.File("rb"))
@click.option("--description", help="What it is for. By default it stays as it is.")
@click.option("--note", default="", help="What changes, for whoever looks at the versions.")
@told
def save_block(name: str, file: io.BufferedReader, description: str | None, note: str) -> None:
    """Make what FILE says (UTF-8; - is standard input) the block NAME, from the next send on.

    A new name makes a block. The last line break of the file is not part of it.
    """
    content = _read_text(file).removesuffix("\n").removesuffix("\r")
    with opened_session() as (app, session):
        workspace_id, now = get_workspace(session).id, runtime_of(app).clock()
        known = _find_block(session, workspace_id, name)
        kept = (known.description if known else None) or ""
        description = kept if description is None else description
        command = parse_save_block(name=name, content=content, description=description, note=note)
        if known is None:
            blocks.create_block(session, workspace_id, command, created_by_id=None, now=now)
            number = 1
        else:
            saved = blocks.save_version(session, workspace_id, command, created_by_id=None, now=now)
            number = saved.number
        click.echo(_saved_words(session, workspace_id, name, number), err=True)


def _read_text(file: io.BufferedReader) -> str:
    try:
        return file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.ClickException("the file is not UTF-8 text.") from None


def _find_block(session: Session, workspace_id: int, name: str) -> Block | None:
    found = blocks.list_blocks(session, workspace_id)
    return next((block for block in found if block.name == name), None)


def _saved_words(session: Session, workspace_id: int, name: str, number: int) -> str:
    live = uses_by_block(session, workspace_id).get(name, NO_USES).live
    used = f" It changes {', '.join(live)} from the next send on." if live else ""
    return f"Version {number} of the block '{name}' is current.{used}"


@blocks_group.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Also when live templates name it.")
@told
def remove_block(name: str, yes: bool) -> None:
    """Remove the block NAME and its versions: nothing stands in its place from then on."""
    with opened_session() as (_, session):
        workspace_id = get_workspace(session).id
        live = uses_by_block(session, workspace_id).get(name, NO_USES).live
        if live and not yes:
            raise click.ClickException(
                f"live templates name it: {', '.join(live)}. With --yes it is removed all the same."
            )
        blocks.remove_block(session, workspace_id, name)
        click.echo(f"The block '{name}' is removed.", err=True)


# -- themes -----------------------------------------------------------------------------------


@click.group("themes")
def themes_group() -> None:
    """Themes: how emails look."""


@themes_group.command("list")
@told
def list_themes() -> None:
    """List themes: id, name, default or not, font, accent, templates that have it."""
    with opened_session() as (_, session):
        workspace_id = get_workspace(session).id
        uses = themes.uses_by_theme(session, workspace_id)
        for row in themes.list_themes(session, workspace_id):
            theme, slugs = Theme.of(row.values), uses.get(row.id, ())
            default = "default" if row.is_default else "-"
            used = ",".join(slugs) or "none"
            columns = (row.public_id, row.name, default, theme.font, theme.accent, used)
            click.echo("\t".join(columns))
