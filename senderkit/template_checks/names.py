"""Variables and blocks that a template names, against those that there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from senderkit.commands import is_variable_name
from senderkit.domain import JsonObject
from senderkit.mustache import MAX_PARTIAL_DEPTH, ReferenceKind
from senderkit.template_checks.finding import Check, Level, quoted
from senderkit.template_uses import Flaw, Use, Uses, own_fields_in
from senderkit.template_variables import Declared, Meaning, Meanings

_MARKUP: Final = ("html", "mjml")
_PRINTS: Final = (ReferenceKind.VARIABLE, ReferenceKind.UNESCAPED)
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "string": "a text",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list",
        "object": "an object",
    }
)


def check_names(
    uses: Uses,
    content: JsonObject,
    translations: Mapping[str, JsonObject],
    variables: Sequence[JsonObject],
    blocks: Mapping[str, str],
) -> Iterator[Check]:
    meanings = Meanings(uses.of_variables, variables)
    yield from map(_of_flaw, uses.flaws)
    yield from _undeclared(uses.of_variables, meanings)
    yield from _of_other_types(uses.of_variables, meanings)
    yield from _unescaped(uses.of_variables)
    yield from _of_blocks(uses.of_blocks, blocks)
    if uses.is_whole and not uses.flaws:  # what was not read may use them
        yield from _unused(uses.of_variables, meanings, variables)
        yield from _between_languages(uses.of_variables, meanings, content, translations)


def _at(use: Use | Flaw, level: Level, code: str, message: str, advice: str) -> Check:
    """At the place of `use`; of one in a block, where the block is named."""
    if use.block is not None:
        message = f"In the block {quoted(use.block)}: {message}"
    text = use.text
    return Check(level, text.field, use.line, use.column, message, advice, code, text.language)


def _of_flaw(flaw: Flaw) -> Check:
    advice = (
        "Every {{ needs its }}, and every {{#name}} or {{^name}} a {{/name}} that closes it: the "
        "innermost first."
    )
    return _at(flaw, Level.ERROR, "template_syntax", f"{flaw.message}.", advice)


# -- variables --------------------------------------------------------------------------------


def _undeclared(uses: Iterable[Use], meanings: Meanings) -> Iterator[Check]:
    """Each once for each language, where it is used first; an undeclared list or object stands
    for what is in it."""
    seen: set[tuple[str | None, str]] = set()
    for use in uses:
        meaning = meanings.of(use)
        key = use.text.language, meaning.path
        if meaning.declared is None and key not in seen:
            seen.add(key)
            if not _is_in_another(use, meanings):
                yield _of_undeclared(use, meaning.path)


def _is_in_another(use: Use, meanings: Meanings) -> bool:
    around = meanings.around(use.sections)[0]
    return around.declared is None and use.name != "."


def _of_undeclared(use: Use, path: str) -> Check:
    if not is_variable_name(path):
        message = f"{quoted(path)} is used, and cannot be declared."
        advice = "Give it a name of at most 200 characters, without spaces or braces."
        return _at(use, Level.WARNING, "variable_name", message, advice)
    message = f"{quoted(path)} is used but not declared."
    advice = "Declare it under Variables, or correct the name."
    return _at(use, Level.WARNING, "variable_undeclared", message, advice)


def _unused(
    uses: Iterable[Use], meanings: Meanings, variables: Iterable[JsonObject]
) -> Iterator[Check]:
    used: set[str] = set()
    for use in uses:
        for way in meanings.all_of(use):
            used.update(node.name for node in way)
            if use.kind in _PRINTS and way[-1].name != "":
                _add_all_below(way[-1], used)
    for variable in variables:
        if variable["name"] not in used:
            message = f"{quoted(variable['name'])} is declared but not used."
            advice = "Use it, or remove its declaration."
            yield Check(Level.HINT, "variables", None, None, message, advice, "variable_unused")


def _add_all_below(node: Declared, names: set[str]) -> None:
    waiting = list(node.children.values())
    while waiting:
        child = waiting.pop()
        if child.name not in names:
            names.add(child.name)
            waiting.extend(child.children.values())


def _of_other_types(uses: Iterable[Use], meanings: Meanings) -> Iterator[Check]:
    seen: set[tuple[str | None, str, ReferenceKind]] = set()
    for use in uses:
        meaning = meanings.of(use)
        key = use.text.language, meaning.path, use.kind
        if key not in seen and use.name != ".":
            seen.add(key)
            yield from _of_other_type(use, meaning, meanings)


def _of_other_type(use: Use, meaning: Meaning, meanings: Meanings) -> Iterator[Check]:
    declared = meaning.declared
    if declared is None or declared.name != meaning.path:
        return
    code, name, kind = "variable_type", quoted(meaning.path), _KINDS.get(declared.type or "")
    if use.kind in _PRINTS and declared.holds_names:
        message = f"{name} is {kind or 'an object'}: it prints as JSON."
        advice = "Print what is in it: {{name.part}}, or {{#name}} and {{/name}} around its parts."
        yield _at(use, Level.HINT, code, message, advice)
    elif _is_asked(use, declared) and meanings.guess((*use.sections, use.name)) != "string":
        message = f"{name} is {kind}: the section is shown once unless it is empty or 0."
        advice = "Declare it as boolean to ask a question, as array to repeat something."
        yield _at(use, Level.HINT, code, message, advice)


def _is_asked(use: Use, declared: Declared) -> bool:
    """Whether a plain value opens a section; one that prints just that value is well meant."""
    return use.kind is ReferenceKind.SECTION and declared.type in ("string", "number")


def _unescaped(uses: Iterable[Use]) -> Iterator[Check]:
    for use in uses:
        if use.kind is ReferenceKind.UNESCAPED and use.text.field in _MARKUP:
            message = f"{quoted(use.name)} goes into the HTML unescaped."
            advice = (
                "Write {{name}} with two braces, unless your own code makes this HTML and "
                "nobody else can write into it."
            )
            yield _at(use, Level.WARNING, "variable_unescaped", message, advice)


def _between_languages(
    uses: Iterable[Use],
    meanings: Meanings,
    content: JsonObject,
    translations: Mapping[str, JsonObject],
) -> Iterator[Check]:
    """What a translation uses and the template's own content does not, and the other way round."""
    first: dict[str | None, dict[str, Use]] = {None: {}}
    own_by_field: dict[str, set[str]] = {}
    for use in uses:
        path = meanings.of(use).path
        first.setdefault(use.text.language, {}).setdefault(path, use)
        if use.text.language is None:
            own_by_field.setdefault(_root(use), set()).add(path)
    own = first[None]
    for tag, fields in translations.items():
        theirs = first.get(tag, {})
        yield from (_only_there(path, use) for path, use in theirs.items() if path not in own)
        kept = own_fields_in(content, fields)
        known = set(theirs).union(*(own_by_field.get(name, ()) for name in kept))
        yield from (
            _missing_there(path, use, tag, fields) for path, use in own.items() if path not in known
        )


