"""Which message repeats which: read for the pages of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, select

from senderkit.models import Member, Message, Resend

MOST_SHOWN: Final = 20
"""Of the times that one message was sent again."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """The other message of a pair, when and why it was sent again, and by whom.

    `by` is a person's address; None for the shell.
    """

    public_id: str
    at: datetime
    reason: str
    by: str | None


def find_original(connection: Connection, message_id: int) -> Repetition | None:
    """The message that this one repeats."""
    statement = _pairs(Resend.of_message_id).where(Resend.message_id == message_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else Repetition(*row)


def list_repetitions(connection: Connection, message_id: int) -> tuple[Repetition, ...]:
    """The newest messages that repeat this one, oldest first."""
    statement = (
        _pairs(Resend.message_id)
        .where(Resend.of_message_id == message_id)
        .order_by(Resend.message_id.desc())
        .limit(MOST_SHOWN)
    )
    return tuple(Repetition(*row) for row in connection.execute(statement))[::-1]


def _pairs(other: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(Message.public_id, Resend.created_at, Resend.reason, Member.email)
        .join(Message, Message.id == other)
        .outerjoin(Member, Member.id == Resend.member_id)
    )


def is_of_batch(batch: str) -> ColumnElement[bool]:
    """The condition of the messages that one form or command sent again."""
    return Message.id.in_(select(Resend.message_id).where(Resend.batch == batch))


def ids_sent_again(
    connection: Connection, message_ids: Sequence[int], *, but_by: str | None = None
) -> set[int]:
    """Those of the messages that were sent again already, not counting what the batch `but_by`
    did."""
    statement = select(Resend.of_message_id).where(Resend.of_message_id.in_(message_ids))
    if but_by is not None:
        statement = statement.where(Resend.batch != but_by)
    return set(connection.execute(statement).scalars())


def public_ids_sent_again(connection: Connection, public_ids: Sequence[str]) -> set[str]:
    """Those of the messages that were sent again already."""
    statement = (
        select(Message.public_id)
        .join(Resend, Resend.of_message_id == Message.id)
        .where(Message.public_id.in_(public_ids))
    )
    return set(connection.execute(statement).scalars())
