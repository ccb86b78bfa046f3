"""`senderkit admin suppressions`: the list of who gets nothing more, as a file."""

from __future__ import annotations

import io

import click

from senderkit.cli.application import get_workspace, opened_session, told
from senderkit.commands import read_suppressions
from senderkit.domain import Channel
from senderkit.services import suppression_list
from senderkit.services.suppression_files import csv_lines
from senderkit.web.runtime import runtime_of

_channel_option = click.option("--channel", type=click.Choice([each.value for each in Channel]))


@click.group("suppressions")
def suppressions_group() -> None:
    """Recipients who get nothing more."""


@suppressions_group.command("export")
@_channel_option
@told
def export_all(channel: str | None) -> None:
    """Print the list as CSV: channel, recipient, reason, since."""
    with opened_session() as (app, session):
        workspace_id, reader = get_workspace(session).id, runtime_of(app).reader
        session.rollback()
        of = None if channel is None else Channel(channel)
        for line in csv_lines(suppression_list.iterate(reader, workspace_id, of)):
            click.echo(line, nl=False)


@suppressions_group.command("import")
@_channel_option
@click.argument("file", type=click.File("rb"))
@told
def import_all(channel: str | None, file: io.BufferedReader) -> None:
    """Put the recipients in FILE (CSV in UTF-8; - is standard input) on the list.

    --channel is for lines that name none. Bad lines are told and left out; then the exit code is 1.
    """
    of = None if channel is None else Channel(channel)
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    with opened_session() as (app, session):
        workspace_id, at_hand = get_workspace(session).id, runtime_of(app)
        session.rollback()
        now = at_hand.clock()
        read = read_suppressions(lines, of, now=now)
        try:
            report = suppression_list.add_all(at_hand.engine, workspace_id, read, now=now)
        except UnicodeDecodeError:
            raise click.ClickException(
                "the file is not UTF-8 text from some line on; what stood before it was taken."
            ) from None
        _tell(report)


def _tell(report: suppression_list.ImportReport) -> None:
    click.echo(f"Added: {report.added}. On the list already: {report.known}.", err=True)
    for line in report.bad_lines:
        click.echo(f"line {line.number}: {line.text}: {line.reason}", err=True)
    if report.bad:
        raise click.ClickException(f"{report.bad} of the lines were left out.")
