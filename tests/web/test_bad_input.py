"""Bodies that mean harm or nothing: a clear 400 on every route, and nothing stored."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any, Final

import pytest
from werkzeug.test import TestResponse

from tests.make import Api, House, email_content, raw_email

# A body that each route takes, with the name of a field that holds free text.
BODIES: Final[dict[tuple[str, str], tuple[dict[str, Any], str]]] = {
    ("POST", "/v1/send"): (raw_email(), "vars"),
    ("POST", "/v1/send-raw"): (raw_email(), "vars"),
    ("POST", "/v1/templates"): (
        {"slug": "new", "channel": "email", "content": email_content()},
        "description",
    ),
    ("POST", "/v1/templates/welcome/versions"): ({"content": email_content()}, "content"),
    ("PATCH", "/v1/templates/welcome"): ({"description": "x"}, "description"),
    ("POST", "/v1/templates/welcome/render"): ({"vars": {}}, "vars"),
}
# What stands in the place of the field's value -> a word of the answer.
VALUES: Final = {
    b"NaN": "NaN",
    b"[Infinity]": "Infinity",
    b'{"a":-Infinity}': "Infinity",
    b"1e400": "too large",
    b"[[-1e999]]": "too large",
    b"9223372036854775808": "64 bits",
    b"-9223372036854775809": "64 bits",
    b"9" * 5000: "64 bits",
    b'"\\u0000"': "NUL",
    b'{"a":"x\\u0000y"}': "NUL",
    b'{"\\u0000":1}': "NUL",
    b'"\\ud800"': "surrogate",
    b'["\\udfff\\ud800"]': "surrogate",
    b'{"a":1,"a":1}': "more than once",
    b'{"a":{"b":1,"b":2}}': "more than once",
    b'"\x01"': "not valid JSON",
    b'"\\x"': "not valid JSON",
    b"'x'": "not valid JSON",
    b"01": "not valid JSON",
    b"undefined": "not valid JSON",
    b"[1,]": "not valid JSON",
    b"/* c */ 1": "not valid JSON",
    b'"\xff"': "not UTF-8",
    b'"\xed\xa0\x80"': "not UTF-8",
    b"[" * 100_000 + b"]" * 100_000: "nested",
    b"[" * 100_000: "nested",
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000: "nested",
    b"[" + b"1," * 1_000_000 + b"1]": "values",
    b"{" + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}": "values",
}
WHOLE: Final = {
    b"": None,
    b"   ": "empty",
    b"null": "object",
    b"[]": "object",
    b'"x"': "object",
    b"1": "object",
    b"true": "object",
    b"{": "not valid JSON",
    b"{}{}": "not valid JSON",
    b"\xef\xbb\xbf{}": None,
    "{}".encode("utf-16"): None,
    b"\x00": None,
    b"a=1&b=2": "not valid JSON",
    b"<xml/>": "not valid JSON",
}


@pytest.fixture
def furnished(house: House) -> House:
    house.template()
    return house


def stored(house: House) -> list[Any]:
    """Everything a request could have left behind."""
    tables = ("messages", "templates", "template_versions", "idempotency_keys")
    counts = [house.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables]  # noqa: S608
    return [counts, house.rows("SELECT description FROM templates")]


def spoiled(body: dict[str, Any], field: str, value: bytes) -> bytes:
    """The body with `value` in the field's place, as bytes that no JSON writer would write."""
    rest = json.dumps({name: item for name, item in body.items() if name != field})[1:-1]
    return b"{" + (rest.encode() + b"," if rest else b"") + b'"%s":' % field.encode() + value + b"}"


def assert_refused(answer: TestResponse, words: str | None) -> list[Any]:
    """The paths of the issues of a 400 that says the words."""
    assert answer.status_code == 400, answer.text[:500]
    error = answer.json["error"]  # type: ignore[index]
    assert error["code"] == "invalid_request"
    if words is not None:
        assert words in answer.text, (words, answer.text[:500])
    assert len(answer.data) < 20_000
    return [issue["path"] for issue in error.get("issues", [])]


def test_a_value_that_no_json_has_is_refused_and_named_on_every_route(furnished: House) -> None:
    api, before = furnished.api(), stored(furnished)
    for ((method, path), (body, field)), (value, words) in itertools.product(
        BODIES.items(), VALUES.items()
    ):
        started = time.monotonic()
        answer = api.call(
            method,
            path,
            data=spoiled(body, field, value),
            content_type="application/json",
            headers={"Idempotency-Key": "k"},
        )
        found = assert_refused(answer, words)
        assert time.monotonic() - started < 5
        if words not in {"not valid JSON", "not UTF-8", "nested", "values"}:
            assert [issue_path[0] for issue_path in found] == [field]
    assert stored(furnished) == before


def test_what_is_no_object_is_refused_on_every_route(furnished: House) -> None:
    api, before = furnished.api(), stored(furnished)
    for (method, path), (data, words) in itertools.product(BODIES, WHOLE.items()):
        if path.endswith("/render") and not data:
            continue
        answer = api.call(method, path, data=data, content_type="application/json")
        assert_refused(answer, words)
    assert stored(furnished) == before


