"""The versions of a template: what was live when, publishing one and going back, comparing two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.models import Template, TemplateVersion
from senderkit.services import template_history, templates
from senderkit.services.template_history import HistoryPage
from senderkit.web.dashboard.frame import viewer
from senderkit.web.dashboard.template_frame import read_version, template_page
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("template_versions", __name__, url_prefix="/templates")

_VIEWS: Final = ("side", "inline")
FIELD_WORDS: Final = {
    "subject": "Subject",
    "preheader": "Preheader",
    "html": "HTML",
    "mjml": "MJML",
    "text": "Plain text",
    "title": "Title",
    "body": "Text",
    "icon": "Icon address",
    "clickUrl": "Address opened by a click",
    "sound": "Sound",
    "badge": "Badge",
    "data": "Data",
    "variables": "Variables",
}


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version as the page lists it; `rival` is the number of the one to compare it with."""

    number: int
    created_at: datetime
    created_by: str | None
    note: str | None
    published_at: datetime | None
    is_published: bool
    rival: int | None


def _version_row(version: TemplateVersion, published: int | None, newest: int) -> VersionRow:
    return VersionRow(
        number=version.number,
        created_at=version.created_at,
        created_by=version.created_by.email if version.created_by else None,
        note=version.note,
        published_at=version.published_at,
        is_published=version.number == published,
        rival=_find_rival(version.number, published, newest),
    )


def _find_rival(number: int, published: int | None, newest: int) -> int | None:
    """The live one; for the live one itself the newest; without a live one that before."""
    if published is None:
        return number - 1 or None
    rival = newest if number == published else published
    return None if rival == number else rival


@pages.get("/<slug>/versions")
def index(slug: str) -> str:
    """Versions, newest first; `before` goes on where a page ended."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    newest = templates.get_newest_version(session(), template)
    asked = request.args.get("before", "")
    before = read_version(template, asked).number if asked else None
    found = template_history.list_history(session(), template, before)
    return template_page(
        "templates/versions.html", template, newest.number, **_history(template, newest, found)
    )


def _history(template: Template, newest: TemplateVersion, found: HistoryPage) -> dict[str, Any]:
    published = template.published_version
    number = published.number if published else None
    return {
        "versions": [_version_row(each, number, newest.number) for each in found.versions],
        "live_row": _version_row(published, number, newest.number) if published else None,
        "newest_row": _version_row(newest, number, newest.number),
        "is_first": found.versions[:1] == (newest,),
        "older": found.older,
    }


@pages.post("/<slug>/publish")
def publish(slug: str) -> ResponseReturnValue:
    """Make a version the live one; an older one is the way back."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    template = templates.get_template(session(), workspace_id, slug)
    wanted = read_version(template, request.form.get("version", ""))
    version = templates.publish(session(), workspace_id, slug, wanted.number, now=now)
    flash(f"Version {version.number} is live: the next send uses it.", "success")
    if request.form.get("back") == "versions":
        return redirect(url_for("template_versions.index", slug=template.slug))
    return redirect(url_for("template_editor.show", slug=template.slug, version=version.number))


# -- compared ---------------------------------------------------------------------------------


@pages.get("/<slug>/compare")
def compare(slug: str) -> str:
    """What differs between two versions: `from` and `to`, by default live and newest."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    newest = templates.get_newest_version(session(), template)
    after = read_version(template, request.args.get("to", ""))
    before = _read_old(template, request.args.get("from", ""), after)
    asked = request.args.get("view", "")
    return template_page(
        "templates/compare.html",
        template,
        newest.number,
        old=before.number,
        new=after.number,
        comparison=template_history.compare_versions(before, after),
        words=FIELD_WORDS,
        numbers=_numbers(template, (before.number, after.number)),
        view=asked if asked in _VIEWS else _VIEWS[0],
    )


def _read_old(template: Template, wanted: str, after: TemplateVersion) -> TemplateVersion:
    """Raises `VersionNotFound`."""
    if wanted or template.published_version is None:
        return read_version(template, wanted or str(max(after.number - 1, 1)))
    return template.published_version


def _numbers(template: Template, chosen: Iterable[int]) -> list[int]:
    """What can be chosen: the newest versions, and those that are compared."""
    found = template_history.list_history(session(), template).versions
    return sorted({*chosen, *(version.number for version in found)}, reverse=True)
