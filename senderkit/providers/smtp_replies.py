"""What a mail server says, and which of our errors it means. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from senderkit.errors import AccountBroken, DeliveryError, Refused, Unavailable
from senderkit.providers.base import readable

PERMANENT: Final = 500
"""From this code on a refusal is for good."""

_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?!\S)")


class Stage(StrEnum):
    """What the server was answering to; the text opens the sentence that people read."""

    CONNECTION = "The connection"
    STARTTLS = "STARTTLS"
    LOGIN = "The login"
    CHECK = "The connection check"
    SENDER = "The sender address"
    RECIPIENT = "The recipient"
    CONTENT = "The message"


ABOUT_THE_ACCOUNT: Final = frozenset({Stage.CONNECTION, Stage.STARTTLS, Stage.LOGIN, Stage.CHECK})
"""Stages at which no word of the message was said yet: a refusal is about us."""

ACCOUNT_CODES: Final = {
    432: "password transition needed",
    530: "authentication or encryption required",
    534: "mechanism too weak",
    535: "credentials not valid",
    538: "encryption required for this mechanism",
}

ACCOUNT_STATUSES: Final = {
    "5.7.8": "credentials not valid",
    "5.7.9": "mechanism too weak",
    "5.7.11": "encryption required for this mechanism",
    "5.7.57": "client was not authenticated",
}


class ConnectionClosed(Unavailable):
    """The server hung up, or said that it will, before the content of a message left."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its three digits (or -1 for none) and its text, already fit to show."""

    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_known(self) -> bool:
        """Whether this is a reply at all; a broken line is none."""
        return 200 <= self.code < 600

    @property
    def is_verdict(self) -> bool:
        """Whether this says yes or no."""
        return self.is_known and not 300 <= self.code < 400

    @property
    def status(self) -> str | None:
        """The enhanced status code such as `5.1.1`, if the reply has one."""
        found = _ENHANCED.match(self.text)
        return found[1] if found else None

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


def error_for(reply: Reply, stage: Stage) -> DeliveryError:
    """The error that a reply other than a positive one means, where it was given.

    The three digits decide; the enhanced status only tells apart what shares them, because
    servers contradict themselves.
    """
    if reply.code in ACCOUNT_CODES:
        return AccountBroken(_sentence(reply, stage, "refused"))
    if reply.code < PERMANENT:
        return Unavailable(_sentence(reply, stage, "put off"))
    if stage in ABOUT_THE_ACCOUNT or reply.status in ACCOUNT_STATUSES:
        return AccountBroken(_sentence(reply, stage, "refused"))
    return Refused(_sentence(reply, stage, "refused"))


def _sentence(reply: Reply, stage: Stage, verdict: str) -> str:
    return readable(f"{stage} was {verdict} by the mail server: {reply}")
