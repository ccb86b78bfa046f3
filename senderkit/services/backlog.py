"""What waits just now, for whoever watches the server: of all workspaces, by mode and channel.

Nothing here counts further than `MAX_COUNTED` in one lane or list: looking costs about the same
however much has piled up. The oldest moments are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, or_, select

from senderkit import outbox, webhook_outbox
from senderkit.domain import MessageStatus, Mode
from senderkit.models import Connection as ProviderConnection
from senderkit.models import Message, UtcDateTime, WebhookDelivery, WebhookEndpoint, Workspace
from senderkit.services.browsing import is_held
from senderkit.services.reports import of_room

MAX_COUNTED: Final = 10_000

Room = tuple[Mode, str]
"""A mode and the value of a channel."""


@dataclass(slots=True)
class Waiting:
    """How many wait that are due and not under way, and since when the oldest is due."""

    count: int = 0
    since: datetime | None = None

    def add(self, count: int, since: datetime) -> None:
        self.count += count
        self.since = since if self.since is None else min(self.since, since)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, and what keeps it waiting.

    `connections` are counted by channel, provider and whether they are broken, `endpoints` by
    whether webhooks go to them: `on`, `off` by a person, or `switched_off` by this server.
    """

    due: dict[Room, Waiting] = field(default_factory=dict)
    scheduled: Counter[Room] = field(default_factory=Counter)
    held: Counter[Room] = field(default_factory=Counter)
    connections: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    endpoints: Counter[str] = field(default_factory=Counter)
    webhooks: Waiting = field(default_factory=Waiting)


def read_backlog(connection: Connection, *, now: datetime) -> Backlog:
    """Look at all that waits."""
    found = Backlog()
    for lane in outbox.find_due(connection, now=now):
        for livemode, channel, count, since in connection.execute(_DUE, {"lane": lane, "now": now}):
            room = Mode.of(livemode), channel
            found.due.setdefault(room, Waiting()).add(count, since)
    for endpoint_id in webhook_outbox.find_due(connection, now=now):
        values = {"endpoint_id": endpoint_id, "now": now}
        count, since = connection.execute(_DUE_WEBHOOKS, values).one()
        if count:
            found.webhooks.add(count, since)
    found.scheduled.update(_scheduled(connection))
    found.held.update(_held(connection))
    found.connections.update(_connections(connection))
    found.endpoints.update(_endpoints(connection))
    return found


_NOW: Final = bindparam("now", type_=UtcDateTime())


def _due_messages() -> Select[Any]:
    """The longest waiting of a lane, by mode and channel."""
    due = (
        select(Message.livemode, Message.channel, Message.due_at)
        .where(
            Message.lane == bindparam("lane"),
            Message.due_at <= _NOW,
            or_(Message.lease_until.is_(None), Message.lease_until <= _NOW),
        )
        .order_by(Message.due_at)
        .limit(MAX_COUNTED)
        .subquery()
    )
    groups = due.c.livemode, due.c.channel
    return select(*groups, func.count(), func.min(due.c.due_at)).group_by(*groups)


def _due_webhooks() -> Select[int, Any]:
    due = (
        select(WebhookDelivery.due_at)
        .where(
            WebhookDelivery.endpoint_id == bindparam("endpoint_id"),
            WebhookDelivery.due_at <= _NOW,
            or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until <= _NOW),
        )
        .order_by(WebhookDelivery.due_at)
        .limit(MAX_COUNTED)
        .subquery()
    )
    return select(func.count(), func.min(due.c.due_at))


# The statements are made once: making them costs more than running them.
_DUE: Final = _due_messages()
_DUE_WEBHOOKS: Final = _due_webhooks()


def _scheduled(connection: Connection) -> Counter[Room]:
    """Each workspace and mode has a range of the index of its own."""
    counts: Counter[Room] = Counter()
    workspace_ids = connection.scalars(select(Workspace.id)).all()
    for workspace_id, mode in product(workspace_ids, Mode):
        is_scheduled = Message.status == MessageStatus.SCHEDULED.value
        room = (*of_room(workspace_id, livemode=mode.livemode), is_scheduled)
        # In the order of the pages, which leads both databases to the index of statuses.
        newest = Message.created_at.desc(), Message.id.desc()
        counts += _count(connection, _ROOM.where(*room).order_by(*newest))
    return counts


def _held(connection: Connection) -> Counter[Room]:
    """Of all workspaces at once: what is held has an index that holds nothing else."""
    return _count(connection, _ROOM.where(is_held()))


_ROOM: Final = select(Message.livemode, Message.channel)


def _count(connection: Connection, messages: Select[bool, str]) -> Counter[Room]:
    some = messages.limit(MAX_COUNTED).subquery()
    groups = some.c.livemode, some.c.channel
    rows = connection.execute(select(*groups, func.count()).group_by(*groups))
    return Counter({(Mode.of(livemode), channel): count for livemode, channel, count in rows})


def _connections(connection: Connection) -> Iterable[tuple[str, str, bool]]:
    columns = ProviderConnection.channel, ProviderConnection.provider
    rows = connection.execute(select(*columns, ProviderConnection.broken_reason))
    return [(channel, provider, reason is not None) for channel, provider, reason in rows]


def _endpoints(connection: Connection) -> Sequence[str]:
    columns = WebhookEndpoint.is_enabled, WebhookEndpoint.disabled_reason
    rows = connection.execute(select(*columns))
    return [_state(is_enabled, reason) for is_enabled, reason in rows]


def _state(is_enabled: bool, disabled_reason: str | None) -> str:
    if is_enabled:
        return "on"
    return "off" if disabled_reason is None else "switched_off"
