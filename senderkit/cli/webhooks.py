"""`senderkit admin webhooks`: endpoints that hear what becomes of messages, from the shell."""

from __future__ import annotations

import time
from typing import Final

import click
from sqlalchemy.orm import Session

from senderkit.cli.application import get_workspace, opened_session, told
from senderkit.commands import parse_describe_endpoint
from senderkit.domain import WEBHOOK_CHOICES, WebhookState
from senderkit.errors import NotFound
from senderkit.models import WebhookEndpoint
from senderkit.services import webhook_endpoints, webhook_log
from senderkit.services.webhook_log import DeliveryRow
from senderkit.web.runtime import Runtime, runtime_of

_WAIT_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.1


@click.group("webhooks")
def webhooks_group() -> None:
    """Addresses of your backend that hear what becomes of live messages."""


@webhooks_group.command("add")
@click.argument("url")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="TYPE",
    help=f"{', '.join(WEBHOOK_CHOICES)}; repeatable. None: every type.",
)
@told
def add(url: str, events: tuple[str, ...]) -> None:
    """Add URL and print its signing secret, alone, on standard output. It cannot be shown again."""
    command = parse_describe_endpoint(url, events)
    with opened_session() as (app, session):
        workspace_id, at_hand = get_workspace(session).id, runtime_of(app)
        endpoint, secret = at_hand.endpoints.add(
            session, workspace_id, command, nonce=None, now=at_hand.clock()
        )
        click.echo(secret)
        click.echo(f"{endpoint.public_id}: {endpoint.url}. Copy the secret now.", err=True)


@webhooks_group.command("list")
@told
def list_all() -> None:
    """List endpoints, oldest first: id, state, events, address."""
    with opened_session() as (_, session):
        for each in webhook_endpoints.list_endpoints(session, get_workspace(session).id):
            click.echo("\t".join(_columns(each)))


def _columns(each: WebhookEndpoint) -> tuple[str, ...]:
    return each.public_id, _state(each), each.events or "every type", each.url


def _state(each: WebhookEndpoint) -> str:
    if not each.is_enabled:
        return f"off: {each.disabled_reason}" if each.disabled_reason else "off"
    return "failing" if each.failing_since else "on"


@webhooks_group.command("test")
@click.argument("id")
@told
def test(id: str) -> None:  # noqa: A002 - the word that the help shows
    """Send a test event to the endpoint ID now, and tell what it answered."""
    with opened_session() as (app, session):
        at_hand = runtime_of(app)
        endpoint = _find(session, id)
        sent = webhook_endpoints.send_test(session, endpoint.workspace_id, id, now=at_hand.clock())
        endpoint_id = endpoint.id
        session.rollback()
        row = _wait_for(at_hand, endpoint_id, sent)
        if row.state != WebhookState.DELIVERED:
            raise click.ClickException(row.reason or "the test event is still on its way.")
        click.echo(f"The endpoint answered {row.status_code}.", err=True)


def _wait_for(at_hand: Runtime, endpoint_id: int, delivery_id: str) -> DeliveryRow:
    """Make the call here, unless a running server was faster: then wait for its result."""
    at_hand.webhooks.run_one(delivery_id)
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with at_hand.reader.connect() as connection:
            row = webhook_log.get_delivery(connection, endpoint_id, delivery_id).row
        if row.state != WebhookState.PENDING or time.monotonic() > deadline:
            return row
        time.sleep(_LOOK_SECONDS)


@webhooks_group.command("remove")
@click.argument("id")
@told
def remove(id: str) -> None:  # noqa: A002 - the word that the help shows
    """Remove the endpoint ID, its secret and its log."""
    with opened_session() as (app, session):
        endpoint = _find(session, id)
        now = runtime_of(app).clock()
        url = webhook_endpoints.remove(session, endpoint.workspace_id, id, now=now)
        click.echo(f"Removed {url}.", err=True)


def _find(session: Session, public_id: str) -> WebhookEndpoint:
    """Raises `ClickException`."""
    try:
        workspace_id = get_workspace(session).id
        return webhook_endpoints.get_endpoint(session, workspace_id, public_id)
    except NotFound as error:
        raise click.ClickException(
            f"{error.message[:-1]}: 'senderkit admin webhooks list' shows them, ids first."
        ) from error
