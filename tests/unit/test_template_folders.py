"""Templates as files: what is pulled and pushed again says the same; what is wrong is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from senderkit.template_folders import TemplateFolder, from_files, is_ours, to_files

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_WORDS = st.fixed_dictionaries({}, optional={"subject": _TEXTS, "html": _TEXTS, "text": _TEXTS})
_TAGS = st.sampled_from(["de", "pt-br", "zh-hans-cn", "html", "txt"])


@example(content={"html": "one\r"}, translations={"de": {"html": "eins\r"}})
@given(content=_WORDS, translations=st.dictionaries(_TAGS, _WORDS, max_size=3))
def test_what_is_written_is_read_again(
    content: dict[str, Any], translations: dict[str, dict[str, Any]]
) -> None:
    template = TemplateFolder("welcome", "email", content, translations=translations)
    files = to_files(template)
    assert all(is_ours(name) for name in files)
    assert from_files("welcome", files) == template


def main(**more: Any) -> dict[str, str]:
    return {"template.json": json.dumps({"channel": "email"} | more)}


def test_a_language_may_be_nothing_but_a_file() -> None:
    found = from_files("welcome", main() | {"body.de.html": "<p>Hallo\n"})
    assert found.translations == {"de": {"html": "<p>Hallo"}}


def test_tags_are_the_same_in_any_case() -> None:
    found = from_files("x", main(translations={"pt-BR": {"subject": "Oi"}}))
    assert found.translations == {"pt-br": {"subject": "Oi"}}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (main(translations=["de"]), "'translations' must be"),
        (main(translations={"de": "Hallo"}), "'translations' must be"),
        (main(translations={"../x": {}}), "no language tag"),
        (main(translations={"pt-br": {}, "pt-BR": {}}), "differ by case alone"),
        (main(translations={"de": {"html": "a"}}) | {"body.de.html": "b"}, "is in body.de.html"),
        (main(channel="sms") | {"body.de.html": "b"}, "belongs to another channel"),
    ],
)
def test_what_is_wrong_with_translations_is_named(files: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_files("welcome", files)


@pytest.mark.parametrize("name", ["body.../x.html", "body.DE.html", "x.html", "body.de.html.bak"])
def test_other_files_are_left_alone(name: str) -> None:
    assert not is_ours(name)
