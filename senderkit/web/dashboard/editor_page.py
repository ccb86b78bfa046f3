"""The editor's page put together: the words as stored or as typed, the languages, the rows of
variables, the sample values, the preview and the checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, url_for

from senderkit.crypto import new_secret
from senderkit.domain import Channel
from senderkit.models import TemplateVersion
from senderkit.services import templates
from senderkit.services.drafts import languages_in_use
from senderkit.web.dashboard.frame import viewer
from senderkit.web.dashboard.nonces import new_nonce
from senderkit.web.dashboard.template_desk import Desk
from senderkit.web.dashboard.template_fields import fields_of
from senderkit.web.dashboard.template_form import fallback_values
from senderkit.web.dashboard.template_frame import template_page
from senderkit.web.dashboard.template_look import look_at
from senderkit.web.dashboard.template_samples import SAMPLE
from senderkit.web.dashboard.test_sends import Sent, route_words
from senderkit.web.dashboard.variable_rows import TYPES, Row, shown_rows, typed_rows, with_blank
from senderkit.web.extensions import session
from senderkit.web.headers import with_style_nonce

Texts = Mapping[str, str]


def editor_page(
    desk: Desk,
    form: Texts | None = None,
    errors: Texts | None = None,
    *,
    status: int = 200,
    blank_rows: int = 1,
    conflict: TemplateVersion | None = None,
    sent: Sent | None = None,
    note: str = "",
) -> Response:
    """The page with what was typed, or as stored without a form. `note` says what was done."""
    nonce = new_secret()
    typed = desk.shown if form is None else form
    page = template_page(
        "templates/editor.html",
        desk.template,
        templates.get_newest_version(session(), desk.template).number,
        style_nonce=nonce,
        note=note,
        errors=errors or {},
        conflict=conflict,
        sent=sent,
        **_words_context(desk, typed),
        **_rows_context(desk, typed, blank_rows),
        **_languages_context(desk),
        **_side_context(desk, typed, is_typed=form is not None),
    )
    return with_style_nonce(make_response(page, status), nonce)


def _words_context(desk: Desk, typed: Texts) -> dict[str, Any]:
    markup = typed.get("markup") or desk.markup
    return {
        "version_number": desk.version.number,
        "language": desk.language,
        "is_mjml": markup == "mjml" and desk.channel is Channel.EMAIL,
        "values": typed,
        "fallback": fallback_values(desk.channel, desk.base),
        "is_unsaved": is_changed(desk, typed),
    }


def is_changed(desk: Desk, typed: Texts) -> bool:
    """Whether the form says something else than the version it was opened with."""
    shown = desk.shown
    rows = {row.index: row for row in typed_rows(typed) if not row.is_blank}
    stored = {row.index: row for row in shown_rows(desk.version.variables)}
    words = {name for name in shown if name != SAMPLE and not name.startswith("var-")}
    is_converted = typed.get("markup", desk.markup) != desk.markup
    return (
        is_converted
        or rows != stored
        or any(
            typed.get(name, "").replace("\r\n", "\n") != shown[name].replace("\r\n", "\n")
            for name in words
        )
    )


def _rows_context(desk: Desk, typed: Texts, blank_rows: int) -> dict[str, Any]:
    rows = typed_rows(typed)
    needed = blank_rows - (1 if rows and rows[-1].is_blank else 0)
    rows = with_blank(rows, needed if desk.template.archived_at is None else 0)
    return {"rows": rows, "types": TYPES, "row_labels": _row_labels(rows)}


def _row_labels(rows: Sequence[Row]) -> dict[str, str]:
    """What the error summary calls the fields of each row."""
    return {
        f"var-{row.index}-{field}": f"Variable {number}, {field}"
        for number, row in enumerate(rows, 1)
        for field in ("name", "type", "description", "required", "example")
    }


def _side_context(desk: Desk, typed: Texts, *, is_typed: bool) -> dict[str, Any]:
    looking = viewer()
    to = looking.member.email if desk.channel is Channel.EMAIL else ""
    return {
        "look": look_at(desk, typed, tells_form_issues=is_typed),
        "sample_is_saved": desk.template.sample_vars is not None,
        "frame_url": url_for(
            "template_preview.saved",
            slug=desk.template.slug,
            version=desk.version.number,
            language=desk.language or None,
            part=typed.get("part"),
            scheme=typed.get("scheme"),
        ),
        "to": typed.get("to", to),
        "send_nonce": new_nonce(),
        "route": route_words(desk.template, looking),
    }


# -- languages --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LanguageTab:
    """A language of the version: `missing` fields say what the default says."""

    tag: str
    url: str
    is_current: bool
    missing: int


def _languages_context(desk: Desk) -> dict[str, Any]:
    there = list(desk.version.translations or {})
    is_new = bool(desk.language) and desk.language not in there
    tabs = [_tab(desk, tag) for tag in ("", *there, *([desk.language] if is_new else []))]
    used = languages_in_use(session().connection(), desk.template.workspace_id)
    offered = [(tag, _tab(desk, tag).url) for tag in used if tag not in {*there, desk.language}]
    return {"language_tabs": tabs, "offered_languages": offered, "is_new_language": is_new}


def _tab(desk: Desk, tag: str) -> LanguageTab:
    url = url_for(
        "template_editor.show",
        slug=desk.template.slug,
        version=desk.version.number,
        language=tag or None,
    )
    return LanguageTab(tag, url, tag == desk.language, len(_missing(desk, tag)) if tag else 0)


def _missing(desk: Desk, tag: str) -> list[str]:
    """The fields that say something by default and nothing of their own in a language."""
    words = (desk.version.translations or {}).get(tag, {})
    content = desk.version.content
    fields = fields_of(desk.channel, content, language=tag)
    has_markup = "html" in words or "mjml" in words
    own = {*words, *({"html", "mjml", "text"} if has_markup else ())}
    return [each.wire for each in fields if content.get(each.wire) and each.wire not in own]
