"""Trying a connection out: a cheap call that proves it, and a small message to oneself.

Nothing here is stored; a provider's events about such a message find no message of ours.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from senderkit import providers
from senderkit.domain import (
    Body,
    Channel,
    Clock,
    EmailBody,
    Mode,
    Outgoing,
    PushBody,
    SmsBody,
    WebPushBody,
    new_public_id,
)
from senderkit.errors import AccountBroken, DeliveryError, OutcomeUnknown
from senderkit.http_client import HttpClient
from senderkit.providers.base import Adapter

UNOPENED: Final = (
    "The stored credentials do not open: the encryption key has changed. Enter them again."
)


@dataclass(frozen=True, slots=True)
class Target:
    """A connection to try out. `fields` are its opened credentials, None when no key opens them."""

    name: str
    channel: Channel
    provider: str
    fields: Mapping[str, str] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it, for people: the provider's own words are part of the sentence."""

    is_good: bool
    title: str
    words: str


_SOUND: Final = Outcome(
    True,
    "Nothing is wrong with it",
    "The settings are well formed. There is nobody to ask: only a message shows more.",
)


def check(target: Target, clock: Clock, http: HttpClient) -> Outcome:
    """Ask the provider whether these credentials and settings are right."""

    def ask(adapter: Adapter) -> Outcome:
        adapter.check()
        if providers.PROVIDERS[target.provider].checks_alone:
            return _SOUND
        return Outcome(True, "It works", "The provider accepts these credentials and settings.")

    return _try_out(target, clock, http, ask)


def send_test(target: Target, recipient: str, clock: Clock, http: HttpClient) -> Outcome:
    """Send a small message through it, now, past the queue and the suppression list."""
    outgoing = sample_message(target, recipient, clock())

    def send(adapter: Adapter) -> Outcome:
        receipt = adapter.send(outgoing)
        number = receipt.provider_message_id
        words = f"{_label(target)} took it{f' as {number}' if number else ''}."
        return Outcome(True, "The test is sent", words)

    return _try_out(target, clock, http, send)


def _try_out(
    target: Target, clock: Clock, http: HttpClient, use: Callable[[Adapter], Outcome]
) -> Outcome:
    """With an adapter of its own, so that no socket of the dispatcher's stands for it."""
    try:
        adapter = _connect(target, clock, http)
    except AccountBroken as error:
        return Outcome(False, "It does not work", str(error))
    try:
        return use(adapter)
    except OutcomeUnknown as error:
        return Outcome(False, "It may have arrived or not", str(error))
    except DeliveryError as error:
        return Outcome(False, "It does not work", str(error))
    finally:
        adapter.close()


def _connect(target: Target, clock: Clock, http: HttpClient) -> Adapter:
    if target.provider not in providers.PROVIDERS:
        raise AccountBroken(f"This server has no provider '{target.provider}'.")
    if target.fields is None:
        raise AccountBroken(UNOPENED)
    return providers.PROVIDERS[target.provider].connect(target.fields, clock, http)


def _label(target: Target) -> str:
    return providers.PROVIDERS[target.provider].label


# -- the message ------------------------------------------------------------------------------


def sample_message(target: Target, recipient: str, now: datetime) -> Outgoing:
    """The small message, for a recipient that was checked."""
    message_id = new_public_id("msg", now)
    return Outgoing(
        mode=Mode.LIVE,
        message_id=message_id,
        channel=target.channel,
        recipient=recipient,
        body=_BODIES[target.channel](target.name),
        idempotency_key=message_id,
    )


def _email(name: str) -> Body:
    words = f"This is a test of the connection “{name}”. It works: you are reading it."
    return EmailBody(f"Test of “{name}”", f"<p>{html.escape(words)}</p>", words)


def _sms(name: str) -> Body:
    return SmsBody(f"Test of the connection {name}.")


def _push(name: str) -> Body:
    return PushBody("Test", f"Sent through the connection “{name}”.")


def _web_push(name: str) -> Body:
    return WebPushBody("Test", f"Sent through the connection “{name}”.")


_BODIES: Final[Mapping[Channel, Callable[[str], Body]]] = {
    Channel.EMAIL: _email,
    Channel.SMS: _sms,
    Channel.PUSH: _push,
    Channel.WEB_PUSH: _web_push,
}
