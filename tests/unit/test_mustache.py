"""The template engine beyond the spec: what it prints, what it reports, where it stops."""

from __future__ import annotations

import contextlib
import html
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderkit.errors import TemplateError, TemplateLimitExceeded, TemplateSyntaxError
from senderkit.mustache import (
    MAX_NAME_CHARACTERS,
    MAX_OUTPUT_BYTES,
    MAX_PARTIAL_DEPTH,
    MAX_SECTION_DEPTH,
    MAX_SOURCE_CHARACTERS,
    MAX_TAGS,
    Budget,
    Compiled,
    compile_template,
)

HOSTILE_SECONDS = 3.0
"""Far above what any case takes (under half a second), far below what an unbounded one takes."""


def fill(
    template: str | Compiled,
    data: object,
    blocks: dict[str, str] | None = None,
    escape: Callable[[str], str] = str,
) -> tuple[str, list[str]]:
    compiled = compile_template(template) if isinstance(template, str) else template
    missing: dict[str, None] = {}
    text = compiled.render(
        data, escape=escape, partials=(blocks or {}).get, budget=Budget(), missing=missing
    )
    return text, list(missing)


@pytest.fixture
def _quickly() -> Iterator[None]:
    start = time.thread_time()
    yield
    assert time.thread_time() - start < HOSTILE_SECONDS


# -- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (True, "true"),
        (False, "false"),
        (None, ""),
        (0, "0"),
        (-7, "-7"),
        (1.0, "1"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        ("", ""),
        ("é\n", "é\n"),
        ([1, "é", None], '[1, "é", null]'),
        ({"a": True}, '{"a": true}'),
    ],
)
def test_values_print_like_json(value: object, printed: str) -> None:
    assert fill("{{x}}", {"x": value})[0] == printed


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", []])
def test_false_values_close_a_section_and_open_its_inverse(value: object) -> None:
    assert fill("{{#x}}yes{{/x}}{{^x}}no{{/x}}", {"x": value}) == ("no", [])


@pytest.mark.parametrize("value", [True, 1, -1, "0", "false", [0], {}])
def test_all_other_values_open_a_section(value: object) -> None:
    assert fill("{{#x}}yes{{/x}}{{^x}}no{{/x}}", {"x": value}) == ("yes", [])


def test_only_double_braces_escape() -> None:
    text, _ = fill("{{x}} {{{x}}} {{&x}} <", {"x": "<"}, escape=html.escape)
    assert text == "&lt; < < <"


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        ("{{items.1.name}}", "b"),
        ("{{items.2.name}}", ""),
        ("{{items.-1.name}}", ""),
        ("{{items.length}}", ""),
        ("{{items.99999999999999999999}}", ""),
        ("{{items.¹}}", ""),
    ],
)
def test_an_item_is_found_by_its_number(template: str, printed: str) -> None:
    assert fill(template, {"items": [{"name": "a"}, {"name": "b"}]})[0] == printed


@pytest.mark.parametrize(
    "path",
    [
        "n.__class__",
        "n.upper",
        "n.__class__.__mro__",
        "d.keys",
        "d.items",
        "l.append",
        "i.real",
        "__class__",
        "d.__init__.__globals__",
        "n.0",
    ],
)
def test_no_name_reaches_python(path: str) -> None:
    data = {"n": "bob", "d": {}, "l": [], "i": 1}
    assert fill(f"[{{{{{path}}}}}]", data) == ("[]", [path])
    assert fill(f"[{{{{#{path}}}}}x{{{{/{path}}}}}]", data) == ("[]", [path])


