"""What messages are searched by: one lower-case text for each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from senderkit.models.base import Base


class MessageDocument(Base):
    """The fields of a message that are searched, in lower case, each on a line of its own.

    The trigram index over `document` is made by the migration and stands in no model: on SQLite it
    is a virtual table that triggers keep (`message_documents_index`), on Postgres an index of that
    name, and where the database has no trigrams there is none. Services ask what there is.
    """

    __tablename__ = "message_documents"

    message_id: Mapped[int] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    workspace_id: Mapped[int] = mapped_column(BigInteger)
    livemode: Mapped[bool]
    created_at: Mapped[datetime]
    document: Mapped[str] = mapped_column(Text)
