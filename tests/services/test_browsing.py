"""The dashboard's list: pages both ways that stand still, and every filter against plain Python."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from senderkit.commands import BrowseMessages, ListMessages, parse_browse_messages
from senderkit.errors import InvalidRequest
from senderkit.services.attention import find_attention
from senderkit.services.browsing import ListedMessage, MessagePage, browse_messages
from tests.make import Api, House

LIMIT = 4
WORKSPACE_ID = 1


def browse(house: House, query: BrowseMessages, *, livemode: bool = False) -> MessagePage:
    with house.runtime.reader.connect() as connection:
        return browse_messages(connection, WORKSPACE_ID, livemode, query)


def page(house: House, *, before: str | None = None, after: str | None = None) -> MessagePage:
    listing = ListMessages(limit=LIMIT, cursor=before)
    return browse(house, BrowseMessages(listing=listing, newer_than=after))


def ids(rows: tuple[ListedMessage, ...]) -> list[str]:
    return [row.public_id for row in rows]


def send(api: Api, count: int) -> list[str]:
    """Newest first."""
    return [api.send() for _ in range(count)][::-1]


@pytest.mark.parametrize("count", [0, 1, LIMIT, LIMIT + 1, 3 * LIMIT])
def test_going_older_shows_every_message_once(house: House, count: int) -> None:
    sent = send(house.api(), count)

    found = page(house)
    assert found.newer is None
    shown = ids(found.rows)
    while found.older is not None:
        found = page(house, before=found.older)
        assert found.newer is not None
        shown += ids(found.rows)

    assert shown == sent


def test_going_newer_again_shows_the_same_pages_while_messages_arrive(house: House) -> None:
    api = house.api()
    send(api, 3 * LIMIT)
    first = page(house)
    second = page(house, before=first.older)
    third = page(house, before=second.older)
    arrived = send(api, LIMIT + 2)

    back = page(house, after=third.newer)
    assert back.rows == second.rows
    top = page(house, after=back.newer)
    assert top.rows == first.rows
    newer = page(house, after=top.newer)
    newest = page(house, after=newer.newer)

    assert ids(newest.rows) + ids(newer.rows) == arrived
    assert newest.newer is None
    assert page(house, before=newest.older).rows == newer.rows


def test_a_page_that_arrivals_do_not_fill_ends_the_way_up(house: House) -> None:
    api = house.api()
    send(api, LIMIT + 1)
    older = page(house, before=page(house).older)
    assert len(older.rows) == 1
    up = page(house, after=older.newer)
    assert (len(up.rows), up.newer) == (LIMIT, None)


@pytest.mark.parametrize("place", ["x", "bXNnXw", "MjAyNi0xMS0yNFQxMDowMDowMHxtc2dfMQ", "ä"])
def test_a_place_that_is_none_of_ours_is_refused(house: House, place: str) -> None:
    for query in (
        BrowseMessages(listing=ListMessages(cursor=place)),
        BrowseMessages(newer_than=place),
    ):
        with pytest.raises(InvalidRequest):
            browse(house, query)


FILTERS = {
    "status": ["queued", "scheduled", "delivered", "failed", "dispatched"],
    "channel": ["email", "sms", "push"],
    "template": ["welcome", "WELCOME", "unknown"],
    "key": ["first", "second", "key_unknown"],
    "from": ["2026-11-23", "2026-11-25", "2026-11-27"],
    "to": ["2026-11-23", "2026-11-25", "2026-11-27"],
    "q": ["ada", "ADA", "%", "welcome", "pro", "msg_", "nothing"],
}


@pytest.fixture
def varied(house: House) -> tuple[House, dict[str, str]]:
    """Messages over three days, of two keys; the keys' ids by their name."""
    house.template("welcome")
    first, second = house.api(), house.api()
    for day in range(3):
        first.send(template="welcome", to="ada@example.com", metadata={"plan": "pro"})
        first.send(to="failed@simulator.senderkit.test")
        house.deliver()
        second.send(channel="sms", to="+15005550006", content={"body": "Code"})
        push = {"title": "T", "body": "B"}
        second.send(channel="push", to="ExponentPushToken[a]", content=push)
        later = f"2026-11-{28 + day}T10:00:00Z"
        second.send(to="grace@example.com", scheduledAt=later, metadata={"n": "100%"})
        house.clock.advance(days=1)
    rows = house.rows(
        "SELECT public_id FROM api_keys WHERE id IN (SELECT api_key_id FROM messages) ORDER BY id"
    )
    return house, {"first": rows[0][0], "second": rows[1][0]}


