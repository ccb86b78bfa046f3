"""The commit-ordered change sequence: numbers for changes of messages.

The counter's row stays locked until the transaction ends, so numbers become visible in their own
order on both databases: a follower that has read up to n never meets a smaller one later. To keep
two transactions from waiting for each other, rows of existing messages are locked before a number
is taken, never after.
"""

from __future__ import annotations

from sqlalchemy import Connection, update

from senderkit.models import ChangeCounter


def take_numbers(connection: Connection, count: int) -> range:
    """Reserve `count` consecutive numbers for this transaction."""
    statement = (
        update(ChangeCounter)
        .where(ChangeCounter.id == 1)
        .values(value=ChangeCounter.value + count)
        .returning(ChangeCounter.value)
    )
    last: int = connection.execute(statement).scalar_one()
    return range(last - count + 1, last + 1)
