"""Templates as files: what is written is read again as it was, and nonsense is named."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderkit.template_folders import FILES, TEXT_FILES, TemplateFolder, from_files, to_files

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.one_of(texts, st.integers(), st.booleans(), st.dictionaries(texts, texts, max_size=2))


@st.composite
def templates(draw: st.DrawFn) -> TemplateFolder:
    channel = draw(st.sampled_from(sorted(TEXT_FILES)))
    long = dict.fromkeys(TEXT_FILES[channel], texts)
    short = st.dictionaries(st.sampled_from(["subject", "title", "badge", "data"]), values)
    content = draw(st.fixed_dictionaries({}, optional=long)) | draw(short)
    variables = draw(st.lists(st.fixed_dictionaries({"name": texts, "type": texts}), max_size=2))
    description = draw(st.none() | texts)
    return TemplateFolder("welcome", channel, content, description, tuple(variables))


@given(templates())
def test_what_is_written_is_read_again_as_it_was(template: TemplateFolder) -> None:
    files = to_files(template)

    assert set(files) <= FILES
    assert all(text.endswith("\n") for text in files.values())
    assert from_files("welcome", files) == template


def test_files_look_like_this() -> None:
    template = TemplateFolder(
        slug="welcome",
        channel="email",
        content={"subject": "Hello {{name}}", "html": "<p>Hi</p>", "text": None},
        variables=({"name": "name", "type": "string", "required": False, "example": None},),
    )

    assert to_files(template) == {
        "template.json": """{
  "channel": "email",
  "content": {
    "subject": "Hello {{name}}"
  },
  "variables": [
    {
      "name": "name",
      "type": "string"
    }
  ]
}
""",
        "body.html": "<p>Hi</p>\n",
    }


@pytest.mark.parametrize(
    ("written", "content"), [("Hi", "Hi"), ("Hi\n", "Hi"), ("Hi\r\n", "Hi"), ("Hi\n\n", "Hi\n")]
)
def test_the_last_line_break_is_the_file_s_and_not_the_content_s(
    written: str, content: str
) -> None:
    files = {"template.json": '{"channel": "sms"}', "body.txt": written}

    assert from_files("code", files).content == {"body": content}


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (None, "template.json is missing"),
        ("{", "template.json is not JSON"),
        ("[]", "template.json must hold an object"),
        ({"chanel": "sms"}, "'chanel' is none of channel, description, content, variables"),
        ({}, "'channel' must be one of email, sms, push, web-push"),
        ({"channel": ["sms"]}, "'channel' must be one of"),
        ({"channel": "sms", "content": []}, "body.html belongs to another channel"),
        ({"channel": "sms", "content": "Hi"}, "'content' must be an object"),
        ({"channel": "sms", "variables": {"name": "x"}}, "'variables' must be a list of objects"),
        ({"channel": "sms", "variables": ["x"]}, "'variables' must be a list of objects"),
        ({"channel": "email", "content": {"html": ""}}, "'html' of 'content' is in body.html too"),
        ({"channel": "sms"}, "body.html belongs to another channel"),
    ],
)
def test_what_is_wrong_is_named(main: Any, words: str) -> None:
    files = {"body.html": "<p>Hi</p>\n"}
    if main is not None:
        files["template.json"] = main if isinstance(main, str) else json.dumps(main)

    with pytest.raises(ValueError, match=re.escape(words)):
        from_files("welcome", files)


@pytest.mark.parametrize("slug", ["", "..", "../etc", "a/b", "-x", "Welcome", "x" * 101, "a\n"])
def test_no_slug_leads_out_of_the_folder(slug: str) -> None:
    with pytest.raises(ValueError, match="is no slug"):
        to_files(TemplateFolder(slug, "sms", {"body": "Hi"}))
    with pytest.raises(ValueError, match="is no slug"):
        from_files(slug, {"template.json": '{"channel": "sms"}'})
