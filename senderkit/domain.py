"""The vocabulary of the product: plain values, no policy, no I/O.

Every status, channel, scope and timeline word is spelled here and nowhere else.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC datetime; passed in wherever time matters."""

JsonObject = Mapping[str, Any]
"""A JSON object as parsed: string keys, JSON values."""


def utc_now() -> datetime:
    """The system clock, aware, in UTC: the one place that reads it."""
    return datetime.now(UTC)


def shown_moment(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, as every answer and webhook has it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    WEB_PUSH = "web-push"


class Mode(StrEnum):
    LIVE = "live"
    TEST = "test"

    @property
    def livemode(self) -> bool:
        return self is Mode.LIVE

    @classmethod
    def of(cls, livemode: bool) -> Mode:
        return cls.LIVE if livemode else cls.TEST


class Scope(StrEnum):
    READ = "read"
    SEND = "send"
    CANCEL = "cancel"


class MessageStatus(StrEnum):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RENDERED = "rendered"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELED = "canceled"
    OPTED_OUT = "opted_out"
    SUPPRESSED = "suppressed"
    BLOCKED = "blocked"


PENDING: Final = frozenset({MessageStatus.SCHEDULED, MessageStatus.QUEUED, MessageStatus.RENDERED})
"""Statuses that the dispatcher still has work with."""

CANCELABLE: Final = frozenset({MessageStatus.SCHEDULED, MessageStatus.QUEUED})

_NOT_SENT: Final = frozenset(
    {
        MessageStatus.FAILED,
        MessageStatus.OPTED_OUT,
        MessageStatus.SUPPRESSED,
        MessageStatus.BLOCKED,
    }
)
LEGAL_STEPS: Final[Mapping[MessageStatus, frozenset[MessageStatus]]] = {
    MessageStatus.SCHEDULED: frozenset({MessageStatus.QUEUED}),
    MessageStatus.QUEUED: _NOT_SENT | {MessageStatus.RENDERED, MessageStatus.CANCELED},
    MessageStatus.RENDERED: _NOT_SENT | {MessageStatus.SENT},
    # A provider's events arrive in any order: sent < delivered < failed.
    MessageStatus.SENT: frozenset({MessageStatus.DELIVERED}),
    MessageStatus.DELIVERED: frozenset({MessageStatus.FAILED}),
    MessageStatus.FAILED: frozenset(),
    MessageStatus.CANCELED: frozenset(),
    MessageStatus.OPTED_OUT: frozenset(),
    MessageStatus.SUPPRESSED: frozenset(),
    MessageStatus.BLOCKED: frozenset(),
}
"""The steps of a message's life. One change may take several at once: see `may_move`."""


def _reachable(old: MessageStatus) -> frozenset[MessageStatus]:
    steps = LEGAL_STEPS[old]
    return steps.union(*(_reachable(step) for step in steps))


_LEGAL_MOVES: Final = {status: _reachable(status) for status in MessageStatus}


def may_move(old: MessageStatus, new: MessageStatus) -> bool:
    """Whether a message may go from `old` to `new`, by one step or several, never backwards."""
    return new in _LEGAL_MOVES[old]


class TimelineEvent(StrEnum):
    """The words of a message's timeline (`e` on the wire)."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RENDERED = "rendered"
    DISPATCHED = "dispatched"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELED = "canceled"
    OPTED_OUT = "opted_out"
    SUPPRESSED = "suppressed"
    RETRY = "retry"
    FAILOVER = "failover"
    IN_DOUBT = "in_doubt"
    HELD = "held"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    DUPLICATE = "duplicate"


class Grain(StrEnum):
    """How long the times are by which messages are counted; they begin on the hour, or at midnight
    UTC."""

    HOUR = "hour"
    DAY = "day"


class Facet(StrEnum):
    """By what messages are counted: all of a mode, by one of their traits, by the four at once."""

    ALL = "all"
    CHANNEL = "channel"
    TEMPLATE = "template"
    PROVIDER = "provider"
    KEY = "key"
    FULL = "full"


STATUS_FILTERS: Final = frozenset(s.value for s in MessageStatus) | {TimelineEvent.DISPATCHED.value}
"""What `status=` of `GET /v1/messages` takes: every status, and `dispatched` for history's sake."""


class TemplateStatus(StrEnum):
    ACTIVE = "active"
    DRAFT = "draft"
    ARCHIVED = "archived"


class AttemptOutcome(StrEnum):
    """How one provider call ended. A row without one was cut off: its outcome is in doubt."""

    ACCEPTED = "accepted"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"
    ACCOUNT_BROKEN = "account_broken"
    UNKNOWN = "unknown"
    UNSUPPORTED = "unsupported"


class SuppressionReason(StrEnum):
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"
    BOUNCED = "bounced"
    MANUAL = "manual"


# -- webhooks ---------------------------------------------------------------------------------


class WebhookEventType(StrEnum):
    """What a webhook may tell (`type` on the wire)."""

    SENT = "message.sent"
    DELIVERED = "message.delivered"
    FAILED = "message.failed"
    OPTED_OUT = "message.opted_out"
    COMPLAINED = "message.complained"
    OPENED = "message.opened"
    CLICKED = "message.clicked"
    TEST = "webhook.test"


WEBHOOK_CHOICES: Final = tuple(
    kind for kind in WebhookEventType if kind is not WebhookEventType.TEST
)
"""What an endpoint may choose from; a test event goes to the endpoint that it was asked for."""


class WebhookState(StrEnum):
    """How far the delivery of one event to one endpoint has come."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


# -- ids --------------------------------------------------------------------------------------

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"


class _RandomBits:
    """The system's randomness, taken in store: each call of the system for it gives up the
    interpreter's lock, and a send makes three ids."""

    def __init__(self) -> None:
        self._begin_anew()
        # A child process must not give out what its parent does.
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._store = b""

    def take(self, size: int) -> int:
        """So many random bytes as a number; no byte is given out twice."""
        with self._lock:
            if len(self._store) < size:
                self._store = os.urandom(4096)
            taken, self._store = self._store[:size], self._store[size:]
        return int.from_bytes(taken, "big")


_RANDOM_BITS: Final = _RandomBits()


def _base32(number: int) -> str:
    digits = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))


