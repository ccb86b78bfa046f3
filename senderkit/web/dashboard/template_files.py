"""Templates as files: export of one or all as a zip, and import with a look before it is done."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from senderkit.services import template_files
from senderkit.services.template_files import Change, Planned
from senderkit.template_archives import Upload, from_archive, from_folders, to_archive
from senderkit.template_folders import MAIN_FILE, is_ours
from senderkit.web.dashboard.frame import page, viewer
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("template_files", __name__, url_prefix="/templates")

MAX_UPLOAD_BYTES: Final = 1_000_000
"""It comes back in a form field while a person looks at what it would change."""
_ZIP: Final = b"PK"


# -- out --------------------------------------------------------------------------------------


@pages.get("/-/export")
def export_all() -> Response:
    """Every template that is not archived, a folder each."""
    return _download((), "templates.zip")


@pages.get("/<slug>/export")
def export(slug: str) -> Response:
    """One template: its newest words."""
    return _download((slug,), f"{slug}.zip")


def _download(slugs: Sequence[str], name: str) -> Response:
    folders = template_files.list_folders(session(), viewer().workspace_id, slugs)
    answer = Response(to_archive(folders), mimetype="application/zip")
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


# -- in ---------------------------------------------------------------------------------------


@pages.get("/-/import")
def choose() -> str:
    """The form for a zip, or for the files of one template."""
    return _choose_page()


def _choose_page(error: str = "", slug: str = "") -> str:
    return page(
        "templates/import.html",
        "templates",
        values={"slug": slug},
        errors={"file": error} if error else {},
        max_kilobytes=MAX_UPLOAD_BYTES // 1000,
    )


@pages.post("/-/import")
def look() -> ResponseReturnValue:
    """What the files would change. Nothing is changed yet."""
    slug = request.form.get("slug", "").strip()
    try:
        upload = _read(request.files.getlist("file"), slug)
    except ValueError as error:
        return _choose_page(f"{error}.", slug), 422
    planned = template_files.plan(session(), viewer().workspace_id, upload.templates)
    return _plan_page(upload, planned)


def _plan_page(upload: Upload, planned: Sequence[Planned]) -> str:
    wanted = {each.slug for each in planned if each.change in _DOES_SOMETHING}
    folders = [folder for folder in upload.templates if folder.slug in wanted]
    packed = base64.b64encode(to_archive(folders)).decode("ascii") if folders else ""
    return page(
        "templates/import_plan.html",
        "templates",
        planned=planned,
        problems=upload.problems,
        ignored=upload.ignored,
        count=len(folders),
        packed=packed,
    )


_DOES_SOMETHING: Final = frozenset({Change.NEW, Change.NEW_VERSION, Change.DESCRIPTION})


def _read(files: Sequence[FileStorage], slug: str) -> Upload:
    """Raises `ValueError` in words that a person can use."""
    contents = {(file.filename or "").rpartition("/")[2]: _content(file) for file in files}
    contents.pop("", None)
    if not contents:
        raise ValueError("Choose a zip file, or the files of one template")
    archives = [content for content in contents.values() if content.startswith(_ZIP)]
    if archives and len(contents) > 1:
        raise ValueError("Choose one zip file by itself")
    return _filled(from_archive(archives[0]) if archives else _folder(contents, slug))


def _content(file: FileStorage) -> bytes:
    content = file.stream.read(MAX_UPLOAD_BYTES + 1)
    if len(content) > MAX_UPLOAD_BYTES:
        raise ValueError(
            f"{(file.filename or 'The file')[:100]} has more than {MAX_UPLOAD_BYTES:,} bytes: use "
            "'senderkit admin templates import' for it"
        )
    return content


def _folder(contents: dict[str, bytes], slug: str) -> Upload:
    """Loose files are those of one template."""
    if MAIN_FILE not in contents:
        raise ValueError(f"Choose {MAIN_FILE} as well: it says which channel the template is for")
    if not slug:
        raise ValueError("Say below which slug these files are of")
    ours = {name: content for name, content in contents.items() if is_ours(name)}
    return from_folders({slug: ours}, len(contents) - len(ours))


def _filled(upload: Upload) -> Upload:
    if not upload.templates and not upload.problems:
        raise ValueError(f"It holds no template: a folder for each is needed, with a {MAIN_FILE}")
    return upload


@pages.post("/-/import/now")
def take() -> ResponseReturnValue:
    """Make drafts of what was looked at."""
    looking, now = viewer(), runtime().clock()
    try:
        packed = base64.b64decode(request.form.get("packed", ""), validate=True)
        upload = from_archive(packed)
    except (binascii.Error, ValueError):
        return _choose_page("The files did not come through whole: choose them again."), 422
    done = template_files.take_in(
        session(),
        looking.workspace_id,
        upload.templates,
        created_by_id=looking.member.id,
        now=now,
    )
    for words, category in _report(done):
        flash(words, category)
    return redirect(url_for("templates.index"))


def _report(done: Sequence[Planned]) -> list[tuple[str, str]]:
    counts: dict[Change, int] = defaultdict(int)
    for each in done:
        counts[each.change] += 1
    words = [f"{counts[change]} {text}" for change, text in _DONE.items() if counts[change]]
    summary = f"Imported: {', '.join(words)}. Nothing is published." if words else ""
    found = [(summary, "success")] if summary else [("Nothing had to be changed.", "info")]
    refused = [each for each in done if each.change is Change.REFUSED]
    return found + [(f"{each.slug}: {each.reason}", "error") for each in refused[:5]]


_DONE: Final = {
    Change.NEW: "new",
    Change.NEW_VERSION: "with a new draft",
    Change.DESCRIPTION: "with a new description",
    Change.UNCHANGED: "unchanged",
}
