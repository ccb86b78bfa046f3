"""Declared variables as rows of a form: nothing is lost, and faults are told beside their field."""

from __future__ import annotations

from typing import Any

import pytest

from senderkit.errors import Issue
from senderkit.web.dashboard.variable_rows import (
    about_rows,
    read_rows,
    row_fields,
    shown_rows,
    typed_rows,
    with_blank,
)

STORED: list[dict[str, Any]] = [
    {"name": "a", "type": "string", "description": "Two\nlines", "required": True, "example": ""},
    {"name": "b", "type": "number", "description": None, "required": False, "example": 12.5},
    {"name": "c", "type": "boolean", "description": None, "required": False, "example": False},
    {"name": "d", "type": "array", "description": None, "required": False, "example": [{"x": 1}]},
    {"name": "e", "type": "object", "description": None, "required": False, "example": None},
    {"name": "f", "type": "string", "description": None, "required": False, "example": {"odd": 1}},
]


def read(form: dict[str, str], stored: list[dict[str, Any]] = STORED) -> tuple[Any, Any, Any]:
    issues: list[Issue] = []
    variables, places = read_rows(typed_rows(form), stored, issues)
    return variables, places, {issue.path: issue.message for issue in issues}


def test_rows_that_are_left_alone_come_back_to_the_letter() -> None:
    form = row_fields(with_blank(shown_rows(STORED)))
    sent = {name: text.replace("\n", "\r\n") for name, text in form.items()}
    assert read(sent) == (STORED, [0, 1, 2, 3, 4, 5], {})


def test_a_row_may_be_taken_out_from_among_others() -> None:
    form = row_fields(row for row in shown_rows(STORED) if row.index != 1)
    assert read(form)[:2] == ([STORED[0], *STORED[2:]], [0, 2, 3, 4, 5])


def test_a_cleared_row_is_none() -> None:
    form = row_fields(shown_rows(STORED)) | {"var-1-name": " ", "var-1-example": ""}
    assert [variable["name"] for variable in read(form)[0]] == ["a", "c", "d", "e", "f"]


@pytest.mark.parametrize(
    ("kind", "typed", "example"),
    [
        ("string", "12", "12"),
        ("string", "", None),
        ("number", "12", 12),
        ("boolean", "true", True),
        ("array", '["a"]', ["a"]),
        ("object", '{"a": 1}', {"a": 1}),
        ("array", " ", None),
    ],
)
def test_an_example_is_read_by_its_type(kind: str, typed: str, example: Any) -> None:
    form = {"var-0-name": "x", "var-0-type": kind, "var-0-example": typed}
    variables, _, issues = read(form, [])
    assert issues == {}
    assert variables[0]["example"] == example


@pytest.mark.parametrize("kind", ["number", "boolean", "array", "object"])
@pytest.mark.parametrize("typed", ["many", '"text"', "{", "null"])
def test_an_example_of_another_type_is_told_beside_it(kind: str, typed: str) -> None:
    form = {"var-7-name": "x", "var-7-type": kind, "var-7-example": typed}
    assert list(read(form, [])[2]) == [("var", 7, "example")]


def test_an_example_without_a_name_is_told() -> None:
    assert list(read({"var-3-name": "", "var-3-example": "Ada"}, [])[2]) == [("var", 3, "name")]


def test_issues_of_declarations_go_to_their_rows() -> None:
    found = about_rows([Issue("duplicate", ("variables", 1, "name"), "M")], [4, 9])
    assert [issue.path for issue in found] == [("var", 9, "name")]
    found = about_rows([Issue("too_long", ("variables",), "M")], [4])
    assert [issue.path for issue in found] == [("variables",)]
