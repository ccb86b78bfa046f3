"""Bytes -> a JSON object that means one thing only, and that everything after can hold.

The standard library lets a lot through: the last of two equal keys wins, `NaN` and `1e400` are
numbers, lone surrogates and NUL are text. Each of these is refused here and named by its path.
Limits on depth and number of values are checked before parsing, so a hostile body costs neither
stack nor memory.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from senderkit.commands.issues import IssueCode, Path, refuse, short_path
from senderkit.commands.limits import (
    MAX_INTEGER,
    MAX_ISSUES,
    MAX_JSON_DEPTH,
    MAX_JSON_VALUES,
    MAX_NUMBER_CHARACTERS,
    MIN_INTEGER,
)
from senderkit.errors import InvalidRequest, Issue

# A string is one token, closed or not; possessive, so that no input makes it look twice.
_TOKENS: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"?|[\[\]{},]', re.DOTALL)
_OPENING: Final = frozenset(b"[{")
_CLOSING: Final = frozenset(b"]}")
_COMMA: Final = ord(",")
# A value brings at most: its comma, its key, itself or a pair of brackets.
_MAX_TOKENS: Final = 5 * MAX_JSON_VALUES
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Stands in the parsed body where a value was that is refused."""

    code: IssueCode
    message: str


@dataclass(frozen=True, slots=True)
class _Step:
    """A path as a linked list: building tuples for every value would cost more than parsing."""

    parent: _Step | None
    name: str | int

    def path(self) -> Path:
        names: list[str | int] = []
        step: _Step | None = self
        while step:
            names.append(step.name)
            step = step.parent
        return tuple(reversed(names))


class _Hooks:
    """The parser's hooks for one body; `found` says whether any left a `_Flaw` behind."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found = False

    def _flaw(self, code: IssueCode, message: str) -> _Flaw:
        self.found = True
        return _Flaw(code, message)

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            self._mark_repeated(pairs, members)
        return members

    def _mark_repeated(self, pairs: list[tuple[str, Any]], members: dict[str, Any]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                message = "This name appears more than once in its object."
                members[key] = self._flaw(IssueCode.DUPLICATE, message)
            seen.add(key)

    def constant(self, word: str) -> _Flaw:
        return self._flaw(IssueCode.INVALID_VALUE, f"{word} is not a JSON number.")

    def integer(self, digits: str) -> int | _Flaw:
        if len(digits) <= MAX_NUMBER_CHARACTERS:
            number = int(digits)
            if MIN_INTEGER <= number <= MAX_INTEGER:
                return number
        message = "This integer does not fit in 64 bits. Send it as a string."
        return self._flaw(IssueCode.INVALID_VALUE, message)

    def fraction(self, digits: str) -> float | _Flaw:
        if len(digits) <= MAX_NUMBER_CHARACTERS:
            number = float(digits)
            if math.isfinite(number):
                return number
        return self._flaw(IssueCode.INVALID_VALUE, "This number is too large or too long.")


def parse_json_object(raw: bytes) -> dict[str, Any]:
    """The JSON object that `raw` is; as strict as `parse_json`. Raises `InvalidRequest`."""
    if not raw.strip():
        raise InvalidRequest("The body is empty. Send a JSON object.")
    parsed = parse_json(raw)
    if not isinstance(parsed, dict):
        raise InvalidRequest("The body must be a JSON object: {…}.")
    return parsed


def parse_json(raw: bytes) -> Any:
    """The JSON value that `raw` is, in UTF-8. Raises `InvalidRequest`, with paths where it can.

    Integers are signed 64-bit, numbers finite, names unique in their object, texts free of NUL
    and lone surrogates, nesting at most 100 deep, values at most 100,000.
    """
    _check_shape(raw)
    hooks = _Hooks()
    parsed = _parse(raw, hooks)
    if hooks.found or _may_hold_bad_text(raw):
        issues = list(_issues(parsed))
        if issues:
            refuse(issues)
    return parsed


def _parse(raw: bytes, hooks: _Hooks) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=hooks.members,
            parse_constant=hooks.constant,
            parse_int=hooks.integer,
            parse_float=hooks.fraction,
        )
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"The body is not valid JSON: {error.msg} ({place}).") from error


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The body is nested more than {MAX_JSON_DEPTH} levels deep.")


def _too_many() -> InvalidRequest:
    return InvalidRequest(f"The body holds more than {MAX_JSON_VALUES:,} values.")


def _check_shape(raw: bytes) -> None:
    opening = raw.count(b"{") + raw.count(b"[")
    if opening > MAX_JSON_DEPTH or opening + raw.count(b",") > MAX_JSON_VALUES:
        _count_exactly(raw)


def _count_exactly(raw: bytes) -> None:
    depth = values = 0
    for count, match in enumerate(_TOKENS.finditer(raw)):
        token = raw[match.start()]
        if token in _OPENING:
            depth += 1
            values += 1
        elif token in _CLOSING:
            depth -= 1
        elif token == _COMMA:
            values += 1
        if depth > MAX_JSON_DEPTH:
            raise _too_deep()
        if values > MAX_JSON_VALUES or count > _MAX_TOKENS:
            raise _too_many()


def _may_hold_bad_text(raw: bytes) -> bool:
    # Raw control characters are refused by the parser and raw surrogates by the decoder: only
    # escapes remain. "ud" also starts every emoji written as escapes; the walk tells them apart.
    return b"\\u0000" in raw or b"\\ud" in raw or b"\\uD" in raw


def _issues(parsed: Any) -> Iterator[Issue]:
    """The refused values below `parsed`, in the order of the body, one more than are told."""
    count = 0
    waiting: list[tuple[Any, _Step | None]] = [(parsed, None)]
    while waiting and count <= MAX_ISSUES:
        value, step = waiting.pop()
        found = _find_flaw(value, step)
        if found:
            count += 1
            yield Issue(found.code.value, short_path(step.path() if step else ()), found.message)
        waiting.extend(_children(value, step))


def _children(value: Any, step: _Step | None) -> list[tuple[Any, _Step]]:
    if isinstance(value, dict):
        return [(item, _Step(step, key)) for key, item in reversed(value.items())]
    if isinstance(value, list):
        return [(value[i], _Step(step, i)) for i in range(len(value) - 1, -1, -1)]
    return []


def _find_flaw(value: Any, step: _Step | None) -> _Flaw | None:
    if isinstance(value, _Flaw):
        return value
    if step and isinstance(step.name, str) and _is_bad_text(step.name):
        return _bad_text("This name")
    if isinstance(value, str) and _is_bad_text(value):
        return _bad_text("This text")
    return None


def _is_bad_text(text: str) -> bool:
    return "\0" in text or (not text.isascii() and _SURROGATE.search(text) is not None)


def _bad_text(what: str) -> _Flaw:
    message = f"{what} holds a NUL character or a lone surrogate."
    return _Flaw(IssueCode.INVALID_VALUE, message)
