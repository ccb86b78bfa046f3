"""The template engine: Mustache (the core of the official spec) over plain JSON, with hard limits.

`compile_template` turns a source into an immutable `Compiled`; `Compiled.render` fills it and
`Compiled.references` lists what it names. Names are looked up in JSON objects and arrays only,
so nothing in a template or in its data reaches a Python attribute or call. Whatever is wrong
with a source is a `TemplateSyntaxError` with its place; whatever goes past a limit while
rendering is a `TemplateLimitExceeded`. Time is bounded by counting operations.

Beyond the spec: `null`, `false`, `0`, `""` and `[]` make a section false, as they do in
JavaScript; a whole number prints without its fraction (`1.0` is `1`); an array or object prints
as JSON; `items.0` is the first item.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from typing import Final

from senderkit.errors import TemplateLimitExceeded, TemplateSyntaxError

MAX_SOURCE_CHARACTERS: Final = 1_000_000
MAX_TAGS: Final = 10_000
MAX_NAME_CHARACTERS: Final = 200
MAX_SECTION_DEPTH: Final = 50
MAX_PARTIAL_DEPTH: Final = 20
MAX_OUTPUT_BYTES: Final = 1_000_000
MAX_OPERATIONS: Final = 250_000

_KEPT_BLOCKS: Final = 64

Partials = Callable[[str], str | None]
"""Returns the source of the block of that name, or None (which renders as nothing)."""

MissingPaths = dict[str, None]
"""An ordered set of the paths that a template named and its data did not have."""


class ReferenceKind(StrEnum):
    VARIABLE = "variable"
    UNESCAPED = "unescaped"
    SECTION = "section"
    INVERTED = "inverted"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Reference:
    """One tag of a template. `path` is seen from the top: `name` inside `{{#items}}` is
    `items.name`. A partial's `path` is its name. `line` and `column` count from 1.

    `name` is what the tag says, `sections` what those around it say, the outermost first: a name
    that an item does not have is looked up around it.
    """

    path: str
    kind: ReferenceKind
    line: int
    column: int
    name: str
    sections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TagSpan:
    """The characters `start` to `end` of a source are a tag, which `is_printed` for a variable."""

    start: int
    end: int
    is_printed: bool


@dataclass(frozen=True, slots=True)
class _Tag:
    """A parsed tag. `parts` is its dotted name, empty for `.`; only sections have children and
    only a partial on a line of its own has an indent."""

    kind: ReferenceKind
    name: str
    parts: tuple[str, ...]
    offset: int
    children: tuple[str | _Tag, ...] = ()
    indent: str = ""


_Nodes = tuple[str | _Tag, ...]


@dataclass(slots=True)
class Budget:
    """What is left for the rendering of one message; shared by all of its fields."""

    operations: int = MAX_OPERATIONS
    output_bytes: int = MAX_OUTPUT_BYTES

    def spend(self, operations: int) -> None:
        self.operations -= operations
        if self.operations < 0:
            raise TemplateLimitExceeded(
                f"Rendering takes more than {MAX_OPERATIONS:,} operations; "
                "loops inside loops multiply."
            )

    def emit(self, text: str) -> None:
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        self.output_bytes -= size
        if self.output_bytes < 0:
            raise TemplateLimitExceeded(f"The output is larger than {MAX_OUTPUT_BYTES:,} bytes.")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A parsed template: immutable, so it may be cached and shared between threads."""

    source: str = field(repr=False)
    _nodes: _Nodes = field(repr=False)

    def render(
        self,
        variables: object,
        *,
        escape: Callable[[str], str],
        partials: Partials,
        budget: Budget,
        missing: MissingPaths,
    ) -> str:
        """The text of this template filled with `variables`, a JSON value (mostly an object).

        `escape` is applied to what `{{x}}` prints, never to `{{{x}}}` and `{{&x}}`. Paths that
        are named but not given are added to `missing` in the order in which they are met.
        Raises TemplateLimitExceeded, or TemplateSyntaxError when a partial cannot be parsed.
        """
        root = dict(variables) if isinstance(variables, Mapping) else variables
        run = _Run(escape, partials, budget, missing)
        return run.render(self, _Context(root, "", None))

    def references(self) -> tuple[Reference, ...]:
        """Every tag in order of its place, partials not followed."""
        starts = [0, *accumulate(len(line) + 1 for line in self.source.split("\n"))]
        return tuple(_references(self._nodes, "", (), starts))


