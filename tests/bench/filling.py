"""A log of many messages, made by the database itself: a few INSERT … SELECT over the numbers.

The spread is that of a busy sender: 90 days, nine tenths of everything ended well, five channels'
worth of templates and raw sends, three metadata values and two timeline entries for each message.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, create_engine, text

from senderkit.domain import utc_now
from senderkit.models import Message, MessageMetadata, TimelineEntry

DAYS: Final = 90
CUSTOMERS: Final = 5_000
"""How many values `metadata[customer]` takes; `metadata[plan]` takes three and `[order]` all."""

_TABLES: Final[tuple[Any, ...]] = tuple(
    kind.__table__ for kind in (Message, MessageMetadata, TimelineEntry)
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLAN: Final = "CASE n % 10 WHEN 0 THEN 'enterprise' WHEN 1 THEN 'pro' ELSE 'free' END"
_STATUS: Final = (
    "CASE WHEN n % 100 < 80 THEN 'delivered' WHEN n % 100 < 90 THEN 'sent' "
    "WHEN n % 100 < 95 THEN 'failed' WHEN n % 100 < 97 THEN 'opted_out' "
    "WHEN n % 100 < 99 THEN 'suppressed' ELSE 'canceled' END"
)
_CHANNEL: Final = (
    "CASE WHEN n % 20 < 16 THEN 'email' WHEN n % 20 < 18 THEN 'sms' "
    "WHEN n % 20 < 19 THEN 'push' ELSE 'web-push' END"
)
_SLUG: Final = "CASE WHEN n % 10 < 2 THEN NULL ELSE 'template-' || (n % 40) END"
_RECIPIENT: Final = "'user' || ((CAST(n AS BIGINT) * 7919) % 200000) || '@example.com'"
_VARS: Final = """'{"name":"User ' || n || '","total":' || (n % 500) || '}'"""
_METADATA: Final = (
    """'{"order":"A-' || n || '","customer":' || (n % :customers) || ',"plan":"' || """
    + _PLAN
    + """ || '"}'"""
)
_NUMBERS: Final = (
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
)


def fill(url: str, workspace_id: int, count: int) -> None:
    """Store `count` live messages in an empty, migrated database."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    indexes = [index for table in _TABLES for index in table.indexes]
    try:
        with engine.connect() as connection:
            _make_quick(connection)
            for index in indexes:
                index.drop(connection)
            connection.execute(text("BEGIN"))
            _insert_all(connection, workspace_id, count)
            connection.execute(text("COMMIT"))
            for index in indexes:
                index.create(connection)
            if not _is_sqlite(connection):
                connection.execute(text("VACUUM ANALYZE"))
    finally:
        engine.dispose()


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _make_quick(connection: Connection) -> None:
    """Without a journal, and without a look-up of the foreign key of every row."""
    if _is_sqlite(connection):
        settings = [
            "PRAGMA journal_mode=OFF",
            "PRAGMA synchronous=OFF",
            "PRAGMA cache_size=-400000",
        ]
    else:
        settings = ["SET maintenance_work_mem = '256MB'", "SET synchronous_commit = off"]
        if connection.execute(text("SHOW is_superuser")).scalar_one() == "on":
            settings.append("SET session_replication_role = replica")
    for setting in settings:
        connection.execute(text(setting))


def _insert_all(connection: Connection, workspace_id: int, count: int) -> None:
    begins_at = utc_now() - timedelta(days=DAYS)
    values = {
        "count": count,
        "workspace": workspace_id,
        "customers": CUSTOMERS,
        "begin": (begins_at - _EPOCH) // timedelta(microseconds=1),
        "step": timedelta(days=DAYS) // count // timedelta(microseconds=1),
    }
    dialect = connection.dialect.name
    for statement in _statements(dialect):
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        connection.execute(text(statement), used)


def _statements(dialect: str) -> list[str]:
    created_at = _moment(dialect, "CAST(:begin AS BIGINT) + n * CAST(:step AS BIGINT)")
    return [
        f"""INSERT INTO messages
            (id, public_id, uuid, workspace_id, livemode, channel, status, recipient,
             recipient_key, template_slug, template_version, vars, metadata, provider,
             provider_message_id, latency_ms, error, created_at, change_seq, attempts)
            {_NUMBERS} SELECT
              2 * n - 1, 'msg_' || {_padded("n", 26)}, '00000000-0000-4000-8000-' ||
              {_padded("n", 12)}, :workspace, true, {_CHANNEL}, {_STATUS}, {_RECIPIENT},
              {_RECIPIENT}, {_SLUG}, CASE WHEN n % 10 < 2 THEN NULL ELSE 1 + n % 3 END,
              {_json(dialect, _VARS)}, {_json(dialect, _METADATA)}, 'smtp',
              'provider-' || n, n % 3000,
              CASE WHEN n % 100 BETWEEN 90 AND 94 THEN '550 5.1.1 no such user' END,
              {created_at}, 2 * n, 1
            FROM numbers""",
        f"""INSERT INTO message_contents (message_id, request)
            {_NUMBERS} SELECT 2 * n - 1, {_json(dialect, "'{}'")} FROM numbers""",
        _timeline(dialect, "2 * n - 1", created_at, "'queued'", "'{}'"),
        _timeline(dialect, "2 * n", created_at, _STATUS, """'{"provider":"smtp"}'"""),
        _metadata("order", "s", "s:", "'A-' || n", created_at),
        _metadata("customer", "n", "n:", "CAST(n % :customers AS TEXT)", created_at),
        _metadata("plan", "s", "s:", _PLAN, created_at),
        "UPDATE change_counter SET value = 2 * :count",
    ]


def _timeline(dialect: str, number: str, at: str, event: str, detail: str) -> str:
    return f"""INSERT INTO timeline_entries (change_seq, message_id, at, event, detail)
        {_NUMBERS} SELECT {number}, 2 * n - 1, {at}, {event}, {_json(dialect, detail)}
        FROM numbers"""


def _metadata(key: str, kind: str, prefix: str, value: str, created_at: str) -> str:
    return f"""INSERT INTO message_metadata
        (message_id, key, workspace_id, livemode, lookup, kind, value, created_at)
        {_NUMBERS} SELECT 2 * n - 1, '{key}', :workspace, true, '{prefix}' || {value},
          '{kind}', {value}, {created_at} FROM numbers"""


def _padded(number: str, width: int) -> str:
    """The number with zeros before it: text of a fixed width."""
    return f"substr('{'0' * width}' || {number}, length(CAST({number} AS TEXT)) + 1)"


def _moment(dialect: str, microseconds: str) -> str:
    if dialect == "sqlite":
        return microseconds
    return f"to_timestamp(0) + ({microseconds}) * interval '1 microsecond'"


def _json(dialect: str, value: str) -> str:
    """SQLite keeps JSON as text; cast to JSON it would try to make a number of it."""
    return value if dialect == "sqlite" else f"CAST({value} AS JSON)"
