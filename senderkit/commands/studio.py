"""Blocks, themes and slugs, from the dashboard's forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from senderkit.commands.fields import Command
from senderkit.commands.issues import IssueCode, refuse
from senderkit.commands.limits import (
    MAX_BLOCK,
    MAX_BLOCK_NAME,
    MAX_DESCRIPTION,
    MAX_NOTE,
    MAX_SLUG,
    MAX_THEME_NAME,
)
from senderkit.commands.templates import is_slug
from senderkit.errors import Issue
from senderkit.themes import FONTS, MAX_RADIUS, MAX_WIDTH, MIN_WIDTH, Theme

BLOCK_NAME_PATTERN: Final = rf"[a-z0-9][a-z0-9._-]{{0,{MAX_BLOCK_NAME - 1}}}"
_BLOCK_NAME: Final = re.compile(BLOCK_NAME_PATTERN)
_COLOUR: Final = re.compile(r"#?([0-9a-f]{6}|[0-9a-f]{3})", re.I)
_NUMBER: Final = re.compile(r"[0-9]{1,5}")
_COLOURS: Final = ("text", "muted", "background", "surface", "accent")
_STORABLE: Final = re.compile(r"[^\x00\ud800-\udfff]*")


class SaveBlock(Command):
    """A block's next version; with a `name` for a new block."""

    name: str
    content: str
    description: str | None = None
    note: str | None = None


class SaveTheme(Command):
    """A theme as it is to be from now on."""

    name: str
    theme: Theme
    is_default: bool = False


def parse_save_block(
    *, name: str, content: str, description: str = "", note: str = ""
) -> SaveBlock:
    """Plain values from a form. Raises `InvalidRequest`; Mustache syntax is not looked at."""
    issues: list[Issue] = []
    name = name.strip()
    if not _BLOCK_NAME.fullmatch(name):
        message = (
            f"Must be 1 to {MAX_BLOCK_NAME} lower-case letters, digits, '-', '_' or '.', "
            "and begin with a letter or digit."
        )
        issues.append(Issue(IssueCode.INVALID_VALUE, ("name",), message))
    _check_text(content, "content", MAX_BLOCK, issues)
    if not content.strip():
        issues.append(Issue(IssueCode.REQUIRED, ("content",), "Give the content of the block."))
    _check_text(description, "description", MAX_DESCRIPTION, issues)
    _check_text(note, "note", MAX_NOTE, issues)
    if issues:
        refuse(issues)
    return SaveBlock(
        name=name,
        content=content,
        description=description.strip() or None,
        note=note.strip() or None,
    )


def _check_text(text: str, field: str, longest: int, issues: list[Issue]) -> None:
    if len(text) > longest:
        message = f"Must have at most {longest:,} characters."
        issues.append(Issue(IssueCode.TOO_LONG, (field,), message))
    if not _STORABLE.fullmatch(text):
        message = "Must be text without NUL characters or lone surrogates."
        issues.append(Issue(IssueCode.INVALID_VALUE, (field,), message))


def parse_save_theme(form: Mapping[str, str]) -> SaveTheme:
    """Plain values from a form: name, font, colours, width, radius, follows_dark,
    is_default. Raises `InvalidRequest` with every issue."""
    issues: list[Issue] = []
    name = form.get("name", "").strip()
    if not name:
        issues.append(Issue(IssueCode.REQUIRED, ("name",), "Give the theme a name."))
    _check_text(name, "name", MAX_THEME_NAME, issues)
    font = form.get("font", "")
    if font not in FONTS:
        issues.append(Issue(IssueCode.INVALID_VALUE, ("font",), "Choose one of the list."))
    colours = {field: _read_colour(form.get(field, ""), field, issues) for field in _COLOURS}
    width = _read_number(form.get("width", ""), "width", MIN_WIDTH, MAX_WIDTH, issues)
    radius = _read_number(form.get("radius", ""), "radius", 0, MAX_RADIUS, issues)
    if issues:
        refuse(issues)
    follows_dark = bool(form.get("follows_dark"))
    theme = Theme(font=font, width=width, radius=radius, follows_dark=follows_dark, **colours)
    return SaveTheme(name=name, theme=theme, is_default=bool(form.get("is_default")))


def _read_colour(text: str, field: str, issues: list[Issue]) -> str:
    """`#rrggbb`; the short form and one without `#` are taken as well."""
    found = _COLOUR.fullmatch(text.strip())
    if found is None:
        message = "Must be a colour such as #4338ca."
        issues.append(Issue(IssueCode.INVALID_VALUE, (field,), message))
        return ""
    digits = found[1].lower()
    return f"#{digits if len(digits) == 6 else ''.join(digit * 2 for digit in digits)}"


def _read_number(text: str, field: str, least: int, most: int, issues: list[Issue]) -> int:
    number = int(text.strip()) if _NUMBER.fullmatch(text.strip()) else -1
    if not least <= number <= most:
        message = f"Must be a number of pixels from {least} to {most}."
        issues.append(Issue(IssueCode.INVALID_VALUE, (field,), message))
    return number


def parse_slug(text: str) -> str:
    """A template's new slug. Raises `InvalidRequest`."""
    slug = text.strip()
    if not is_slug(slug):
        message = (
            f"Must be 1 to {MAX_SLUG} lower-case letters, digits, '-', '_' or '.', "
            "and begin with a letter or digit."
        )
        refuse([Issue(IssueCode.INVALID_VALUE, ("slug",), message)])
    return slug