def compile_template(source: str, *, name: str | None = None) -> Compiled:
    """Parse a template; `name` (of a field or block) opens the messages of its errors.

    Raises TemplateSyntaxError with the line and column of what is wrong.
    """
    return Compiled(source, _Parser(source, name).parse())


def tag_spans(source: str) -> tuple[TagSpan, ...]:
    """Where the tags of `source` are, comments and the like included, in their order.

    Of a source that cannot be parsed, those before what is wrong.
    """
    parser = _Parser(source, None)
    with suppress(TemplateSyntaxError):  # whoever compiles the source is told
        parser.parse()
    return tuple(parser.spans)


@lru_cache(maxsize=_KEPT_BLOCKS)
def _compile_kept(source: str, name: str) -> Compiled:
    """By their very text, so that none can be another's."""
    return compile_template(source, name=name)


def _references(
    nodes: _Nodes, prefix: str, sections: tuple[str, ...], starts: list[int]
) -> Iterator[Reference]:
    for node in nodes:
        if isinstance(node, str):
            continue
        is_partial = node.kind is ReferenceKind.PARTIAL
        path = node.name if is_partial else _join(prefix, node.parts) or "."
        line = bisect_right(starts, node.offset)
        column = node.offset - starts[line - 1] + 1
        yield Reference(path, node.kind, line, column, node.name, sections)
        if node.kind is ReferenceKind.SECTION:
            inner = prefix if path == "." else path
            yield from _references(node.children, inner, (*sections, node.name), starts)
        else:
            yield from _references(node.children, prefix, sections, starts)


def _join(prefix: str, parts: tuple[str, ...]) -> str:
    return ".".join((prefix, *parts)) if prefix else ".".join(parts)


# -- parsing ----------------------------------------------------------------------------------

_SIGILS: Final = {
    "#": ReferenceKind.SECTION,
    "^": ReferenceKind.INVERTED,
    ">": ReferenceKind.PARTIAL,
    "&": ReferenceKind.UNESCAPED,
    "{": ReferenceKind.UNESCAPED,
}
_MAY_STAND_ALONE: Final = frozenset("#^/>!=")
_PRINTED: Final = ("", "&", "{")
_BLANK: Final = " \t"
_DELIMITERS: Final = re.compile(r"([^\s=]+)\s+([^\s=]+)")


@dataclass(slots=True)
class _Open:
    """A section still being parsed, and the nodes around it."""

    tag: _Tag
    siblings: list[str | _Tag]


