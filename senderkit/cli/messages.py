"""`senderkit messages`: list, get, cancel, tail, wait."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import click

from senderkit.cli.connecting import json_option, with_client
from senderkit.cli.output import compact, plain, print_fields, print_json, print_table, say
from senderkit.cli.sends import CHANNELS
from senderkit.cli.values import read_pairs
from senderkit.client import Message, SenderKit, SenderKitApiError

F = TypeVar("F", bound=Callable[..., Any])

_HEADINGS = ("ID", "STATUS", "CHANNEL", "TEMPLATE", "TO", "CREATED")
_FAILURES = frozenset({"failed", "canceled", "opted_out", "suppressed", "blocked"})


@click.group()
def messages() -> None:
    """What was sent, and what became of it."""


def _filters(command: F) -> F:
    options = (
        click.option("--status", help="scheduled, queued, sent, delivered, failed …"),
        click.option("--channel", type=CHANNELS),
        click.option("--template", help="A template's slug."),
        click.option("--metadata", multiple=True, help="NAME=TEXT, JSON or @FILE; all must match."),
        click.option("--search", help="A part of the id, recipient, template or metadata."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@messages.command("list")
@_filters
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.  [default: 50]")
@click.option("--cursor", help="Go on where the page before ended.")
@json_option
@with_client
def list_messages(sk: SenderKit, metadata: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    """List messages, newest first: those of the key's own mode."""
    page = sk.messages.list(metadata=read_pairs(metadata, "--metadata"), **filters)
    if as_json:
        print_json(page.raw)
        return
    print_table(_HEADINGS, map(_row, page.data))
    if page.next_cursor:
        say(f"There are more: --cursor {page.next_cursor}")


def _row(message: Message) -> tuple[Any, ...]:
    return (
        message.public_id,
        message.status,
        message.channel,
        message.template_slug,
        message.recipient,
        message.created_at,
    )


@messages.command("get")
@click.argument("id")
@json_option
@with_client
def get_message(sk: SenderKit, id: str, as_json: bool) -> None:  # noqa: A002 - the help's word
    """Show one message and its timeline. ID is what 'send' printed (msg_…)."""
    _show(sk.messages.get(id), as_json)


def _show(message: Message, as_json: bool) -> None:
    if as_json:
        print_json(message.raw)
        return
    print_fields(_fields(message))
    for entry in message.timeline:
        more = {name: value for name, value in entry.items() if name not in {"t", "e"}}
        click.echo(f"  {plain(entry.get('t'))}  {plain(entry.get('e'))}  {_more(more)}".rstrip())


def _fields(message: Message) -> Iterator[tuple[str, Any]]:
    yield "id", message.public_id
    yield "status", message.status
    yield "mode", None if message.livemode is None else "live" if message.livemode else "test"
    yield "channel", message.channel
    yield "to", message.recipient
    yield "from", message.from_override
    version = f" (version {message.template_version})" if message.template_version else ""
    yield "template", message.template_slug and message.template_slug + version
    yield from (("vars", message.vars), ("metadata", message.metadata))
    yield from (("provider", message.provider), ("provider id", message.provider_message_id))
    yield "latency", None if message.latency_ms is None else f"{message.latency_ms} ms"
    yield from (("error", message.error), ("created", message.created_at))
    yield from (("scheduled", message.scheduled_at), ("opened", message.opened_at))
    yield from (("clicked", message.clicked_at), ("timeline", len(message.timeline) or None))


def _more(fields: dict[str, Any]) -> str:
    return plain(fields) if fields else ""


@messages.command("cancel")
@click.argument("id")
@json_option
@with_client
def cancel_message(sk: SenderKit, id: str, as_json: bool) -> None:  # noqa: A002
    """Cancel a message that is scheduled or queued: it will never be sent."""
    result = sk.messages.cancel(id)
    if as_json:
        print_json(result.raw or {"id": result.id, "status": result.status})
        return
    print_fields([("id", result.id), ("status", result.status)])


@messages.command("wait")
@click.argument("id")
@click.option(
    "--until",
    type=click.Choice(["queued", "rendered", "sent", "delivered"]),
    default="sent",
    show_default=True,
    help="Not every provider tells of deliveries.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
)
@json_option
@with_client
def wait_for_message(
    sk: SenderKit,
    id: str,  # noqa: A002
    until: str,
    timeout: float,
    as_json: bool,
) -> None:
    """Wait until a message is as far as --until, or as far as it will ever be.

    Ends with 1 when it failed, was canceled or skipped, or when the time is up.
    """
    message = sk.messages.wait(id, until=until, timeout=timeout)
    _show(message, as_json)
    if message.status in _FAILURES:
        raise click.ClickException(f"{id} ended as {message.status}: {message.error or 'no error'}")


@messages.command("tail")
@_filters
@json_option
@with_client
def tail_messages(sk: SenderKit, metadata: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    """Follow messages: the newest 50, then each new or changed one. Ctrl-C ends it.

    With --json each is one line.
    """
    pairs = read_pairs(metadata, "--metadata")
    try:
        for message in _followed(sk.messages.tail(metadata=pairs, **filters)):
            cells = "  ".join(plain(cell) for cell in _row(message))
            click.echo(compact(message.raw) if as_json else cells)
    except KeyboardInterrupt:
        return  # how a person ends it


def _followed(tail: Generator[Message]) -> Iterator[Message]:
    """The messages of a tail; says plainly when the server has none."""
    try:
        yield from tail
    except SenderKitApiError as error:
        # A server without a tail answers in JSON only; one that is not run by 'serve' has none.
        if error.code not in {"not_acceptable", "not_implemented"}:
            raise
        raise click.ClickException(
            "this server cannot be followed. Use 'senderkit messages list', or "
            "'senderkit messages wait ID' for a single message."
        ) from error
