"""The filter of the messages list, and how metadata is found by it."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from senderkit.commands import (
    ListMessages,
    MetadataRow,
    MetadataTerm,
    metadata_row,
    metadata_term,
    parse_list_messages,
)
from senderkit.domain import STATUS_FILTERS, Channel
from senderkit.errors import InvalidRequest

Value = str | int | float | bool


def issues(*query: tuple[str, str]) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(InvalidRequest) as caught:
        parse_list_messages(query)
    return {issue.path: str(issue.code) for issue in caught.value.issues}


def test_without_a_query_the_newest_fifty_are_asked_for() -> None:
    assert parse_list_messages([]) == ListMessages(limit=50)


def test_every_filter_is_read() -> None:
    command = parse_list_messages(
        [
            *(("limit", "7"), ("cursor", "c u r"), ("status", "sent"), ("channel", "web-push")),
            *(("template", "Welcome"), ("search", "100%_")),
            *(("metadata[a]", "1"), ("metadata[b[c]]", ""), ("metadata[a]", "2")),
        ]
    )
    assert command == ListMessages(
        limit=7,
        cursor="c u r",
        status="sent",
        channel=Channel.WEB_PUSH,
        template="welcome",
        search="100%_",
        metadata=(metadata_term("a", "1"), metadata_term("b[c]", ""), metadata_term("a", "2")),
    )


def test_empty_filters_count_as_not_given() -> None:
    names = ("cursor", "status", "channel", "template", "search")
    assert parse_list_messages([(name, "") for name in names]) == ListMessages()


@pytest.mark.parametrize(
    ("text", "limit"), [("1", 1), ("200", 200), ("201", 200), ("007", 7), ("9" * 5_000, 200)]
)
def test_a_limit_above_two_hundred_counts_as_two_hundred(text: str, limit: int) -> None:
    assert parse_list_messages([("limit", text)]).limit == limit


@pytest.mark.parametrize(
    "text", ["", "0", "00", "-1", "+1", "1.0", "ten", " 1", "1\n", "\u0661", "1_0"]
)
def test_any_other_limit_is_refused(text: str) -> None:
    assert issues(("limit", text)) == {("limit",): "invalid_value"}


@pytest.mark.parametrize("status", sorted(STATUS_FILTERS))
def test_every_status_is_a_filter(status: str) -> None:
    assert parse_list_messages([("status", status)]).status == status


@pytest.mark.parametrize(
    ("name", "value", "path", "code"),
    [
        ("status", "Sent", ("status",), "invalid_value"),
        ("status", "held", ("status",), "invalid_value"),
        ("channel", "fax", ("channel",), "invalid_value"),
        ("tail", "true", ("tail",), "invalid_value"),
        ("tail", "0", ("tail",), "invalid_value"),
        ("tail", " 1", ("tail",), "invalid_value"),
        ("state", "sent", ("state",), "unknown_field"),
        ("Limit", "1", ("Limit",), "unknown_field"),
        ("metadata", "1", ("metadata",), "unknown_field"),
        ("metadata[a", "1", ("metadata[a",), "unknown_field"),
        ("metadata[]", "1", ("metadata", ""), "invalid_value"),
        ("metadata[" + "k" * 129 + "]", "1", ("metadata", "k" * 129), "invalid_value"),
        ("metadata[a]", "x" * 2_001, ("metadata", "a"), "too_long"),
        ("metadata[a]", "\0", ("metadata", "a"), "invalid_value"),
        ("metadata[\0]", "a", ("metadata", "\0"), "invalid_value"),
        ("search", "a\0", ("search",), "invalid_value"),
        ("search", "\ud800", ("search",), "invalid_value"),
        ("search", "x" * 201, ("search",), "too_long"),
        ("cursor", "x" * 501, ("cursor",), "too_long"),
        ("template", "x" * 101, ("template",), "too_long"),
    ],
)
def test_a_mistyped_filter_is_refused(
    name: str, value: str, path: tuple[str, ...], code: str
) -> None:
    assert issues((name, value)) == {path: code}


def test_every_bad_filter_is_named_at_once() -> None:
    found = issues(("limit", "x"), ("status", "x"), ("page", "2"))
    assert set(found) == {("limit",), ("status",), ("page",)}


def test_a_repeat_of_a_bad_filter_is_named_too() -> None:
    assert issues(("limit", "x"), ("limit", "1")) == {("limit",): "duplicate"}


@pytest.mark.parametrize("name", ["limit", "status", "search"])
def test_a_single_filter_given_twice_is_refused(name: str) -> None:
    value = {"limit": "5", "status": "sent", "search": ""}[name]
    assert issues((name, value), (name, value)) == {(name,): "duplicate"}


def test_twenty_metadata_filters_are_enough() -> None:
    assert len(parse_list_messages([("metadata[a]", "1")] * 20).metadata) == 20
    assert issues(*[("metadata[a]", "1")] * 21) == {("metadata",): "too_long"}


# -- metadata -----------------------------------------------------------------------------------


def matches(row: MetadataRow, term: MetadataTerm) -> bool:
    """The predicate as the database has it."""
    return (row.key, row.lookup) == (term.key, term.lookup) and (
        row.kind != "s" or row.text == term.text
    )


def finds(raw: str, stored: Value) -> bool:
    return matches(metadata_row("k", stored), metadata_term("k", raw))


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        *(("1", 1), ("1", 1.0), ("1.0", 1), ("1.0", 1.0), ("1", "1"), ("1.0", "1.0"), ("1e0", 1)),
        *(("0", 0), ("-0", 0), ("0", -0.0), ("0.0", 0), ("-7", -7), ("1e2", 100), ("1E+2", 100)),
        *(("0.1", 0.1), ("0.10", 0.1), ("19.90", 19.9), ("1e+16", 1e16), ("1e16", 10**16)),
        *(("9007199254740993", 9007199254740993), ("9223372036854775807", 2**63 - 1)),
        *(
            ("1e20", 1e20),
            ("1" + "0" * 20, 1e20),
            ("1" + "0" * 19, 1e19),
            ("1e400", "1e400"),
            ("-1e999", "-1e999"),
        ),
        *(("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False)),
        *(("true", "true"), ("True", "True"), ("", ""), ("pro", "pro"), ("007", "007")),
        *(("+1", "+1"), (" 1", " 1"), ("NaN", "NaN"), ("n:1", "n:1"), ("null", "null")),
        *(("x" * 2_000, "x" * 2_000), ("1." + "0" * 1_900, 1), ("é", "é"), ("\u0661", "\u0661")),
    ],
)
def test_a_filter_finds_the_type_it_reads_as_and_the_same_text(raw: str, stored: Value) -> None:
    assert finds(raw, stored)


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        *(("1", "1.0"), ("1.0", "1"), ("1", True), ("true", 1), ("0", False), ("0", "")),
        *(("true", "True"), ("True", "true"), ("TRUE", "true"), ("true", False), ("t", True)),
        *(("1", 2), ("1", "2"), ("007", 7), ("7", "007"), ("+1", 1), (" 1", 1), ("1 ", 1)),
        *(("9007199254740993", 9007199254740992), ("0.1", 0.2), ("pro", "Pro"), ("n:1", 1)),
        *(("x" * 2_000, "x" * 1_999), ("x" * 200, "x" * 201), ("1e400", "1e401"), ("", 0)),
    ],
)
def test_a_filter_finds_nothing_else(raw: str, stored: Value) -> None:
    assert not finds(raw, stored)


def test_keys_are_compared_exactly() -> None:
    assert not matches(metadata_row("Key", "x"), metadata_term("key", "x"))


def test_what_is_stored_for_each_kind() -> None:
    assert metadata_row("k", 1.0) == MetadataRow("k", "n:1", "n", "1")
    assert metadata_row("k", 19.9) == MetadataRow("k", "n:19.9", "n", "19.9")
    assert metadata_row("k", True) == MetadataRow("k", "b:true", "b", "true")
    assert metadata_row("k", "1.0") == MetadataRow("k", "n:1", "s", "1.0")
    assert metadata_row("k", "pro") == MetadataRow("k", "s:pro", "s", "pro")


STORABLE = st.one_of(
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.from_regex(r"\A-?[0-9]{1,25}(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?\Z"),
)


@settings(deadline=None)
@given(STORABLE)
def test_the_text_of_a_value_finds_it(stored: Value) -> None:
    assert finds(str(stored), stored)


@settings(deadline=None)
@given(STORABLE)
def test_a_row_of_the_index_stays_small(stored: Value) -> None:
    assert len(metadata_row("k", stored).lookup) <= 202


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
@example(1, 1.0)
@example(2**53 + 1, float(2**53))
@example(2**63 - 1, float(2**63))
def test_two_numbers_share_a_lookup_exactly_when_they_are_equal(a: float, b: float) -> None:
    assert (metadata_row("k", a).lookup == metadata_row("k", b).lookup) == (a == b)


@settings(deadline=None)
@given(st.text(), st.text())
def test_a_text_is_found_by_itself_alone(raw: str, stored: str) -> None:
    assert finds(raw, stored) == (raw == stored)


def test_a_long_text_is_indexed_by_its_hash_and_kept_whole() -> None:
    assert metadata_row("k", "x" * 200).lookup == "s:" + "x" * 200
    row = metadata_row("k", "x" * 201)
    assert len(row.lookup) == 66
    assert row.text == "x" * 201


def test_an_infinite_text_is_no_number() -> None:
    assert math.isinf(float("1e400"))
    assert metadata_row("k", "1e400").lookup == "s:1e400"
