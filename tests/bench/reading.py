"""Latencies of the list at 1,000 messages and at many, and what making its JSON costs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Final, cast

from flask import Flask, jsonify
from sqlalchemy import text

from senderkit.commands import ListMessages
from senderkit.database import open_engine
from senderkit.followers import Followers
from senderkit.services.reports import MessageRow, Page, encode_cursor, list_messages
from senderkit.services.search_documents import SearchDocuments
from senderkit.web import wire
from senderkit.web.errors import json_response
from tests.bench.houses import SQLITE, Grounds, Home, serving_home
from tests.bench.load import Job, Result, request, run
from tests.bench.measures import (
    Figure,
    Options,
    Target,
    alternately,
    at_least,
    at_most,
    ratios,
    seconds_of,
)

SMALL: Final = 1_000
_FIRST_PAGE: Final = "GET /v1/messages?limit=50"
_FILTERS: Final[Mapping[str, Target | None]] = {
    "metadata[plan]=pro": at_most(3),
    "metadata[order]=A-500": at_most(3),
    "status=failed": None,
}
"""Each finds as much in both logs: a full page of a tenth of all, one message, a full page."""
_SEARCHES: Final = ("user79190@", "nowhere to be found", "user", "template-37", "enterprise")
"""Something rare, something that is not there, and what all, a fortieth and a tenth hold."""
_DEPTH: Final = 0.9
_WORKSPACE: Final = 1
_ENCODINGS: Final = 100

Work = Callable[[], Result]


def list_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """One client, one request after another: first page, deep page, filters; search apart."""
    for database in options.databases:
        with contextlib.ExitStack() as stack:
            small, big = grounds.home(database, SMALL), grounds.home(database, options.messages)
            yield _following(database, options.messages, big)
            at_small = partial(_get, options, stack.enter_context(serving_home(small)), small)
            at_big = partial(_get, options, stack.enter_context(serving_home(big)), big)
            cursor = _deep_cursor(big, options.messages)
            works = {
                "first, small": at_small(""),
                "first": at_big(""),
                "deep": at_big(f"&cursor={cursor}"),
            }
            for name in _FILTERS:
                works |= {f"{name}, small": at_small(f"&{name}"), name: at_big(f"&{name}")}
            results = alternately(works, options.rounds)
            latencies = {name: [one.p50_ms for one in taken] for name, taken in results.items()}
            yield from _list_figures(database, options.messages, latencies)
            yield from _search_figures(database, options, at_big)


def _list_figures(
    database: str, count: int, latencies: Mapping[str, list[float]]
) -> Iterator[Figure]:
    base = latencies["first, small"]
    unit = f"× {SMALL:,}"
    yield Figure(f"{_FIRST_PAGE} {database}, {SMALL:,}", "ms", tuple(base))
    first = ratios(latencies["first"], base)
    yield Figure(f"{_FIRST_PAGE} {database}, {count:,}", unit, first, at_most(1.2))
    deep = ratios(latencies["deep"], base)
    yield Figure(f"{_FIRST_PAGE} {database}, {_DEPTH:.0%} deep", unit, deep, at_most(2))
    for name, target in _FILTERS.items():
        of_small = latencies[f"{name}, small"]
        yield Figure(f"{name} {database}, {SMALL:,}", "ms", tuple(of_small))
        values = ratios(latencies[name], of_small)
        yield Figure(f"{name} {database}, {count:,}", unit, values, target)


def _search_figures(
    database: str, options: Options, at_big: Callable[[str], Work]
) -> Iterator[Figure]:
    for term in _SEARCHES:
        work = at_big(f"&search={term.replace(' ', '+')}")
        name = f"search={term} {database}, {options.messages:,}"
        yield Figure(name, "ms", tuple(work().p50_ms for _ in range(options.rounds)))


def _following(database: str, count: int, home: Home) -> Figure:
    """How quickly messages are made ready to be searched, changes without a new one included."""
    engine = open_engine(home.url)
    followers = Followers(engine, [SearchDocuments()])
    seconds = seconds_of(followers.catch_up)
    if database != SQLITE:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE message_documents"))
    engine.dispose()
    return Figure(f"made ready to be searched, {database}", "messages/s", (count / seconds,))


def _get(options: Options, port: int, home: Home, more: str) -> Work:
    asked = request("GET", f"/v1/messages?limit=50{more}", token=home.live_token)
    job = Job(port, [asked], connections=1, seconds=options.seconds)
    # A search may take longer than a round: then the one answer counts.
    single = Job(port, [asked], connections=1, once=True)
    return lambda: run(single if "search" in more else job, expect=200)


def _deep_cursor(home: Home, count: int) -> str:
    engine = open_engine(home.url)
    number = 2 * (count - int(count * _DEPTH)) - 1
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT public_id, created_at FROM messages WHERE id = :id"), {"id": number}
        ).one()
    engine.dispose()
    return encode_cursor(_row_at(row.public_id, row.created_at))


def _row_at(public_id: str, created_at: int | datetime) -> MessageRow:
    if isinstance(created_at, int):
        created_at = datetime.fromtimestamp(created_at / 1e6).astimezone()
    return cast(MessageRow, SimpleNamespace(public_id=public_id, created_at=created_at))


def json_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """A page of 200 from the wire's dictionaries to an answer, against Flask's own `jsonify`."""
    page = wire.page_json(_page_of(grounds.home(SQLITE, SMALL), 200), "workspace")
    app = Flask("json")

    def encode(answer: Callable[[object], object]) -> float:
        with app.test_request_context():
            return seconds_of(lambda: [answer(page) for _ in range(_ENCODINGS)]) / _ENCODINGS

    taken = alternately(
        {"ours": lambda: encode(json_response), "jsonify": lambda: encode(jsonify)}, options.rounds
    )
    times = ratios(taken["jsonify"], taken["ours"])
    yield Figure("page of 200 as JSON", "× as fast as jsonify", times, at_least(3))


def _page_of(home: Home, limit: int) -> Page:
    engine = open_engine(home.url)
    with engine.connect() as connection:
        page = list_messages(connection, _WORKSPACE, True, ListMessages(limit=limit))
    engine.dispose()
    return page
