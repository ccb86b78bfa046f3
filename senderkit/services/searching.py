"""A page of the messages that hold a text, found by the index of their documents.

What counts is `search_condition`, over the messages themselves; everything else only makes it
quick. A text that many messages hold fills its page from the first of them, in page order. Another
one is looked up in the index; messages that are not in it yet are looked at one by one. Where there
is no index, or for a text that is too short for it, every message is looked at until the page is
full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Select,
    Text,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from senderkit.models import Message, MessageDocument, MessageMetadata, UtcDateTime
from senderkit.services.search_documents import (
    Coverage,
    can_be_looked_up,
    coverage_of,
    documents_with,
)

_LOOKED_AT_FIRST: Final = 2_000
_LOOKED_AT_FOR_EACH: Final = 20
_LOOKED_AT_MOST: Final = 50_000
"""Messages that are looked at before the index is asked (more for a long page), and of a text that
many of them hold."""

_FREQUENT: Final = 5_000
"""So many messages are not looked up by the index before others were looked at."""

Place = tuple[datetime, int]
"""Where a message stands: `created_at` and id."""
_NOWHERE: Final[Place] = (datetime.max.replace(tzinfo=UTC), 0)


@dataclass(frozen=True, slots=True)
class Search:
    """Which page is wanted of the messages that hold `text`.

    `walk` selects the ids and `created_at`s of all that the other filters let through, from where
    the page begins, in its order; `fits` are those filters, as conditions of a message.
    """

    text: str
    workspace_id: int
    livemode: bool
    walk: Select[Any]
    fits: Sequence[ColumnElement[bool]]
    limit: int
    is_upwards: bool = False


def find_ids(connection: Connection, search: Search) -> list[int]:
    """The ids of the page's messages, in its order."""
    coverage, dialect = coverage_of(connection), connection.dialect.name
    if not coverage.is_there or not can_be_looked_up(dialect, search.text.lower()):
        walk = search.walk.where(search_condition(search.text)).limit(search.limit)
        return [row[0] for row in connection.execute(walk)]
    seen = _look_at(connection, search, max(_LOOKED_AT_FIRST, _LOOKED_AT_FOR_EACH * search.limit))
    if seen.is_enough:
        return seen.found
    if _is_frequent(connection, search):
        ids = _look_further(connection, search)
        if ids is not None:
            return ids
    wanted = search.limit - len(seen.found)
    statement = _look_up(search, dialect, coverage, seen.last, wanted)
    return seen.found + [row[0] for row in connection.execute(statement)]


def in_order(rows: Sequence[Any], ids: Sequence[int]) -> list[Any]:
    """Rows with an `id`, in the order of `ids`."""
    by_id = {row.id: row for row in rows}
    return [by_id[id_] for id_ in ids if id_ in by_id]


# -- what a search means ----------------------------------------------------------------------


def _pattern(text: str) -> str:
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


class _Caseless(FunctionElement[str]):
    """A column to compare by LIKE with a lower-case ASCII pattern."""

    type = Text()
    inherit_cache = True


@compiles(_Caseless)
def _lowered(element: _Caseless, compiler: SQLCompiler, **more: Any) -> str:
    return f"lower({compiler.process(element.clauses, **more)})"


@compiles(_Caseless, "sqlite")
def _as_it_is(element: _Caseless, compiler: SQLCompiler, **more: Any) -> str:
    # LIKE of SQLite takes no notice of ASCII case; without the call it is five times as fast.
    return compiler.process(element.clauses, **more)


def search_condition(text: str) -> ColumnElement[bool]:
    """A message holds `text`, in any case, in what `search_documents` writes down of it."""
    pattern = _pattern(text)
    caseless = _Caseless if pattern.isascii() else func.lower

    def matches(column: Any) -> ColumnElement[bool]:
        return caseless(column).like(pattern, escape="\\")

    pair = aliased(MessageMetadata)
    # Not EXISTS: for that Postgres may look through the metadata of all messages first.
    in_metadata = (
        select(pair.message_id)
        .where(pair.message_id == Message.id, or_(matches(pair.key), matches(pair.value)))
        .limit(1)
        .scalar_subquery()
    )
    columns = (Message.public_id, Message.uuid, Message.recipient, Message.template_slug)
    return or_(*(matches(column) for column in columns), in_metadata.is_not(None))