WRONG: Final[tuple[Any, ...]] = (None, True, 1, 1.5, "x", [], [1], {}, {"a": 1})


def test_a_wrong_type_in_any_place_is_no_crash(furnished: House) -> None:
    """Each field of each body holds each type of JSON once: 2xx or a 4xx that names it."""
    api = furnished.api()
    for (method, path), body in itertools.chain(
        ((route, body) for route, (body, _) in BODIES.items()), FULL.items()
    ):
        for place in places(body):
            for value in WRONG:
                answer = api.call(method, path, json=replaced(body, place, value))
                assert answer.status_code < 500, (path, place, value)
                if answer.status_code == 400:
                    named = {first for first, *_ in assert_refused(answer, None)}
                    is_named = place[0] in named or f"'{place[0]}'" in answer.text
                    assert is_named, (path, place, value)


TITLED: Final = {"title": "t", "body": "b"}
FULL: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("POST", "/v1/send"): {
        **{"template": "welcome", "to": "ada@example.com", "version": 1, "channel": "email"},
        **{"vars": {"a": 1}, "locale": "en", "metadata": {"a": 1}, "from": "a@acme.example"},
        **{"fromName": "A", "cc": ["b@example.com"], "bcc": ["c@example.com"]},
        **{"replyTo": "d@example.com", "scheduledAt": "2026-11-24T12:00:00Z"},
        "attachments": [
            {"filename": "a", "contentType": "a/b", "content": "SGk=", "inline": True}
            | {"contentId": "x"}
        ],
    },
    ("POST", "/v1/send-raw"): {
        "channel": "push",
        "to": "token",
        "content": {"title": "t", "body": "b", "data": {"a": "b"}, "badge": 1, "sound": "s"},
    },
    ("POST", "/v1/templates"): {
        **{"slug": "other", "channel": "web-push", "description": "d"},
        "content": {"title": "t", "body": "b", "icon": "i", "clickUrl": "c", "badge": 1}
        | {"data": {"a": {"b": 1}}},
        "variables": [
            {"name": "a", "type": "string", "description": "d", "required": True, "example": 1}
        ],
    },
}


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    return [path for key, item in items for path in ((*at, key), *places(item, (*at, key)))]


def replaced(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(body))
    target = copy
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return copy


LINE_BREAKS: Final = ("\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\x0b", "\x0c", "\x85", "\x7f")


def test_a_line_break_in_what_reaches_a_header_is_refused_on_every_channel(
    furnished: House,
) -> None:
    api, before = furnished.api(), stored(furnished)
    template = {"template": "welcome", "to": "ada@example.com"}
    for character in LINE_BREAKS:
        text = f"a{character}Bcc: eve@example.com"
        address = f"a{character}b@example.com"
        named = f"A{character}B <a@example.com>"
        file = {"filename": text, "contentType": "a/b", "content": ""}
        bodies = {
            "subject": raw_email(content={"subject": text, "html": ""}),
            "to": raw_email(to=address),
            "to with a name": raw_email(to=named),
            "from": raw_email(**{"from": named}),
            "fromName": raw_email(fromName=text),
            "replyTo": raw_email(content={"subject": "", "html": "", "replyTo": named}),
            "cc": raw_email(content={"subject": "", "html": "", "cc": [address]}),
            "bcc": raw_email(content={"subject": "", "html": "", "bcc": [named]}),
            "filename": raw_email(content={"subject": "", "html": "", "attachments": [file]}),
            "template cc": template | {"cc": [named]},
            "template fromName": template | {"fromName": text},
            "template replyTo": template | {"replyTo": address},
            "sms": {"channel": "sms", "to": f"+1555555{character}0100", "content": {"body": "b"}},
            "push": {
                "channel": "push",
                "to": f"tok{character}en",
                "content": {"title": "", "body": ""},
            },
        }
        for name, body in bodies.items():
            answer = api.post("/v1/send", body)
            assert answer.status_code == 400, (name, character)
            assert assert_refused(answer, None), (name, character)
    subject = {"content": {"subject": "a\r\nb", "html": ""}}
    assert_refused(api.post("/v1/templates/welcome/versions", subject), "subject")
    assert stored(furnished) == before


def test_a_hundred_issues_are_told_and_then_no_more(api: Api) -> None:
    copies = [{"filename": "", "contentType": "x", "content": "!"} for _ in range(100)]
    content = {"subject": 1, "html": 1, "attachments": copies}
    answer = api.post("/v1/send", raw_email(content=content))
    assert len(assert_refused(answer, "there are more")) == 100


def test_a_long_unknown_name_is_not_sent_back_whole(api: Api) -> None:
    answer = api.post("/v1/send", {**raw_email(), "x" * 1_000_000: 1})
    (path,) = assert_refused(answer, None)
    assert len(path[0]) < 250
