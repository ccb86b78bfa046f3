"""A body means one thing only, or it is refused with the place named."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senderkit.commands import parse_json_object
from senderkit.errors import InvalidRequest

HUNG_SECONDS = 5
"""What is quadratic takes minutes here; what is not, well under a second on a quiet machine."""

MILLION_KEYS = b"{" + b",".join(b'"k%d":1' % i for i in range(1_000_000)) + b"}"
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    # JSON has no place for the sign of zero beyond what floats keep.
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refusal(raw: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse_json_object(raw)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b' \r\n\t{"a": [1, -2.5, true, null, "x"]} ', {"a": [1, -2.5, True, None, "x"]}),
        ('{"名": "🎉"}'.encode(), {"名": "🎉"}),
        (
            b'{"emoji": "\\ud83c\\udf89", "path": "C:\\\\u0000"}',
            {"emoji": "🎉", "path": "C:\\u0000"},
        ),
        (b'{"a": 9223372036854775807}', {"a": 2**63 - 1}),
        (b'{"a": -9223372036854775808}', {"a": -(2**63)}),
        (b'{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
    ],
)
def test_a_well_formed_object_is_read(raw: bytes, value: object) -> None:
    assert parse_json_object(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" \n", b"{", b'{"a":}', b"{'a': 1}", b'{"a": 1,}', b'{"a": 1} x', b"{,}"),
        *(b"[]", b"1", b'"text"', b"null", b"[{}]"),
        *(b'{"a": "\xff"}', '{"a": 1}'.encode("utf-16"), b'\xef\xbb\xbf{"a": 1}', b'{"a": "\n"}'),
        b'{"a": "\xed\xa0\x80"}',
    ],
)
def test_what_is_no_json_object_in_utf_8_is_refused(raw: bytes) -> None:
    assert refusal(raw).message


@pytest.mark.parametrize(
    ("raw", "path", "code"),
    [
        (b'{"a": 1, "a": 2}', ("a",), "duplicate"),
        (b'{"a": 1, "\\u0061": 1}', ("a",), "duplicate"),
        (b'{"a": {"b": [{"c": 1, "d": 2, "c": 3}]}}', ("a", "b", 0, "c"), "duplicate"),
        (b'{"a": NaN}', ("a",), "invalid_value"),
        (b'{"a": [0, Infinity]}', ("a", 1), "invalid_value"),
        (b'{"a": -Infinity}', ("a",), "invalid_value"),
        (b'{"a": 1e400}', ("a",), "invalid_value"),
        (b'{"a": -1e400}', ("a",), "invalid_value"),
        (b'{"a": 9223372036854775808}', ("a",), "invalid_value"),
        (b'{"a": -9223372036854775809}', ("a",), "invalid_value"),
        (b'{"a": ' + b"1" * 10_000 + b"}", ("a",), "invalid_value"),
        (b'{"a": 0.' + b"1" * 10_000 + b"}", ("a",), "invalid_value"),
        (b'{"a": "x\\u0000"}', ("a",), "invalid_value"),
        (b'{"a": [{"b": "\\ud800"}]}', ("a", 0, "b"), "invalid_value"),
        (b'{"a": "\\uDC00\\uD800"}', ("a",), "invalid_value"),
        (b'{"a": {"x\\u0000": 1}}', ("a", "x\0"), "invalid_value"),
    ],
)
def test_an_ambiguous_value_is_refused_by_its_path(
    raw: bytes, path: tuple[str | int, ...], code: str
) -> None:
    (issue,) = refusal(raw).issues
    assert (issue.path, issue.code) == (path, code)


def test_every_bad_value_is_named_in_order() -> None:
    issues = refusal(b'{"a": NaN, "b": ["\\u0000", 1e999], "c": {"d": 1, "d": 1}}').issues
    assert [issue.path for issue in issues] == [("a",), ("b", 0), ("b", 1), ("c", "d")]


def test_a_name_that_holds_a_lone_surrogate_is_told_in_text_that_can_be_answered() -> None:
    (issue,) = refusal(b'{"\\ud800": 1}').issues
    assert issue.path == ("?",)


def test_a_very_long_name_is_cut_in_the_answer() -> None:
    (issue,) = refusal(b'{"' + b"k" * 1_000_000 + b'": NaN}').issues
    assert len(str(issue.path[0])) < 300


def test_only_the_first_hundred_issues_are_told() -> None:
    error = refusal(b'{"a": [' + b",".join([b"NaN"] * 1_000) + b"]}")
    assert len(error.issues) == 100
    assert "there are more" in error.message


def test_nesting_stops_at_a_hundred() -> None:
    deepest = b'{"a":' + b"[" * 99 + b"]" * 99 + b"}"
    assert parse_json_object(deepest)
    assert "levels deep" in refusal(deepest.replace(b"[]", b"[[]]")).message


def test_brackets_inside_text_are_no_nesting() -> None:
    body = {"html": '<a href="{[">' * 1_000, "more": "[{" * 200_000 + "\\"}
    assert parse_json_object(json.dumps(body).encode()) == body


def test_a_hundred_thousand_values_are_enough() -> None:
    assert parse_json_object(b'{"a":[' + b"1," * 99_997 + b"1]}")
    assert "100,000 values" in refusal(b'{"a":[' + b"1," * 100_000 + b"1]}").message


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: MILLION_KEYS, id="a million keys"),
        pytest.param(lambda: b'{"a":' + MILLION_KEYS + b"}", id="a million keys inside"),
        pytest.param(lambda: b"[" * 100_000, id="deep lists"),
        pytest.param(lambda: b'{"a":' * 100_000, id="deep objects"),
        pytest.param(lambda: b"[]," * 5_000_000, id="many lists"),
        pytest.param(lambda: b"]" * 20_000_000, id="closing brackets"),
        pytest.param(lambda: b"{" + b"]" * 20_000_000, id="closing brackets after one"),
        pytest.param(lambda: b"[]," * 101 + b"]" * 20_000_000, id="closing brackets after many"),
        pytest.param(lambda: b'""' * 10_000_000, id="many strings"),
        pytest.param(lambda: b"[" + b"[]," * 101 + b'""' * 10_000_000, id="many strings in a list"),
        pytest.param(lambda: b"[" * 90 + b'[],"' + b'\\"' * 9_000_000, id="an endless string"),
        pytest.param(lambda: b'{"a":' + b"1" * 20_000_000 + b"}", id="a long integer"),
        pytest.param(lambda: b'{"a":1.' + b"1" * 20_000_000 + b"}", id="a long fraction"),
        pytest.param(lambda: b'{"a":1e' + b"1" * 20_000_000 + b"}", id="a long exponent"),
        pytest.param(lambda: b" " * 20_000_000, id="blanks"),
        pytest.param(lambda: b"{" + b'"a":1,' * 99_000 + b'"a":1}', id="one name often"),
        pytest.param(lambda: b'{"a":[' + b"NaN," * 99_000 + b"1]}", id="many NaN"),
    ],
)
def test_a_hostile_body_is_refused_at_once(make: Callable[[], bytes]) -> None:
    raw = make()
    started = time.thread_time()
    refusal(raw)
    assert time.thread_time() - started < HUNG_SECONDS


def test_large_attachments_beside_an_emoji_are_read_at_once() -> None:
    raw = b'{"a": "' + b"A" * 15_000_000 + b'", "b": "\\ud83c\\udf89"}'
    started = time.thread_time()
    assert len(parse_json_object(raw)["a"]) == 15_000_000
    assert time.thread_time() - started < HUNG_SECONDS


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), JSON_VALUES), st.booleans())
def test_what_a_json_writer_writes_comes_back(value: dict[str, Any], is_ascii: bool) -> None:
    raw = json.dumps(value, ensure_ascii=is_ascii).encode()
    if "\\u0000" in json.dumps(value):
        refusal_or_value(raw)
    else:
        assert parse_json_object(raw) == value


@settings(deadline=None)
@given(st.binary() | st.text(alphabet='{}[]",:\\u0dD81eE+-.Nan \n').map(str.encode))
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    refusal_or_value(raw)


def refusal_or_value(raw: bytes) -> None:
    try:
        parsed = parse_json_object(raw)
    except InvalidRequest:
        return
    assert isinstance(parsed, dict)
    json.dumps(parsed, allow_nan=False, ensure_ascii=False).encode()
