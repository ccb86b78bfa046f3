"""The tables of outgoing webhooks: endpoints, events, deliveries and their attempts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from senderkit.domain import WebhookEventType, WebhookState
from senderkit.models.base import Base, BigId, one_of


class WebhookEndpoint(Base):
    """An address of the user's that hears of events.

    `events` is a space-separated list of types; empty means every type. `sealed_secret` is the
    encrypted JSON of `secret` and, until `overlap_until`, the `previous` one. `creation_nonce` and
    `rotation_nonce` are single-use numbers of forms: a repeated form changes nothing.
    `disabled_reason` is set when nobody but the server itself switched it off, until a person has
    dealt with it. `failing_since` is the first failure after the last success.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), index=True)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[str] = mapped_column(String(200))
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    overlap_until: Mapped[datetime | None]
    creation_nonce: Mapped[str | None] = mapped_column(String(64), unique=True)
    rotation_nonce: Mapped[str | None] = mapped_column(String(64))
    is_enabled: Mapped[bool]
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WebhookEvent(Base):
    """Something that became of a message, as it is told: `body` is the very text that is signed.

    It is committed together with the change that it tells of, once for each type. A test event is
    about no message.
    """

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("message_id", "type"),
        CheckConstraint(one_of("type", WebhookEventType), name="type"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    type: Mapped[str] = mapped_column(String(32))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """One event on its way to one endpoint: the log's row and the outbox's job at once.

    `due_at` is when the next try is to be made, None when there is none. `attempts` counts all
    tries, `tries` those since it was last begun anew by a person; `reason` says why it was given
    up.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "endpoint_id"),
        CheckConstraint(one_of("state", WebhookState), name="state"),
        Index("ix_webhook_deliveries_page", "endpoint_id", "created_at", "id"),
        Index("ix_webhook_deliveries_state", "endpoint_id", "state", "created_at", "id"),
        Index(
            "ix_webhook_deliveries_due",
            "endpoint_id",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"))
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    due_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[str | None] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]


class WebhookAttempt(Base):
    """One call of an endpoint, stored once it has ended.

    `status_code` is None when no answer came; `error` says why. `reply` is the beginning of the
    answer's body.
    """

    __tablename__ = "webhook_attempts"
    __table_args__ = (UniqueConstraint("delivery_id", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE")
    )
    number: Mapped[int]
    started_at: Mapped[datetime]
    duration_ms: Mapped[int]
    status_code: Mapped[int | None]
    reply: Mapped[str] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
