"""Synced blocks: the list, writing one with its preview, where it is used, versions, its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import SaveBlock, parse_save_block
from senderkit.domain import Body
from senderkit.errors import InvalidRequest, NotFound, TemplateError, VersionNotFound
from senderkit.models import Block, BlockVersion
from senderkit.services import block_preview, blocks
from senderkit.services.block_uses import NO_USES, Uses, uses_by_block
from senderkit.services.blocks import ChangedMeanwhile
from senderkit.text_diffs import Budget, compare
from senderkit.web.dashboard.frame import field_errors, page, viewer
from senderkit.web.dashboard.studio_preview import body_answer, reason_answer
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("blocks", __name__, url_prefix="/templates/-/blocks")

Texts = Mapping[str, Any]

_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A block as the pages show it. `changed_by` is None for what the shell has written."""

    name: str
    description: str | None
    number: int
    uses: Uses
    changed_at: datetime
    changed_by: str | None


def _row(block: Block, uses: Uses) -> BlockRow:
    current = _current(block)
    return BlockRow(
        name=block.name,
        description=block.description,
        number=current.number,
        uses=uses,
        changed_at=block.updated_at,
        changed_by=current.created_by.email if current.created_by else None,
    )


def _current(block: Block) -> BlockVersion:
    """Raises `NotFound` while the block is being removed."""
    if block.current_version is None:
        raise NotFound(f"There is no block '{block.name}'.")
    return block.current_version


def _get(name: str) -> Block:
    """Raises `NotFound`."""
    return blocks.get_block(session(), viewer().workspace_id, name)


def _uses_of(name: str) -> Uses:
    return uses_by_block(session(), viewer().workspace_id).get(name, NO_USES)


# -- the list and a new one -------------------------------------------------------------------


@pages.get("")
def index() -> str:
    """Every block, with where it is used."""
    workspace_id = viewer().workspace_id
    uses = uses_by_block(session(), workspace_id)
    found = blocks.list_blocks(session(), workspace_id)
    rows = [_row(block, uses.get(block.name, NO_USES)) for block in found]
    return page("blocks/index.html", "templates", rows=rows)


@pages.get("/-/new")
def new() -> str:
    """The form of a new block. No block can take its address."""
    return _new_page({}, {})


def _new_page(values: Texts, errors: Texts) -> str:
    return page("blocks/new.html", "templates", values=values, errors=errors)


@pages.post("")
def create() -> ResponseReturnValue:
    """Make a block; templates that name it have it at once."""
    looking, now = viewer(), runtime().clock()
    try:
        command = _read_form(request.form.get("name", ""))
        block = blocks.create_block(
            session(), looking.workspace_id, command, created_by_id=looking.member.id, now=now
        )
    except InvalidRequest as error:
        return _new_page(request.form, field_errors(error)), 422
    flash(f"The block is saved. Put {{{{> {block.name}}}}} where it is to stand.", "success")
    return redirect(url_for("blocks.show", name=block.name))


def _read_form(name: str) -> SaveBlock:
    """Raises `InvalidRequest`."""
    form = request.form
    return parse_save_block(
        name=name,
        content=_typed_content(),
        description=form.get("description", ""),
        note=form.get("note", ""),
    )


def _typed_content() -> str:
    """Browsers send every line break as CR LF."""
    return request.form.get("content", "").replace("\r\n", "\n").replace("\r", "\n")


# -- one block --------------------------------------------------------------------------------


@pages.get("/<name>")
def show(name: str) -> str:
    """What it says, in the form that changes it."""
    block = _get(name)
    current = _current(block)
    values = {"content": current.content, "description": block.description}
    return _show_page(block, current.number, values, {})


def _show_page(block: Block, base: int, values: Texts, errors: Texts) -> str:
    uses = _uses_of(block.name)
    within = request.values.get("within", "")
    return page(
        "blocks/show.html",
        "templates",
        block=_row(block, uses),
        base=base,
        values=values,
        errors=errors,
        places=[use.slug for use in uses.templates],
        within=within if within in {use.slug for use in uses.templates} else "",
        pictures="pictures" in request.values,
    )


