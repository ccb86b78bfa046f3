"""SMS segments, against the alphabet of the standard and figures known from providers."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderkit.sms_segments import Encoding, ForcedBy, count_segments

GSM = Encoding.GSM_7
UCS = Encoding.UCS_2


@pytest.mark.parametrize(
    ("text", "encoding", "count", "units", "left"),
    [
        ("", GSM, 0, 0, 160),
        ("a", GSM, 1, 1, 159),
        ("a" * 160, GSM, 1, 160, 0),
        ("a" * 161, GSM, 2, 161, 145),
        ("a" * 306, GSM, 2, 306, 0),
        ("a" * 307, GSM, 3, 307, 152),
        ("a" * 459, GSM, 3, 459, 0),
        ("€", GSM, 1, 2, 158),
        ("€" * 80, GSM, 1, 160, 0),
        ("a" * 159 + "€", GSM, 2, 161, 145),
        ("Grüße aus Köln @ 10:00\r\n", GSM, 1, 24, 136),
        ("ç", UCS, 1, 1, 69),
        ("Ж" * 70, UCS, 1, 70, 0),
        ("Ж" * 71, UCS, 2, 71, 63),
        ("Ж" * 134, UCS, 2, 134, 0),
        ("Ж" * 135, UCS, 3, 135, 66),
        ("😀", UCS, 1, 2, 68),
        ("😀" * 35, UCS, 1, 70, 0),
    ],
)
def test_segments_are_counted_as_networks_do(
    text: str, encoding: Encoding, count: int, units: int, left: int
) -> None:
    found = count_segments(text)
    assert (found.encoding, found.count, found.units, found.units_left) == (
        encoding,
        count,
        units,
        left,
    )


def test_an_escaped_character_is_not_split_over_two_segments() -> None:
    # 152 + 2: the pair moves on whole, so that 307 units need a third segment where 306 fit two.
    assert count_segments("a" * 152 + "€" + "a" * 151).count == 2
    assert count_segments("a" * 152 + "€" + "a" * 152).count == 3


def test_a_surrogate_pair_is_not_split_over_two_segments() -> None:
    found = count_segments("Ж" * 66 + "😀" + "Ж" * 65)
    assert (found.units, found.count, found.units_left) == (133, 2, 0)
    assert count_segments("😀" * 67).count == 3, "33 pairs in each of two, one in the third"


@pytest.mark.parametrize("character", "^{}\\[~]|€\f")
def test_characters_of_the_extension_table_count_two(character: str) -> None:
    assert count_segments(character).units == 2


def test_the_alphabet_has_the_127_characters_of_the_standard() -> None:
    known = [chr(code) for code in range(0x3000) if count_segments(chr(code)).encoding is GSM]
    assert len(known) == 127 + 10
    assert not set("`çáÁêëâ“”…\t\u2018\u2019\u2013") & set(known)


def test_what_forced_ucs_2_is_told_once_with_its_first_place() -> None:
    found = count_segments("Say “yes”, 😀 or “no”")
    assert found.forced_by == (ForcedBy("“", 4), ForcedBy("”", 8), ForcedBy("😀", 11))
    assert count_segments("Say yes").forced_by == ()


@given(st.text(alphabet=st.characters() | st.sampled_from("a€[😀Ж"), max_size=700))
def test_every_unit_has_its_place(text: str) -> None:
    found = count_segments(text)
    capacity = found.count * found.units_each
    assert 0 <= found.units_left <= found.units_each
    if found.count:
        # A segment loses at most one unit to a pair that is not split.
        assert 0 <= capacity - found.units - found.units_left < found.count
    assert found.encoding is (UCS if found.forced_by else GSM)
    assert all(text.index(each.character) == each.index for each in found.forced_by)


@pytest.mark.parametrize(
    "text", ["€" * 1_000_000, "😀" * 1_000_000, "".join(map(chr, range(55_000)))]
)
def test_a_million_characters_are_counted_at_once(text: str) -> None:
    start = time.thread_time()
    count_segments(text)
    assert time.thread_time() - start < 2