def every_filter_alone_and_in_pairs() -> Iterator[dict[str, str]]:
    singles = [(name, value) for name, values in FILTERS.items() for value in values]
    yield from ({name: value} for name, value in singles)
    for one, other in itertools.combinations(singles, 2):
        query = dict((one, other))
        if len(query) == 2 and query.get("from", "") <= query.get("to", "9"):
            yield query


def fits(row: ListedMessage, key: str, more: str, query: dict[str, str]) -> bool:
    """What the filters mean, said again in the slowest way; `more` is its metadata and UUID."""
    day = row.created_at.date().isoformat()
    text = f"{row.public_id}\n{row.recipient}\n{row.template_slug or ''}\n{more}".lower()
    fulfilled = {
        "status": row.status == query.get("status"),
        "channel": row.channel == query.get("channel"),
        "template": row.template_slug == query.get("template", "").lower(),
        "key": key == query.get("key"),
        "from": day >= query.get("from", ""),
        "to": day <= query.get("to", ""),
        "q": query.get("q", "").lower() in text,
    }
    return all(fulfilled[name] for name in query)


def test_every_filter_and_pair_of_filters_finds_what_it_says(
    varied: tuple[House, dict[str, str]],
) -> None:
    house, keys = varied
    everything = browse(house, BrowseMessages()).rows
    assert len(everything) == 15
    facts = {
        row[0]: (row[1], f"{row[2]}\n{row[3]}")
        for row in house.rows(
            "SELECT m.public_id, k.public_id, m.metadata, m.uuid FROM messages m "
            "JOIN api_keys k ON k.id = m.api_key_id"
        )
    }
    queries = list(every_filter_alone_and_in_pairs())
    assert len(queries) > 200
    wrong = []
    for query in queries:
        named = {name: keys.get(value, value) for name, value in query.items()}
        found = browse(house, parse_browse_messages(named)).rows
        if found != tuple(row for row in everything if fits(row, *facts[row.public_id], named)):
            wrong.append(query)
    assert wrong == []


def test_only_the_mode_and_the_workspace_are_seen(house: House) -> None:
    house.api().send()
    assert browse(house, BrowseMessages(), livemode=True).rows == ()
    with house.runtime.reader.connect() as connection:
        assert browse_messages(connection, 2, False, BrowseMessages()).rows == ()


def test_held_messages_show_as_held_with_the_reason_and_are_found(house: House) -> None:
    api = house.api()
    api.send()
    held = api.send()
    house.write("UPDATE messages SET held_reason = '535 no' WHERE public_id = :id", id=held)
    found = browse(house, BrowseMessages(is_held=True)).rows
    assert [(row.public_id, row.state, row.reason) for row in found] == [(held, "held", "535 no")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_held_is_read_by_its_own_index(house: House) -> None:
    """Without statistics SQLite chose the index of all messages, which it then read to the end."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, values: Any, *_more: Any) -> None:
        if "held_reason IS NOT NULL" in sql:
            statements.append((sql, values))

    event.listen(house.runtime.engine, "before_cursor_execute", note)
    with house.runtime.reader.connect() as connection:
        browse_messages(connection, 1, True, parse_browse_messages({"status": "held"}))
        find_attention(connection, 1)
    event.remove(house.runtime.engine, "before_cursor_execute", note)

    assert len(statements) == 2
    with house.runtime.reader.connect() as connection:
        for sql, values in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            assert "ix_messages_held_page" in next(iter(plan))[3]