# -- missing paths ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "data", "missing"),
    [
        ("{{name}}", {}, ["name"]),
        ("{{name}}", {"name": None}, []),
        ("{{name}}", {"name": ""}, []),
        ("{{{a}}}{{&b}}{{a}}", {}, ["a", "b"]),
        ("{{z}}{{a}}{{m}}{{a}}", {}, ["z", "a", "m"]),
        ("{{user.name}}", {}, ["user.name"]),
        ("{{user.name}}", {"user": {}}, ["user.name"]),
        ("{{user.name}}", {"user": None}, ["user.name"]),
        ("{{user.name}}", {"user": {"name": None}}, []),
        ("{{#user}}{{name}}{{/user}}", {}, ["user"]),
        ("{{#user}}{{name}}{{/user}}", {"user": None}, []),
        ("{{#user}}{{name}}{{/user}}", {"user": False}, []),
        ("{{#user}}{{name}}{{/user}}", {"user": {}}, ["user.name"]),
        ("{{#user}}{{name}}{{/user}}", {"user": {}, "name": "n"}, []),
        ("{{#items}}{{name}}{{/items}}", {"items": []}, []),
        ("{{#items}}{{name}}{{/items}}", {"items": [{"name": 1}, {}, {}]}, ["items.name"]),
        ("{{#items}}{{name}}{{/items}}", {"items": [{}], "name": 1}, []),
        ("{{#items}}{{.}}{{/items}}", {"items": ["a"]}, []),
        ("{{#items}}{{unit}}{{/items}}", {"items": ["a"]}, ["unit"]),
        ("{{#items}}{{.}}{{#.}}{{x}}{{/.}}{{/items}}", {"items": [{}]}, ["items.x"]),
        ("{{#a}}{{#b}}{{c}}{{/b}}{{/a}}", {"a": {"b": [{}]}}, ["a.b.c"]),
        ("{{#a}}{{#b}}{{c}}{{/b}}{{/a}}", {"a": [{}], "b": {}}, ["b.c"]),
        ("{{#a}}{{b.c}}{{/a}}", {"a": {}}, ["a.b.c"]),
        ("{{#a}}{{b.c}}{{/a}}", {"a": {}, "b": {}}, ["b.c"]),
        ("{{#vip}}{{discount}}{{/vip}}", {"vip": True}, ["discount"]),
        ("{{^user}}{{fallback}}{{/user}}", {}, ["user", "fallback"]),
        ("{{^user}}{{fallback}}{{/user}}", {"user": True}, []),
        ("{{>block}}", {}, ["of_block"]),
        ("{{#o}}{{>block}}{{/o}}", {"o": {}}, ["o.of_block"]),
        ("{{>gone}}{{!comment}}", {}, []),
    ],
)
def test_a_path_named_but_not_given_is_reported(
    template: str, data: dict[str, Any], missing: list[str]
) -> None:
    assert fill(template, data, {"block": "{{of_block}}"})[1] == missing


# -- references -------------------------------------------------------------------------------


def test_references_tell_path_kind_and_place() -> None:
    template = (
        "{{a}} {{{b.c}}}\n"
        "{{#items}}\n"
        "  é {{name}}{{.}}{{^sold}}{{price}}{{/sold}}\n"
        "{{/items}}{{=<% %>=}}\n"
        "<%> footer %><%.%>"
    )
    found = [
        (r.path, r.kind.value, r.line, r.column) for r in compile_template(template).references()
    ]
    assert found == [
        ("a", "variable", 1, 1),
        ("b.c", "unescaped", 1, 7),
        ("items", "section", 2, 1),
        ("items.name", "variable", 3, 5),
        ("items", "variable", 3, 13),
        ("items.sold", "inverted", 3, 18),
        ("items.price", "variable", 3, 27),
        ("footer", "partial", 5, 1),
        (".", "variable", 5, 14),
    ]


def test_references_inside_an_implicit_section_belong_to_the_item() -> None:
    template = compile_template("{{#.}}{{x}}{{/.}}{{#a}}{{#.}}{{x}}{{/.}}{{/a}}")
    assert [r.path for r in template.references()] == [".", "x", "a", "a", "a.x"]


# -- syntax errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "message", "line", "column"),
    [
        ("a\nb {{name", "never closed", 2, 3),
        ("{{{name}}", "never closed: '}}}'", 1, 1),
        ("{{=<% %>}}", "never closed: '=}}'", 1, 1),
        ("Hello {{name, from {{company}}", "not closed before the next '{{'", 1, 7),
        ("x\n {{#a}}\n{{b}}", "Section 'a' is never closed", 2, 2),
        ("{{#a}}{{^b}}", "Section 'b' is never closed", 1, 7),
        ("{{/a}}", "'a' is closed here but no section is open", 1, 1),
        ("\n{{#a}}\n{{/b}}", "'b' is closed here but 'a', opened on line 2, is still open", 3, 1),
        ("{{#if a}}{{/if}}", "'if' is closed here but 'if a'", 1, 10),
        ("{{}}", "no name", 1, 1),
        ("{{# }}", "no name", 1, 1),
        ("{{>}}", "no name", 1, 1),
        ("{{a..b}}", "empty part", 1, 1),
        ("{{.a}}", "empty part", 1, 1),
        ("{{a.}}", "empty part", 1, 1),
        ("{{=a=}}", "delimiter tag", 1, 1),
        ("{{=a b c=}}", "delimiter tag", 1, 1),
        ("{{==}}", "delimiter tag", 1, 1),
        ("{{= =a b =}}", "delimiter tag", 1, 1),
        ("{{" + "a" * (MAX_NAME_CHARACTERS + 1) + "}}", "name is longer than 200", 1, 1),
        ("{{a}}" * MAX_TAGS + "{{a}}", "more than 10,000 tags", 1, 5 * MAX_TAGS + 1),
        ("{{#a}}" * 51 + "{{/a}}" * 51, "nested more than 50 deep", 1, 301),
        ("\n" + "a" * MAX_SOURCE_CHARACTERS, "longer than 1,000,000", 2, MAX_SOURCE_CHARACTERS),
    ],
)
def test_a_broken_template_is_refused_with_its_place(
    template: str, message: str, line: int, column: int
) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_template(template)
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert f"(line {line}, column {column})" in str(caught.value)


