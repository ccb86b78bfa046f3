"""`senderkit mcp`: lets AI assistants send and look, over standard input and output."""

from __future__ import annotations

import click

from senderkit.cli.connecting import Access, with_access


@click.command()
@with_access
def mcp(access: Access) -> None:
    """Serve AI assistants.

    Speaks the Model Context Protocol over standard input and output. An assistant's program
    starts this command itself; docs/mcp.md says what to write into its settings. It may do what
    the key may do: give it a test key, or one with few scopes.
    """
    try:
        from senderkit.cli.mcp_tools import make_server  # noqa: PLC0415 - an extra, and slow
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        raise click.ClickException(
            "this needs one more package: pip install 'senderkit-server[mcp]'."
        ) from error
    with access.open() as sk:
        make_server(sk, access.key_source).run("stdio")
