"""Two texts line by line: what changed, what is left out, what is too much."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from senderkit.web.dashboard.line_diff import MAX_LINES, line_diff

QUICK_SECONDS = 4.0
TEXTS = st.lists(st.sampled_from("abc"), max_size=40).map("\n".join)


def shown(old: str, new: str) -> list[str]:
    marks = {"added": "+", "removed": "-", "same": " ", "gap": "…"}
    lines = line_diff(old, new)
    assert lines is not None
    return [marks[line.kind] + ("" if line.kind == "gap" else line.text) for line in lines]


def test_changes_stand_among_the_lines_around_them() -> None:
    old = "\n".join("abcdefghij")
    assert shown(old, old.replace("e", "E")) == [
        *("…", " b", " c", " d", "-e", "+E", " f", " g", " h", "…")
    ]


def test_texts_that_are_alike_have_no_lines() -> None:
    assert shown("", "") == []
    assert shown("a\nb", "a\nb") == []


@given(TEXTS, TEXTS)
def test_what_is_not_added_is_the_old_text_and_what_is_not_removed_the_new(
    old: str, new: str
) -> None:
    lines = line_diff(old, new) or []
    if lines and not any(line.kind == "gap" for line in lines):
        assert [line.text for line in lines if line.kind != "added"] == old.splitlines()
        assert [line.text for line in lines if line.kind != "removed"] == new.splitlines()


def test_hostile_texts_take_no_long_time() -> None:
    began_at = time.thread_time()
    assert line_diff("a\n" * MAX_LINES * 2, "b\n" * MAX_LINES * 2) is None
    one = "\n".join(f"{n % 13}" for n in range(MAX_LINES))
    other = "\n".join(f"{n % 11}" for n in range(MAX_LINES))
    assert line_diff(one, other)
    assert line_diff("x\n" * 100_000, "x\n" * 100_000 + "y")
    assert time.thread_time() - began_at < QUICK_SECONDS
