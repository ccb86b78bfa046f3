"""Mustache tags masked out of a source, character by character, so that places stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from senderkit.mustache import TagSpan, tag_spans

PRINTED: Final = "\x01"
"""In place of each character of a tag that prints a value."""
UNPRINTED: Final = "\x00"
"""In place of each character of any other: a section, a block, a comment."""
MASKS: Final = PRINTED + UNPRINTED
_UNMASKED: Final = str.maketrans("", "", MASKS)


def masked(source: str) -> str:
    """`source`, as long as before."""
    parts: list[str] = []
    position = 0
    for span in _spans(source):
        parts.append(source[position : span.start])
        mask = PRINTED if span.is_printed else UNPRINTED
        parts.append(mask * (span.end - span.start))
        position = span.end
    parts.append(source[position:])
    return "".join(parts)


def unmasked(text: str) -> str:
    """What is left of a masked text without its masks."""
    return text.translate(_UNMASKED)


def _spans(source: str) -> Iterator[TagSpan]:
    """The tags of `source`; behind one that is wrong, whatever looks like a tag."""
    spans = tag_spans(source)
    yield from spans
    position = spans[-1].end if spans else 0
    while (start := source.find("{{", position)) >= 0:
        end = source.find("}}", start)
        if end < 0:
            return
        position = end + 2 + source.startswith("}", end + 2)
        yield TagSpan(start, position, source[start + 2] not in "#^/>!=")
