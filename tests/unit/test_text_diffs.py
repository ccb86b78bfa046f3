"""Two texts side by side: what is marked, what is folded, and that no text takes for ever."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderkit.text_diffs import MAX_ROWS, Budget, Piece, Row, RowKind, compare

LINES = st.lists(st.sampled_from(["a", "b", "c c", "", "<p>Hello, {{name}}</p>"]), max_size=40)


def kinds(rows: tuple[Row, ...]) -> list[str]:
    return [row.kind.value for row in rows]


def text_of(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces)


def test_the_words_that_differ_are_marked_within_the_line() -> None:
    (row,) = compare("Hello, dear {{name}}!", "Hello, {{name}}, welcome!")
    assert row.kind is RowKind.CHANGED
    assert text_of(row.old) == "Hello, dear {{name}}!"
    assert text_of(row.new) == "Hello, {{name}}, welcome!"
    assert [piece.text.strip() for piece in row.old if piece.is_changed] == ["dear"]
    assert [piece.text.strip() for piece in row.new if piece.is_changed] == [", welcome"]


def test_lines_with_little_in_common_differ_as_a_whole() -> None:
    (row,) = compare("one two three four", "5 6 7 8 nine")
    assert row.old == (Piece("one two three four", True),)
    assert row.new == (Piece("5 6 7 8 nine", True),)


def test_added_and_removed_lines_have_one_side() -> None:
    rows = compare("a\nb\nc", "a\nc\nd")
    assert kinds(rows) == ["same", "removed", "same", "added"]
    assert [(row.old_number, row.new_number) for row in rows] == [
        (1, 1),
        (2, None),
        (3, 2),
        (None, 3),
    ]


def test_nothing_against_something_is_added() -> None:
    assert kinds(compare("", "a\nb")) == ["added", "added"]
    assert compare("", "") == ()


def test_line_ends_of_windows_are_no_difference() -> None:
    assert kinds(compare("a\r\nb", "a\nb")) == ["same", "same"]


def test_long_unchanged_stretches_are_folded_but_for_what_is_near_a_change() -> None:
    lines = [f"line {number}" for number in range(1, 101)]
    changed = [*lines[:50], "other", *lines[51:]]
    rows = compare("\n".join(lines), "\n".join(changed))
    assert kinds(rows) == ["folded", *["same"] * 3, "changed", *["same"] * 3, "folded"]
    assert [row.count for row in rows if row.kind is RowKind.FOLDED] == [47, 46]
    assert rows[0].old_number == 1
    assert rows[-1].old_number == 55


def test_one_line_is_never_folded() -> None:
    assert kinds(compare("a\nb\nc\nd\nx", "a\nb\nc\nd\ny")) == [*["same"] * 4, "changed"]


def test_a_difference_deep_in_a_long_line_is_in_sight() -> None:
    old = "<td>" * 20_000 + "red" + "</td>" * 20_000
    (row,) = compare(old, old.replace("red", "blue"))
    assert [piece.text for piece in row.old if piece.is_changed] == ["red"]
    assert [piece.text for piece in row.new if piece.is_changed] == ["blue"]
    assert len(text_of(row.old)) < 400


@given(LINES, LINES)
def test_the_rows_hold_both_texts(old: list[str], new: list[str]) -> None:
    rows = compare("\n".join(old), "\n".join(new))
    folded = sum(row.count for row in rows if row.kind is RowKind.FOLDED)
    shown = [text_of(row.old) for row in rows if row.old_number and row.kind is not RowKind.FOLDED]
    assert len(shown) + folded == (0 if old in ([], [""]) else len(old))
    kept = [text_of(row.new) for row in rows if row.new_number and row.kind is not RowKind.FOLDED]
    assert len(kept) + folded == (0 if new in ([], [""]) else len(new))
    if not folded and old not in ([], [""]):
        assert shown == old


def _hostile() -> dict[str, tuple[str, str]]:
    shuffled = random.Random(7)  # noqa: S311 - the same each time
    few = [shuffled.choice("abc") for _ in range(200_000)]
    pool = [f"line {number}" for number in range(100)]
    many = [shuffled.choice(pool) for _ in range(60_000)]
    other = [shuffled.choice(pool) for _ in range(60_000)]
    return {
        "empty lines": ("\n" * 900_000, "x" + "\n" * 900_000 + "x"),
        "few lines over and over": ("\n".join(few), "\n".join(reversed(few))),
        "many lines shuffled": ("\n".join(many), "\n".join(other)),
        "nothing in common": ("a\n" * 450_000, "b\n" * 450_000),
        "one long line": ("a " * 450_000, "b " * 450_000),
        "one long line of one letter": ("a" * 900_000, "a" * 899_999),
        "lines of punctuation": ((".,;" * 50 + "\n") * 6_000, (";,." * 50 + "\n") * 6_000),
    }


@pytest.mark.parametrize("name", _hostile())
def test_no_text_takes_for_ever(name: str) -> None:
    old, new = _hostile()[name]
    start = time.thread_time()
    rows = compare(old, new)
    assert time.thread_time() - start < 5
    assert len(rows) <= MAX_ROWS + 1
    assert sum(len(text_of(row.old) + text_of(row.new)) for row in rows) < 3_000_000


def test_what_would_cost_too_much_is_told_apart_as_a_whole() -> None:
    budget = Budget(10)
    rows = compare("a\nb\na\nb\na", "b\na\nb\na\nb", budget)
    assert kinds(rows) == ["changed"] * 5
    assert budget.is_spent
