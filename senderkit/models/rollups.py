"""The tables of counts: what became of messages, added up by hour and by day.

They are worked out of the change sequence by `senderkit.services.rollups` and hold nothing that the
messages do not tell; they stay as they are when old messages go.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from senderkit.domain import Facet, Grain
from senderkit.models.base import Base, BigId, one_of


class RollupCell(Base):
    """A set of messages that is counted: all of one mode, those of one channel, and so on.

    `facet` says which of the four columns tell the set apart. In those an empty one means messages
    without (a raw send has no template); the others are empty. `name` is all of it as one text.
    """

    __tablename__ = "rollup_cells"
    __table_args__ = (
        CheckConstraint(one_of("facet", Facet), name="facet"),
        Index("ix_rollup_cells_facet", "workspace_id", "livemode", "facet"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    livemode: Mapped[bool]
    facet: Mapped[str] = mapped_column(String(8))
    channel: Mapped[str | None] = mapped_column(String(16))
    template_slug: Mapped[str | None] = mapped_column(String(100))
    provider: Mapped[str | None] = mapped_column(String(40))
    api_key_id: Mapped[int | None] = mapped_column(BigInteger)


class Rollup(Base):
    """The messages of a cell that were accepted in one hour or one day (UTC), by their status now.

    `handed_over` and `arrived` count times from acceptance to the hand-over and to the delivery, by
    the bucket of `senderkit.services.histograms`; those of scheduled messages are left out.
    """

    __tablename__ = "rollups"
    __table_args__ = (
        CheckConstraint(one_of("grain", Grain), name="grain"),
        # The rows in the order of the primary key, without an index beside them.
        {"sqlite_with_rowid": False},
    )

    cell_id: Mapped[int] = mapped_column(
        ForeignKey("rollup_cells.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    grain: Mapped[str] = mapped_column(String(4), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    scheduled: Mapped[int] = mapped_column(Integer)
    queued: Mapped[int] = mapped_column(Integer)
    rendered: Mapped[int] = mapped_column(Integer)
    sent: Mapped[int] = mapped_column(Integer)
    delivered: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    canceled: Mapped[int] = mapped_column(Integer)
    opted_out: Mapped[int] = mapped_column(Integer)
    suppressed: Mapped[int] = mapped_column(Integer)
    blocked: Mapped[int] = mapped_column(Integer)
    handed_over: Mapped[dict[str, Any]]
    arrived: Mapped[dict[str, Any]]


class FailureReason(Base):
    """Why messages failed, without what differs from one message to the next.

    `key` is a digest of `words`: a link that holds it stays good.
    """

    __tablename__ = "failure_reasons"

    key: Mapped[str] = mapped_column(String(16), primary_key=True)
    words: Mapped[str] = mapped_column(Text)


class FailureRollup(Base):
    """How many messages of a cell failed for one reason, by the hour or day they were accepted.

    `newest_at` is the moment of acceptance of the newest of them.
    """

    __tablename__ = "failure_rollups"
    __table_args__ = (
        CheckConstraint(one_of("grain", Grain), name="grain"),
        {"sqlite_with_rowid": False},
    )

    cell_id: Mapped[int] = mapped_column(
        ForeignKey("rollup_cells.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    grain: Mapped[str] = mapped_column(String(4), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    reason_key: Mapped[str] = mapped_column(String(16), primary_key=True)
    failed: Mapped[int] = mapped_column(Integer)
    newest_at: Mapped[datetime]


class MessageFailure(Base):
    """The reason of one failed message, for the list of those that failed for it."""

    __tablename__ = "message_failures"
    __table_args__ = (
        Index(
            "ix_message_failures_page",
            "workspace_id",
            "livemode",
            "reason_key",
            "created_at",
            "message_id",
        ),
        {"sqlite_with_rowid": False},
    )

    message_id: Mapped[int] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    workspace_id: Mapped[int] = mapped_column(BigInteger)
    livemode: Mapped[bool]
    reason_key: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
