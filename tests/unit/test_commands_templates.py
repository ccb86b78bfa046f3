"""Drafting, describing and rendering templates."""

from __future__ import annotations

from typing import Any

import pytest

from senderkit.commands import (
    check_template_content,
    parse_add_version,
    parse_create_template,
    parse_describe_template,
    parse_render_template,
)
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest, Issue

Path = tuple[str | int, ...]
EMAIL = {"subject": "Hi {{name}}", "html": "<p>{{name}}</p>"}


def creation(**changes: Any) -> dict[str, Any]:
    return {"slug": "welcome", "channel": "email", "content": EMAIL} | changes


def found(issues: tuple[Issue, ...]) -> dict[Path, str]:
    return {issue.path: str(issue.code) for issue in issues}


def creation_issues(body: dict[str, Any]) -> dict[Path, str]:
    with pytest.raises(InvalidRequest) as caught:
        parse_create_template(body)
    return found(caught.value.issues)


def test_a_template_is_created_with_its_declarations_complete() -> None:
    command = parse_create_template(
        creation(
            description="Says hello",
            variables=[
                {"name": "name", "type": "string", "required": True, "description": "Who"},
                {"name": "user.items", "type": "array", "example": [1], "unknown": 1},
            ],
        )
    )
    assert (command.slug, command.channel) == ("welcome", Channel.EMAIL)
    assert (command.description, command.content) == ("Says hello", EMAIL)
    assert command.variables == (
        {
            "name": "name",
            "type": "string",
            "description": "Who",
            "required": True,
            "example": None,
        },
        {
            "name": "user.items",
            "type": "array",
            "description": None,
            "required": False,
            "example": [1],
        },
    )


@pytest.mark.parametrize(
    ("channel", "content", "stored"),
    [
        ("email", EMAIL | {"text": None, "junk": 1}, EMAIL),
        ("email", {"subject": "", "html": ""}, {"subject": "", "html": ""}),
        ("email", {"subject": "", "mjml": "<mjml>"}, {"subject": "", "mjml": "<mjml>"}),
        ("email", EMAIL | {"preheader": "p", "text": "t"}, EMAIL | {"preheader": "p", "text": "t"}),
        ("sms", {"body": "Hi\n{{name}}"}, {"body": "Hi\n{{name}}"}),
        ("push", {"title": "a", "body": "b"}, {"title": "a", "body": "b"}),
        (
            "web-push",
            {"title": "a", "body": "b", "clickUrl": "{{url}}", "icon": None},
            {"title": "a", "body": "b", "clickUrl": "{{url}}"},
        ),
    ],
)
def test_content_is_stored_under_wire_names(
    channel: str, content: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert check_template_content(Channel(channel), content) == stored
    command = parse_create_template(creation(channel=channel, content=content))
    assert command.content == stored


@pytest.mark.parametrize(
    ("channel", "content", "path", "code"),
    [
        ("email", {"subject": "s"}, ("html",), "required"),
        ("email", {"subject": "s", "html": "", "mjml": ""}, ("html",), "invalid_value"),
        ("email", {"subject": "s", "mjml": 1}, ("mjml",), "invalid_type"),
        ("email", {"subject": "s\r\n", "html": ""}, ("subject",), "invalid_value"),
        ("email", {"html": ""}, ("subject",), "required"),
        ("email", {"subject": "", "html": "x" * 1_000_001}, ("html",), "too_long"),
        ("sms", {}, ("body",), "required"),
        ("push", {"title": "t", "body": "b", "data": {"a": None}}, ("data", "a"), "invalid_type"),
        ("web-push", {"title": "t", "body": "b", "badge": 0.5}, ("badge",), "invalid_type"),
    ],
)
def test_each_bad_part_of_content_is_named(
    channel: str, content: dict[str, Any], path: Path, code: str
) -> None:
    expected = {("content", *path): code}
    assert creation_issues(creation(channel=channel, content=content)) == expected
    with pytest.raises(InvalidRequest) as caught:
        check_template_content(Channel(channel), content)
    assert found(caught.value.issues) == expected


@pytest.mark.parametrize("slug", ["a", "0", "welcome-mail_2.b", "x" * 100])
def test_a_slug_is_lower_case_letters_digits_and_a_few_marks(slug: str) -> None:
    assert parse_create_template(creation(slug=slug)).slug == slug


@pytest.mark.parametrize(
    "slug", ["", "Welcome", "a b", "-a", ".a", "_a", "a/b", "é", "a\n", "x" * 101, "a%2f"]
)
def test_any_other_slug_is_refused(slug: str) -> None:
    assert creation_issues(creation(slug=slug)) == {("slug",): "invalid_value"}


def variable(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "type": "string"} | changes


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"channel": "fax"}, ("channel",), "invalid_value"),
        ({"channel": []}, ("channel",), "invalid_value"),
        ({"description": "x" * 2_001}, ("description",), "too_long"),
        ({"name": "x"}, ("name",), "unknown_field"),
        ({"content": None}, ("content",), "invalid_type"),
        ({"variables": {}}, ("variables",), "invalid_type"),
        ({"variables": [variable()] * 201}, ("variables",), "too_long"),
        ({"variables": [variable(), variable()]}, ("variables", 1, "name"), "duplicate"),
        ({"variables": [variable(name="")]}, ("variables", 0, "name"), "too_short"),
        ({"variables": [variable(name="a b")]}, ("variables", 0, "name"), "invalid_value"),
        ({"variables": [variable(name="{{a}}")]}, ("variables", 0, "name"), "invalid_value"),
        ({"variables": [variable(type="text")]}, ("variables", 0, "type"), "invalid_value"),
        ({"variables": [variable(required=1)]}, ("variables", 0, "required"), "invalid_type"),
        ({"variables": [{"name": "a"}]}, ("variables", 0, "type"), "required"),
    ],
)
def test_each_bad_field_of_a_new_template_is_named(
    changes: dict[str, Any], path: Path, code: str
) -> None:
    assert creation_issues(creation(**changes)) == {path: code}


def test_a_new_template_without_anything_names_all_that_is_missing() -> None:
    names = ("slug", "channel", "content")
    assert creation_issues({}) == {(name,): "required" for name in names}


def test_a_version_leaves_its_content_for_the_channel_to_read() -> None:
    command = parse_add_version({"content": {"anything": 1}, "variables": [variable()]})
    assert command.content == {"anything": 1}
    assert command.variables[0]["name"] == "a"


@pytest.mark.parametrize("body", [{}, {"content": "x"}, {"content": {}, "publish": True}])
def test_a_bad_version_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        parse_add_version(body)


@pytest.mark.parametrize("description", [None, "", "Says hello"])
def test_a_description_is_text_or_null(description: str | None) -> None:
    assert parse_describe_template({"description": description}).description == description


@pytest.mark.parametrize("body", [{}, {"description": 1}, {"description": "", "slug": "x"}])
def test_a_bad_description_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        parse_describe_template(body)


def test_a_render_may_come_without_a_body() -> None:
    assert parse_render_template(None) == parse_render_template({})
    command = parse_render_template({"vars": {"a": 1}, "version": 2})
    assert (command.vars, command.version) == ({"a": 1}, 2)


@pytest.mark.parametrize(
    "body", [{"version": "2"}, {"version": 0}, {"vars": []}, {"variables": {}}]
)
def test_a_bad_render_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        parse_render_template(body)