def _root(use: Use) -> str:
    return use.text.field.partition(".")[0]


def _only_there(path: str, use: Use) -> Check:
    message = f"{quoted(path)} is used in {quoted(use.text.language or '')} only."
    advice = "Use it in the default language too, or see whether it is meant here."
    return _at(use, Level.HINT, "variable_language", message, advice)


def _missing_there(path: str, use: Use, tag: str, fields: JsonObject) -> Check:
    """At the field of the translation that stands for the one of `use`."""
    field = _root(use) if _root(use) in fields else next(iter(fields), _root(use))
    message = f"{quoted(path)} of the default language is missing in {quoted(tag)}."
    advice = "See whether the translation should name it."
    return Check(Level.HINT, field, None, None, message, advice, "variable_language", tag)


# -- blocks -----------------------------------------------------------------------------------


def _of_blocks(uses: Iterable[Use], blocks: Mapping[str, str]) -> Iterator[Check]:
    """Each block once for each text."""
    uses = list(uses)
    inner: dict[str, set[str]] = {}
    for use in uses:
        if use.block is not None:
            inner.setdefault(use.block, set()).add(use.name)
    depths = _depths(inner)
    seen: set[tuple[int, str]] = set()
    for use in uses:
        key = id(use.text), use.name
        if key in seen:
            continue
        seen.add(key)
        if use.name not in blocks:
            advice = "Correct the name, or make a block of this name: until then it is empty."
            message = f"There is no block {quoted(use.name)}."
            yield _at(use, Level.ERROR, "block_unknown", message, advice)
        elif use.block is None and depths.get(use.name, 1) is None:
            message = f"The block {quoted(use.name)} includes itself, so that nothing is sent."
            advice = "Take it out of the blocks that it includes."
            yield _at(use, Level.ERROR, "block_circle", message, advice)
        elif use.block is None and (depths.get(use.name, 1) or 1) > MAX_PARTIAL_DEPTH:
            message = f"Blocks are more than {MAX_PARTIAL_DEPTH} deep in {quoted(use.name)}."
            advice = "Put fewer blocks into each other: nothing is sent like this."
            yield _at(use, Level.ERROR, "block_depth", message, advice)


def _depths(inner: Mapping[str, Iterable[str]]) -> dict[str, int | None]:
    """How many levels of blocks each makes, itself included; None where it never ends."""
    depths: dict[str, int | None] = {}
    under_way: set[str] = set()
    for start in inner:
        waiting = [start]
        while waiting:
            name = waiting[-1]
            below = [each for each in inner.get(name, ()) if each not in depths]
            if name in depths:
                waiting.pop()
            elif name not in under_way and below:
                under_way.add(name)
                waiting.extend(below)
            else:
                # Whatever is still unknown here is being worked out further up: a circle.
                depths[name] = None if below else _one_more(name, inner, depths)
                waiting.pop()
    return depths


def _one_more(
    name: str, inner: Mapping[str, Iterable[str]], depths: Mapping[str, int | None]
) -> int | None:
    levels = [depths[each] for each in inner.get(name, ())]
    known = [level for level in levels if level is not None]
    return None if len(known) < len(levels) else 1 + max(known, default=0)
