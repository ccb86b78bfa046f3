"""A template as files that git can keep: one folder for each, named by its slug.

Described for people in docs/templates-as-files.md. Here files are texts by name, so that whoever
has them somewhere else than on a disk (an archive, an upload) reads them the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
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

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_MEMBERS: Final = ("channel", "description", "content", "variables")


@dataclass(frozen=True)
class TemplateFolder:
    """A template without its history: what a new version of it would be made of.

    `content` and `variables` have the API's names; what has no value is not there.
    """

    slug: str
    channel: str
    content: Mapping[str, Any]
    description: str | None = None
    variables: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)


def is_ours(name: str) -> bool:
    """Whether a file of this name is a part of a template."""
    return name in FILES


def to_files(template: TemplateFolder) -> dict[str, str]:
    """Its files by name. Raises `ValueError` for a slug that is no safe folder name."""
    check_slug(template.slug)
    places = _places(template.channel)
    content = without_nothing(template.content)
    files = {places[name]: content.pop(name) + "\n" for name in places if name in content}
    main = {
        "channel": template.channel,
        "description": template.description,
        "content": content or None,
        "variables": [without_nothing(variable) for variable in template.variables] or None,
    }
    text = json.dumps(without_nothing(main), indent=2, ensure_ascii=False)
    return {MAIN_FILE: text + "\n", **files}


def from_files(slug: str, files: Mapping[str, str]) -> TemplateFolder:
    """The template that files make up. Raises `ValueError` naming the file that is wrong."""
    check_slug(slug)
    main = _main(files.get(MAIN_FILE))
    places = _places(main.get("channel"))
    content = dict(main.get("content") or {})
    for name, file in places.items():
        if file in files:
            if name in content:
                raise ValueError(f"{MAIN_FILE}: '{name}' of 'content' is in {file} too")
            content[name] = _without_last_break(files[file])
    _refuse_strays(files, places)
    variables = tuple(without_nothing(variable) for variable in main.get("variables") or ())
    return TemplateFolder(slug, main["channel"], content, main.get("description"), variables)


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
    variables = main.get("variables") or []
    if not isinstance(variables, list) or not all(isinstance(item, dict) for item in variables):
        raise ValueError(f"{MAIN_FILE}: 'variables' must be a list of objects")


def _places(channel: object) -> Mapping[str, str]:
    if not isinstance(channel, str) or channel not in TEXT_FILES:
        raise ValueError(f"{MAIN_FILE}: 'channel' must be one of {', '.join(TEXT_FILES)}")
    return TEXT_FILES[channel]


def _refuse_strays(files: Mapping[str, str], places: Mapping[str, str]) -> None:
    strays = sorted((FILES - {MAIN_FILE, *places.values()}) & set(files))
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
