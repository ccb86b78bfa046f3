"""How a metadata value is stored for the filter, and how a filter's text finds it.

A query holds text only: `metadata[n]=1` means the number 1 as well as the text "1". So every
stored value gets one `lookup`, shared by all values that one query may mean: the filter is a range
of an index, and `kind` and `text` tell the few candidates apart afterwards:
`lookup = :lookup AND (kind <> 's' OR text = :text)`.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from senderkit.commands.limits import MAX_INTEGER, MAX_LOOKUP_TEXT, MIN_INTEGER

Kind = Literal["s", "n", "b"]

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_BOOLEANS: Final = {"true": True, "false": False}
# Beyond this many digits no integer fits in 64 bits.
_LONGEST_INTEGER: Final = 20


@dataclass(frozen=True, slots=True)
class MetadataRow:
    """One stored value: `kind` is s(tring), n(umber) or b(oolean), `text` the value as text."""

    key: str
    lookup: str
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class MetadataTerm:
    """One filter: a row matches when `lookup` is equal and its kind is not s or its text is."""

    key: str
    lookup: str
    text: str


def metadata_row(key: str, value: str | int | float | bool) -> MetadataRow:
    """What is stored for one pair. Numbers are finite."""
    if isinstance(value, str):
        return MetadataRow(key, _lookup(value), "s", value)
    if isinstance(value, bool):
        return MetadataRow(key, _boolean(value), "b", str(value).lower())
    lookup = _number(value)
    return MetadataRow(key, lookup, "n", lookup.removeprefix("n:"))


def metadata_term(key: str, raw: str) -> MetadataTerm:
    """What `metadata[key]=raw` asks for."""
    return MetadataTerm(key, _lookup(raw), raw)


def _lookup(text: str) -> str:
    """The canonical form of the number or boolean that `text` reads as, else of the text."""
    boolean = _BOOLEANS.get(text.lower())
    if boolean is not None:
        return _boolean(boolean)
    match = _NUMBER.fullmatch(text)
    if match:
        is_integer = match[1] is None and match[2] is None and len(text) <= _LONGEST_INTEGER
        number = int(text) if is_integer else float(text)
        if math.isfinite(number):
            return _number(number)
    if len(text) <= MAX_LOOKUP_TEXT:
        return f"s:{text}"
    return f"h:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _boolean(value: bool) -> str:
    return "b:true" if value else "b:false"


def _number(value: int | float) -> str:
    """Equal numbers, equal text: 1 and 1.0, 0 and -0.0, and 100 and 1e2."""
    if isinstance(value, float) and value.is_integer() and MIN_INTEGER <= value <= MAX_INTEGER:
        value = int(value)
    elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        value = float(value)
    return f"n:{value!r}"
