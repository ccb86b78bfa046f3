"""`senderkit completion`: the script that lets a shell complete our commands and options."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete this command.

    \b
    bash: echo 'eval "$(senderkit completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(senderkit completion zsh)"' >> ~/.zshrc
    fish: senderkit completion fish > ~/.config/fish/completions/senderkit.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"this release of click does not know {shell}.")
    click.echo(kind(ctx.find_root().command, {}, "senderkit", "_SENDERKIT_COMPLETE").source())
