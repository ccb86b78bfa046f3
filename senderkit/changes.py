"""The commit-ordered change sequence: numbers for changes of messages.

The counter's row stays locked until the transaction ends, so numbers become visible in their own
order on both databases: a follower that has read up to n never meets a smaller one later. To keep
two transactions from waiting for each other, rows of existing messages are locked before a number
is taken, never after.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, update

from senderkit.models import ChangeCounter

_TAKE: Final = (
    update(ChangeCounter)
    .where(ChangeCounter.id == 1)
    .values(value=ChangeCounter.value + bindparam("count"))
    .returning(ChangeCounter.value)
)


def take_numbers(connection: Connection, count: int) -> range:
    """Reserve `count` consecutive numbers for this transaction."""
    last: int = connection.execute(_TAKE, {"count": count}).scalar_one()
    return range(last - count + 1, last + 1)
