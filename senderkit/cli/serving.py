"""`senderkit serve` and `senderkit worker`."""

from __future__ import annotations

import signal
import socket
import threading

import click
from flask import Flask

from senderkit import __version__
from senderkit.cli.application import open_application, told
from senderkit.services import access
from senderkit.settings import Settings
from senderkit.web.extensions import database
from senderkit.web.front import serve as serve_front
from senderkit.web.runtime import runtime_of


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.  [default: 8025]")
@told
def serve(host: str | None, port: int | None) -> None:
    """Serve the dashboard and the API, and deliver messages, in this one process."""
    overrides = {"HOST": host, "PORT": None if port is None else str(port)}
    app = open_application({name: value for name, value in overrides.items() if value})
    settings = runtime_of(app).settings
    _check_address_is_free(settings)
    _greet(app)
    serve_front(app, host=settings.host, port=settings.port)


def _check_address_is_free(settings: Settings) -> None:
    """Say plainly that the address cannot be listened on, before anything starts."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise click.ClickException(
                f"cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
                "Another server may be running; choose another port with --port."
            ) from error


def _greet(app: Flask) -> None:
    at_hand = runtime_of(app)
    settings = at_hand.settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    click.echo(f"SenderKit {__version__} on http://{host}:{settings.port}", err=True)
    with app.app_context():
        is_set_up = access.is_set_up(database.session())
    if not is_set_up:
        click.echo(f"Set it up: {settings.public_url}/setup", err=True)
        click.echo(
            f"From another machine the page asks for this token: {at_hand.setup_token}", err=True
        )


@click.command()
@told
def worker() -> None:
    """Deliver messages only, beside another process that serves with SENDERKIT_DISPATCHER=off."""
    app = open_application({"DISPATCHER": "on"})
    at_hand = runtime_of(app)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    at_hand.start()
    click.echo(f"SenderKit {__version__} delivers. Ctrl-C stops it.", err=True)
    stopping.wait()
    at_hand.close()