def new_public_id(prefix: str, now: datetime) -> str:
    """`<prefix>_` and 26 characters: 48 bits of milliseconds, then 80 random bits.

    Fixed width, so that ids of one prefix sort by time as text.
    """
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    return f"{prefix}_{_base32(milliseconds << 80 | _RANDOM_BITS.take(10))}"


def new_uuid() -> str:
    """A random UUID in its usual text form."""
    return str(uuid.UUID(int=_RANDOM_BITS.take(16), version=4))


def new_request_id() -> str:
    """The id of one request of ours, for its log lines."""
    return f"req_{_RANDOM_BITS.take(12):024x}"


# -- what goes to a provider and what comes back ----------------------------------------------


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of an email. `content` is decoded; `content_id` is set for inline ones."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)
    inline: bool = False
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class EmailBody:
    """A rendered email. `text` is always present: derived from `html` unless it was given."""

    subject: str
    html: str
    text: str
    preheader: str | None = None


@dataclass(frozen=True, slots=True)
class SmsBody:
    body: str


@dataclass(frozen=True, slots=True)
class PushBody:
    title: str
    body: str
    data: Mapping[str, str] = field(default_factory=dict)
    badge: int | None = None
    sound: str | None = None


@dataclass(frozen=True, slots=True)
class WebPushBody:
    title: str
    body: str
    icon: str | None = None
    click_url: str | None = None
    badge: int | None = None
    data: JsonObject = field(default_factory=dict)


Body = EmailBody | SmsBody | PushBody | WebPushBody


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who an email is from and who else gets it; addresses are bare or `Name <address>`."""

    from_address: str | None = None
    from_name: str | None = None
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: str | None = None


class LiveModeRequired(AssertionError):
    """Somebody tried to hand a test message to a provider: a bug, never a user's mistake."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered live message, ready for an adapter.

    It cannot be made for a test message: `mode` other than live raises `LiveModeRequired`, and
    every adapter takes nothing but an `Outgoing`.

    `idempotency_key` stays the same over the attempts of one message. `list_unsubscribe_url`
    is set for email that is not essential. `headers` are extra header fields, already checked.
    """

    mode: Mode
    message_id: str
    channel: Channel
    recipient: str
    body: Body
    envelope: Envelope = Envelope()
    attachments: tuple[Attachment, ...] = ()
    list_unsubscribe_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        if self.mode is not Mode.LIVE:
            raise LiveModeRequired(self.message_id)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider accepted a message. `provider_message_id` is its own id, or None."""

    provider_message_id: str | None
    detail: str | None = None


class EventKind(StrEnum):
    """What a provider may report about a message later."""

    DELIVERED = "delivered"
    FAILED = "failed"
    OPTED_OUT = "opted_out"
    COMPLAINED = "complained"
    OPENED = "opened"
    CLICKED = "clicked"


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One event a provider reported: of what `kind`, when, about which of its messages.

    `is_permanent`: no message to this recipient will ever arrive, so suppress the address.
    """

    kind: EventKind
    at: datetime
    provider_message_id: str | None
    message_id: str | None = None
    recipient: str | None = None
    detail: str | None = None
    link: str | None = None
    is_permanent: bool = False
