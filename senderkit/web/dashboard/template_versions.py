"""The versions of a template: what was live when, publishing one and going back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.models import Template, TemplateVersion
from senderkit.services import templates
from senderkit.web.dashboard.frame import viewer
from senderkit.web.dashboard.template_frame import read_version, template_page
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("template_versions", __name__, url_prefix="/templates")


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version as the page lists it."""

    number: int
    created_at: datetime
    created_by: str | None
    note: str | None
    published_at: datetime | None
    is_published: bool


def _version_row(version: TemplateVersion, template: Template) -> VersionRow:
    return VersionRow(
        number=version.number,
        created_at=version.created_at,
        created_by=version.created_by.email if version.created_by else None,
        note=version.note,
        published_at=version.published_at,
        is_published=version.id == template.published_version_id,
    )


@pages.get("/<slug>/versions")
def index(slug: str) -> str:
    """All versions, newest first."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    versions = templates.list_versions(session(), template)
    rows = [_version_row(version, template) for version in versions]
    return template_page("templates/versions.html", template, versions[0].number, versions=rows)


@pages.post("/<slug>/publish")
def publish(slug: str) -> ResponseReturnValue:
    """Make a version the live one; an older one is the way back."""
    workspace_id, now = viewer().workspace_id, runtime().clock()
    template = templates.get_template(session(), workspace_id, slug)
    wanted = read_version(template, request.form.get("version", ""))
    version = templates.publish(session(), workspace_id, slug, wanted.number, now=now)
    flash(f"Version {version.number} is live: the next send uses it.", "success")
    return redirect(url_for("template_editor.show", slug=template.slug, version=version.number))