def test_an_error_in_a_block_names_the_block() -> None:
    with pytest.raises(TemplateSyntaxError, match=r"^Block 'foot': This tag .* \(line 2, column 1"):
        fill("{{> foot}}", {}, {"foot": "a\n{{b"})


def test_a_field_name_opens_the_message() -> None:
    with pytest.raises(TemplateSyntaxError, match=r"^html: This tag has no name"):
        compile_template("{{}}", name="html")


# -- limits -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize(
    "template",
    [
        "{{" * 100_000,
        "{{{" * 100_000,
        "{{#a}}" * 100_000,
        "{{/a}}" * 100_000,
        "{{#a}}" * 5_000 + "{{/a}}" * 5_000,
        "{{=" * 100_000,
        "{{!" * 100_000,
        "{{!}}" * 100_000,
        "{{=| |=}}" + "|a" * 100_000,
        "\n{{#a}}" * 40 + " " * 900_000 + "{{",
    ],
    ids=lambda template: f"{template[:12]!r} x {len(template)}",
)
def test_a_hostile_source_is_refused_at_once(template: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        compile_template(template)


@pytest.mark.parametrize("before", [" ", "{{!}}"])
@pytest.mark.usefixtures("_quickly")
def test_many_tags_on_one_long_line_parse_in_linear_time(before: str) -> None:
    compile_template((before + "{{!}}") * (MAX_TAGS // 2) + " " * 900_000)


NESTED_LOOPS = "{{#a}}" * 8 + "x" + "{{/a}}" * 8
DEEP_MISS = "{{#a}}" * 50 + "{{#l}}{{" + "m" * 200 + "}}{{/l}}" + "{{/a}}" * 50


def ten_by_ten(levels: int) -> list[Any]:
    value: list[Any] = [0] * 10
    for _ in range(levels):
        value = [{"a": value}] * 10
    return value


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize(
    ("template", "data", "blocks"),
    [
        (NESTED_LOOPS, {"a": ten_by_ten(8)}, {}),
        ("{{#a}}" * 8 + "{{x}}" + "{{/a}}" * 8, {"a": ten_by_ten(8)}, {}),
        ("{{#a}}{{/a}}", {"a": [0] * 1_000_000}, {}),
        (DEEP_MISS, {"a": {}, "l": [{}] * 1_000_000}, {}),
        ("{{#l}}{{x}}{{/l}}", {"l": [0] * 10_000, "x": "y" * 10_000}, {}),
        ("{{x}}" * MAX_TAGS, {"x": ["y" * 1_000] * 1_000}, {}),
        ("{{>a}}", {}, {"a": "{{>a}}"}),
        ("{{>a}}", {}, {"a": "x{{>b}}", "b": "y{{>a}}"}),
        ("{{>a}}", {}, {"a": "{{>a}}{{>a}}"}),
        ("{{#a}}{{>p}}{{/a}}", {"a": [1, 2]}, {"p": "{{#a}}{{>p}}{{/a}}"}),
        (" {{>a}}\n", {}, {"a": "  {{>a}}\n" * 5_000}),
        (" " * 500_000 + "{{>a}}\n", {}, {"a": "\n" * 500_000}),
        ("".join(" " * n + "{{>a}}\n" for n in range(900)), {}, {"a": "{{!" + "{{b}}" * 9_999}),
        (
            "".join(" " * n + "{{>a}}\n" for n in range(900)),
            {},
            {"a": "{{b}}" * 9_990 + "\n" * 900_000},
        ),
    ],
    ids=range(14),
)
def test_a_hostile_rendering_is_stopped(
    template: str, data: dict[str, Any], blocks: dict[str, str]
) -> None:
    with pytest.raises(TemplateError):
        fill(template, data, blocks)


def test_too_much_output_is_refused() -> None:
    exactly = "x" * MAX_OUTPUT_BYTES
    assert fill("{{x}}", {"x": exactly})[0] == exactly
    with pytest.raises(TemplateLimitExceeded, match="larger than 1,000,000 bytes"):
        fill("{{x}}!", {"x": exactly})


def test_output_is_counted_in_bytes() -> None:
    with pytest.raises(TemplateLimitExceeded, match="bytes"):
        fill("{{x}}", {"x": "é" * (MAX_OUTPUT_BYTES // 2 + 1)})


def test_too_many_operations_are_refused() -> None:
    with pytest.raises(TemplateLimitExceeded, match="operations"):
        fill("{{#a}}{{/a}}", {"a": [0] * 1_000_000})


def test_a_block_that_includes_itself_is_refused() -> None:
    with pytest.raises(TemplateLimitExceeded, match="'a' is included more than 20 levels deep"):
        fill("{{>a}}", {}, {"a": "{{>a}}"})


def test_a_block_that_follows_its_data_may_include_itself() -> None:
    tree: dict[str, Any] = {"n": 0, "kids": []}
    for n in range(1, MAX_PARTIAL_DEPTH):
        tree = {"n": n, "kids": [tree]}
    text, missing = fill("{{>node}}", tree, {"node": "{{n}} {{#kids}}{{>node}}{{/kids}}"})
    assert (text.split()[-1], missing) == ("0", [])


def test_a_block_takes_the_indent_of_each_place_it_is_put() -> None:
    template = "{{>a}}\n  {{>a}}\n\t{{>a}}\n-{{>a}}"
    assert fill(template, {}, {"a": "1\n2\n"})[0] == "1\n2\n  1\n  2\n\t1\n\t2\n-1\n2\n"


def test_sections_may_nest_as_deep_as_the_limit_says() -> None:
    template = "{{#a}}" * MAX_SECTION_DEPTH + "x" + "{{/a}}" * MAX_SECTION_DEPTH
    assert fill(template, {"a": True})[0] == "x"


def test_a_value_too_deep_or_too_long_to_print_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TemplateLimitExceeded, match="too large or too deep"):
        fill("{{x}}", {"x": deep})
    with pytest.raises(TemplateLimitExceeded, match="too large or too deep"):
        fill("{{x}}", {"x": 10**5_000})


def test_a_compiled_template_renders_again_with_other_data() -> None:
    template = compile_template("{{#a}}{{.}},{{/a}}")
    assert [fill(template, {"a": [1, 2]})[0], fill(template, {"a": []})[0]] == ["1,2,", ""]


# -- properties -------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcx"), inner, max_size=3)
    ),
    max_leaves=12,
)
snippets = st.sampled_from(
    [
        "{{a}}",
        "{{{b}}}",
        "{{&a.b}}",
        "{{#a}}",
        "{{/a}}",
        "{{^b}}",
        "{{/b}}",
        "{{.}}",
        "{{#.}}",
        "{{/.}}",
        "{{>a}}",
        "  {{>b}}\n",
        "{{!c}}",
        "{{=<% %>=}}",
        "<%={{ }}=%>",
        "<%a%>",
        "\n",
        " ",
    ]
)
templates = st.lists(snippets | st.text(alphabet="{}#/^ab.>&=! \r\n", max_size=6)).map("".join)


@given(template=templates, data=json_values, block=templates)
def test_any_template_and_data_end_in_text_or_a_template_error(
    template: str, data: object, block: str
) -> None:
    with contextlib.suppress(TemplateError):
        text, _ = fill(template, data, {"a": block, "b": template}, html.escape)
        assert len(text) <= MAX_OUTPUT_BYTES


@given(text=st.text().filter(lambda text: "{{" not in text), data=json_values)
def test_a_template_without_tags_is_its_own_text(text: str, data: object) -> None:
    assert fill(text, data) == (text, [])


@given(value=json_values)
def test_a_structure_prints_as_json_that_reads_back(value: object) -> None:
    text, _ = fill("{{{a}}}", {"a": {"inside": value}})
    assert json.loads(text) == {"inside": value}
