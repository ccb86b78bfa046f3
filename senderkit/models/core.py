"""The product's tables: the team, keys, connections, templates, messages and their attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from senderkit.domain import AttemptOutcome, Channel, MessageStatus, SuppressionReason
from senderkit.models.base import Base, BigId, one_of


class Workspace(Base):
    """The team's room: everything else belongs to one.

    `set_up_at` is empty while it has no owner: keys that the settings declare may come first.
    """

    __tablename__ = "workspaces"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    set_up_at: Mapped[datetime | None]


class Member(Base):
    """A person who may sign in."""

    __tablename__ = "members"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), index=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_owner: Mapped[bool]
    livemode_shown: Mapped[bool]
    created_at: Mapped[datetime]

    workspace: Mapped[Workspace] = relationship(lazy="joined", innerjoin=True)


class MemberSession(Base):
    """One sign-in of one person in one browser. Ended ones stay until they would have expired."""

    __tablename__ = "member_sessions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    member: Mapped[Member] = relationship(lazy="joined", innerjoin=True)


class ApiKey(Base):
    """A credential of an app. The token itself is never stored: only its SHA-256.

    `scopes` is a space-separated list in the order read, send, cancel; empty means full access.
    `creation_nonce` is the form's single-use number: a repeated form finds its key instead of
    making a second one.
    """

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    livemode: Mapped[bool]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(16))
    last_four: Mapped[str] = mapped_column(String(4))
    scopes: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))
    creation_nonce: Mapped[str | None] = mapped_column(String(64), unique=True)
    revoked_at: Mapped[datetime | None]
    revoked_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))
    last_used_at: Mapped[datetime | None]
    last_used_route: Mapped[str | None] = mapped_column(String(100))
    last_used_address: Mapped[str | None] = mapped_column(String(64))
    use_count: Mapped[int] = mapped_column(BigInteger, default=0)

    created_by: Mapped[Member | None] = relationship(foreign_keys=[created_by_id])
    revoked_by: Mapped[Member | None] = relationship(foreign_keys=[revoked_by_id])


class Connection(Base):
    """An account at a provider. `sealed_fields` is the encrypted JSON of its declared fields.

    `position` is its place in the failover list of its channel, 1 for the default; a connection
    without one is used only by the templates that name it. `broken_reason` is set when the provider
    refused our credentials: nothing is sent through the connection until a person repairs it.
    `updated_at` is the version of the credentials, and changes with them only.
    """

    __tablename__ = "connections"
    __table_args__ = (
        CheckConstraint(one_of("channel", Channel), name="channel"),
        Index("uq_connections_position", "workspace_id", "channel", "position", unique=True),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), index=True)
    channel: Mapped[str] = mapped_column(String(16))
    provider: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(100))
    sealed_fields: Mapped[bytes] = mapped_column(LargeBinary)
    position: Mapped[int | None]
    broken_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Template(Base):
    """Wording under a slug. `published_version_id` is what live sends use.

    `sample_vars` are what previews are filled with, when somebody has edited them.
    """

    __tablename__ = "templates"
    __table_args__ = (
        UniqueConstraint("workspace_id", "slug"),
        CheckConstraint(one_of("channel", Channel), name="channel"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    slug: Mapped[str] = mapped_column(String(100))
    channel: Mapped[str] = mapped_column(String(16))
    description: Mapped[str | None] = mapped_column(Text)
    is_essential: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[datetime | None]
    connection_id: Mapped[int | None] = mapped_column(
        ForeignKey("connections.id", ondelete="SET NULL")
    )
    published_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("template_versions.id", use_alter=True)
    )
    theme_id: Mapped[int | None] = mapped_column(ForeignKey("themes.id", ondelete="SET NULL"))
    sample_vars: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    published_version: Mapped[TemplateVersion | None] = relationship(
        foreign_keys=[published_version_id], post_update=True
    )


class TemplateVersion(Base):
    """One immutable state of a template's words; only `published_at` is ever set later.

    `translations` holds, by language tag in lower case, the content's fields that differ in it.
    `compiled` holds the HTML made of the MJML when the version was saved, by language, `""` for
    the content's own.
    """

    __tablename__ = "template_versions"
    __table_args__ = (UniqueConstraint("template_id", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    template_id: Mapped[int] = mapped_column(ForeignKey("templates.id", ondelete="CASCADE"))
    number: Mapped[int]
    content: Mapped[dict[str, Any]]
    variables: Mapped[list[Any]]
    translations: Mapped[dict[str, Any] | None]
    compiled: Mapped[dict[str, Any] | None]
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))
    published_at: Mapped[datetime | None]

    created_by: Mapped[Member | None] = relationship(foreign_keys=[created_by_id])


class ChangeCounter(Base):
    """One row: the last number given to a change of a message.

    Taking a number locks the row until commit, so numbers commit in their own order: a follower
    that has seen n will never meet a smaller one later. Message ids are numbers of it, too. Whoever
    follows the changes reads `timeline_entries`, where every number is a primary key.
    """

    __tablename__ = "change_counter"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class ChangeFollower(Base):
    """How far a follower of the change sequence has come: the last number that it has taken in."""

    __tablename__ = "change_followers"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)


class Message(Base):
    """A message: the log's row and the outbox's job at once.

    The job half is `status`, `due_at` (when there is something to do next; None when there is
    nothing or when it is held), `lane`, `lease_until`, `lease_token`, `attempts` and `round`. The
    lane is the connection that a live message was to go through when it was last looked at, empty
    for a test message: each lane is claimed from by itself, so that none waits behind another. In
    one round every connection that may deliver the message is tried at most once.
    """

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint(one_of("channel", Channel), name="channel"),
        CheckConstraint(one_of("status", MessageStatus), name="status"),
        Index("ix_messages_page", "workspace_id", "livemode", "created_at", "id"),
        Index("ix_messages_status", "workspace_id", "livemode", "status", "created_at", "id"),
        Index("ix_messages_channel", "workspace_id", "livemode", "channel", "created_at", "id"),
        Index(
            "ix_messages_template",
            "workspace_id",
            "livemode",
            "template_slug",
            "created_at",
            "id",
            sqlite_where=text("template_slug IS NOT NULL"),
            postgresql_where=text("template_slug IS NOT NULL"),
        ),
        Index(
            "ix_messages_due",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_messages_held",
            "connection_id",
            sqlite_where=text("held_reason IS NOT NULL"),
            postgresql_where=text("held_reason IS NOT NULL"),
        ),
        # For the list of held messages, and for the banner that every page asks about.
        Index(
            "ix_messages_held_page",
            "workspace_id",
            "livemode",
            "created_at",
            "id",
            sqlite_where=text("held_reason IS NOT NULL"),
            postgresql_where=text("held_reason IS NOT NULL"),
        ),
        # For the receipts that a provider of push messages must be asked for.
        Index(
            "ix_messages_awaiting",
            "connection_id",
            "id",
            sqlite_where=text("status = 'sent' AND channel = 'push'"),
            postgresql_where=text("status = 'sent' AND channel = 'push'"),
        ),
        Index(
            "ix_messages_provider",
            "provider_message_id",
            sqlite_where=text("provider_message_id IS NOT NULL"),
            postgresql_where=text("provider_message_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    uuid: Mapped[str] = mapped_column(String(36))
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    livemode: Mapped[bool]
    channel: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    recipient: Mapped[str] = mapped_column(Text)
    recipient_key: Mapped[str] = mapped_column(Text)
    template_slug: Mapped[str | None] = mapped_column(String(100))
    template_version: Mapped[int | None]
    template_version_id: Mapped[int | None] = mapped_column(ForeignKey("template_versions.id"))
    vars: Mapped[dict[str, Any]]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    from_override: Mapped[str | None] = mapped_column(Text)
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_keys.id", ondelete="SET NULL"))
    provider: Mapped[str | None] = mapped_column(String(40))
    connection_id: Mapped[str | None] = mapped_column(String(36))
    provider_message_id: Mapped[str | None] = mapped_column(Text)
    latency_ms: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    held_reason: Mapped[str | None] = mapped_column(Text)
    scheduled_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    clicked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    change_seq: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime | None]
    lane: Mapped[str] = mapped_column(String(36), server_default=text("''"))
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[str | None] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(default=0)
    round: Mapped[int] = mapped_column(server_default=text("0"))


class MessageContent(Base):
    """The heavy half of a message, kept out of the lists.

    `request` holds what was asked for beyond the template: raw `content`, `interpolate`, the
    envelope, the locale. `rendered` holds the output as it was handed over, for the dashboard.
    """

    __tablename__ = "message_contents"

    message_id: Mapped[int] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    request: Mapped[dict[str, Any]]
    rendered: Mapped[dict[str, Any] | None]


class MessageAttachment(Base):
    __tablename__ = "message_attachments"

    message_id: Mapped[int] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    filename: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(Text)
    is_inline: Mapped[bool]
    content_id: Mapped[str | None] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class MessageMetadata(Base):
    """One metadata value, for the filter.

    `lookup` is one text for all values that a query may mean (the number 1, the text "1"), so
    that the filter is one index range; `kind` and `value` tell them apart afterwards.
    """

    __tablename__ = "message_metadata"
    __table_args__ = (
        Index(
            "ix_message_metadata_lookup",
            "workspace_id",
            "livemode",
            "key",
            "lookup",
            "created_at",
            "message_id",
        ),
        # The rows in the order of the primary key, without an index beside them.
        {"sqlite_with_rowid": False},
    )

    message_id: Mapped[int] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(BigInteger)
    livemode: Mapped[bool]
    lookup: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(1))
    value: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class TimelineEntry(Base):
    """One step of a message's life; append-only. `change_seq` orders and never repeats."""

    __tablename__ = "timeline_entries"
    __table_args__ = (Index("ix_timeline_entries_message_id", "message_id", "change_seq"),)

    change_seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(16))
    detail: Mapped[dict[str, Any]]