@pages.post("/<name>")
def save(name: str) -> ResponseReturnValue:
    """Make what was written current: the next render of every template has it."""
    looking, base = viewer(), request.form.get("base", "")
    block = _get(name)
    try:
        version = blocks.save_version(
            session(),
            looking.workspace_id,
            _read_form(name),
            created_by_id=looking.member.id,
            now=runtime().clock(),
            base=int(base) if _is_number(base) else None,
        )
    except ChangedMeanwhile as error:
        session().rollback()
        block = _get(name)
        return _show_page(block, _current(block).number, request.form, field_errors(error)), 409
    except InvalidRequest as error:
        return _show_page(block, _number_or(base, block), request.form, field_errors(error)), 422
    flash(f"Version {version.number} is current: the next send has it.", "success")
    return redirect(url_for("blocks.show", name=name))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _number_or(base: str, block: Block) -> int:
    return int(base) if _is_number(base) else _current(block).number


# -- previews ---------------------------------------------------------------------------------


@pages.get("/<name>/preview")
def preview(name: str) -> Response:
    """What it says, for the sandboxed frame of its page."""
    return _preview(name, _current(_get(name)).content)


@pages.post("/-/preview")
def preview_typed() -> Response:
    """What is being written and was not saved, for the same frame."""
    return _preview(request.form.get("name", "").strip() or "block", _typed_content())


def _preview(name: str, content: str) -> Response:
    try:
        body = _rendered(name, content)
    except TemplateError as error:
        return reason_answer(str(error))
    return body_answer(body, from_elsewhere="pictures" in request.values)


def _rendered(name: str, content: str) -> Body:
    workspace_id, within = viewer().workspace_id, request.values.get("within", "")
    if not within:
        return block_preview.preview_alone(session(), workspace_id, name, content)
    return block_preview.preview_within(session(), workspace_id, name, content, within)


# -- versions ---------------------------------------------------------------------------------


@pages.get("/<name>/versions")
def versions(name: str) -> str:
    """All versions, newest first."""
    block = _get(name)
    return page(
        "blocks/versions.html",
        "templates",
        block=_row(block, _uses_of(name)),
        versions=blocks.list_versions(session(), block),
    )


@pages.get("/<name>/versions/<int:number>")
def version(name: str, number: int) -> str:
    """One version against the current one, and the way back to it."""
    block = _get(name)
    found = blocks.get_version(session(), block, number)
    current, budget = _current(block).content, Budget()
    return page(
        "blocks/version.html",
        "templates",
        block=_row(block, _uses_of(name)),
        version=found,
        rows=compare(current, found.content, budget) if current != found.content else (),
        is_coarse=budget.is_spent,
    )


@pages.post("/<name>/go-back")
def go_back(name: str) -> ResponseReturnValue:
    """Make an earlier version the current one."""
    workspace_id, wanted = viewer().workspace_id, request.form.get("version", "")
    if not _is_number(wanted):
        raise VersionNotFound(f"The block '{name}' has no such version.")
    try:
        found = blocks.go_back(session(), workspace_id, name, int(wanted), now=runtime().clock())
    except InvalidRequest as error:
        flash(f"Version {wanted} cannot be current again. {error.message}", "error")
        return redirect(url_for("blocks.versions", name=name))
    flash(f"Version {found.number} is current again: the next send has it.", "success")
    return redirect(url_for("blocks.show", name=name))


# -- its end ----------------------------------------------------------------------------------


@pages.get("/<name>/remove")
def remove(name: str) -> str:
    """Ask before it is removed, with what it is missing from then."""
    return page("blocks/remove.html", "templates", block=_row(_get(name), _uses_of(name)))


@pages.post("/<name>/remove")
def remove_now(name: str) -> ResponseReturnValue:
    """Remove it and its versions."""
    blocks.remove_block(session(), viewer().workspace_id, name)
    flash(f"The block “{name}” is removed.", "success")
    return redirect(url_for("blocks.index"))
