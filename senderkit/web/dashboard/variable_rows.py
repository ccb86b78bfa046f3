"""Declared variables as rows of a form: name, type, description, whether required, an example.

A row that was left as it was shown keeps its stored declaration to the letter; one whose fields are
all empty is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from senderkit.commands import parse_json
from senderkit.commands.issues import IssueCode
from senderkit.domain import JsonObject
from senderkit.errors import InvalidRequest, Issue

TYPES: Final = ("string", "number", "boolean", "array", "object")
ROW: Final = "var"
"""Opens the path of an issue that is about a row: `("var", 3, "name")`."""

_NAME: Final = re.compile(r"var-([0-9]{1,4})-name")
_TEXT: Final = "string"
_BLANK_ROWS: Final = 1
_TEXTS: Final = ("name", "type", "description", "example")


@dataclass(frozen=True, slots=True)
class Row:
    """One declaration as it stands in the form; `index` is part of the names of its fields."""

    index: int
    name: str = ""
    type: str = _TEXT
    description: str = ""
    required: bool = False
    example: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.name or self.description or self.example)


def shown_rows(variables: Iterable[JsonObject], *, start: int = 0) -> list[Row]:
    """The rows of stored declarations, numbered from `start`."""
    return [_shown(variable, index) for index, variable in enumerate(variables, start)]


def _shown(variable: JsonObject, index: int) -> Row:
    example = variable.get("example")
    is_text = isinstance(example, str) and variable["type"] == _TEXT
    return Row(
        index=index,
        name=variable["name"],
        type=variable["type"],
        description=variable.get("description") or "",
        required=bool(variable.get("required")),
        example="" if example is None else example if is_text else _json(example),
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def typed_rows(form: Mapping[str, str]) -> list[Row]:
    """The rows of a form that was sent, in the order in which they stood there."""
    indices = (int(found[1]) for name in form if (found := _NAME.fullmatch(name)))
    return [_typed(form, index) for index in indices]


def _typed(form: Mapping[str, str], index: int) -> Row:
    def text(field: str) -> str:
        return form.get(f"{ROW}-{index}-{field}", "").replace("\r\n", "\n").replace("\r", "\n")

    return Row(
        index=index,
        name=text("name").strip(),
        type=text("type") or _TEXT,
        description=text("description"),
        required=f"{ROW}-{index}-required" in form,
        example=text("example"),
    )


def with_blank(rows: Sequence[Row], more: int = _BLANK_ROWS) -> list[Row]:
    """`rows` and blank ones after them, `more` than what is blank at their end already."""
    following = max((row.index for row in rows), default=-1) + 1
    return [*rows, *(Row(following + number) for number in range(more))]


# -- read -------------------------------------------------------------------------------------


def read_rows(
    rows: Iterable[Row], stored: Sequence[JsonObject], issues: list[Issue]
) -> tuple[list[JsonObject], list[int]]:
    """The declarations as the API takes them, and the index of the row of each."""
    given = [row for row in rows if not row.is_blank]
    return [_read(row, stored, issues) for row in given], [row.index for row in given]


def _read(row: Row, stored: Sequence[JsonObject], issues: list[Issue]) -> JsonObject:
    if row.index < len(stored) and _shown(stored[row.index], row.index) == row:
        return stored[row.index]
    if not row.name:
        message = "Give the variable a name, or clear the whole row."
        issues.append(Issue(IssueCode.REQUIRED, (ROW, row.index, "name"), message))
    return {
        "name": row.name,
        "type": row.type,
        "description": row.description.strip() or None,
        "required": row.required,
        "example": _read_example(row, issues),
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_EXAMPLES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "number": (_is_number, "Must be a number, such as 12.5."),
    "boolean": (lambda value: isinstance(value, bool), "Must be true or false."),
    "array": (
        lambda value: isinstance(value, list),
        'Must be a JSON array, such as [{"name": "Tea"}].',
    ),
    "object": (
        lambda value: isinstance(value, dict),
        'Must be a JSON object, such as {"name": "Ada"}.',
    ),
}


def _read_example(row: Row, issues: list[Issue]) -> Any:
    if row.type not in _EXAMPLES:
        return row.example or None
    if not row.example.strip():
        return None
    fits, message = _EXAMPLES[row.type]
    try:
        value = parse_json(row.example.encode("utf-8"))
    except InvalidRequest:
        value = None
    if not fits(value):
        issues.append(Issue(IssueCode.INVALID_VALUE, (ROW, row.index, "example"), message))
        return None
    return value


def about_rows(issues: Iterable[Issue], indices: Sequence[int]) -> list[Issue]:
    """Issues of declarations as issues of their rows; others as they are."""
    return [_about_row(issue, indices) for issue in issues]


def _about_row(issue: Issue, indices: Sequence[int]) -> Issue:
    match issue.path:
        case ("variables", int() as position, *rest) if position < len(indices):
            field = rest[0] if rest else "name"
            return Issue(issue.code, (ROW, indices[position], field), issue.message)
    return issue


def row_fields(rows: Iterable[Row]) -> dict[str, str]:
    """The fields of a form that `rows` stand for."""
    found: dict[str, str] = {}
    for row in rows:
        place = f"{ROW}-{row.index}"
        found |= {f"{place}-{name}": getattr(row, name) for name in _TEXTS}
        if row.required:
            found[f"{place}-required"] = "yes"
    return found
