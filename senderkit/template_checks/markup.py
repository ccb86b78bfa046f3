"""HTML as it stands in a template: its tags and texts with their places, however broken.

The parser of the standard library takes time with the square of some inputs, and the native ones
tell no places. This scanner goes through a text once, as browsers do, and never back. Mustache
tags are masked beforehand, character by character, so that neither their quotes nor the `>` of
`{{> block}}` end anything, and places stay those of the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Final

from senderkit.template_checks.masks import MASKS, PRINTED, masked, unmasked

MAX_MARKS: Final = 30_000
"""Tags, comments and attributes that are read; far more than any mail has."""
_MAX_ATTRIBUTES: Final = 200
_MAX_VALUE: Final = 5_000

_MARK: Final = re.compile(r"<(?=[a-zA-Z/!?])")
_BEFORE_MASK: Final = re.compile(f"[^{MASKS}]*+")
_NAME: Final = re.compile(r"/?([a-zA-Z][^ \t\r\n\f/>]*+)")
_ATTRIBUTE: Final = re.compile(
    r"""[ \t\r\n\f/]*+(?:
        (?P<end>>)
      | (?P<name>[^ \t\r\n\f/>][^ \t\r\n\f/>=]*+)
        (?:[ \t\r\n\f]*+=[ \t\r\n\f]*+(?:
            "(?P<double>[^"]*+)"
          | '(?P<single>[^']*+)'
          | (?P<unfinished>["'])
          | (?P<bare>[^ \t\r\n\f>"'][^ \t\r\n\f>]*+)
        ))?
    )""",
    re.VERBOSE,
)
_REST_OF_TAG: Final = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_RAW: Final = frozenset(
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "mj-style"]
)
_RAW_END: Final = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW}


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value between `start` and `end` of the source, as it stands there."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag, or an end tag when `is_end`. With `is_open` Mustache writes attributes of it
    that cannot be seen."""

    name: str
    start: int
    is_end: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """Text between tags, or within the element `raw` (style, script) that holds no tags."""

    start: int
    end: int
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """An attribute's value: `text` with entities read and Mustache tags left out.

    `is_made` when Mustache writes any of it; `beginning` is what stands before that.
    """

    text: str
    is_made: bool
    beginning: str


class Markup:
    """A scanned source. `is_whole` is False when there were more than `MAX_MARKS` to read."""

    def __init__(self, source: str) -> None:
        self.masked = masked(source)
        self.is_whole = True
        self.marks: list[Tag | Words] = list(self._scan())

    def value(self, tag: Tag, name: str) -> Value | None:
        """Of the attribute `name`, None when the tag does not have it."""
        attribute = tag.attributes.get(name)
        if attribute is None:
            return None
        text = self.masked[attribute.start : attribute.end][:_MAX_VALUE]
        beginning = _BEFORE_MASK.match(text)
        before = beginning[0] if beginning else ""
        return Value(unescape(unmasked(text)), len(before) < len(text), unescape(before))

    def raw_value(self, tag: Tag, name: str) -> str:
        """Of the attribute `name` with Mustache tags masked, entities read; empty without it."""
        attribute = tag.attributes.get(name)
        if attribute is None:
            return ""
        return unescape(self.masked[attribute.start : attribute.end][:_MAX_VALUE])

    def says_something(self, words: Words) -> bool:
        """Whether a reader sees any of it: a letter, a digit, or the value of a variable."""
        text = self.masked[words.start : words.end]
        if not text or text.isspace():
            return False
        if PRINTED in text:
            return True
        return any(map(str.isalnum, unescape(text) if "&" in text else text))

    def _scan(self) -> Iterator[Tag | Words]:
        position, count = 0, 0
        while mark := _MARK.search(self.masked, position):
            if count >= MAX_MARKS:
                self.is_whole = False
                return
            if mark.start() > position:
                yield Words(position, mark.start())
            tag, position = self._read_mark(mark.start())
            count += 1
            if tag:
                count += len(tag.attributes)
                yield tag
            if tag and tag.name in _RAW and not tag.is_end:
                end = _RAW_END[tag.name].search(self.masked, position)
                stop = end.start() if end else len(self.masked)
                yield Words(position, stop, tag.name)
                position = stop
        if position < len(self.masked):
            yield Words(position, len(self.masked))

    def _read_mark(self, start: int) -> tuple[Tag | None, int]:
        """The tag that begins at `start` and where it ends; no tag for a comment and the like.
        What is not finished goes to the end of the text."""
        name = _NAME.match(self.masked, start + 1)
        if name is None:
            is_comment = self.masked.startswith("<!--", start)
            return None, self._after("-->" if is_comment else ">", start + 2)
        is_end = self.masked[start + 1] == "/"
        tag_name = unmasked(name[1]).lower()
        attributes: dict[str, Attribute] = {}
        is_open, position = self._read_attributes(name.end(), attributes)
        if position < 0:
            return None, len(self.masked)
        return Tag(tag_name, start, is_end, attributes, is_open), position

    def _after(self, end: str, position: int) -> int:
        found = self.masked.find(end, position)
        return len(self.masked) if found < 0 else found + len(end)

    def _read_attributes(self, position: int, into: dict[str, Attribute]) -> tuple[bool, int]:
        """Whether some cannot be seen, and where the tag ends: -1 when it does not."""
        is_open = False
        for _ in range(_MAX_ATTRIBUTES):
            found = _ATTRIBUTE.match(self.masked, position)
            if found is None or found["unfinished"]:
                return is_open, -1
            position = found.end()
            if found["end"]:
                return is_open, position
            name = unmasked(found["name"]).lower()
            is_open = is_open or len(name) < len(found["name"])
            into.setdefault(name, _attribute(found))
        rest = _REST_OF_TAG.match(self.masked, position)
        return True, rest.end() if rest else -1


def _attribute(found: re.Match[str]) -> Attribute:
    for group in ("double", "single", "bare"):
        if found[group] is not None:
            return Attribute(*found.span(group))
    return Attribute(found.end(), found.end())
