"""The `senderkit` command: `serve`, `worker` and `admin`.

Results go to standard output, errors to standard error with what to do about them; the exit code
is 0 or 1 (2 for a command line that cannot be read).
"""

from __future__ import annotations

import click

from senderkit import __version__
from senderkit.cli.admin import admin
from senderkit.cli.serving import serve, worker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="senderkit %(version)s")
def main() -> None:
    """Transactional notifications by one API call, self-hosted.

    Settings come from the environment: see docs/configuration.md.
    """


main.add_command(serve)
main.add_command(worker)
main.add_command(admin)
