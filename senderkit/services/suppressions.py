"""Who gets nothing more: one list for each workspace and channel, live mode only.

Who opted out, complained or was entered by hand wants nothing, but for what is essential; to an
address that bounced for good nothing arrives, so nothing at all is sent there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from senderkit.domain import Channel, Mode, SuppressionReason, TimelineEvent
from senderkit.models import Message, Suppression
from senderkit.outbox import Claim, lock_messages
from senderkit.services.delivery import note
from senderkit.services.steps import Entry

_SUPPRESSED: Final = select(
    Suppression.workspace_id, Suppression.channel, Suppression.recipient_key, Suppression.reason
).where(
    Suppression.workspace_id.in_(bindparam("workspaces", expanding=True)),
    Suppression.channel.in_(bindparam("channels", expanding=True)),
    Suppression.recipient_key.in_(bindparam("keys", expanding=True)),
)


def find_suppressed(
    connection: Connection, claims: Iterable[Claim]
) -> dict[int, SuppressionReason]:
    """Why the recipients of the live messages among `claims` are on the list, by message id."""
    by_key: dict[tuple[int, str, str], list[int]] = {}
    for claim in claims:
        key = (claim.workspace_id, claim.channel.value, claim.recipient_key)
        by_key.setdefault(key, []).append(claim.id)
    if not by_key:
        return {}
    workspaces, channels, keys = map(set, zip(*by_key, strict=True))
    values = {"workspaces": workspaces, "channels": channels, "keys": keys}
    rows = connection.execute(_SUPPRESSED, values)
    return {
        message_id: SuppressionReason(row[3])
        for row in rows
        for message_id in by_key.get((row[0], row[1], row[2]), ())
    }


def suppress(
    connection: Connection,
    workspace_id: int,
    channel: Channel,
    recipient_key: str,
    *,
    reason: SuppressionReason,
    now: datetime,
    message_id: int | None = None,
) -> bool:
    """Put a recipient on the list; whether that says something new.

    The first reason stays, but for a bounce: whoever wants nothing more is on the list for that.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    adding = dialect.insert(Suppression).values(
        workspace_id=workspace_id,
        channel=channel.value,
        recipient_key=recipient_key,
        reason=reason.value,
        message_id=message_id,
        created_at=now,
    )
    bounced = SuppressionReason.BOUNCED.value
    adding = adding.on_conflict_do_update(
        index_elements=["workspace_id", "channel", "recipient_key"],
        set_={name: adding.excluded[name] for name in ("reason", "message_id", "created_at")},
        where=(Suppression.reason == bounced) & (adding.excluded.reason != bounced),
    )
    found = connection.execute(adding.returning(Suppression.id)).one_or_none()
    return found is not None


def find_unsubscribable(reader: Engine, public_id: str) -> str | None:
    """The recipient that the unsubscribe link of a message is about, or None."""
    statement = select(Message.recipient_key).where(
        Message.public_id == public_id, Message.channel == Channel.EMAIL.value
    )
    with reader.connect() as connection:
        return connection.execute(statement).scalar_one_or_none()


def unsubscribe(engine: Engine, public_id: str, *, now: datetime) -> None:
    """A person asked for no more mail by the link in a message. Repeats change nothing.

    The message keeps its status; its timeline says what happened.
    """
    statement = select(
        Message.id, Message.workspace_id, Message.channel, Message.recipient_key, Message.livemode
    ).where(Message.public_id == public_id)
    with engine.begin() as connection:
        row = connection.execute(statement).one_or_none()
        if row is None or Mode.of(row[4]) is Mode.TEST:
            return
        # In the order of all who change both: first messages, then the list.
        lock_messages(connection, [row[0]])
        is_new = suppress(
            connection,
            row[1],
            Channel(row[2]),
            row[3],
            reason=SuppressionReason.UNSUBSCRIBED,
            now=now,
            message_id=row[0],
        )
        if is_new:
            entry = Entry(TimelineEvent.OPTED_OUT, now, {"by": "recipient"})
            note(connection, row[0], entry)
