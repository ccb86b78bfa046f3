"""`senderkit admin connections`: provider accounts from the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import click
from flask import Flask
from sqlalchemy.orm import Session

from senderkit import providers
from senderkit.cli.application import get_workspace, opened_session, told
from senderkit.commands import MAX_CREDENTIAL, Place, parse_describe_connection
from senderkit.domain import Channel
from senderkit.errors import NotFound
from senderkit.models import Connection
from senderkit.providers.base import Field, FieldType, Provider
from senderkit.providers.vapid import new_vapid_keys
from senderkit.services import channels, connection_checks
from senderkit.services.channel_list import provider_label
from senderkit.services.connection_checks import Target
from senderkit.web.callbacks import callback_url
from senderkit.web.runtime import runtime_of

Found = TypeVar("Found")

_BY: str = "shell"
"""Who released messages, on their timelines."""


@click.group("connections")
def connections_group() -> None:
    """Provider accounts that live messages leave through."""


@connections_group.command("fields")
@click.argument("provider", required=False)
@told
def list_fields(provider: str | None) -> None:
    """Tell the fields of PROVIDER: name, type, what it is for. Without one, list all providers."""
    if provider is None:
        for kind in providers.PROVIDERS.values():
            click.echo(f"{kind.name}\t{kind.channel.value}\t{kind.label}")
        return
    for field in _get_provider(provider).fields:
        click.echo("\t".join((field.name, _traits(field), f"{field.label}: {field.help}")))


@connections_group.command("vapid")
@told
def make_vapid_keys() -> None:
    """Make a key pair for web push and print it: the public key for browsers, the private one."""
    keys = new_vapid_keys()
    click.echo(f"public_key\t{keys.public_key}")
    click.echo(f"private_key\t{keys.private_key}")


def _get_provider(name: str) -> Provider:
    try:
        return providers.get_provider(name)
    except NotFound as error:
        known = ", ".join(providers.PROVIDERS)
        raise click.ClickException(f"there is no provider '{name}'. Known: {known}.") from error


def _traits(field: Field) -> str:
    words = [field.type.value]
    if field.choices:
        words.append("|".join(field.choices))
    if field.is_required and not field.default:
        words.append("required")
    if field.default:
        words.append(f"default {field.default}")
    if field.is_secret:
        words.append("secret")
    return ", ".join(words)


# -- adding -----------------------------------------------------------------------------------


@connections_group.command("add")
@click.argument("provider")
@click.option("--name", required=True, help="What your team calls this account.")
@click.option("--field", "given", multiple=True, metavar="K=V", help="A field; repeatable.")
@click.option(
    "--field-file",
    "files",
    multiple=True,
    metavar="K=PATH",
    help="A field from a file, for secrets and key files; - is standard input. Repeatable.",
)
@click.option("--default", "is_default", is_flag=True, help="Try it first for its channel.")
@click.option("--backup", "is_backup", is_flag=True, help="Try it after the others.")
@told
def add(
    provider: str,
    name: str,
    given: tuple[str, ...],
    files: tuple[str, ...],
    is_default: bool,
    is_backup: bool,
) -> None:
    """Add an account of PROVIDER and print its ID. `connections fields PROVIDER` tells its fields.

    The first of a channel is its default; another is used only by templates that name it, unless
    --default or --backup says otherwise.
    """
    if is_default and is_backup:
        raise click.ClickException("give --default or --backup, not both.")
    kind = _get_provider(provider)
    credentials = _read_fields(kind, given, files)
    place = Place.FIRST if is_default else Place.LAST if is_backup else Place.AUTOMATIC
    command = parse_describe_connection(name, place)
    with opened_session() as (app, session):
        workspace_id, at_hand = get_workspace(session).id, runtime_of(app)
        added = at_hand.channels.add(
            session, workspace_id, provider, command, credentials, now=at_hand.clock()
        )
        click.echo(added.uuid)
        if kind.reports_by_callback:
            click.echo(f"Callback address: {callback_url(provider, added.uuid)}", err=True)
        click.echo(kind.callback_help, err=True)
        _release(app, session, workspace_id, kind.channel)


def _read_fields(kind: Provider, given: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """Each field once. What is no field is for the provider to tell."""
    found: dict[str, str] = {}
    pairs = [_pair(text) for text in given]
    pairs += [(name, _read_file(path)) for name, path in map(_pair, files)]
    for name, value in pairs:
        if name in found:
            raise click.ClickException(f"the field '{name}' is given twice.")
        found[name] = value
    return {name: _trimmed(kind, name, value) for name, value in found.items()}


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise click.ClickException(f"'{name[:100]}' must look like name=value.")
    return name, value


def _read_file(path: str) -> str:
    try:
        with click.open_file(path, "rb") as source:
            content: bytes = source.read(MAX_CREDENTIAL + 1)
        if len(content) > MAX_CREDENTIAL:
            raise click.ClickException(f"{path}: longer than {MAX_CREDENTIAL} bytes.")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise click.ClickException(f"{path}: not UTF-8 text.") from None


def _trimmed(kind: Provider, name: str, value: str) -> str:
    """A one-line secret that comes from a file ends with the file's line break."""
    is_file = any(each.name == name and each.type is FieldType.FILE for each in kind.fields)
    return value if is_file else value.rstrip("\r\n")


