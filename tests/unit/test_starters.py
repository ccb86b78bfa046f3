"""The templates to begin with: each is one that could be sent as it is."""

from __future__ import annotations

import re

import pytest

from senderkit.commands import parse_create_template
from senderkit.domain import Channel, SmsBody
from senderkit.rendering import Surroundings, compile_content, render_output
from senderkit.sms_segments import count_segments
from senderkit.starters import STARTERS, Starter, find_starter
from senderkit.template_checks import Level, check_template
from senderkit.template_folders import from_files, to_files
from senderkit.template_samples import sample_values
from senderkit.themes import Theme

NAMES = {
    *("welcome", "verify-email", "password-reset", "magic-link", "one-time-code", "receipt"),
    *("invoice", "shipping", "trial-ending", "team-invite", "comment", "incident"),
}


def rendered(starter: Starter) -> dict[str, object]:
    folder = starter.folder
    compiled = compile_content(Channel(folder.channel), folder.content)
    found = compiled.render(sample_values(folder.variables), Surroundings(theme=Theme()))
    assert found.missing == ()
    return dict(render_output(found.body))


def test_there_are_a_dozen_and_some_on_other_channels() -> None:
    emails = {each.name for each in STARTERS if each.folder.channel == "email"}
    assert emails == NAMES
    assert {each.name for each in STARTERS} - emails == {
        *("one-time-code-sms", "shipping-sms", "comment-push", "incident-push")
    }
    assert find_starter("welcome") == STARTERS[0]
    assert find_starter("../welcome") is None


@pytest.mark.parametrize("starter", STARTERS, ids=lambda each: each.name)
def test_each_may_be_stored_and_comes_back_from_its_files(starter: Starter) -> None:
    folder = starter.folder
    body = {
        "slug": folder.slug,
        "channel": folder.channel,
        "description": folder.description,
        "content": dict(folder.content),
        "variables": list(folder.variables),
    }
    parse_create_template(body)
    assert from_files(folder.slug, to_files(folder)) == folder
    assert folder.description


@pytest.mark.parametrize("starter", STARTERS, ids=lambda each: each.name)
def test_the_checks_find_nothing_to_mend(starter: Starter) -> None:
    folder = starter.folder
    found = check_template(
        Channel(folder.channel),
        folder.content,
        variables=folder.variables,
        theme=Theme(),
    )
    assert [check for check in found if check.level is not Level.HINT] == []


@pytest.mark.parametrize("starter", STARTERS, ids=lambda each: each.name)
def test_its_examples_fill_every_place(starter: Starter) -> None:
    texts = rendered(starter)
    assert "{{" not in str(texts)
    folder = starter.folder
    assert all(variable["example"] and variable["description"] for variable in folder.variables)


@pytest.mark.parametrize(
    "starter", [each for each in STARTERS if each.folder.channel == "email"], ids=lambda s: s.name
)
def test_an_email_has_all_that_a_theme_styles_and_nothing_else(starter: Starter) -> None:
    folder = starter.folder
    assert {"subject", "preheader", "html"} == set(folder.content)
    assert "<html" not in folder.content["html"]
    classes = set(re.findall(r'class="([^"]+)"', folder.content["html"]))
    assert classes <= {"button", "code", "panel", "muted", "rows", "number"}
    assert len(str(rendered(starter)["subject"])) <= 60


def test_an_sms_is_one_segment() -> None:
    for starter in STARTERS:
        if starter.folder.channel == "sms":
            body = SmsBody(str(rendered(starter)["body"]))
            assert count_segments(body.body).count == 1
