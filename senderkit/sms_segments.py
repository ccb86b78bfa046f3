"""How an SMS is cut into the segments that are sent and paid one by one.

A text of the GSM 7-bit alphabet (3GPP TS 23.038) has 160 characters in one segment and 153 in each
of several; one character outside of it makes the whole text UCS-2: 70, or 67 in each of several.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Two units each: an escape and a character."""
_GSM_7: Final = _BASIC | _EXTENDED
_LAST_OF_ONE_UNIT: Final = 0xFFFF


class Encoding(StrEnum):
    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_UNITS: Final = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}
"""Units of a segment that is alone, and of one among several."""


@dataclass(frozen=True, slots=True)
class ForcedBy:
    """A character outside of GSM-7, and the index in the text where it is first."""

    character: str
    index: int


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text takes: `count` segments of up to `units_each`, `units` in all.

    Units are septets in GSM-7 and 16-bit units in UCS-2; `units_left` are free in the last segment.
    `forced_by` has the characters for which it is UCS-2, each once, in order.
    """

    encoding: Encoding
    count: int
    units: int
    units_each: int
    units_left: int
    forced_by: tuple[ForcedBy, ...]


def count_segments(text: str) -> Segments:
    """No segments for no text. Linear in the length of `text`."""
    foreign = set(text) - _GSM_7
    encoding = Encoding.UCS_2 if foreign else Encoding.GSM_7
    alone, each = _UNITS[encoding]
    widths = _ucs_2_widths(text) if foreign else _gsm_7_widths(text)
    units = sum(widths)
    if units <= alone:
        count, units_each, units_left = int(units > 0), alone, alone - units
    else:
        count, used = _packed(widths, each)
        units_each, units_left = each, each - used
    return Segments(encoding, count, units, units_each, units_left, _first_places(text, foreign))


def _gsm_7_widths(text: str) -> list[int]:
    return [2 if character in _EXTENDED else 1 for character in text]


def _ucs_2_widths(text: str) -> list[int]:
    """A surrogate pair is two units, which no segment may part."""
    return [2 if ord(character) > _LAST_OF_ONE_UNIT else 1 for character in text]


def _packed(widths: Iterable[int], each: int) -> tuple[int, int]:
    """Segments of `each` units, and the units used of the last; no character is split."""
    count, used = 1, 0
    for width in widths:
        if used + width > each:
            count, used = count + 1, 0
        used += width
    return count, used


def _first_places(text: str, characters: set[str]) -> tuple[ForcedBy, ...]:
    places = ((text.index(character), character) for character in characters)
    return tuple(ForcedBy(character, index) for index, character in sorted(places))