class Attempt(Base):
    """One call of a provider, committed before it is made.

    An attempt that never got an `outcome` was cut off by a crash: whether the provider took the
    message is in doubt.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("message_id", "number"),
        CheckConstraint(one_of("outcome", AttemptOutcome), name="outcome"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    number: Mapped[int]
    round: Mapped[int] = mapped_column(server_default=text("0"))
    connection_id: Mapped[str | None] = mapped_column(String(36))
    provider: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    detail: Mapped[str | None] = mapped_column(Text)


class IdempotencyKey(Base):
    """A caller's key for one accepted send, hashed, with the answer that was given first."""

    __tablename__ = "idempotency_keys"
    __table_args__ = ({"sqlite_with_rowid": False},)

    workspace_id: Mapped[int] = mapped_column(
        ForeignKey("workspaces.id"), primary_key=True, autoincrement=False
    )
    livemode: Mapped[bool] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    message_id: Mapped[int] = mapped_column(BigInteger)
    public_id: Mapped[str] = mapped_column(String(40))
    answered_status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]


class Suppression(Base):
    """A recipient of a channel who gets nothing more from this workspace."""

    __tablename__ = "suppressions"
    __table_args__ = (
        UniqueConstraint("workspace_id", "channel", "recipient_key"),
        CheckConstraint(one_of("channel", Channel), name="channel"),
        CheckConstraint(one_of("reason", SuppressionReason), name="reason"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    channel: Mapped[str] = mapped_column(String(16))
    recipient_key: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(16))
    message_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
