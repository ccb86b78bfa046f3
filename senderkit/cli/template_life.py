"""`senderkit admin templates`: publish, rename, duplicate, archive, and files out and in."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import click
from sqlalchemy.orm import Session

from senderkit.cli.application import get_workspace, opened_session, told
from senderkit.commands import parse_slug
from senderkit.errors import NotFound
from senderkit.services import slugs, template_copies, template_files, templates
from senderkit.services.template_files import Change, Planned
from senderkit.template_archives import Upload, from_archive, to_archive
from senderkit.web.runtime import runtime_of

_MOST_BYTES = 25_000_000


@click.group("templates")
def templates_group() -> None:
    """Templates."""


@contextmanager
def _workspace() -> Iterator[tuple[Session, int, datetime]]:
    """A session, the workspace's id, and the time, for one command."""
    with opened_session() as (app, session):
        yield session, get_workspace(session).id, runtime_of(app).clock()


@templates_group.command("publish")
@click.argument("slug")
@click.argument("version", type=click.IntRange(min=1), required=False)
@told
def publish(slug: str, version: int | None) -> None:
    """Publish VERSION of the template SLUG, the newest by default; an older one rolls back."""
    with _workspace() as (session, workspace_id, now):
        published = templates.publish(session, workspace_id, slug, version, now=now)
        click.echo(f"Version {published.number} of '{slug.lower()}' is published.", err=True)


# -- its slug -------------------------------------------------------------------------------------


@templates_group.command("rename")
@click.argument("slug")
@click.argument("new_slug")
@click.option("--no-alias", is_flag=True, help="Refuse sends by the old slug from now on.")
@told
def rename(slug: str, new_slug: str, no_alias: bool) -> None:
    """Give the template SLUG another one; sends by the old slug still reach it."""
    wanted = parse_slug(new_slug)
    with _workspace() as (session, workspace_id, now):
        template = templates.get_template(session, workspace_id, slug)
        senders = slugs.recent_senders(session, template, now=now)
        slugs.rename(session, workspace_id, slug, wanted, keeps_alias=not no_alias, now=now)
        click.echo(f"'{slug}' is '{wanted}' from now on.", err=True)
        if no_alias and senders:
            names = ", ".join(sender.name or "a key that is gone" for sender in senders)
            click.echo(f"Sent by the old slug in the last 7 days: {names}.", err=True)


@templates_group.command("aliases")
@click.argument("slug")
@told
def list_aliases(slug: str) -> None:
    """List the slugs that the template SLUG had before and that still work."""
    with _workspace() as (session, workspace_id, _):
        template = templates.get_template(session, workspace_id, slug)
        for alias in slugs.list_aliases(session, template):
            click.echo(alias.slug)


@templates_group.command("remove-alias")
@click.argument("slug")
@click.argument("alias")
@told
def remove_alias(slug: str, alias: str) -> None:
    """Refuse sends by ALIAS, an earlier slug of the template SLUG, from now on."""
    with _workspace() as (session, workspace_id, _):
        try:
            slugs.remove_alias(session, workspace_id, slug, alias)
        except NotFound as error:
            raise click.ClickException(
                f"{error.message[:-1]}: 'senderkit admin templates aliases {slug}' lists them."
            ) from error
        click.echo(f"Sends by '{alias}' are refused from now on.", err=True)


# -- another one, and its end ---------------------------------------------------------------------


@templates_group.command("duplicate")
@click.argument("slug")
@click.argument("new_slug")
@told
def duplicate(slug: str, new_slug: str) -> None:
    """Make a draft NEW_SLUG with the newest words and the settings of the template SLUG."""
    wanted = parse_slug(new_slug)
    with _workspace() as (session, workspace_id, now):
        template_copies.duplicate(session, workspace_id, slug, wanted, created_by_id=None, now=now)
        click.echo(f"'{wanted}' is a draft with the newest words of '{slug}'.", err=True)


@templates_group.command("archive")
@click.argument("slug")
@told
def archive(slug: str) -> None:
    """Refuse new sends of the template SLUG; what is scheduled still goes out."""
    with _workspace() as (session, workspace_id, now):
        templates.archive(session, workspace_id, slug, now=now)
        click.echo(f"New sends of '{slug}' are refused.", err=True)


@templates_group.command("restore")
@click.argument("slug")
@told
def restore(slug: str) -> None:
    """Take an archived template back as a draft: publish a version before it is live."""
    with _workspace() as (session, workspace_id, now):
        templates.restore(session, workspace_id, slug, now=now)
        click.echo(f"'{slug}' is a draft again.", err=True)


# -- files ----------------------------------------------------------------------------------------


@templates_group.command("export")
@click.argument("slugs", metavar="[SLUG]...", nargs=-1)
@click.option(
    "--output",
    type=click.File("wb", lazy=True, atomic=True),
    required=True,
    help="The zip file to write; - is standard output.",
)
@told
def export(slugs: Sequence[str], output: io.BufferedWriter) -> None:
    """Write the newest words of all templates that are not archived, or those named, as a zip."""
    with _workspace() as (session, workspace_id, _):
        folders = template_files.list_folders(session, workspace_id, slugs)
        output.write(to_archive(folders))
        click.echo(f"Exported: {len(folders)}.", err=True)


@templates_group.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@told
def import_all(file: io.BufferedReader, dry_run: bool) -> None:
    """Make drafts of the templates in FILE, a zip of their folders (- is standard input).

    Nothing is published. What cannot be taken is told and left out; then the exit code is 1.
    """
    upload = _read(file)
    with _workspace() as (session, workspace_id, now):
        if dry_run:
            done = template_files.plan(session, workspace_id, upload.templates)
        else:
            done = template_files.take_in(
                session, workspace_id, upload.templates, created_by_id=None, now=now
            )
    _tell(done, upload)


def _read(file: io.BufferedReader) -> Upload:
    content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise click.ClickException(f"the file has more than {_MOST_BYTES:,} bytes.")
    try:
        return from_archive(content)
    except ValueError as error:
        raise click.ClickException(f"{error}.") from error


def _tell(done: Sequence[Planned], upload: Upload) -> None:
    """One line for each; raises `ClickException` when something was left out."""
    for each in done:
        if each.change is not Change.REFUSED:
            click.echo(f"{each.slug}: {_WORDS[each.change].format(number=each.number)}")
    refused = {each.slug: each.reason for each in done if each.change is Change.REFUSED}
    for slug, reason in (refused | dict(upload.problems)).items():
        click.echo(f"{slug}: left out: {reason}", err=True)
    if refused or upload.problems:
        raise click.ClickException(f"{len(refused) + len(upload.problems)} were left out.")


_WORDS = {
    Change.NEW: "new",
    Change.NEW_VERSION: "draft {number}",
    Change.DESCRIPTION: "description",
    Change.UNCHANGED: "unchanged",
}
