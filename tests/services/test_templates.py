"""Templates as the service sees them: what a version may hold, and what is told about it."""

from __future__ import annotations

from typing import Any

from tests.make import House, email_content


def nested(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(depth):
        data = {"a": data}
    return data


def test_each_field_that_cannot_be_parsed_is_told_at_its_place(house: House) -> None:
    content = email_content(subject="{{#a}}", html="{{/b}}", text="{{fine}}")
    answer = house.api().post(
        "/v1/templates", {"slug": "broken", "channel": "email", "content": content}
    )

    assert answer.status_code == 400
    issues = answer.json["error"]["issues"]  # type: ignore[index]
    assert [issue["path"] for issue in issues] == [["content", "subject"], ["content", "html"]]
    assert {issue["code"] for issue in issues} == {"template_syntax"}


def test_data_nested_too_deep_is_refused_like_any_other_bad_field(house: House) -> None:
    content = {"title": "t", "body": "b", "data": nested(60)}
    answer = house.api().post(
        "/v1/templates", {"slug": "deep", "channel": "web-push", "content": content}
    )

    assert answer.status_code == 400
    issues = answer.json["error"]["issues"]  # type: ignore[index]
    assert [issue["path"] for issue in issues] == [["content", "data"]]
