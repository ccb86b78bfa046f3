"""`senderkit send` and `senderkit send-raw`: every field of a send as an option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar

import click

from senderkit.cli.connecting import json_option, with_client
from senderkit.cli.output import print_fields, print_json
from senderkit.cli.values import bad, read_attachments, read_pairs, read_recipient, read_text
from senderkit.client import (
    Channel,
    EmailContent,
    PushContent,
    RawSend,
    SenderKit,
    SendResult,
    SmsContent,
    TemplateSend,
    WebPushContent,
)
from senderkit.client.sends import wire_name, wire_value

F = TypeVar("F", bound=Callable[..., Any])

CHANNELS: Final = click.Choice([channel.value for channel in Channel])

_CONTENTS: Final[Mapping[str, type[Any]]] = {
    "email": EmailContent,
    "sms": SmsContent,
    "push": PushContent,
    "web-push": WebPushContent,
}


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order that the help shows."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_common = _options(
    click.option(
        "--vars", "variables", multiple=True, help="JSON, @FILE or NAME=TEXT; repeatable."
    ),
    click.option(
        "--metadata", multiple=True, help="The same; to find messages by, and in webhooks."
    ),
    click.option("--scheduled-at", help="When: ISO 8601 with Z or an offset, at most 30 days out."),
    click.option("--from", "from_", help="Email: the sender's address."),
    click.option("--from-name", help="Email: the sender's name."),
    click.option("--cc", multiple=True, help="Email: a copy for; repeatable."),
    click.option("--bcc", multiple=True, help="Email: a hidden copy for; repeatable."),
    click.option("--reply-to", help="Email: where answers go."),
    click.option(
        "--attach",
        multiple=True,
        metavar="FILE",
        help="Email: FILE[;type=TYPE][;name=NAME][;cid=ID][;inline]; repeatable.",
    ),
    click.option("--idempotency-key", help="Makes the send safe to repeat for 30 days."),
    json_option,
)


@click.command()
@click.argument("template")
@click.argument("to")
@click.option("--version", type=click.IntRange(min=1), help="Not the published, but this version.")
@click.option("--channel", type=CHANNELS, help="Fail unless the template is of this channel.")
@click.option("--locale", help="Pick this translation, such as pt-BR.")
@_common
@with_client
def send(sk: SenderKit, template: str, to: str, as_json: bool, **given: Any) -> None:
    """Send a template to one recipient.

    TEMPLATE is its slug. TO is an email address, a number such as +15551234567, a device token, or
    @FILE with the JSON of a browser's PushSubscription.
    """
    request = TemplateSend(template, read_recipient(to), **_envelope(given), **_rest(given))
    _report(sk.send(**_arguments(request)), as_json)


@click.command("send-raw")
@click.argument("to")
@click.option("--channel", type=CHANNELS, required=True)
@click.option("--content", help="The whole content: JSON or @FILE. The options below win over it.")
@click.option("--subject", help="Email.")
@click.option("--html", help="Email.")
@click.option("--html-file", metavar="FILE", help="Email: the HTML of a file (-: standard input).")
@click.option("--preheader", help="Email: what mail programs show beside the subject.")
@click.option("--text", help="Email: the plain text; else it is made from the HTML.")
@click.option("--text-file", metavar="FILE", help="Email: the text of a file.")
@click.option("--title", help="Push and web push.")
@click.option("--body", help="SMS, push and web push.")
@click.option("--data", multiple=True, help="Push and web push: JSON, @FILE or NAME=TEXT.")
@click.option("--badge", type=click.IntRange(min=0), help="Push and web push: a count.")
@click.option("--sound", help="Push.")
@click.option("--icon", help="Web push: an address.")
@click.option("--click-url", help="Web push: what a click opens.")
@click.option("--interpolate", is_flag=True, default=None, help="Fill --vars into the content.")
@_common
@with_client
def send_raw(sk: SenderKit, to: str, channel: str, as_json: bool, **given: Any) -> None:
    """Send content of your own to one recipient.

    It goes out exactly as given. TO is as for 'send'.
    """
    content = _content(channel, given)
    request = RawSend(read_recipient(to), content, channel, **_rest(given))
    _report(sk.send_raw(**_arguments(request)), as_json)


def _arguments(request: TemplateSend | RawSend) -> dict[str, Any]:
    return {name: value for name, value in vars(request).items() if value is not None}


def _envelope(given: dict[str, Any]) -> dict[str, Any]:
    """Copies and attachments, taken out of what is given."""
    return {
        "cc": given.pop("cc") or None,
        "bcc": given.pop("bcc") or None,
        "reply_to": given.pop("reply_to"),
        "attachments": read_attachments(given.pop("attach")),
    }


def _rest(given: dict[str, Any]) -> dict[str, Any]:
    """What is left, by the names of the request classes."""
    variables = read_pairs(given.pop("variables"), "--vars")
    metadata = read_pairs(given.pop("metadata"), "--metadata")
    return {**given, "vars": variables, "metadata": metadata}


def _content(channel: str, given: dict[str, Any]) -> dict[str, Any]:
    """The content by the wire's names, taken out of what is given."""
    whole = read_pairs([text] if (text := given.pop("content")) else [], "--content") or {}
    found = {
        **_envelope(given),
        "html": read_text(given.pop("html"), given.pop("html_file"), "--html"),
        "text": read_text(given.pop("text"), given.pop("text_file"), "--text"),
        "data": read_pairs(given.pop("data"), "--data"),
        **{name: given.pop(name) for name in ("subject", "preheader", "title", "body", "badge")},
        **{name: given.pop(name) for name in ("sound", "icon", "click_url")},
    }
    present = {name: value for name, value in found.items() if value is not None}
    _refuse_others(channel, present)
    return whole | {wire_name(name): wire_value(value) for name, value in present.items()}


def _refuse_others(channel: str, present: Mapping[str, Any]) -> None:
    """The server ignores what a content does not have; whoever typed it would not know."""
    known = {field.name for field in fields(_CONTENTS[channel])}
    for name in present:
        if name not in known:
            option = "--attach" if name == "attachments" else "--" + name.replace("_", "-")
            raise bad(option, f"{channel} has no such field")


def _report(result: SendResult, as_json: bool) -> None:
    if as_json:
        print_json(result.raw)
        return
    print_fields(
        [
            ("id", result.id),
            ("status", result.status),
            ("mode", "live" if result.livemode else "test"),
            ("replayed", "yes: this key was used before" if result.replayed else None),
        ]
    )
