"""`senderkit serve` and `senderkit worker`."""

from __future__ import annotations

import errno
import signal
import socket
import threading

import click
from flask import Flask

from senderkit import __version__
from senderkit.cli.application import open_application, read_settings, told
from senderkit.cli.memory import return_large_blocks
from senderkit.cli.open_files import allow_many_connections
from senderkit.services import access
from senderkit.web.extensions import database
from senderkit.web.front import serve as serve_front
from senderkit.web.runtime import open_tracing, runtime_of


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.  [default: 8025]")
@told
def serve(host: str | None, port: int | None) -> None:
    """Serve the dashboard and the API, and deliver messages, in this one process."""
    return_large_blocks()
    allow_many_connections()
    overrides = {"HOST": host, "PORT": None if port is None else str(port)}
    settings = read_settings({name: value for name, value in overrides.items() if value})
    address = _free_address(settings.host, settings.port)
    app = open_application(settings, open_tracing(settings))
    _greet(app)
    serve_front(app, host=address, port=settings.port)


def _free_address(host: str, port: int) -> str:
    """The address behind `host`, IPv4 first. Says plainly that it cannot be listened on."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise click.ClickException(
            f"the name {host} leads to no address ({error.strerror}): choose another one with "
            "--host."
        ) from error
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise click.ClickException(_why_not(error, host, port)) from error
    return str(address[0])


def _why_not(error: OSError, host: str, port: int) -> str:
    known = {
        errno.EADDRINUSE: f"port {port} on {host} is taken: another server may be running. "
        "Choose another one with --port.",
        errno.EADDRNOTAVAIL: f"{host} is no address of this machine: choose another one with "
        "--host.",
        errno.EACCES: f"port {port} is for privileged users: choose one from 1024 on with --port.",
    }
    usual = f"cannot listen on {host} port {port}: {error.strerror}."
    return known.get(error.errno or 0, usual)


def _greet(app: Flask) -> None:
    at_hand = runtime_of(app)
    settings = at_hand.settings
    click.echo(f"SenderKit {__version__} on {settings.listening_url}", err=True)
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
    return_large_blocks()
    settings = read_settings({"DISPATCHER": "on"})
    app = open_application(settings, open_tracing(settings))
    at_hand = runtime_of(app)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    at_hand.start()
    click.echo(f"SenderKit {__version__} delivers. Ctrl-C stops it.", err=True)
    stopping.wait()
    at_hand.close()
