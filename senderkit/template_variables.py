"""Variables of a template: which declaration each name means, and declarations worked out of uses.

A name inside `{{#items}}` is the item's or, if the item does not have it, that of whatever is
around. Since there is no data yet, what a section is over is taken from its declaration or, without
one, guessed from what is inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from senderkit.commands import MAX_VARIABLES, is_variable_name
from senderkit.domain import Channel, JsonObject
from senderkit.mustache import ReferenceKind
from senderkit.template_samples import INDEX, fallback_value, plain_items, words_of
from senderkit.template_uses import Use, read_uses

_HOLDERS: Final = ("array", "object")
_CLAIMS: Final = frozenset(
    ["is", "has", "have", "can", "should", "show", "was", "with", "needs", "wants"]
)
_LISTS: Final = frozenset(["list", "rows", "data", "children", "people", "entries"])
_NO_PLURAL: Final = ("ss", "us", "is")


# -- declarations as a tree -------------------------------------------------------------------


@dataclass(slots=True)
class Declared:
    """One part of declared names: `type` is None where only longer names are declared."""

    name: str
    type: str | None = None
    children: dict[str, Declared] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it covers names that are not declared one by one."""
        return self.type in _HOLDERS

    @property
    def holds_names(self) -> bool:
        return self.is_open or bool(self.children)

    def step(self, part: str) -> Declared | None:
        """What `part` of this is; this itself for an item of an array and for what it covers."""
        found = self.children.get(part)
        is_item = self.name and self.children and INDEX.fullmatch(part)
        return self if found is None and (self.is_open or is_item) else found


