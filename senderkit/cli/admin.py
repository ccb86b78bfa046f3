"""`senderkit admin`: set up, keys, templates, members and the database, from the shell."""

from __future__ import annotations

import sys
from datetime import datetime

import click
from sqlalchemy.orm import Session

from senderkit.cli.application import (
    get_workspace,
    open_application,
    opened_session,
    read_settings,
    told,
)
from senderkit.cli.connections import connections_group
from senderkit.cli.encryption import rotate_encryption_key
from senderkit.cli.message_log import messages_group
from senderkit.cli.studio import blocks_group, themes_group
from senderkit.cli.suppressions import suppressions_group
from senderkit.cli.webhooks import webhooks_group
from senderkit.commands import (
    SetUp,
    check_password,
    parse_add_member,
    parse_create_key,
    parse_set_up,
)
from senderkit.domain import Mode, Scope
from senderkit.errors import NotFound
from senderkit.keys import mint
from senderkit.models import ApiKey, Member
from senderkit.seed_keys import SeedKey, declaration_of
from senderkit.services import access, api_keys, templates
from senderkit.web.runtime import runtime_of
from senderkit.web.wire import moment


@click.group()
def admin() -> None:
    """Administer this server: on its own machine, with no key and no login."""


def _read_password() -> str:
    """One line from standard input, without its line break. Never an argument: others see those."""
    line = sys.stdin.buffer.readline().rstrip(b"\r\n")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise click.ClickException("the password must be UTF-8 text.") from None


_password_option = click.option(
    "--password-stdin",
    is_flag=True,
    required=True,
    help="Read the password from standard input: one line.",
)


@admin.command()
@click.option("--workspace", required=True, help="Usually your company or product.")
@click.option("--email", required=True, help="The owner's address.")
@_password_option
@told
def init(workspace: str, email: str, password_stdin: bool) -> None:
    """Set the server up: the workspace and its owner. Fails when that was done before."""
    command = parse_set_up(workspace=workspace, email=email, password=_read_password())
    with opened_session() as (app, session):
        owner = _set_up(session, command, runtime_of(app).clock())
        click.echo(f"Workspace '{command.workspace}' is ready; {owner.email} owns it.", err=True)


def _set_up(session: Session, command: SetUp, now: datetime) -> Member:
    try:
        return access.set_up(session, command, now=now)
    except access.SetUpClosed as error:
        raise click.ClickException(
            "this server is set up already. Sign in, or add people with "
            "'senderkit admin members add'."
        ) from error


# -- keys -------------------------------------------------------------------------------------


@admin.group()
def keys() -> None:
    """API keys."""


_name_option = click.option(
    "--name", required=True, help="Where it is used, such as 'Shop backend'."
)
_mode_option = click.option(
    "--mode", required=True, type=click.Choice([mode.value for mode in Mode])
)
_scope_option = click.option(
    "--scope", "scopes", multiple=True, help="read, send or cancel; repeatable. None: full access."
)