def _release(app: Flask, session: Session, workspace_id: int, channel: Channel) -> None:
    """Try what the channel holds; on SQLite the session's transaction must be over."""
    at_hand = runtime_of(app)
    session.rollback()
    count = channels.release(at_hand.engine, workspace_id, channel, now=at_hand.clock(), by=_BY)
    if count:
        click.echo(f"Held messages that are tried again: {count}.", err=True)


# -- the others -------------------------------------------------------------------------------


@connections_group.command("list")
@told
def list_all() -> None:
    """List connections in the order of use: id, channel, place, provider, state, name."""
    with opened_session() as (_, session):
        for each in channels.list_connections(session, get_workspace(session).id):
            click.echo("\t".join(_columns(each)))


def _columns(each: Connection) -> tuple[str, ...]:
    state = f"broken: {each.broken_reason}" if each.broken_reason else "working"
    place = str(each.position) if each.position else "by name"
    return each.uuid, each.channel, place, each.provider, state, each.name


@connections_group.command("callback")
@click.argument("id")
@told
def tell_callback(id: str) -> None:  # noqa: A002 - the word that the help shows
    """Print the address that the provider of the connection ID reports to, if it does.

    What to do with it at the provider is told on standard error.
    """
    with opened_session() as (_, session):
        workspace_id = get_workspace(session).id
        found = _told_how(lambda: channels.get_connection(session, workspace_id, id))
        kind = _get_provider(found.provider)
        if kind.reports_by_callback:
            click.echo(callback_url(found.provider, found.uuid))
        click.echo(kind.callback_help, err=True)


@connections_group.command("test")
@click.argument("id")
@told
def test(id: str) -> None:  # noqa: A002 - the word that the help shows
    """Ask the provider whether the connection ID is right; nothing is sent."""
    with opened_session() as (app, session):
        workspace_id, at_hand = get_workspace(session).id, runtime_of(app)
        found = _told_how(lambda: channels.get_connection(session, workspace_id, id))
        fields = at_hand.channels.find_credentials(found)
        target = Target(found.name, Channel(found.channel), found.provider, fields)
        session.rollback()
        outcome = connection_checks.check(target, at_hand.clock, at_hand.http)
        if not outcome.is_good:
            raise click.ClickException(f"{target.name}: {outcome.words}")
        click.echo(f"{target.name}: {outcome.words}", err=True)


@connections_group.command("remove")
@click.argument("id")
@told
def remove(id: str) -> None:  # noqa: A002 - the word that the help shows
    """Remove the connection ID and its credentials. What it holds goes to the next one."""
    with opened_session() as (app, session):
        workspace_id = get_workspace(session).id
        removed = _told_how(lambda: channels.remove(session, workspace_id, id))
        label = provider_label(removed.provider)
        click.echo(f"Removed '{removed.name}' ({label}).", err=True)
        _release(app, session, workspace_id, Channel(removed.channel))


def _told_how(find: Callable[[], Found]) -> Found:
    try:
        return find()
    except NotFound as error:
        raise click.ClickException(
            f"{error.message[:-1]}: 'senderkit admin connections list' shows them, ids first."
        ) from error
