"""`senderkit templates`: list, get, render, and the folders that git keeps: pull and push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from senderkit.cli.connecting import json_option, with_client, words_of
from senderkit.cli.output import plain, print_fields, print_json, print_table, say
from senderkit.cli.template_sync import (
    changes_of,
    newest_of,
    read_folder,
    slugs_in,
    write_folder,
)
from senderkit.cli.values import read_pairs
from senderkit.client import SenderKit, SenderKitApiError, TemplateDetail

_folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("templates"),
    show_default=True,
    help="Holds one folder for each template.",
)


@click.group()
def templates() -> None:
    """List, show and render templates; keep them in git as files."""


@templates.command("list")
@json_option
@with_client
def list_templates(sk: SenderKit, as_json: bool) -> None:
    """List every template, archived ones too."""
    found = sk.templates.list()
    if as_json:
        print_json({"data": [template.raw for template in found]})
        return
    headings = ("SLUG", "CHANNEL", "STATUS", "UPDATED", "DESCRIPTION")
    print_table(
        headings, [(t.slug, t.channel, t.status, t.updated_at, t.description) for t in found]
    )


@templates.command("get")
@click.argument("slug")
@json_option
@with_client
def get_template(sk: SenderKit, slug: str, as_json: bool) -> None:
    """Show a template and the variables of its published version."""
    found = sk.templates.get(slug)
    if as_json:
        print_json(found.raw)
        return
    print_fields(_fields(found))
    for variable in found.current_version.variables if found.current_version else ():
        need = "required" if variable.required else "optional"
        click.echo(f"  {plain(variable.name)}  {variable.type}  {need}")


def _fields(found: TemplateDetail) -> Iterator[tuple[str, Any]]:
    current = found.current_version
    yield from (("slug", found.slug), ("channel", found.channel), ("status", found.status))
    yield from (("description", found.description), ("updated", found.updated_at))
    yield "published", f"version {current.version_number}" if current else "no version yet"


@templates.command("render")
@click.argument("slug")
@click.option("--vars", "variables", multiple=True, help="JSON, @FILE or NAME=TEXT; repeatable.")
@click.option("--version", type=click.IntRange(min=1), help="Not the published, but this version.")
@json_option
@with_client
def render_template(
    sk: SenderKit, slug: str, variables: tuple[str, ...], version: int | None, as_json: bool
) -> None:
    """Show what a template becomes with --vars; nothing is sent."""
    rendered = sk.templates.render(slug, read_pairs(variables, "--vars"), version=version)
    if as_json:
        print_json(rendered.raw)
        return
    for name, value in rendered.output.items():
        if value is not None:
            click.echo(click.style(f"{name}:", dim=True))
            click.echo("\n".join(map(plain, str(value).splitlines())))
    if rendered.missing:
        say(f"Not given: {', '.join(map(plain, rendered.missing))}.")


# -- folders --------------------------------------------------------------------------------------


@templates.command("pull")
@click.argument("slugs", metavar="[SLUG]...", nargs=-1)
@_folder_option
@with_client
def pull(sk: SenderKit, slugs: tuple[str, ...], folder: Path) -> None:
    """Write templates into folders: all that are not archived, or those named.

    Takes the newest version of each, published or not. What was changed in the files is lost:
    commit it first.
    """
    for slug in slugs or [t.slug for t in sk.templates.list() if t.status != "archived"]:
        is_changed = write_folder(folder, newest_of(sk, sk.templates.get(slug)))
        click.echo(f"{plain(slug)}: {'written' if is_changed else 'unchanged'}")


@templates.command("push")
@click.argument("slugs", metavar="[SLUG]...", nargs=-1)
@_folder_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@with_client
def push(sk: SenderKit, slugs: tuple[str, ...], folder: Path, dry_run: bool) -> None:
    """Make drafts of what the folders hold: all of them, or those named.

    A template that is new is created; one that differs from its newest version gets another one.
    None is published: that is done in the dashboard, or with 'senderkit admin templates publish'.
    """
    wanted = [read_folder(folder, slug) for slug in slugs or slugs_in(folder)]
    known = {template.slug: template for template in sk.templates.list()}
    failed = []
    for template in wanted:
        try:
            changes = changes_of(sk, template, known.get(template.slug))
            done = [change.words for change in changes if dry_run or change.carry_out()]
            click.echo(f"{template.slug}: {', '.join(done) or 'unchanged'}")
        except SenderKitApiError as error:
            say(f"{template.slug}: {words_of(error)}")
            failed.append(template.slug)
    if failed:
        raise click.ClickException(f"not pushed: {', '.join(failed)}. Mend that, and push again.")
