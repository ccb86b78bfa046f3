"""What becomes of a test message: synthesized, with no provider, no credential and no socket.

This module can reach neither the adapters nor the HTTP client (a test of the imports says so), and
an adapter takes nothing but an `Outgoing`, which cannot be made for a test message.

======================================  ==================  ======================================
email                                   SMS                 outcome
======================================  ==================  ======================================
``failed@simulator.senderkit.test``     ``+15005550001``    failed
``opted-out@simulator.senderkit.test``  ``+15005550002``    opted_out
``suppressed@simulator.senderkit.test`` ``+15005550003``    suppressed
``delayed@simulator.senderkit.test``    ``+15005550004``    one retry, then delivered
======================================  ==================  ======================================

Push tokens are ``simulator-failed`` and so on; web push endpoints are
``https://simulator.senderkit.test/failed`` and so on. Every other recipient ends as delivered. A
``+tag`` in the address is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from senderkit.domain import Channel, MessageStatus

DELAY_SECONDS: Final = 5
_DOMAIN: Final = "simulator.senderkit.test"
_WEB_PUSH: Final = f"https://{_DOMAIN}/"
_PUSH: Final = "simulator-"
_NUMBERS: Final = {
    "+15005550001": "failed",
    "+15005550002": "opted-out",
    "+15005550003": "suppressed",
    "+15005550004": "delayed",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test message ends: `status`, or a first try that fails when `is_delayed`."""

    status: MessageStatus
    reason: str = ""
    is_delayed: bool = False


DELIVERED: Final = Outcome(MessageStatus.DELIVERED)

_OUTCOMES: Final = {
    "failed": Outcome(
        MessageStatus.FAILED, "Simulated: the provider refused the recipient for good."
    ),
    "opted-out": Outcome(MessageStatus.OPTED_OUT, "Simulated: the recipient had opted out."),
    "suppressed": Outcome(
        MessageStatus.SUPPRESSED, "Simulated: the provider keeps the recipient on its own list."
    ),
    "delayed": Outcome(
        MessageStatus.DELIVERED, "Simulated: the provider was unavailable.", is_delayed=True
    ),
}

FORCED: Final = tuple(
    (
        "one retry, then delivered" if _OUTCOMES[word].is_delayed else _OUTCOMES[word].status.value,
        f"{word}@{_DOMAIN}",
        number,
        f"{_PUSH}{word}",
        f"{_WEB_PUSH}{word}",
    )
    for number, word in _NUMBERS.items()
)
"""For people: the outcome in words, then the address, number, token and endpoint that force it."""


def outcome_for(channel: Channel, recipient_key: str) -> Outcome:
    """The outcome that a recipient forces; delivered for all but the documented ones."""
    return _OUTCOMES.get(_word(channel, recipient_key), DELIVERED)


def _word(channel: Channel, recipient_key: str) -> str:
    if channel is Channel.EMAIL:
        local, _, domain = recipient_key.partition("@")
        return local.partition("+")[0] if domain == _DOMAIN else ""
    if channel is Channel.SMS:
        return _NUMBERS.get(recipient_key, "")
    prefix = _PUSH if channel is Channel.PUSH else _WEB_PUSH
    return recipient_key.removeprefix(prefix) if recipient_key.startswith(prefix) else ""