class _Parser:
    """One pass over a source. It moves by `str.find`, so its time is linear for any input."""

    def __init__(self, source: str, name: str | None) -> None:
        self._source = source
        self._name = name
        self._opener, self._closer = "{{", "}}"
        self._nodes: list[str | _Tag] = []
        self._open: list[_Open] = []
        self._tags = 0
        self.spans: list[TagSpan] = []

    def parse(self) -> _Nodes:
        if len(self._source) > MAX_SOURCE_CHARACTERS:
            raise self._error(
                f"The template is longer than {MAX_SOURCE_CHARACTERS:,} characters",
                MAX_SOURCE_CHARACTERS,
            )
        position = 0
        while (start := self._source.find(self._opener, position)) >= 0:
            position = self._parse_tag(position, start)
        self._add_text(position, len(self._source))
        if self._open:
            unclosed = self._open[-1].tag
            raise self._error(f"Section '{unclosed.name}' is never closed", unclosed.offset)
        return tuple(self._nodes)

    def _parse_tag(self, position: int, start: int) -> int:
        """Take the text from `position` to the tag at `start`, then the tag; returns its end."""
        self._tags += 1
        if self._tags > MAX_TAGS:
            raise self._error(f"The template has more than {MAX_TAGS:,} tags", start)
        sigil, content, end = self._read_tag(start)
        self.spans.append(TagSpan(start, end, sigil in _PRINTED))
        indent = ""
        if sigil in _MAY_STAND_ALONE:
            line = self._standalone_line(position, start, end)
            if line:
                indent = self._source[line[0] : start]
                self._add_text(position, line[0])
                self._take(sigil, content, start, indent)
                return line[1]
        self._add_text(position, start)
        self._take(sigil, content, start, indent)
        return end

    def _read_tag(self, start: int) -> tuple[str, str, int]:
        """The sigil, the stripped content and the end of the tag that opens at `start`."""
        inside = start + len(self._opener)
        sigil = self._source[inside : inside + 1]
        if sigil not in _SIGILS and sigil not in _MAY_STAND_ALONE:
            sigil = ""
        closer = {"{": "}", "=": "="}.get(sigil, "") + self._closer
        inside += len(sigil)
        end = self._source.find(closer, inside)
        if end < 0:
            raise self._error(f"This tag is never closed: '{closer}' is missing", start)
        return sigil, self._source[inside:end].strip(), end + len(closer)

    def _standalone_line(self, position: int, start: int, end: int) -> tuple[int, int] | None:
        """The bounds of the tag's line when nothing else is on it. Looking back stops at
        `position`, where the tag before ended."""
        line_start = self._source.rfind("\n", position, start) + 1
        if line_start == 0:
            if position and self._source[position - 1] != "\n":
                return None
            line_start = position
        if self._source[line_start:start].strip(_BLANK):
            return None
        newline = self._source.find("\n", end)
        line_end = len(self._source) if newline < 0 else newline + 1
        rest = self._source[end:line_end].removesuffix("\n").removesuffix("\r")
        return None if rest.strip(_BLANK) else (line_start, line_end)

    def _add_text(self, start: int, end: int) -> None:
        if start < end:
            self._nodes.append(self._source[start:end])

    def _take(self, sigil: str, content: str, offset: int, indent: str) -> None:
        if sigil == "!":
            return
        if sigil == "=":
            self._change_delimiters(content, offset)
        elif sigil == "/":
            self._close(content, offset)
        else:
            kind = _SIGILS.get(sigil, ReferenceKind.VARIABLE)
            self._take_named(kind, content, offset, indent)

    def _take_named(self, kind: ReferenceKind, name: str, offset: int, indent: str) -> None:
        self._check_name(name, offset)
        parts: tuple[str, ...] = ()
        if kind is not ReferenceKind.PARTIAL and name != ".":
            parts = tuple(name.split("."))
            if not all(parts):
                raise self._error(f"The name '{name}' has an empty part", offset)
        tag = _Tag(kind, name, parts, offset, indent=indent)
        if kind in (ReferenceKind.SECTION, ReferenceKind.INVERTED):
            self._enter(tag)
        else:
            self._nodes.append(tag)

    def _check_name(self, name: str, offset: int) -> None:
        if not name:
            raise self._error("This tag has no name", offset)
        if self._opener in name:
            raise self._error(f"This tag is not closed before the next '{self._opener}'", offset)
        if len(name) > MAX_NAME_CHARACTERS:
            raise self._error(f"A name is longer than {MAX_NAME_CHARACTERS} characters", offset)

    def _enter(self, tag: _Tag) -> None:
        if len(self._open) == MAX_SECTION_DEPTH:
            raise self._error(f"Sections are nested more than {MAX_SECTION_DEPTH} deep", tag.offset)
        self._open.append(_Open(tag, self._nodes))
        self._nodes = []

    def _close(self, name: str, offset: int) -> None:
        if not self._open:
            raise self._error(f"'{name}' is closed here but no section is open", offset)
        opened = self._open.pop()
        tag = opened.tag
        if tag.name != name:
            line, _ = self._place(tag.offset)
            raise self._error(
                f"'{name}' is closed here but '{tag.name}', opened on line {line}, is still open",
                offset,
            )
        section = _Tag(tag.kind, name, tag.parts, tag.offset, tuple(self._nodes))
        self._nodes = opened.siblings
        self._nodes.append(section)

    def _change_delimiters(self, content: str, offset: int) -> None:
        delimiters = _DELIMITERS.fullmatch(content)
        if not delimiters:
            raise self._error("A delimiter tag looks like '{{=<% %>=}}'", offset)
        self._opener, self._closer = delimiters.groups()

    def _place(self, offset: int) -> tuple[int, int]:
        line = self._source.count("\n", 0, offset) + 1
        return line, offset - self._source.rfind("\n", 0, offset)

    def _error(self, message: str, offset: int) -> TemplateSyntaxError:
        line, column = self._place(offset)
        text = f"{self._name}: {message}" if self._name else message
        return TemplateSyntaxError(text, line=line, column=column)


# -- rendering --------------------------------------------------------------------------------

_ABSENT: Final = object()
_INDEX: Final = re.compile(r"[0-9]{1,7}")
_FIRST_WITH_EXPONENT: Final = 1e21


@dataclass(frozen=True, slots=True)
class _Context:
    """A value that names are looked up in, where it is (`path`), and the values around it."""

    value: object
    path: str
    parent: _Context | None


_Walk = Iterator["_Walk"]


