"""`senderkit login`, `config` and `context`: whose key is this, and which one is kept here?"""

from __future__ import annotations

import sys

import click

from senderkit.cli import stored
from senderkit.cli.connecting import (
    Access,
    base_url_option,
    find_access,
    json_option,
    told,
    with_client,
)
from senderkit.cli.output import print_fields, print_json, print_table, say
from senderkit.client import Context, SenderKit, SenderKitPermissionError
from senderkit.client.configuration import DEFAULT_BASE_URL

_NAME = click.Choice(list(stored.NAMES))


@click.command()
@click.option("--api-key-stdin", is_flag=True, help="Read the key from standard input: one line.")
@base_url_option
def login(api_key_stdin: bool, base_url: str | None) -> None:
    """Check an API key and keep it.

    Asks for the key without showing it, asks the server whose it is, and writes both to
    ~/.senderkit/config.json, which only you can read.
    """
    access = find_access(_asked_key(api_key_stdin), base_url)
    with told("this key"), access.open() as sk:
        found = _context(sk)
    stored.write(apiKey=access.api_key, baseUrl=access.base_url or DEFAULT_BASE_URL)
    _greet(access, sk.mode, found)


def _asked_key(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().strip()
    key: str = click.prompt("API key", hide_input=True, err=True)
    return key.strip()


def _context(sk: SenderKit) -> Context | None:
    """Whose key it is; None for a valid one that lacks the scope to ask that."""
    try:
        return sk.context()
    except SenderKitPermissionError:
        return None


def _greet(access: Access, mode: str, found: Context | None) -> None:
    where = access.base_url or DEFAULT_BASE_URL
    whose = f"of {found.workspace.name}" if found else "(it may not read)"
    say(f"The {mode} key {whose} at {where} is kept in {stored.path()}.")


# -- config -------------------------------------------------------------------------------------


@click.group()
def config() -> None:
    """What this machine keeps: key and server.

    They are named apiKey and baseUrl.
    """


@config.command("set")
@click.argument("name", type=_NAME)
@click.argument("value", required=False)
def set_value(name: str, value: str | None) -> None:
    """Keep VALUE under NAME, apiKey or baseUrl.

    Without VALUE it is asked for, so that a key need not be seen by others or by the history.
    Unlike 'login' this asks no server.
    """
    text = value if value is not None else click.prompt(name, hide_input=name == "apiKey", err=True)
    try:
        checked = stored.NAMES[name](text.strip())
    except ValueError as error:
        raise click.ClickException(f"{error}.") from error
    stored.write(**{name: checked})
    say(f"{name} is kept in {stored.path()}.")


@config.command("get")
@click.argument("name", type=_NAME)
def get_value(name: str) -> None:
    """Print what is kept under NAME; a key is masked."""
    value = stored.read().get(name)
    if value is None:
        raise click.ClickException(f"no {name} is kept: 'senderkit config set {name}' does that.")
    click.echo(stored.masked(name, value))


@config.command("list")
@json_option
def list_values(as_json: bool) -> None:
    """List what is kept; a key is masked."""
    kept = stored.read()
    shown = {name: stored.masked(name, kept[name]) for name in stored.NAMES if name in kept}
    if as_json:
        print_json(shown)
    elif shown:
        print_table(("NAME", "VALUE"), shown.items())
    else:
        say("Nothing is kept: run 'senderkit login'.")


# -- context ------------------------------------------------------------------------------------


@click.command()
@json_option
@with_client
def context(sk: SenderKit, as_json: bool) -> None:
    """Show whose key this is.

    That is its workspace, and whether it is live or a test.
    """
    found = sk.context()
    if as_json:
        print_json(found.raw)
        return
    workspace = found.workspace
    print_fields([("workspace", workspace.name), ("slug", workspace.slug), ("mode", found.mode)])
