"""A template as files that git can keep: one folder for each, named by its slug.

Described for people in docs/templates-as-files.md. Here files are texts by name, so that whoever
has them somewhere else than on a disk (an archive, an upload) reads them the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MAIN_FILE: Final = "template.json"
"""All that is short: channel, description, the content's short fields, declared variables."""

TEXT_FILES: Final[Mapping[str, Mapping[str, str]]] = {
    "email": {"html": "body.html", "mjml": "body.mjml", "text": "body.txt"},
    "sms": {"body": "body.txt"},
    "push": {"body": "body.txt"},
    "web-push": {"body": "body.txt"},
}
"""For each channel the content's long fields, which have a file of their own."""

FILES: Final = frozenset({MAIN_FILE, "body.html", "body.mjml", "body.txt"})
"""Those of a template without translations; one has files such as `body.pt-br.html` beside them."""

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_MEMBERS: Final = ("channel", "description", "content", "translations", "variables")
_TAG: Final = r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*"
_TRANSLATED_FILE: Final = re.compile(rf"body\.({_TAG})\.(html|mjml|txt)")


@dataclass(frozen=True)
class TemplateFolder:
    """A template without its history: what a new version of it would be made of.

    `content`, `variables` and `translations` (by language tag in lower case) have the API's names;
    what has no value is not there.
    """

    slug: str
    channel: str
    content: Mapping[str, Any]
    description: str | None = None
    variables: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    translations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def is_ours(name: str) -> bool:
    """Whether a file of this name is a part of a template."""
    return name in FILES or _TRANSLATED_FILE.fullmatch(name) is not None


def to_files(template: TemplateFolder) -> dict[str, str]:
    """Its files by name. Raises `ValueError` for a slug or tag that is no safe name."""
    check_slug(template.slug)
    places = _places(template.channel)
    content, files = _split(template.content, places)
    translations: dict[str, Any] = {}
    for tag, words in template.translations.items():
        translations[tag], long = _split(words, _places_in(places, _check_tag(tag)))
        files |= long
    main = {
        "channel": template.channel,
        "description": template.description,
        "content": content or None,
        "translations": translations or None,
        "variables": [without_nothing(variable) for variable in template.variables] or None,
    }
    text = json.dumps(without_nothing(main), indent=2, ensure_ascii=False)
    return {MAIN_FILE: text + "\n", **files}


def _split(
    words: Mapping[str, Any], places: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The short fields, and the long ones as files."""
    short = without_nothing(words)
    # A file ends with a line break of either kind, so it could not tell a last "\r" from that.
    long = [name for name in places if name in short and not short[name].endswith("\r")]
    return short, {places[name]: short.pop(name) + "\n" for name in long}


def from_files(slug: str, files: Mapping[str, str]) -> TemplateFolder:
    """The template that files make up. Raises `ValueError` naming the file that is wrong."""
    check_slug(slug)
    main = _main(files.get(MAIN_FILE))
    places = _places(main.get("channel"))
    content = _joined(main.get("content") or {}, files, places, "content")
    translations = dict(_translations(main, files, places))
    used = {MAIN_FILE, *places.values()}
    used |= {name for tag in translations for name in _places_in(places, tag).values()}
    _refuse_strays(files, used)
    variables = tuple(without_nothing(variable) for variable in main.get("variables") or ())
    return TemplateFolder(
        slug, main["channel"], content, main.get("description"), variables, translations
    )


def _joined(
    short: Mapping[str, Any], files: Mapping[str, str], places: Mapping[str, str], at: str
) -> dict[str, Any]:
    words = dict(short)
    for name, file in places.items():
        if file in files:
            if name in words:
                raise ValueError(f"{MAIN_FILE}: '{name}' of '{at}' is in {file} too")
            words[name] = _without_last_break(files[file])
    return words


def _translations(
    main: Mapping[str, Any], files: Mapping[str, str], places: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The languages of the main file, then those that have nothing but files."""
    given = main.get("translations") or {}
    short = {tag.lower(): words for tag, words in given.items()}
    if len(short) < len(given):
        raise ValueError(f"{MAIN_FILE}: two tags of 'translations' differ by case alone")
    found = (_TRANSLATED_FILE.fullmatch(name) for name in sorted(files))
    tags = [*short, *(match[1] for match in found if match)]
    for tag in dict.fromkeys(tags):
        at = f"translations.{_check_tag(tag)}"
        yield tag, _joined(short.get(tag, {}), files, _places_in(places, tag), at)


def _places_in(places: Mapping[str, str], tag: str) -> dict[str, str]:
    """The files of the long fields in a language: `body.de.html`."""
    return {name: file.replace(".", f".{tag}.", 1) for name, file in places.items()}


def _check_tag(tag: str) -> str:
    if not re.fullmatch(_TAG, tag):
        raise ValueError(f"{MAIN_FILE}: '{tag}' is no language tag such as de or pt-br")
    return tag


def check_slug(slug: str) -> str:
    """Raises `ValueError` for what is no slug: it would be a folder anywhere on the disk."""
    if not _SLUG.fullmatch(slug):
        raise ValueError(
            f"'{slug}' is no slug: lower-case letters, digits, '-', '_' and '.' are allowed"
        )
    return slug


def _main(text: str | None) -> dict[str, Any]:
    if text is None:
        raise ValueError(f"{MAIN_FILE} is missing")
    try:
        main = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{MAIN_FILE} is not JSON: {error}") from error
    if not isinstance(main, dict):
        raise ValueError(f"{MAIN_FILE} must hold an object")
    for name in main:
        if name not in _MEMBERS:
            raise ValueError(f"{MAIN_FILE}: '{name}' is none of {', '.join(_MEMBERS)}")
    _check_kinds(main)
    return main


def _check_kinds(main: Mapping[str, Any]) -> None:
    if not isinstance(main.get("content") or {}, dict):
        raise ValueError(f"{MAIN_FILE}: 'content' must be an object")
    translations = main.get("translations") or {}
    if not isinstance(translations, dict) or not all(
        isinstance(words, dict) for words in translations.values()
    ):
        raise ValueError(f"{MAIN_FILE}: 'translations' must be objects by language tag")
    variables = main.get("variables") or []
    if not isinstance(variables, list) or not all(isinstance(item, dict) for item in variables):
        raise ValueError(f"{MAIN_FILE}: 'variables' must be a list of objects")


def _places(channel: object) -> Mapping[str, str]:
    if not isinstance(channel, str) or channel not in TEXT_FILES:
        raise ValueError(f"{MAIN_FILE}: 'channel' must be one of {', '.join(TEXT_FILES)}")
    return TEXT_FILES[channel]


def _refuse_strays(files: Mapping[str, str], used: Collection[str]) -> None:
    strays = sorted(name for name in files if is_ours(name) and name not in used)
    if strays:
        raise ValueError(f"{strays[0]} belongs to another channel than that of {MAIN_FILE}")


def without_nothing(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None, and without `required: false`: both are what absence means."""
    return {
        name: value
        for name, value in found.items()
        if value is not None and not (name == "required" and value is False)
    }


def _without_last_break(text: str) -> str:
    """A file ends with a line break, as editors and git want it; the content does not have it."""
    return text[: -2 if text.endswith("\r\n") else -1] if text.endswith("\n") else text
