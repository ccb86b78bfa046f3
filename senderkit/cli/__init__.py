"""The `senderkit` command: the server's commands, and those of a client of any server.

Results go to standard output, errors to standard error with what to do about them; the exit code
is 0 or 1 (2 for a command line that cannot be read).

====================  ===========================================================================
``lazy``              a group that imports its commands only when they are used
``serving``           `serve`, `worker`
``admin``             `admin`: this server from its own machine
``template_life``     `admin templates`
``application``       what the server's commands begin with
``stored``            `~/.senderkit/config.json`
``connecting``        the key, the server and the errors of a client's command
``output``            tables for people, the API's answers for scripts
``values``            `--vars`, `--metadata`, `--attach`: what is typed -> what is sent
``account``           `login`, `config`, `context`
``sends``             `send`, `send-raw`
``messages``          `messages`
``templates``         `templates`; ``template_sync`` compares folders with the server
``batches``           `send-batch`; ``batch_files`` reads rows, ``batch_progress`` remembers them
``completion``        `completion`
``mcp_server``        `mcp`; ``mcp_tools`` has its tools
====================  ===========================================================================
"""

from __future__ import annotations

import click

from senderkit import __version__
from senderkit.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "serve": Entry(
        "senderkit.cli.serving:serve",
        "Serve the dashboard and the API, and deliver messages, in this one process.",
    ),
    "worker": Entry(
        "senderkit.cli.serving:worker",
        "Deliver messages only, beside another process that serves with SENDERKIT_DISPATCHER=off.",
    ),
    "admin": Entry(
        "senderkit.cli.admin:admin",
        "Administer this server: on its own machine, with no key and no login.",
    ),
    "login": Entry("senderkit.cli.account:login", "Check an API key and keep it."),
    "config": Entry("senderkit.cli.account:config", "What this machine keeps: key and server."),
    "context": Entry("senderkit.cli.account:context", "Show whose key this is."),
    "send": Entry("senderkit.cli.sends:send", "Send a template to one recipient."),
    "send-raw": Entry("senderkit.cli.sends:send_raw", "Send content of your own to one recipient."),
    "send-batch": Entry(
        "senderkit.cli.batches:send_batch", "Send one message for each row of a file."
    ),
    "messages": Entry("senderkit.cli.messages:messages", "What was sent, and what became of it."),
    "templates": Entry(
        "senderkit.cli.templates:templates",
        "List, show and render templates; keep them in git as files.",
    ),
    "mcp": Entry("senderkit.cli.mcp_server:mcp", "Serve AI assistants."),
    "completion": Entry(
        "senderkit.cli.completion:completion", "Print what makes a shell complete this command."
    ),
}


@click.group(
    cls=LazyGroup, entries=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="senderkit %(version)s")
def main() -> None:
    """Transactional notifications by one API call, self-hosted.

    A server's settings come from the environment: see docs/configuration.md. Commands that call a
    server take the key from --api-key, SENDERKIT_API_KEY or 'senderkit login', in this order.
    """
