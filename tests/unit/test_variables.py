"""Declarations worked out of what a template uses, and the values that it is shown with."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senderkit.commands import MAX_VARIABLES, parse_add_version
from senderkit.domain import Channel
from senderkit.rendering import compile_content
from senderkit.template_checks import check_template
from senderkit.template_samples import sample_values
from senderkit.template_variables import infer_variables


def infer(html: str, *declared: tuple[str, str], **given: Any) -> list[Mapping[str, Any]]:
    content = {"subject": "s", "preheader": "p", "html": html}
    known = [{"name": name, "type": kind} for name, kind in declared]
    return infer_variables(Channel.EMAIL, content, given.pop("translations", {}), known, **given)


def types(variables: list[Mapping[str, Any]]) -> dict[str, str]:
    return {variable["name"]: variable["type"] for variable in variables}


# -- inferring --------------------------------------------------------------------------------


def test_a_declaration_has_the_form_of_the_wire() -> None:
    [variable] = infer("Hi {{name}}")
    assert variable == {
        "name": "name",
        "type": "string",
        "description": None,
        "required": True,
        "example": "Ada Lovelace",
    }


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("{{a}} {{{b}}} {{& c}} {{a}}", {"a": "string", "b": "string", "c": "string"}),
        ("{{user.name}} {{user.email}}", {"user.name": "string", "user.email": "string"}),
        ("{{#items}}{{name}}{{/items}}", {"items": "array"}),
        ("{{#tags}}{{.}}{{/tags}}", {"tags": "array"}),
        ("{{items.0.name}}", {"items": "array"}),
        ("{{#user}}{{name}}{{/user}}", {"user": "object"}),
        ("{{#user}}{{name}}{{/user}} {{user.email}}", {"user": "object"}),
        ("{{#isVip}}thanks{{/isVip}}", {"isVip": "boolean"}),
        ("{{#is_vip}}{{points}}{{/is_vip}}", {"is_vip": "boolean", "points": "string"}),
        ("{{^paid}}Please pay{{/paid}}", {"paid": "boolean"}),
        ("{{#note}}Note: {{note}}{{/note}}", {"note": "string"}),
        ("{{#details}}: {{details}}{{/details}}", {"details": "string"}),
        ("{{name}}{{^name}}there{{/name}}", {"name": "string"}),
        ("{{#items}}a{{/items}}{{#items}}{{x}}{{/items}}{{^items}}b{{/items}}", {"items": "array"}),
        ("{{#news}}{{#news}}{{x}}{{/news}}{{/news}}", {"news": "array"}),
        ("{{#isNew}}{{#items}}{{x}}{{/items}}{{/isNew}}", {"isNew": "boolean", "items": "array"}),
        ("{{#a}}{{b}}{{/a}}{{b}}", {"a": "boolean", "b": "string"}),
        ("{{first name}} {{.}} text", {}),
        ("{{#broken}}", {}),
    ],
)
def test_types_are_guessed_from_use(html: str, expected: dict[str, str]) -> None:
    assert types(infer(html)) == expected


def test_what_is_declared_is_left_out() -> None:
    html = "{{name}} {{#items}}{{title}}{{company}}{{/items}} {{user.age}} {{name.length}}"
    added = infer(html, ("name", "string"), ("items", "array"), ("user.name", "string"))
    assert types(added) == {"user.age": "string"}


def test_a_loop_has_an_example_of_one_item() -> None:
    html = "{{#items}}{{name}} {{price}}{{#options}}{{.}}{{/options}}{{seller.name}}{{/items}}"
    [items] = infer(html)
    assert items["example"] == [
        {
            "name": "Notebook",
            "price": "19.90",
            "options": ["Option 1", "Option 2"],
            "seller": {"name": "Ada Lovelace"},
        }
    ]


def test_what_only_a_question_shows_is_not_required() -> None:
    html = "{{name}}{{#isVip}}{{points}}{{/isVip}}{{#note}}{{note}}{{/note}}{{^city}}x{{/city}}"
    required = {variable["name"]: variable["required"] for variable in infer(html)}
    assert required == {
        "name": True,
        "isVip": False,
        "points": False,
        "note": False,
        "city": False,
    }


def test_a_section_over_the_item_itself_asks_nothing() -> None:
    assert [v["required"] for v in infer("{{#user}}{{#.}}{{name}}{{/.}}{{/user}}")] == [True]


def test_translations_and_blocks_are_read_too() -> None:
    added = infer(
        "{{> foot}}",
        translations={"de": {"subject": "{{anrede}}"}},
        blocks={"foot": "{{#rows}}{{> row}}{{/rows}}", "row": "{{sku}}"},
    )
    assert types(added) == {"rows": "array", "anrede": "string"}


def test_no_more_are_inferred_than_a_version_may_have() -> None:
    html = "".join(f"{{{{v{i}}}}}" for i in range(MAX_VARIABLES + 50))
    declared = [(f"d{i}", "string") for i in range(20)]
    assert len(infer(html, *declared)) == MAX_VARIABLES - 20
    assert infer(html, *[(f"d{i}", "string") for i in range(MAX_VARIABLES + 1)]) == []


PARTS = st.lists(
    st.sampled_from(
        [
            "{{name}}", "{{user.name}}", "{{items.0.x}}", "{{.}}", "{{{raw}}}", "{{> row}}",
            "{{#items}}", "{{/items}}", "{{#user}}", "{{/user}}", "{{^items}}", "{{#isNew}}",
            "{{/isNew}}", "{{#.}}", "{{/.}}", "{{a b}}", "{{count}}", "{{items.name}}", "x",
        ]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(PARTS, PARTS)
def test_one_click_declares_all_that_is_used(html: str, row: str) -> None:
    content = {"subject": "s", "html": html}
    added = infer_variables(Channel.EMAIL, content, {}, [], {"row": row})
    body = {"content": content, "variables": [dict(each) for each in added]}
    assert [each["name"] for each in parse_add_version(body).variables] == [
        each["name"] for each in added
    ]
    checks = check_template(Channel.EMAIL, content, variables=added, blocks={"row": row})
    assert {c.code for c in checks}.isdisjoint({"variable_undeclared", "variable_unused"})
    assert infer_variables(Channel.EMAIL, content, {}, added, {"row": row}) == []


@given(st.text(max_size=30))
def test_any_name_has_an_example(name: str) -> None:
    for kind in ("string", "number", "boolean", "array", "object"):
        [value] = sample_values([{"name": name.replace(".", ""), "type": kind}]).values()
        json.dumps(value)


# -- values to show it with -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "Ada Lovelace"),
        ("firstName", "Ada"),
        ("user.last_name", "Lovelace"),
        ("company.name", "Example Ltd"),
        ("productName", "Notebook"),
        ("customerEmail", "ada@example.com"),
        ("resetURL", "https://example.com"),
        ("total_amount", "19.90"),
        ("dueDate", "24 November 2026"),
        ("code", "481 920"),
        ("itemCount", "3"),
        ("favouriteColour", "Favourite colour"),
        ("123", "Example"),
    ],
)
def test_a_name_says_what_an_example_looks_like(name: str, value: str) -> None:
    values: Any = sample_values([{"name": name, "type": "string"}])
    for part in name.split("."):
        values = values[part]
    assert values == value


def test_samples_are_the_examples_in_objects_within_each_other() -> None:
    variables: list[dict[str, Any]] = [
        {"name": "user.name", "type": "string", "example": "Grace"},
        {"name": "user.address.city", "type": "string", "example": "Paris"},
        {"name": "user", "type": "object", "example": {"id": 7}},
        {"name": "items.price", "type": "number", "example": 5},
        {"name": "items", "type": "array", "example": [{"name": "Pen"}, {"name": "Ink"}]},
        {"name": "isNew", "type": "boolean", "example": False},
    ]
    assert sample_values(variables) == {
        "user": {"id": 7, "name": "Grace", "address": {"city": "Paris"}},
        "items": [{"name": "Pen", "price": 5}, {"name": "Ink", "price": 5}],
        "isNew": False,
    }
    assert variables[4]["example"] == [{"name": "Pen"}, {"name": "Ink"}], "examples are not touched"


@pytest.mark.parametrize(
    ("kind", "example", "value"),
    [
        ("string", None, "3"),
        ("string", 5, 5),
        ("number", None, 3),
        ("number", "4.5", 4.5),
        ("number", "many", 3),
        ("boolean", None, True),
        ("boolean", "false", False),
        ("array", None, ["Count 1", "Count 2"]),
        ("array", '["a"]', ["a"]),
        ("array", {"a": 1}, ["Count 1", "Count 2"]),
        ("object", None, {}),
        ("object", '{"a": 1}', {"a": 1}),
        ("object", "[" * 100_000, {}),
    ],
)
def test_an_example_that_does_not_fit_is_made_up(kind: str, example: Any, value: Any) -> None:
    assert sample_values([{"name": "count", "type": kind, "example": example}]) == {"count": value}


def test_a_name_below_a_plain_value_is_left_out() -> None:
    variables = [{"name": "a", "type": "string", "example": "x"}, {"name": "a.b", "type": "string"}]
    assert sample_values(variables) == {"a": "x"}


def test_samples_fill_a_template_without_a_gap() -> None:
    html = (
        "{{user.name}}{{#items}}{{name}}{{#parts}}{{sku}}{{/parts}}{{/items}}{{#isNew}}!{{/isNew}}"
    )
    content = {"subject": "Order {{orderNumber}}", "html": html}
    variables = infer_variables(Channel.EMAIL, content, {}, [])
    rendered = compile_content(Channel.EMAIL, content).render(sample_values(variables))
    assert rendered.missing == ()


@pytest.mark.parametrize(
    "html",
    [
        "{{#a}}" * 50 + "{{b}}" * 9_000 + "{{/a}}" * 50,
        "".join(f"{{{{v{i}.x}}}}" for i in range(9_999)),
        ("{{" + ".".join("b" * 100) + "}}") * 4_900,
    ],
    ids=["sections", "names", "parts"],
)
def test_hostile_templates_are_read_within_a_second(html: str) -> None:
    start = time.thread_time()
    sample_values(infer(html))
    assert time.thread_time() - start < 3
