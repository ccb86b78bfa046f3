"""What the overview costs at ten million messages: rollups of 90 days, made by the database itself.

Ten templates, four providers and five keys make 200 sets of messages that are counted apart; the
counts of every hour and every day are there, and of the time before that the figures compare with.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, insert, text

from senderkit.database import open_engine
from senderkit.domain import Clock, Facet, utc_now
from senderkit.models import FailureReason
from senderkit.services.reasons import reason_of
from senderkit.services.rollup_counts import Traits, find_cells
from senderkit.web import create_app
from senderkit.web.runtime import runtime_of
from tests.bench.houses import Grounds, Home
from tests.bench.measures import Figure, Options, Target, alternately, at_most, seconds_of
from tests.make import FakeClock, House, Pages

MESSAGES: Final = 10_000_000
DAYS: Final = 90
REASONS: Final = 10
_CHANNELS: Final = ("email", "sms")
_PROVIDERS: Final = ("postmark", "ses", "smtp", "twilio")
_KEYS: Final = range(1, 6)
_TEMPLATES: Final = tuple(f"template-{number}" for number in range(10))
_PAGES: Final[dict[str, Target | None]] = {
    "/": at_most(100),
    "/?period=7d": at_most(100),
    "/?period=90d": at_most(100),
    "/?period=90d&template=template-3": at_most(100),
    "/?period=90d&provider=smtp&template=template-3": at_most(100),
}
_NUMBERS: Final = (
    "WITH RECURSIVE numbers(n) AS "
    "(SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)"
)


def overview_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """Milliseconds of a page, from the request to the whole answer, without a socket."""
    for database in options.databases:
        home = grounds.home(database)
        clock = FakeClock(utc_now())
        engine = open_engine(home.url)
        fill(engine, clock)
        engine.dispose()
        yield from _page_figures(database, home, options, clock)


def _page_figures(
    database: str, home: Home, options: Options, clock: FakeClock
) -> Iterator[Figure]:
    app = create_app(home.settings(), clock)
    try:
        owner = House(app, clock).owner()
        owner.submit("/", {"mode": "live"}, action="/mode")
        works = {path: partial(_milliseconds, owner, path) for path in _PAGES}
        for work in works.values():
            work()
        for path, values in alternately(works, options.rounds).items():
            name = f"GET {path} {database}, {MESSAGES:,}"
            yield Figure(name, "ms", tuple(values), _PAGES[path])
    finally:
        runtime_of(app).close()


def _milliseconds(owner: Pages, path: str) -> float:
    def get() -> None:
        assert owner.get(path).status_code == 200

    return 1000 * seconds_of(get)


# -- filling ----------------------------------------------------------------------------------


def fill(engine: Engine, clock: Clock) -> None:
    """Rollups in an empty database."""
    hour = clock().replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    all_traits = [
        Traits(1, True, _CHANNELS[number % 2], template, provider, key)
        for number, template in enumerate(_TEMPLATES)
        for provider in _PROVIDERS
        for key in _KEYS
    ]
    with engine.begin() as connection:
        find_cells(connection, all_traits)
        _fill_counts(connection, "hour", hour, timedelta(hours=1), DAYS * 24, len(all_traits))
        _fill_counts(connection, "day", day, timedelta(days=1), 2 * DAYS, len(all_traits))
        reasons = [reason_of(f"550 5.1.{number} no such user") for number in range(REASONS)]
        connection.execute(
            insert(FailureReason), [{"key": each.key, "words": each.words} for each in reasons]
        )
        for each in reasons:
            _fill_failures(connection, "hour", hour, timedelta(hours=1), 24, each.key)
            _fill_failures(connection, "day", day, timedelta(days=1), DAYS, each.key)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _fill_counts(
    connection: Connection, grain: str, last: datetime, step: timedelta, count: int, cells: int
) -> None:
    """The same number of messages in every one of the cells that all four traits tell apart."""
    each = MESSAGES // 10 // (DAYS * cells) // (24 if grain == "hour" else 1)
    histogram = ",".join(f'"{bucket}":{1 + bucket % 7}' for bucket in range(70, 95))
    starts_at = _moment(connection)
    scale = " ".join(
        f"WHEN '{facet.value}' THEN {cells // parts}"
        for facet, parts in ((Facet.ALL, 1), (Facet.CHANNEL, 2), (Facet.TEMPLATE, 10))
    )
    n = f"{each} * (CASE facet {scale} WHEN 'provider' THEN 50 WHEN 'key' THEN 40 ELSE 1 END)"
    kept = ":histogram" if connection.dialect.name == "sqlite" else "CAST(:histogram AS JSON)"
    connection.execute(
        text(
            f"""INSERT INTO rollups (cell_id, grain, starts_at, scheduled, queued, rendered, sent,
              delivered, failed, canceled, opted_out, suppressed, blocked, handed_over, arrived)
            {_NUMBERS} SELECT id, :grain, {starts_at}, 0, 0, 0, 0, 9 * {n}, {n}, 0, 0, 0, 0,
              {kept}, {kept} FROM rollup_cells, numbers"""
        ),
        _values(grain, last, step, count) | {"histogram": f"{{{histogram}}}"},
    )


def _fill_failures(
    connection: Connection, grain: str, last: datetime, step: timedelta, count: int, key: str
) -> None:
    starts_at = _moment(connection)
    connection.execute(
        text(
            f"""INSERT INTO failure_rollups
              (cell_id, grain, starts_at, reason_key, failed, newest_at)
            {_NUMBERS} SELECT id, :grain, {starts_at}, :key, 3, {starts_at}
            FROM rollup_cells, numbers"""
        ),
        _values(grain, last, step, count) | {"key": key},
    )


def _moment(connection: Connection) -> str:
    microseconds = "CAST(:last AS BIGINT) - n * CAST(:step AS BIGINT)"
    if connection.dialect.name == "sqlite":
        return microseconds
    return f"to_timestamp(0) + ({microseconds}) * interval '1 microsecond'"


def _values(grain: str, last: datetime, step: timedelta, count: int) -> dict[str, Any]:
    microsecond = timedelta(microseconds=1)
    return {
        "grain": grain,
        "last": int(last.timestamp()) * 1_000_000,
        "step": step // microsecond,
        "count": count,
    }
