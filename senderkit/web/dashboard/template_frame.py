"""What every page about one template has in common: its row, its head with the tabs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import url_for

from senderkit.errors import VersionNotFound
from senderkit.models import Template, TemplateVersion
from senderkit.services import templates
from senderkit.web.dashboard.frame import page
from senderkit.web.extensions import session

_TABS: Final = (
    ("Editor", "template_editor.show"),
    ("Versions", "template_versions.index"),
    ("Settings", "template_settings.show"),
)
_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as the pages show it; `published_number` is None without a live version."""

    slug: str
    channel: str
    status: str
    description: str | None
    is_essential: bool
    published_number: int | None
    newest_number: int
    updated_at: datetime


def row_of(template: Template, published: int | None, newest: int) -> TemplateRow:
    return TemplateRow(
        slug=template.slug,
        channel=template.channel,
        status=templates.status_of(template).value,
        description=template.description,
        is_essential=template.is_essential,
        published_number=published,
        newest_number=newest,
        updated_at=template.updated_at,
    )


def template_page(name: str, template: Template, newest: int, **context: Any) -> str:
    """One of the pages about a template; `newest` is the number of its newest version."""
    published = template.published_version
    row = row_of(template, published.number if published else None, newest)
    tabs = [
        (words, url_for(endpoint, slug=template.slug), name == f"templates/{words.lower()}.html")
        for words, endpoint in _TABS
    ]
    return page(name, "templates", template=row, tabs_of=tabs, **context)


def read_version(template: Template, wanted: str) -> TemplateVersion:
    """The version that a query or form names, the newest for none. Raises `VersionNotFound`."""
    if not wanted:
        return templates.get_newest_version(session(), template)
    if not wanted.isascii() or not wanted.isdigit() or len(wanted) > _MOST_DIGITS:
        raise VersionNotFound(f"The template '{template.slug}' has no such version.")
    return templates.get_version(session(), template, int(wanted))
