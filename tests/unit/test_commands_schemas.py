"""The bodies describe themselves truthfully for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic.json_schema import models_json_schema

from senderkit.commands import (
    REQUEST_MODELS,
    parse_add_version,
    parse_create_template,
    parse_describe_template,
    parse_render_template,
    parse_send,
)
from senderkit.commands.recipients import EXAMPLE_SUBSCRIPTION
from senderkit.errors import InvalidRequest

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
FILE = {"filename": "a", "contentType": "a/b", "content": "SGk="}
WEB_PUSH = {"channel": "web-push", "to": EXAMPLE_SUBSCRIPTION}
TITLED = {"title": "t", "body": "b"}


def parse(name: str, body: dict[str, Any]) -> object:
    if name in {"Send", "TemplateSend", "RawSend"}:
        return parse_send(body, now=NOW)
    parsers: dict[str, Callable[[dict[str, Any]], object]] = {
        "CreateTemplate": parse_create_template,
        "AddVersion": parse_add_version,
        "DescribeTemplate": parse_describe_template,
        "RenderTemplate": parse_render_template,
    }
    return parsers[name](body)


def schema_of(name: str) -> dict[str, Any]:
    return REQUEST_MODELS[name].model_json_schema()


def every_value(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in every_value(item)]
    if isinstance(schema, dict):
        return [schema, *(found for item in schema.values() for found in every_value(item))]
    return []


@pytest.mark.parametrize("name", REQUEST_MODELS)
def test_each_schema_is_one_of_json_schema_2020(name: str) -> None:
    Draft202012Validator.check_schema(schema_of(name))


def test_the_schemas_fit_into_one_document() -> None:
    models = [(model, "validation") for model in REQUEST_MODELS.values()]
    _, shared = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    assert {"TemplateSendBody", "RawEmailSendBody", "AttachmentBody"} <= set(shared["$defs"])


@pytest.mark.parametrize("name", REQUEST_MODELS)
def test_examples_obey_the_schema_they_stand_in(name: str) -> None:
    whole = schema_of(name)
    for part in every_value(whole):
        for example in part.get("examples", []) if isinstance(part.get("examples"), list) else []:
            Draft202012Validator(part | {"$defs": whole.get("$defs", {})}).validate(example)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("TemplateSend", {"template": "x", "to": "a@b.example"}),
        ("Send", {"template": "x", "to": "a@b.example", "vars": None, "cc": []}),
        (
            "TemplateSend",
            {
                **{"template": "X", "to": "a@b.example", "version": 1, "channel": "email"},
                **{"vars": {"a": [1]}, "locale": "en", "metadata": {"a": 1, "b": "c", "d": True}},
                **{"scheduledAt": "2026-11-24T10:00:00Z", "from": "A <a@host>", "fromName": "A"},
                **{"cc": ["a@b.example"], "bcc": None, "replyTo": "a@b.example"},
                "attachments": [FILE, FILE | {"inline": True, "contentId": "x", "more": 1}],
            },
        ),
        (
            "RawSend",
            {
                **{"channel": "email", "to": "A <a@b.example>", "interpolate": True},
                "content": {
                    **{"subject": "s", "html": "", "text": None, "cc": ["a@b.example"], "x": 1},
                    "attachments": [FILE],
                },
            },
        ),
        ("Send", {"channel": "sms", "to": "+15555550100", "content": {"body": "b"}}),
        ("Send", {"channel": "push", "to": "t", "content": TITLED | {"data": {"a": "b"}}}),
        ("Send", WEB_PUSH | {"content": TITLED | {"clickUrl": "/"}}),
        ("CreateTemplate", {"slug": "a", "channel": "sms", "content": {"body": "b"}}),
        (
            "CreateTemplate",
            {
                **{"slug": "a", "channel": "email", "content": {"subject": "", "mjml": ""}},
                "variables": [{"name": "a", "type": "array", "example": [1], "required": False}],
            },
        ),
        ("AddVersion", {"content": {"body": "b"}, "variables": None}),
        ("DescribeTemplate", {"description": None}),
        ("RenderTemplate", {}),
        ("RenderTemplate", {"vars": {"a": 1}, "version": 1}),
        ("RenderTemplate", {"version": 3.0}),
        ("AddVersion", {"content": {"title": "t", "body": "b", "badge": 1.0}}),
        (
            "CreateTemplate",
            {"slug": "a", "channel": "email", "content": {"subject": "", "html": "", "mjml": None}},
        ),
    ],
)
def test_what_is_accepted_obeys_the_schema(name: str, body: dict[str, Any]) -> None:
    assert parse(name, body)
    Draft202012Validator(schema_of(name)).validate(body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("TemplateSend", {"template": "x"}),
        ("TemplateSend", {"template": "x", "to": "a@b.example", "colour": 1}),
        ("TemplateSend", {"template": "x", "to": "a@b.example", "version": "1"}),
        ("TemplateSend", {"template": "x", "to": "a@b.example", "version": 0}),
        ("TemplateSend", {"template": "x", "to": "a@b.example", "fromName": "a<b"}),
        ("TemplateSend", {"template": "x", "to": "a@b.example", "from": "nobody"}),
        ("TemplateSend", {"template": "x", "to": "a@b.example", "metadata": {"a": None}}),
        ("TemplateSend", {"template": "x", "to": "a@b.example", "metadata": {"": 1}}),
        ("TemplateSend", {"template": "x", "to": "a@b.example", "locale": "e"}),
        ("RawSend", {"channel": "email", "to": "a@b.example", "content": {"html": ""}}),
        ("RawSend", {"channel": "sms", "to": "555", "content": {"body": "b"}}),
        ("RawSend", {"channel": "sms", "to": "+15555550100", "content": {"body": ""}}),
        ("RawSend", {"channel": "push", "to": "a b", "content": TITLED}),
        ("RawSend", {"channel": "push", "to": "t", "content": TITLED | {"data": {"a": 1}}}),
        ("RawSend", WEB_PUSH | {"content": TITLED | {"badge": "x"}}),
        ("CreateTemplate", {"slug": "A", "channel": "sms", "content": {"body": "b"}}),
        ("CreateTemplate", {"slug": "a", "channel": "email", "content": {"subject": ""}}),
        (
            "CreateTemplate",
            {"slug": "a", "channel": "email", "content": {"subject": "", "mjml": None}},
        ),
        (
            "CreateTemplate",
            {"slug": "a", "channel": "email", "content": {"subject": "", "html": "", "mjml": ""}},
        ),
        ("DescribeTemplate", {}),
        ("RenderTemplate", {"version": True}),
    ],
)
def test_what_is_refused_breaks_the_schema(name: str, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        parse(name, body)
    assert not Draft202012Validator(schema_of(name)).is_valid(body)


def test_wire_names_are_camel_case_and_no_python_name_shows() -> None:
    properties = schema_of("TemplateSend")["properties"]
    assert {"scheduledAt", "from", "fromName", "replyTo"} <= set(properties)
    assert not any("_" in name for name in properties)
