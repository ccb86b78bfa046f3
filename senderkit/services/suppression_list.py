"""The suppression list as people see and edit it; who is on it is asked in `suppressions`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from senderkit.commands import AddSuppression, BadLine, BrowseSuppressions
from senderkit.domain import Channel, SuppressionReason
from senderkit.errors import NotFound
from senderkit.models import Message, Suppression

PAGE: Final = 50
MAX_BAD_LINES_TOLD: Final = 100
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class SuppressionRow:
    """A recipient on the list; `message_id` is the public id of the message that led to it."""

    channel: Channel
    recipient: str
    reason: SuppressionReason
    since: datetime
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class SuppressionPage:
    """Some of a list; `before` and `after` are its first and last where there is more."""

    rows: tuple[SuppressionRow, ...]
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file's lines; of the bad ones the first are told."""

    added: int
    known: int
    bad: int
    bad_lines: tuple[BadLine, ...]


_ROW: Final[Select[*tuple[Any, ...]]] = select(
    Suppression.channel,
    Suppression.recipient_key,
    Suppression.reason,
    Suppression.created_at,
    Message.public_id,
).join(Message, Message.id == Suppression.message_id, isouter=True)


def browse(connection: Connection, workspace_id: int, query: BrowseSuppressions) -> SuppressionPage:
    """One page, by recipient."""
    key = Suppression.recipient_key
    statement = _of_channel(workspace_id, query.channel)
    if query.search:
        found_in = func.lower(key).contains(query.search.lower(), autoescape=True)
        statement = statement.where(found_in)
    if query.before is not None:
        statement = statement.where(key < query.before).order_by(key.desc())
    else:
        statement = statement.where(key > (query.after or "")).order_by(key)
    found = [_row(row) for row in connection.execute(statement.limit(PAGE + 1))]
    return _page(found, query)


def _page(found: Sequence[SuppressionRow], query: BrowseSuppressions) -> SuppressionPage:
    has_more, rows = len(found) > PAGE, list(found[:PAGE])
    if query.before is not None:
        rows.reverse()
    goes_back = has_more if query.before is not None else query.after is not None
    goes_on = has_more if query.before is None else True
    return SuppressionPage(
        tuple(rows),
        before=rows[0].recipient if rows and goes_back else None,
        after=rows[-1].recipient if rows and goes_on else None,
    )


def _of_channel(workspace_id: int, channel: Channel) -> Select[*tuple[Any, ...]]:
    return _ROW.where(
        Suppression.workspace_id == workspace_id, Suppression.channel == channel.value
    )


def _row(row: Any) -> SuppressionRow:
    return SuppressionRow(Channel(row[0]), row[1], SuppressionReason(row[2]), row[3], row[4])


def get(
    connection: Connection, workspace_id: int, channel: Channel, recipient: str
) -> SuppressionRow:
    """Raises `NotFound`."""
    statement = _of_channel(workspace_id, channel).where(Suppression.recipient_key == recipient)
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise NotFound("This recipient is not on the list.")
    return _row(row)


def iterate(reader: Engine, workspace_id: int, channel: Channel | None) -> Iterator[SuppressionRow]:
    """All of one channel or of every one, read some at a time: nothing is held in between."""
    for each in Channel if channel is None else (channel,):
        last = ""
        while True:
            statement = (
                _of_channel(workspace_id, each)
                .where(Suppression.recipient_key > last)
                .order_by(Suppression.recipient_key)
                .limit(_BATCH)
            )
            with reader.connect() as connection:
                rows = [_row(row) for row in connection.execute(statement)]
            yield from rows
            if len(rows) < _BATCH:
                break
            last = rows[-1].recipient


# -- changes ----------------------------------------------------------------------------------


def remove(engine: Engine, workspace_id: int, channel: Channel, recipient: str) -> bool:
    """Take a recipient off the list; whether they were on it."""
    statement = delete(Suppression).where(
        Suppression.workspace_id == workspace_id,
        Suppression.channel == channel.value,
        Suppression.recipient_key == recipient,
    )
    with engine.begin() as connection:
        return connection.execute(statement).rowcount > 0


def add_all(
    engine: Engine,
    workspace_id: int,
    lines: Iterable[AddSuppression | BadLine],
    *,
    now: datetime,
) -> ImportReport:
    """Put recipients on the list, some to a transaction. Who is on it already stays as they are."""
    added = known = bad = 0
    told: list[BadLine] = []
    waiting = iter(lines)
    while batch := list(islice(waiting, _BATCH)):
        good = [line for line in batch if isinstance(line, AddSuppression)]
        is_new = _insert(engine, workspace_id, good, now)
        added += is_new
        known += len(good) - is_new
        bad += len(batch) - len(good)
        told += [line for line in batch if isinstance(line, BadLine)]
        del told[MAX_BAD_LINES_TOLD:]
    return ImportReport(added, known, bad, tuple(told))


def _insert(
    engine: Engine, workspace_id: int, lines: Sequence[AddSuppression], now: datetime
) -> int:
    """How many of them are new."""
    if not lines:
        return 0
    rows = [
        {
            "workspace_id": workspace_id,
            "channel": line.channel.value,
            "recipient_key": line.key,
            "reason": line.reason.value,
            "created_at": line.since or now,
        }
        for line in lines
    ]
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Suppression).values(rows).on_conflict_do_nothing()
    with engine.begin() as connection:
        return len(connection.execute(statement.returning(Suppression.id)).all())
