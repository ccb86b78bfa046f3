"""The messages of a list as a file: each that fits, whole lines, nothing a spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from senderkit.web.exports import COLUMNS, CUT_OFF
from tests.make import Api, House, Pages

SIMULATOR = "simulator.senderkit.test"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_csv_file_has_the_columns_that_the_docs_name(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome")
    message_id = api.send(template="welcome", to="ada@example.com", metadata={"order": 7})
    house.clock.advance(seconds=2)
    house.deliver()
    answer = owner.get("/messages/export.csv")
    assert answer.mimetype == "text/csv"
    name = "messages-test-2026-11-24-1000.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Cache-Control"] == "no-store"
    [row] = rows_of(answer.text)
    assert tuple(row) == COLUMNS
    assert row["publicId"] == message_id
    assert row["templateSlug"] == "welcome"
    assert row["createdAt"] == "2026-11-24T10:00:00.000Z"
    assert row["deliveredAt"] == "2026-11-24T10:00:02.000Z"
    assert json.loads(row["metadata"]) == {"order": 7}


def test_a_json_line_is_the_message_as_the_api_has_it(house: House, api: Api, owner: Pages) -> None:
    message_id = api.send(vars={"a": [1, None]}, metadata={"ü": "line\nbreak"})
    house.deliver()
    answer = owner.get("/messages/export.jsonl")
    assert answer.mimetype == "application/x-ndjson"
    assert lines_of(answer.text) == [api.message(message_id)]


def test_every_page_of_what_fits_is_there_once_newest_first(api: Api, owner: Pages) -> None:
    sent = [api.send(to=f"ada.{number}@example.com") for number in range(501)][::-1]
    api.send(to="grace@example.com")
    found = [row["publicId"] for row in rows_of(owner.get("/messages/export.csv?q=ada.").text)]
    assert found == sent
    assert len(lines_of(owner.get("/messages/export.jsonl").text)) == 502


@pytest.mark.parametrize(
    ("query", "count"),
    [("status=failed", 1), ("channel=sms", 1), ("q=+1500", 1), ("from=2026-11-25", 0), ("", 3)],
)
def test_the_filters_of_the_list_are_those_of_the_file(
    house: House, api: Api, owner: Pages, query: str, count: int
) -> None:
    api.send(to=f"failed@{SIMULATOR}")
    api.send()
    api.send(channel="sms", to="+15005550006", content={"body": "Code"})
    house.deliver()
    query = query.replace("+", "%2B")
    assert len(rows_of(owner.get(f"/messages/export.csv?{query}").text)) == count
    assert owner.get(f"/messages/export.jsonl?{query}").text.count("\n") == count


@pytest.mark.parametrize("text", ["=1+1", "+a", "-1", "@SUM(A1)", "\tx", "\rx", "'=1"])
def test_no_cell_is_a_formula(house: House, api: Api, owner: Pages, text: str) -> None:
    api.send()
    house.write("UPDATE messages SET error = :text, recipient = :text", text=text)
    [row] = rows_of(owner.get("/messages/export.csv").text)
    assert (row["error"], row["recipient"]) == (f"'{text}", f"'{text}")


def test_only_the_mode_shown_is_in_the_file(house: House, owner: Pages) -> None:
    house.api().send()
    owner.submit("/messages", {"mode": "live"}, action="/mode")
    assert rows_of(owner.get("/messages/export.csv").text) == []


def test_a_query_that_cannot_be_read_leads_to_the_list_that_says_why(owner: Pages) -> None:
    answer = owner.get("/messages/export.csv?status=nope")
    assert answer.headers["Location"] == "/messages?status=nope"
    assert owner.get("/messages/export.xlsx").status_code == 404


def test_nobody_gets_a_file_without_a_login(house: House) -> None:
    answer = house.pages().get("/messages/export.csv")
    assert answer.headers["Location"].startswith("/login")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_session_that_ends_meanwhile_cuts_the_file_off_and_the_file_says_so(
    house: House, api: Api, owner: Pages, kind: str
) -> None:
    for number in range(501):
        api.send(to=f"ada.{number}@example.com")
    answer = owner.get(f"/messages/export.{kind}", buffered=False)
    parts = answer.iter_encoded()
    got = next(parts)
    if kind == "csv":
        got += next(parts)
    house.write("UPDATE member_sessions SET ended_at = created_at")
    got += b"".join(parts)

    *whole, last = got.decode().splitlines()
    assert len(whole) == 500 + (kind == "csv")
    assert CUT_OFF in last
    assert "msg_" not in last


def test_a_file_holds_no_connection_while_it_is_read(house: House, api: Api, owner: Pages) -> None:
    for _ in range(501):
        api.send()
    answer = owner.get("/messages/export.csv", buffered=False)
    parts = answer.iter_encoded()
    next(parts)
    assert house.runtime.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    api.send()
    assert len(list(parts)) == 2