class _Run:
    """One rendering of one template. Nested sections and partials wait on a list, not on the
    interpreter's stack."""

    def __init__(
        self,
        escape: Callable[[str], str],
        partials: Partials,
        budget: Budget,
        missing: MissingPaths,
    ) -> None:
        self._escape = escape
        self._partials = partials
        self._budget = budget
        self._missing = missing
        self._blocks: dict[tuple[str, str], _Nodes] = {}
        self._output: list[str] = []

    def render(self, template: Compiled, root: _Context) -> str:
        waiting = [self._walk(template._nodes, root, 0)]
        while waiting:
            inner = next(waiting[-1], None)
            if inner is None:
                waiting.pop()
            else:
                waiting.append(inner)
        return "".join(self._output)

    def _walk(self, nodes: _Nodes, context: _Context, depth: int) -> _Walk:
        """Write `nodes`; yields another walk wherever one has to be finished first."""
        for node in nodes:
            self._budget.spend(1)
            if isinstance(node, str):
                self._write(node)
            elif node.kind is ReferenceKind.PARTIAL:
                yield self._walk(self._block(node, depth), context, depth + 1)
            elif node.kind is ReferenceKind.SECTION:
                for inside in self._contexts(node, context):
                    self._budget.spend(2 + len(inside.path) // 64)
                    yield self._walk(node.children, inside, depth)
            elif node.kind is ReferenceKind.INVERTED:
                if not _is_true(self._find(node, context)[0]):
                    yield self._walk(node.children, context, depth)
            else:
                text = _text(self._find(node, context)[0])
                is_escaped = node.kind is ReferenceKind.VARIABLE
                self._write(self._escape(text) if is_escaped else text)

    def _write(self, text: str) -> None:
        self._budget.emit(text)
        self._output.append(text)

    def _find(self, tag: _Tag, context: _Context) -> tuple[object, str]:
        """What `tag` names, or `_ABSENT`, and the path of the value it was found in."""
        if not tag.parts:
            return context.value, context.path
        value, holder = self._look_up(tag.parts[0], context)
        for part in tag.parts[1:]:
            value = _child(value, part)
        if value is _ABSENT:
            self._budget.spend(1 + len(holder.path) // 64)
            self._missing.setdefault(_join(holder.path, tag.parts))
        return value, holder.path

    def _look_up(self, name: str, context: _Context) -> tuple[object, _Context]:
        """`name` in the nearest context that has it; `_ABSENT` in `context` when none has."""
        holder: _Context | None = context
        while holder is not None:
            self._budget.spend(1)
            value = _child(holder.value, name)
            if value is not _ABSENT:
                return value, holder
            holder = holder.parent
        return _ABSENT, context

    def _contexts(self, tag: _Tag, context: _Context) -> Iterator[_Context]:
        """The contexts in which the section is written: one for each item of an array."""
        value, found_at = self._find(tag, context)
        if not _is_true(value):
            return
        path = _join(found_at, tag.parts)
        for item in value if isinstance(value, list) else (value,):
            # A plain value has no names: those inside belong to what is around it.
            holds_names = isinstance(item, dict | list)
            yield _Context(item, path if holds_names else context.path, context)

    def _block(self, tag: _Tag, depth: int) -> _Nodes:
        if depth == MAX_PARTIAL_DEPTH:
            raise TemplateLimitExceeded(
                f"Block '{tag.name}' is included more than {MAX_PARTIAL_DEPTH} levels deep: "
                "does it include itself?"
            )
        key = tag.name, tag.indent
        if key not in self._blocks:
            self._blocks[key] = self._compile_block(tag)
        return self._blocks[key]

    def _compile_block(self, tag: _Tag) -> _Nodes:
        source = self._partials(tag.name)
        if not source:
            return ()
        self._budget.spend((len(source) + source.count("\n") * len(tag.indent)) // 10)
        indented = tag.indent + source[:-1].replace("\n", "\n" + tag.indent) + source[-1]
        return _compile_kept(indented, f"Block '{tag.name}'")._nodes


def _child(value: object, key: str) -> object:
    if isinstance(value, dict):
        return value.get(key, _ABSENT)
    if isinstance(value, list) and _INDEX.fullmatch(key):
        return value[int(key)] if int(key) < len(value) else _ABSENT
    return _ABSENT


def _is_true(value: object) -> bool:
    return value is not _ABSENT and (bool(value) or isinstance(value, dict))


def _text(value: object) -> str:
    """How a JSON value prints."""
    if isinstance(value, str):
        return value
    if value is None or value is _ABSENT:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _FIRST_WITH_EXPONENT:
        return str(int(value))
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise TemplateLimitExceeded("A value is too large or too deep to print.") from error
