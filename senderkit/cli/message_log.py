"""`senderkit admin messages`: the stored messages as a file, and sending some of them again."""

from __future__ import annotations

import sys

import click

from senderkit.cli.application import get_workspace, opened_session, told
from senderkit.commands import parse_browse_messages, parse_send_again
from senderkit.crypto import new_secret
from senderkit.domain import Mode
from senderkit.services import browsing
from senderkit.services.resending import Outcome, Repeater, new_batch
from senderkit.web.exports import CSV, MIMETYPES, parts
from senderkit.web.runtime import runtime_of

_mode_option = click.option(
    "--mode", type=click.Choice([mode.value for mode in Mode]), default="live", show_default=True
)


@click.group("messages")
def messages_group() -> None:
    """Stored messages: export them, send them again."""


@messages_group.command("export")
@_mode_option
@click.option("--format", "kind", type=click.Choice(list(MIMETYPES)), default=CSV)
@click.option("--status", help="A status, or held.")
@click.option("--channel")
@click.option("--template", help="A template's slug.")
@click.option("--key", help="The id of an API key.")
@click.option("--search", "q", help="A part of the id, recipient, template or metadata.")
@click.option("--from", help="The first day, such as 2026-11-24, in UTC.")
@click.option("--to", help="The last day.")
@told
def export(mode: str, kind: str, **filters: str | None) -> None:
    """Print the messages that fit every filter, newest first: CSV, or a JSON object a line."""
    query = parse_browse_messages({name: value for name, value in filters.items() if value})
    with opened_session() as (app, session):
        workspace = get_workspace(session)
        workspace_id, uuid, reader = workspace.id, workspace.uuid, runtime_of(app).reader
        session.rollback()
        found = browsing.iterate(reader, workspace_id, Mode(mode).livemode, query)
        for part in parts(kind, found, uuid, lambda: True):
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


@messages_group.command("resend")
@_mode_option
@click.option("--reason", default="Asked for in the shell.", show_default=True)
@click.option(
    "--version",
    type=click.Choice(["then", "now"]),
    default="then",
    show_default=True,
    help="Of templates: the one that was sent then, or the one that a send would take now.",
)
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@told
def resend(mode: str, reason: str, version: str, ids: tuple[str, ...]) -> None:
    """Send the messages with these IDs again, each as a new message.

    Prints the old and the new id of each. What cannot be sent again is told; then the exit code
    is 1.
    """
    command = parse_send_again(ids, reason, version)
    with opened_session() as (app, session):
        workspace_id = get_workspace(session).id
        session.rollback()
        who = Repeater(workspace_id, Mode(mode), new_batch(new_secret()))
        _tell(runtime_of(app).resending.send_again(who, command))


def _tell(outcome: Outcome) -> None:
    for old, new in outcome.sent.items():
        click.echo(f"{old}\t{new}")
    for reason, count in outcome.left_out.items():
        click.echo(f"{count:,} left out: {reason}", err=True)
    if outcome.left_out:
        raise click.exceptions.Exit(1)
