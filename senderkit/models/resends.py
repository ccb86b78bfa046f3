"""Messages that were sent again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from senderkit.models.base import Base


class Resend(Base):
    """A message that repeats an earlier one, `of_message_id`, because somebody wanted it so.

    `batch` is shared by all that one form or command sent again. Without a member it was done in
    the shell, or by somebody who has left since.
    """

    __tablename__ = "resends"

    message_id: Mapped[int] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    of_message_id: Mapped[int] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), index=True
    )
    batch: Mapped[str] = mapped_column(String(64), index=True)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
