"""The geometry of charts."""

from __future__ import annotations

import pytest

from senderkit.web.dashboard.charts import HEIGHT, WIDTH, duration_lines, stacked_columns


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (0, ("1", "0")),
        (1, ("1", "0")),
        (3, ("3", "2", "1", "0")),
        (7, ("8", "6", "4", "2", "0")),
        (173, ("200", "150", "100", "50", "0")),
        (2_400, ("3,000", "2,000", "1,000", "0")),
        (1_000_000, ("1,000,000", "500,000", "0")),
    ],
)
def test_lines_stand_at_round_numbers_that_hold_the_highest_column(
    most: int, words: tuple[str, ...]
) -> None:
    axis = stacked_columns([[most, 0], [0, 0]]).axis
    assert axis.words == words
    assert axis.lines[0] == 0
    assert axis.lines[-1] == HEIGHT


def test_parts_stand_on_each_other_in_proportion() -> None:
    found = stacked_columns([[50, 0, 50], [0, 0, 0]])
    lower, upper = found.blocks[0]
    assert (lower.place, lower.y, lower.height) == (0, 50, 50)
    assert (upper.place, upper.y, upper.height) == (2, 0, 50)
    assert found.blocks[1] == ()
    assert found.width == 2 * WIDTH


def test_the_smallest_part_can_be_seen() -> None:
    [[_, small]] = stacked_columns([[999_999, 1]]).blocks
    assert small.height > 1


def test_durations_stand_between_lines_by_their_logarithm() -> None:
    lines = duration_lines([[100.0, 1000.0, None, 316.2], [None, None, None, 1000.0]])
    assert lines.axis.words == ("1 s", "100 ms")
    assert lines.paths == ("M6 100.0h0L18 0.0M42 50.0h0", "M42 0.0h0")


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 10.0, 1e12])
def test_any_duration_has_its_place(value: float) -> None:
    lines = duration_lines([[value]])
    assert len(lines.axis.words) == len(lines.axis.lines) >= 2
    assert lines.paths[0].startswith("M6 ")


def test_without_durations_there_is_nothing_to_draw() -> None:
    assert duration_lines([[None, None]]).paths == ("",)
