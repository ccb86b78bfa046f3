"""Which blocks a text names, and what naming each other amounts to: circles, depth, multitude."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from senderkit.domain import JsonObject
from senderkit.errors import TemplateError
from senderkit.mustache import MAX_PARTIAL_DEPTH, ReferenceKind, compile_template

MAX_INCLUSIONS: Final = 10_000
"""Blocks that one block may bring along, all levels counted; far below what a render allows."""

# Without either no tag names a block: most texts need not be parsed to know that.
_OPENINGS: Final = ("{{>", "{{=")

Inner = Mapping[str, Sequence[str]]
"""The names in each block by its own name, as often as they stand there."""


def names_in(source: str) -> tuple[str, ...]:
    """The blocks that a text names, as often as it does. One that is no template names none."""
    if not any(opening in source for opening in _OPENINGS):
        return ()
    try:
        references = compile_template(source).references()
    except TemplateError:
        return ()
    return tuple(each.path for each in references if each.kind is ReferenceKind.PARTIAL)


def names_in_content(content: JsonObject) -> frozenset[str]:
    """The blocks that any field of a content names."""
    return frozenset(name for text in _texts(content.values()) for name in names_in(text))


def _texts(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(value.values())
        elif isinstance(value, list):
            yield from _texts(value)


def reached(names: Iterable[str], inner: Inner) -> set[str]:
    """`names`, and whatever they bring along."""
    waiting, found = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(inner.get(name, ()))
    return found


def find_cycle(inner: Inner) -> Sequence[str]:
    """Blocks that include each other in a circle, the first of them named at its end again."""
    try:
        TopologicalSorter(inner).prepare()
    except CycleError as error:
        found: Sequence[str] = error.args[1][::-1]
        return found
    return ()


def find_excess(inner: Inner, name: str) -> str | None:
    """What is too much about the blocks that `name` takes part in, or None. Without circles."""
    depths: dict[str, int] = {}
    counts: dict[str, int] = {}
    for each in TopologicalSorter(inner).static_order():
        names = inner.get(each, ())
        depths[each] = 1 + max((depths[one] for one in names), default=0)
        counts[each] = len(names) + sum(counts[one] for one in names)
        if name not in reached([each], inner):
            continue
        if depths[each] > MAX_PARTIAL_DEPTH:
            return f"'{each}' would include blocks more than {MAX_PARTIAL_DEPTH} levels deep."
        if counts[each] > MAX_INCLUSIONS:
            return f"'{each}' would bring along more than {MAX_INCLUSIONS:,} blocks."
    return None
