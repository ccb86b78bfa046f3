"""The versions of a template, a page at a time, and what differs between two of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, defer, joinedload

from senderkit.domain import JsonObject
from senderkit.models import Template, TemplateVersion
from senderkit.template_folders import without_nothing
from senderkit.text_diffs import Budget, Row, compare

PAGE: Final = 50
MAX_COMPARED: Final = 2_500_000
"""Characters of both versions that are compared for one page."""

_ORDER: Final = (
    *("subject", "preheader", "title", "html", "mjml", "body", "text"),
    *("icon", "clickUrl", "sound", "badge", "data", "variables"),
)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Versions, newest first; `older` is the number to ask for those before, None at the end."""

    versions: tuple[TemplateVersion, ...]
    older: int | None


def list_history(session: Session, template: Template, before: int | None = None) -> HistoryPage:
    """The newest versions, or those before a number. Their words are read when asked for."""
    statement = (
        select(TemplateVersion)
        .where(TemplateVersion.template_id == template.id)
        .options(
            joinedload(TemplateVersion.created_by),
            defer(TemplateVersion.content),
            defer(TemplateVersion.translations),
            defer(TemplateVersion.compiled),
        )
        .order_by(TemplateVersion.number.desc())
        .limit(PAGE + 1)
    )
    if before is not None:
        statement = statement.where(TemplateVersion.number < before)
    found = session.scalars(statement).all()
    return HistoryPage(tuple(found[:PAGE]), found[PAGE - 1].number if len(found) > PAGE else None)


# -- compared ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field that two versions do not have in common.

    `language` is empty for the version's own words. A field that a version does not have is None
    in `old` or `new`. `rows` is None when there is too much of it to be compared.
    """

    language: str
    field: str
    old: str | None
    new: str | None
    rows: tuple[Row, ...] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`is_coarse`: lines or words were told apart as a whole, for there were too many."""

    differences: tuple[FieldDifference, ...]
    is_coarse: bool


Place = tuple[str, str]


def compare_versions(old: TemplateVersion, new: TemplateVersion) -> Comparison:
    """All fields, variables too, in all languages; those that are the same are left out."""
    before, after = dict(_texts(old)), dict(_texts(new))
    places = sorted((before.keys() | after.keys()), key=_rank)
    budget, characters = Budget(), MAX_COMPARED
    found = []
    for place in places:
        one, other = before.get(place), after.get(place)
        if one == other:
            continue
        characters -= len(one or "") + len(other or "")
        rows = compare(one or "", other or "", budget) if characters >= 0 else None
        found.append(FieldDifference(*place, one, other, rows))
    return Comparison(tuple(found), budget.is_spent)


def _rank(place: Place) -> tuple[str, int, str]:
    language, field = place
    return language, _ORDER.index(field) if field in _ORDER else len(_ORDER), field


def _texts(version: TemplateVersion) -> Iterator[tuple[Place, str]]:
    """Each field of a version as a text, by language and name."""
    yield from _fields("", version.content)
    for tag, fields in (version.translations or {}).items():
        yield from _fields(tag, fields)
    variables = [without_nothing(variable) for variable in version.variables]
    if variables:
        yield ("", "variables"), _pretty(variables)


def _fields(language: str, content: Mapping[str, Any] | JsonObject) -> Iterator[tuple[Place, str]]:
    for name, value in content.items():
        if value is not None:
            yield (language, name), value if isinstance(value, str) else _pretty(value)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
