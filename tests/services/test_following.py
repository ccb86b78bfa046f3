"""New and changed messages after a number of the change sequence."""

from __future__ import annotations

from sqlalchemy import insert, update

from senderkit.commands import parse_browse_messages, parse_list_messages
from senderkit.models import Message, Workspace
from senderkit.services.following import (
    Changed,
    Query,
    Room,
    conditions_of,
    find_fitting,
    list_changed,
    newest_number,
)
from tests.make import House

ROOM = Room(1, livemode=False)


def newest(house: House) -> int:
    with house.runtime.reader.connect() as connection:
        return newest_number(connection)


def changed(
    house: House, after: int = 0, last: int | None = None, *, room: Room = ROOM, limit: int = 1000
) -> list[Changed]:
    with house.runtime.reader.connect() as connection:
        last = newest_number(connection) if last is None else last
        return list_changed(connection, [room], after, last, limit=limit)


def ids(found: list[Changed]) -> list[str]:
    return [each.view.row.public_id for each in found]


def test_before_the_first_message_there_is_nothing(house: House) -> None:
    assert newest(house) == 0
    assert changed(house) == []


def test_messages_come_in_the_order_of_their_last_changes(house: House) -> None:
    api = house.api()
    first, second = api.send(), api.send(scheduledAt="2026-11-24T11:00:00Z")
    start = newest(house)
    house.deliver()
    third = api.send()

    assert ids(changed(house)) == [second, first, third]
    assert ids(changed(house, start)) == [first, third]
    assert ids(changed(house, newest(house))) == []


def test_one_that_changed_several_times_comes_once_under_its_last_number(house: House) -> None:
    message_id = house.api().send()
    house.deliver()

    [found] = changed(house)

    assert (ids([found]), found.number) == ([message_id], newest(house))
    assert found.view.row.status == "delivered"
    assert [step.event for step in found.view.timeline] == [
        *("queued", "rendered", "sent", "delivered"),
    ]


def test_going_on_from_each_number_misses_nothing(house: House) -> None:
    api = house.api()
    sent = {api.send() for _ in range(7)}
    house.deliver()
    sent |= {api.send() for _ in range(4)}
    seen: list[str] = []
    after = 0
    while found := changed(house, after, limit=2):
        seen += ids(found)
        after = found[-1].number

    assert len(seen) == len(sent)
    assert set(seen) == sent


def test_what_changed_after_the_last_number_waits_for_its_turn(house: House) -> None:
    message_id = house.api().send()
    start = newest(house)
    house.deliver()

    assert changed(house, 0, start) == []
    assert ids(changed(house, start)) == [message_id]


def test_nobody_sees_another_room(house: House) -> None:
    house.api().send()
    with house.runtime.engine.begin() as connection:
        other = {"uuid": "u", "slug": "other", "name": "Other", "created_at": house.clock()}
        connection.execute(insert(Workspace).values(id=99, **other))

    assert changed(house, room=Room(1, livemode=True)) == []
    assert changed(house, room=Room(99, livemode=False)) == []
    with house.runtime.engine.begin() as connection:
        connection.execute(update(Message).values(workspace_id=99))
    assert changed(house) == []
    assert [each.room for each in changed(house, room=Room(99, livemode=False))] == [
        Room(99, livemode=False)
    ]


QUERIES = (
    *("", "status=delivered", "status=queued", "channel=sms", "template=welcome"),
    *("metadata[n]=1", "metadata[n]=1&metadata[k]=v", "search=ada", "search=VALUE_"),
)


def test_a_filter_lets_pass_what_the_list_finds(house: House) -> None:
    api = house.api()
    house.template("welcome")
    api.send(to="ada@example.com", metadata={"n": 1, "k": "v"})
    api.send(template="welcome", to="bob@example.com", metadata={"n": 1})
    house.deliver()
    api.send(to="bob@example.com", metadata={"k": "value_"})
    api.send(channel="sms", to="+15555550100", content={"body": "ada"})
    found = changed(house)

    for text in QUERIES:
        pairs = [(part.split("=")[0], part.split("=")[1]) for part in text.split("&") if part]
        listed = {message["publicId"] for message in api.messages(f"?{text}")}
        assert fitting(house, parse_list_messages(pairs), found) == listed, text


def test_the_filters_of_the_dashboard_count_as_well(house: House) -> None:
    first = house.api().send()
    key = house.rows("SELECT public_id FROM api_keys")[0][0]
    house.clock.advance(days=1)
    second = house.api().send()
    found = changed(house)

    for query, expected in {
        **{"": {first, second}, f"key={key}": {first}, "from=2026-11-25": {second}},
        **{"to=2026-11-24": {first}, "status=held": set(), f"q={second}": {second}},
    }.items():
        given = dict(part.split("=") for part in query.split("&") if part)
        assert fitting(house, parse_browse_messages(given), found) == expected, query


def fitting(house: House, query: Query, found: list[Changed]) -> set[str]:
    with house.runtime.reader.connect() as connection:
        passed = find_fitting(connection, ROOM, query, found)
        last = newest_number(connection)
        conditions = conditions_of(ROOM, query)
        listed = list_changed(connection, [ROOM], 0, last, limit=1000, conditions=conditions)
    assert {each.id for each in listed} == passed
    return {each.view.row.public_id for each in found if each.id in passed}