def declared_tree(variables: Iterable[JsonObject]) -> Declared:
    root = Declared("")
    for variable in variables:
        node = root
        for part in variable["name"].split("."):
            name = f"{node.name}.{part}" if node.name else part
            node = node.children.setdefault(part, Declared(name))
        node.type = variable["type"]
    return root


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a use means: its `path` from the top, and the declaration that covers it, if any."""

    path: str
    declared: Declared | None


class Meanings:
    """What each of `uses` means among `variables`."""

    def __init__(self, uses: Sequence[Use], variables: Iterable[JsonObject]) -> None:
        self.declared = declared_tree(variables)
        self._inside: dict[tuple[str, ...], dict[str, None]] = {}
        for use in uses:
            self._inside.setdefault(use.sections, {})[use.name] = None
        self._around: dict[tuple[str, ...], tuple[Meaning, ...]] = {
            (): (Meaning("", self.declared),)
        }
        self._found: dict[tuple[tuple[str, ...], str], Meaning] = {}
        self._guesses: dict[tuple[str, ...], str] = {}

    def of(self, use: Use) -> Meaning:
        key = use.sections, use.name
        if key not in self._found:
            self._found[key] = self._find(*key)
        return self._found[key]

    def all_of(self, use: Use) -> Iterator[list[Declared]]:
        """The declarations that the use may be about, each with those on the way to it."""
        for around in self.around(use.sections):
            way = _way(around.declared, use.name)
            if way:
                yield way

    def around(self, sections: tuple[str, ...]) -> tuple[Meaning, ...]:
        """What names within `sections` are looked up in, the innermost first, the top last."""
        if sections not in self._around:
            outer = self.around(sections[:-1])
            own = self._find(sections[:-1], sections[-1])
            holds = own.declared.holds_names if own.declared else self.guess(sections) in _HOLDERS
            self._around[sections] = (own, *outer) if holds else outer
        return self._around[sections]

    def _find(self, sections: tuple[str, ...], name: str) -> Meaning:
        places = self.around(sections)
        if name == ".":
            return places[0]
        for place in places:
            way = _way(place.declared, name)
            if way:
                return Meaning(_join(place.path, name), way[-1])
        return Meaning(_join(places[0].path, name), None)

    def guess(self, sections: tuple[str, ...]) -> str:
        """The type of what the innermost of `sections` is over, from what is inside of it."""
        if sections not in self._guesses:
            self._guesses[sections] = self._guess(sections)
        return self._guesses[sections]

    def _guess(self, sections: tuple[str, ...]) -> str:
        name = sections[-1]
        inside = self._inside.get(sections, {})
        if name in inside or name.rpartition(".")[2] in inside:
            return "string"
        if "." in inside:
            return "array"
        outer = self.around(sections[:-1])
        own = [each for each in inside if not any(_way(p.declared, each) for p in outer)]
        if own and _reads_as_list(name):
            return "array"
        around = [self._inside.get(sections[:i], {}) for i in range(len(sections))]
        own = [each for each in own if not any(each in names for names in around)]
        return "object" if own and not _reads_as_claim(name) else "boolean"


def _way(start: Declared | None, name: str) -> list[Declared]:
    """The declarations from `start` to what covers `name`; empty when none does."""
    way: list[Declared] = []
    for part in name.split(".") if start else ():
        start = start.step(part) if start else None
        if start is None:
            return []
        way.append(start)
    return way


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _reads_as_list(name: str) -> bool:
    words = words_of(name)
    last = words[-1] if words else ""
    is_plural = last.endswith("s") and not last.endswith(_NO_PLURAL)
    return (is_plural or last in _LISTS) and not _reads_as_claim(name)


def _reads_as_claim(name: str) -> bool:
    return bool(words_of(name)) and words_of(name)[0] in _CLAIMS


# -- declarations from uses -------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """An undeclared name: the types that its sections look like, and how else it is used."""

    types: set[str] = field(default_factory=set)
    is_printed: bool = False
    is_asked: bool = False
    is_needed: bool = False
    children: dict[str, _Found] = field(default_factory=dict)

    @property
    def type(self) -> str:
        if "array" in self.types:
            return "array"
        if self.children:
            return "object"
        return "string" if self.is_printed or "string" in self.types else "boolean"


def infer_variables(
    channel: Channel,
    content: JsonObject,
    translations: Mapping[str, JsonObject],
    declared: Sequence[JsonObject],
    blocks: Mapping[str, str] = MappingProxyType({}),
) -> list[JsonObject]:
    """Declarations of what a template uses and `declared` lacks, in the order of their first use.

    They have the wire's form, every key present. Loops are arrays whose example has one item, names
    with dots are declared one by one. No more are given than a version may have in all, and none
    whose name cannot be declared.
    """
    uses = read_uses(channel, content, translations, blocks).of_variables
    return inferred(uses, Meanings(uses, declared), room=MAX_VARIABLES - len(declared))


def inferred(uses: Iterable[Use], meanings: Meanings, *, room: int) -> list[JsonObject]:
    """As `infer_variables`, of uses that have been read; at most `room`."""
    root = _Found()
    for use in uses:
        meaning = meanings.of(use)
        if meaning.declared is None and _may_be_declared(meaning.path, meanings.declared):
            _note(root, meaning.path, use, meanings)
    return list(_declarations(root, ""))[: max(room, 0)]


def _may_be_declared(path: str, declared: Declared) -> bool:
    """Whether it is a name, and not below a plain value: that is a mistake in the template."""
    node: Declared | None = declared
    for part in path.split("."):
        node = node.step(part) if node else None
        if node is not None and node.type and not node.is_open:
            return False
    return is_variable_name(path)


def _note(root: _Found, path: str, use: Use, meanings: Meanings) -> None:
    node = root
    for part in path.split("."):
        if INDEX.fullmatch(part) and node is not root:
            node.types.add("array")
        else:
            node = node.children.setdefault(part, _Found())
    if use.kind is ReferenceKind.SECTION and use.name != ".":
        node.types.add(meanings.guess((*use.sections, use.name)))
    elif use.kind is ReferenceKind.INVERTED:
        node.is_asked = True
    elif use.kind is not ReferenceKind.SECTION:
        node.is_printed = True
    # Within a section that only asks, it may be absent.
    node.is_needed |= len(meanings.around(use.sections)) == len(use.sections) + 1


def _declarations(node: _Found, path: str) -> Iterator[JsonObject]:
    for part, child in node.children.items():
        name = _join(path, part)
        if child.children and not child.types & set(_HOLDERS):
            yield from _declarations(child, name)
        else:
            is_conditional = bool(child.types - set(_HOLDERS)) or child.is_asked
            yield {
                "name": name,
                "type": child.type,
                "description": None,
                "required": child.is_needed and not is_conditional,
                "example": _example(child, name),
            }


def _example(node: _Found, path: str) -> Any:
    if node.type == "array" and not node.children:
        return plain_items(path)
    members = {part: _example(child, _join(path, part)) for part, child in node.children.items()}
    if node.type == "array":
        return [members]
    return members or fallback_value(path, node.type)
