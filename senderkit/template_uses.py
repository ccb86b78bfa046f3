"""What the texts of a template name, and where: in each field, in each language, in its blocks.

What cannot be parsed is told beside what can, since a template is read while it is edited.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from senderkit.commands import merge_translation
from senderkit.domain import Channel, JsonObject
from senderkit.errors import TemplateSyntaxError
from senderkit.mustache import (
    MAX_PARTIAL_DEPTH,
    MAX_SECTION_DEPTH,
    Compiled,
    Reference,
    ReferenceKind,
    compile_template,
)

MAX_CHARACTERS: Final = 2_000_000
"""Of all texts together: what one request may cost."""
MAX_USES: Final = 20_000
MAX_TEXTS: Final = 5_000

FIELDS: Final[Mapping[Channel, tuple[str, ...]]] = MappingProxyType(
    {
        Channel.EMAIL: ("subject", "preheader", "mjml", "html", "text"),
        Channel.SMS: ("body",),
        Channel.PUSH: ("title", "body", "data", "sound"),
        Channel.WEB_PUSH: ("title", "body", "icon", "clickUrl", "data"),
    }
)
"""The fields that hold texts, in the order in which the editor shows them."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a template. `field` is its wire name, `data.key` within data; `language` is the
    tag of the translation that holds it, None in the template's own content."""

    field: str
    language: str | None
    source: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class Use:
    """One tag, at `line` and `column` of `text`; where it is in a block, at that of the block's.

    `sections` are the names of the sections around it, the outermost first, those around a block
    included.
    """

    text: Text
    kind: ReferenceKind
    name: str
    sections: tuple[str, ...]
    line: int
    column: int
    block: str | None = None


@dataclass(frozen=True, slots=True)
class Flaw:
    """A text, or a block that it names, that cannot be parsed: what is wrong and where."""

    text: Text
    message: str
    line: int
    column: int
    block: str | None = None


@dataclass(frozen=True)
class Uses:
    """All that was read. `unread` are texts beyond the limits, `is_whole` when nothing is."""

    texts: tuple[Text, ...]
    all: tuple[Use, ...]
    flaws: tuple[Flaw, ...]
    unread: tuple[Text, ...]
    is_whole: bool

    @cached_property
    def of_variables(self) -> tuple[Use, ...]:
        return tuple(use for use in self.all if use.kind is not ReferenceKind.PARTIAL)

    @cached_property
    def of_blocks(self) -> tuple[Use, ...]:
        return tuple(use for use in self.all if use.kind is ReferenceKind.PARTIAL)


def read_uses(
    channel: Channel,
    content: JsonObject,
    translations: Mapping[str, JsonObject] = MappingProxyType({}),
    blocks: Mapping[str, str] = MappingProxyType({}),
) -> Uses:
    """Every use in a template's own content, then in each translation.

    `blocks` are the sources of the workspace's blocks by name. Nothing is raised for what it says.
    """
    texts = list(texts_in(channel, content, None))
    for tag, fields in translations.items():
        texts.extend(texts_in(channel, fields, tag))
    return _Reader(blocks).read(texts)


def texts_in(channel: Channel, content: JsonObject, language: str | None) -> Iterator[Text]:
    for name in FIELDS[channel]:
        value = content.get(name)
        waiting: list[tuple[str, Any]] = [(name, value)]
        while waiting:
            place, value = waiting.pop()
            if isinstance(value, str):
                yield Text(place, language, value)
            elif isinstance(value, Mapping | list):
                items = value.items() if isinstance(value, Mapping) else enumerate(value)
                waiting.extend(reversed([(f"{place}.{key}", item) for key, item in items]))


def own_fields_in(content: JsonObject, translation: JsonObject) -> frozenset[str]:
    """The fields of `content` that a reader of the translation still gets."""
    merged = merge_translation(content, translation)
    return frozenset(name for name in content if name in merged and name not in translation)


class _Reader:
    """Reads texts within limits; a block is parsed once, however often it is named."""

    def __init__(self, blocks: Mapping[str, str]) -> None:
        self._blocks = blocks
        self._parsed: dict[str, tuple[Reference, ...] | TemplateSyntaxError] = {}
        self._uses: list[Use] = []
        self._flaws: list[Flaw] = []
        self._characters = 0
        self._is_whole = True

    def read(self, texts: list[Text]) -> Uses:
        read: list[Text] = []
        unread: list[Text] = []
        for text in texts:
            if len(read) < MAX_TEXTS and self._may_read(text.source):
                self._read(text)
                read.append(text)
            else:
                unread.append(text)
        is_whole = self._is_whole and not unread
        return Uses(tuple(read), tuple(self._uses), tuple(self._flaws), tuple(unread), is_whole)

    def _may_read(self, source: str) -> bool:
        if self._characters + len(source) > MAX_CHARACTERS or not self._has_room():
            self._is_whole = False
            return False
        self._characters += len(source)
        return True

    def _has_room(self) -> bool:
        if len(self._uses) >= MAX_USES:
            self._is_whole = False
        return self._is_whole

    def _read(self, text: Text) -> None:
        parsed = _parse(text.source)
        if isinstance(parsed, TemplateSyntaxError):
            self._flaws.append(Flaw(text, _what(parsed), parsed.line, parsed.column))
            return
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for reference in parsed:
            if not self._has_room():
                return
            use = _use(text, reference)
            self._uses.append(use)
            if reference.kind is ReferenceKind.PARTIAL:
                self._follow(use, seen)

    def _follow(self, use: Use, seen: set[tuple[str, tuple[str, ...]]]) -> None:
        """The uses of the block that `use` names and of those within, each once in each place."""
        waiting = [(use.name, use.sections, 1)]
        while waiting:
            name, sections, depth = waiting.pop()
            is_new = (name, sections) not in seen and len(sections) <= MAX_SECTION_DEPTH
            if not is_new or depth > MAX_PARTIAL_DEPTH:
                continue
            seen.add((name, sections))
            for reference in self._references_of(name, use):
                if not self._has_room():
                    return
                inner = (*sections, *reference.sections)
                self._uses.append(_within(use, name, reference, inner))
                if reference.kind is ReferenceKind.PARTIAL:
                    waiting.append((reference.name, inner, depth + 1))

    def _references_of(self, name: str, use: Use) -> tuple[Reference, ...]:
        source = self._blocks.get(name)
        if source is None:
            return ()
        if name not in self._parsed:
            self._parsed[name] = _parse(source) if self._may_read(source) else ()
        parsed = self._parsed[name]
        if isinstance(parsed, TemplateSyntaxError):
            self._flaws.append(Flaw(use.text, _what(parsed), use.line, use.column, name))
            return ()
        return parsed


def _use(text: Text, reference: Reference) -> Use:
    return Use(
        text,
        reference.kind,
        reference.name,
        reference.sections,
        reference.line,
        reference.column,
    )


def _within(use: Use, block: str, reference: Reference, sections: tuple[str, ...]) -> Use:
    return Use(use.text, reference.kind, reference.name, sections, use.line, use.column, block)


def _parse(source: str) -> tuple[Reference, ...] | TemplateSyntaxError:
    try:
        compiled: Compiled = compile_template(source)
    except TemplateSyntaxError as error:
        return error
    return compiled.references()


def _what(error: TemplateSyntaxError) -> str:
    """The message without its place."""
    return str(error).removesuffix(f" (line {error.line}, column {error.column})")