# -- the two plans ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found among the messages that were looked at, the `last` of them, and whether
    nothing more is to be looked for."""

    found: list[int]
    last: Place
    is_enough: bool


def _look_at(connection: Connection, search: Search, budget: int) -> _Seen:
    """Look at the next messages in page order."""
    statement = search.walk.add_columns(search_condition(search.text)).limit(budget)
    rows = list(connection.execute(statement))
    found = [row[0] for row in rows if row[2]][: search.limit]
    if len(found) == search.limit or len(rows) < budget:
        return _Seen(found, _NOWHERE, is_enough=True)
    return _Seen(found, (rows[-1][1], rows[-1][0]), is_enough=False)


def _look_further(connection: Connection, search: Search) -> list[int] | None:
    """The page, if it is full or the list ends among the many messages that are looked at."""
    holds = search_condition(search.text).label("holds")
    ahead = search.walk.add_columns(holds).limit(_LOOKED_AT_MOST).subquery()
    statement = select(ahead.c[0]).where(ahead.c.holds).limit(search.limit)
    ids = list(connection.execute(_ordered(statement, ahead.c[1], ahead.c[0], search)).scalars())
    if len(ids) == search.limit:
        return ids
    every = search.walk.limit(_LOOKED_AT_MOST).subquery()
    count = connection.execute(select(func.count()).select_from(every)).scalar_one()
    return ids if count < _LOOKED_AT_MOST else None


def _is_frequent(connection: Connection, search: Search) -> bool:
    """Whether so many messages hold the text that looking all of them up takes long."""
    holding = documents_with(connection.dialect.name, _pattern(search.text), search.text.lower())
    some = select(literal(1)).select_from(MessageDocument).where(holding)
    counted = select(func.count()).select_from(some.limit(_FREQUENT + 1).subquery())
    return connection.execute(counted).scalar_one() > _FREQUENT


def _look_up(
    search: Search, dialect: str, coverage: Coverage, last: Place, limit: int
) -> Select[Any]:
    """What lies beyond `last` and holds the text, by the index."""
    candidate = _candidates(search, dialect, coverage, last)
    statement = (
        select(Message.id)
        .join(candidate, candidate.c.id == Message.id)
        .where(*search.fits, search_condition(search.text))
        .limit(limit)
    )
    return _ordered(statement, candidate.c.created_at, candidate.c.id, search)


def _candidates(search: Search, dialect: str, coverage: Coverage, last: Place) -> CTE:
    """Everything that may hold the text: in the index, or not in it yet.

    The conditions name no column of an index that leads through pages: the database would take it
    for the shorter way, and look at every message.
    """
    indexed = select(MessageDocument.message_id.label("id"), MessageDocument.created_at).where(
        MessageDocument.workspace_id == search.workspace_id,
        MessageDocument.livemode == search.livemode,
        documents_with(dialect, _pattern(search.text), search.text.lower()),
        _beyond(MessageDocument.created_at, MessageDocument.message_id, last, search),
    )
    rest = select(Message.id, Message.created_at).where(
        Message.id > coverage.last_id,
        Message.workspace_id + 0 == search.workspace_id,
        Message.livemode == search.livemode,
        _beyond(Message.created_at, Message.id, last, search),
        search_condition(search.text),
    )
    found = indexed.union(rest).cte("candidate")
    # SQLite does so by itself.
    return found.prefix_with("MATERIALIZED", dialect="postgresql")


def _beyond(created_at: Any, id_: Any, last: Place, search: Search) -> ColumnElement[bool]:
    place = tuple_(literal(last[0], UtcDateTime()), literal(last[1]))
    here = tuple_(created_at, id_)
    return here > place if search.is_upwards else here < place


def _ordered(statement: Select[Any], created_at: Any, id_: Any, search: Search) -> Select[Any]:
    if search.is_upwards:
        return statement.order_by(created_at, id_)
    return statement.order_by(created_at.desc(), id_.desc())
