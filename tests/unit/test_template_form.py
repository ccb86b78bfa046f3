"""The editor's form: what is shown, what is read, and that nothing is lost in between."""

from __future__ import annotations

from typing import Any

import pytest

from senderkit.domain import Channel
from senderkit.errors import InvalidRequest, Issue
from senderkit.web.dashboard.template_fields import fields_of
from senderkit.web.dashboard.template_form import (
    NOTHING,
    Base,
    editor_errors,
    read_command,
    shown_values,
)

FULL: dict[Channel, dict[str, Any]] = {
    Channel.EMAIL: {"subject": "S", "preheader": "P", "html": "<p>\n{{x}}", "text": "T"},
    Channel.SMS: {"body": "Code {{code}}"},
    Channel.PUSH: {
        "title": "T",
        "body": "B",
        "data": {"id": "{{id}}"},
        "badge": 3,
        "sound": "default",
    },
    Channel.WEB_PUSH: {
        "title": "T",
        "body": "B",
        "icon": "https://a.example/i.png",
        "clickUrl": "https://a.example",
        "badge": 0,
        "data": {"deep": [{"a": None}, 1.5, True]},
    },
}
VARIABLES: tuple[dict[str, Any], ...] = (
    {"name": "n", "type": "number", "description": None, "required": False, "example": 0},
    {"name": "b", "type": "boolean", "description": "D", "required": True, "example": False},
)


def through_a_browser(values: dict[str, str]) -> dict[str, str]:
    """What a browser sends of untouched fields: line breaks as CR LF."""
    return {name: text.replace("\n", "\r\n") for name, text in values.items()}


def read_body(channel: Channel, form: dict[str, str], base: Base) -> dict[str, Any]:
    """The body that a command is made of."""
    return read_command(channel, form, base, lambda body: body)


def content_of(channel: Channel, form: dict[str, str], base: Base = NOTHING) -> Any:
    return read_body(channel, form, base)["content"]


def issues(channel: Channel, form: dict[str, str], base: Base = NOTHING) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_body(channel, form, base)
    return editor_errors(channel, caught.value)


@pytest.mark.parametrize("channel", Channel)
def test_every_field_of_a_channel_can_be_edited(channel: Channel) -> None:
    assert {field.wire for field in fields_of(channel, {})} == set(FULL[channel])


@pytest.mark.parametrize("channel", Channel)
def test_what_is_left_untouched_comes_back_to_the_letter(channel: Channel) -> None:
    base = Base(FULL[channel], VARIABLES)
    form = through_a_browser(shown_values(channel, base))
    assert read_body(channel, form, base) == {
        "content": FULL[channel],
        "variables": list(VARIABLES),
    }


@pytest.mark.parametrize("channel", Channel)
def test_what_is_typed_anew_makes_the_same_body(channel: Channel) -> None:
    form = through_a_browser(shown_values(channel, Base(FULL[channel], VARIABLES)))
    read = read_body(channel, form, NOTHING)
    assert read["content"] == FULL[channel]
    assert [variable["example"] for variable in read["variables"]] == [0, False]


def test_mjml_stands_in_place_of_the_html() -> None:
    base = Base({"subject": "S", "mjml": "<mjml></mjml>"})
    form = shown_values(Channel.EMAIL, base)
    assert "html" not in form
    assert content_of(Channel.EMAIL, form | {"mjml": "<mjml>\r\n</mjml>"}, base) == {
        "subject": "S",
        "mjml": "<mjml>\n</mjml>",
    }


def test_a_text_that_is_given_but_empty_stays_given_and_one_that_is_cleared_goes() -> None:
    given = {"subject": "", "html": "", "text": "", "preheader": "P"}
    form = shown_values(Channel.EMAIL, Base(given))
    assert content_of(Channel.EMAIL, form | {"preheader": ""}, Base(given)) == {
        "subject": "",
        "html": "",
        "text": "",
    }


def test_what_a_form_cannot_carry_is_kept_while_it_is_not_touched() -> None:
    base = Base({"title": "a\rb\r\nc", "body": "x\r\ny"})
    form = through_a_browser(
        {
            name: text.replace("\r\n", "\n")
            for name, text in shown_values(Channel.PUSH, base).items()
        }
    )
    assert content_of(Channel.PUSH, form, base) == base.content


def test_what_must_be_there_is_asked_for() -> None:
    assert set(issues(Channel.EMAIL, {})) == {"subject", "html"}
    assert set(issues(Channel.WEB_PUSH, {"title": ""})) == {"title", "body"}


@pytest.mark.parametrize("badge", ["-1", "1.5", "one", "\u0661", "9" * 21])
def test_a_badge_is_a_whole_number(badge: str) -> None:
    assert set(issues(Channel.PUSH, {"title": "t", "body": "b", "badge": badge})) == {"badge"}


@pytest.mark.parametrize("data", ["{", '{"a": NaN}', '{"a": 1, "a": 2}', "{" * 200])
def test_json_that_cannot_be_read_is_told_at_its_field(data: str) -> None:
    form = {"title": "t", "body": "b", "data": data, "variables": data}
    assert set(issues(Channel.PUSH, form)) == {"data", "variables"}


def test_a_fault_of_json_is_told_with_its_place() -> None:
    found = issues(Channel.PUSH, {"title": "t", "body": "b", "data": '{\n"a": }'})
    assert found["data"].startswith("This is not valid JSON")
    assert "line 2" in found["data"]


def test_all_that_is_wrong_is_told_at_once_and_once_for_each_field() -> None:
    def refuse(body: dict[str, Any]) -> None:
        raise InvalidRequest(
            "", [Issue("x", ("slug",), "No slug."), Issue("x", ("content", "title"), "No title.")]
        )

    form = {"title": "", "body": "{{#open}}", "badge": "9" * 20, "data": '{"a": "{{/x}}"}'}
    with pytest.raises(InvalidRequest) as caught:
        read_command(Channel.PUSH, form, NOTHING, refuse)
    told = editor_errors(Channel.PUSH, caught.value)
    assert set(told) == {"title", "slug", "body", "badge", "data"}
    assert told["title"] == "Give a title."


def test_each_issue_goes_to_its_field_with_where_in_it() -> None:
    error = InvalidRequest(
        "",
        [
            Issue("required", ("content", "clickUrl"), "Give it."),
            Issue("invalid_type", ("content", "data", "a", 0), "Must be a string."),
            Issue("required", ("variables", 0, "name"), "Give a name."),
            Issue("required", ("variables", 1, "name"), "Give a name."),
            Issue("invalid_value", ("slug",), "Must be small."),
            Issue("unknown_field", ("content", "colour"), "There is none."),
            Issue("invalid_value", (), "All wrong."),
        ],
    )
    assert editor_errors(Channel.WEB_PUSH, error) == {
        "click_url": "Give it.",
        "data": "data.a[0]: Must be a string.",
        "variables": "variables[0].name: Give a name. variables[1].name: Give a name.",
        "slug": "Must be small.",
        "form": "There is none. All wrong.",
    }


def test_an_error_without_issues_is_about_the_form() -> None:
    error = InvalidRequest("It cannot be rendered.")
    assert editor_errors(Channel.SMS, error) == {"form": "It cannot be rendered."}