@keys.command("create")
@_name_option
@_mode_option
@_scope_option
@told
def create_key(name: str, mode: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print its token, alone, on standard output. It cannot be shown again."""
    command = parse_create_key(name, mode, scopes)
    with opened_session() as (app, session):
        workspace = get_workspace(session)
        key, token = api_keys.create_key(
            session,
            command,
            workspace_id=workspace.id,
            created_by_id=None,
            nonce=None,
            now=runtime_of(app).clock(),
        )
        click.echo(token)
        click.echo(f"{key.public_id}: {_scope_words(key)}. Copy it now.", err=True)


def _scope_words(key: ApiKey) -> str:
    return key.scopes or "full access"


@keys.command("list")
@told
def list_keys() -> None:
    """List keys, newest first: id, key, mode, scopes, status, last used, name."""
    with opened_session() as (_, session):
        workspace = get_workspace(session)
        for key in api_keys.list_keys(session, workspace.id):
            click.echo("\t".join(_key_columns(key)))


def _key_columns(key: ApiKey) -> tuple[str, ...]:
    return (
        key.public_id,
        f"{key.prefix}…{key.last_four}",
        Mode.of(key.livemode).value,
        _scope_words(key),
        "revoked" if key.revoked_at else "active",
        moment(key.last_used_at) or "never used",
        key.name,
    )


@keys.command("revoke")
@click.argument("id")
@told
def revoke_key(id: str) -> None:  # noqa: A002 - the word that the help shows
    """Revoke the key with this ID (the first column of `keys list`), from the next request on."""
    with opened_session() as (app, session):
        workspace = get_workspace(session)
        now = runtime_of(app).clock()
        key = _revoke(session, workspace.id, id, now)
        click.echo(f"Revoked {key.prefix}…{key.last_four} ({key.name}).", err=True)


def _revoke(session: Session, workspace_id: int, public_id: str, now: datetime) -> ApiKey:
    try:
        return api_keys.revoke_key(session, workspace_id, public_id, revoked_by_id=None, now=now)
    except NotFound as error:
        raise click.ClickException(
            f"{error.message[:-1]}: 'senderkit admin keys list' shows them, ids first."
        ) from error


@keys.command("mint")
@_name_option
@_mode_option
@_scope_option
@told
def mint_key(name: str, mode: str, scopes: tuple[str, ...]) -> None:
    """Make a key for a server that does not exist yet, and store it nowhere.

    Prints two lines for an environment file: the app's SENDERKIT_API_KEY, and the declaration by
    its hash for the server's SENDERKIT_SEED_KEYS.
    """
    command = parse_create_key(name, mode, scopes)
    minted = mint(command.mode)
    chosen = tuple(scope.value for scope in Scope if scope in command.scopes)
    seed = SeedKey(command.name, command.mode, minted.token_hash, minted.last_four, chosen)
    click.echo(f"SENDERKIT_API_KEY={minted.token}\nSENDERKIT_SEED_KEYS={_declaration(seed)}")


def _declaration(seed: SeedKey) -> str:
    try:
        return declaration_of(seed)
    except ValueError as error:
        raise click.ClickException(f"name: {error}.") from error


# -- templates --------------------------------------------------------------------------------


@admin.group("templates")
def templates_group() -> None:
    """Templates."""


@templates_group.command("publish")
@click.argument("slug")
@click.argument("version", type=click.IntRange(min=1), required=False)
@told
def publish_template(slug: str, version: int | None) -> None:
    """Publish VERSION of the template SLUG, the newest by default; an older one rolls back."""
    with opened_session() as (app, session):
        workspace = get_workspace(session)
        now = runtime_of(app).clock()
        published = templates.publish(session, workspace.id, slug, version, now=now)
        click.echo(f"Version {published.number} of '{slug.lower()}' is published.", err=True)


# -- members ----------------------------------------------------------------------------------


@admin.group()
def members() -> None:
    """People who may sign in."""


@members.command("add")
@click.option("--email", required=True)
@_password_option
@told
def add_member(email: str, password_stdin: bool) -> None:
    """Add a person to the workspace."""
    password = _read_password()
    with opened_session() as (app, session):
        workspace = get_workspace(session)
        command = parse_add_member(email=email, password=password, workspace=workspace.name)
        member = access.add_member(session, command, now=runtime_of(app).clock())
        click.echo(f"{member.email} may sign in.", err=True)


@members.command("set-password")
@click.option("--email", required=True)
@_password_option
@told
def set_password(email: str, password_stdin: bool) -> None:
    """Set a person's password and end all their sessions."""
    password = _read_password()
    with opened_session() as (app, session):
        workspace = get_workspace(session)
        member = _get_member(session, email)
        check_password(password, email=member.email, workspace=workspace.name)
        access.set_password(session, member, password, now=runtime_of(app).clock())
        click.echo(f"{member.email} has a new password; old sessions have ended.", err=True)


def _get_member(session: Session, email: str) -> Member:
    member = access.find_member(session, email)
    if member is None:
        raise click.ClickException(
            f"there is no member with the address {email}: 'senderkit admin members add' makes one."
        )
    return member


# -- database ---------------------------------------------------------------------------------


@admin.group("db")
def database_group() -> None:
    """The database."""


@database_group.command("upgrade")
@told
def upgrade_database() -> None:
    """Bring the schema to this release. `serve` and every other command do so as well."""
    app = open_application(read_settings())
    runtime_of(app).close()
    click.echo("The database is up to date.", err=True)


admin.add_command(connections_group)
admin.add_command(messages_group)
admin.add_command(suppressions_group)
admin.add_command(webhooks_group)
admin.add_command(blocks_group)
admin.add_command(themes_group)
admin.add_command(rotate_encryption_key)
