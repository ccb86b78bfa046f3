"""Suppressions: who gets nothing more, by channel; search, add, remove, files in and out."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import (
    AddSuppression,
    BadLine,
    BrowseSuppressions,
    parse_add_suppression,
    parse_browse_suppressions,
    read_suppressions,
)
from senderkit.domain import Channel, SuppressionReason
from senderkit.errors import InvalidRequest, NotFound
from senderkit.services import suppression_list
from senderkit.services.suppression_files import csv_lines
from senderkit.services.suppression_list import ImportReport, SuppressionPage
from senderkit.web.bodies import MAX_PAGE_BODY_BYTES
from senderkit.web.dashboard.frame import field_errors, page, viewer
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("suppressions", __name__, url_prefix="/suppressions")

_NAV: Final = "messages"
_REASONS: Final[Mapping[str, str]] = {
    SuppressionReason.UNSUBSCRIBED: "Unsubscribed",
    SuppressionReason.COMPLAINED: "Complained",
    SuppressionReason.BOUNCED: "Bounced",
    SuppressionReason.MANUAL: "Added by hand",
}


@pages.get("")
def index() -> ResponseReturnValue:
    """One channel's list, by recipient."""
    try:
        query = parse_browse_suppressions(request.args)
    except InvalidRequest as error:
        nothing = SuppressionPage((), None, None)
        return _list_page(BrowseSuppressions(channel=Channel.EMAIL), nothing, error.message), 400
    with runtime().reader.connect() as connection:
        found = suppression_list.browse(connection, viewer().workspace_id, query)
    return _list_page(query, found)


def _list_page(query: BrowseSuppressions, found: SuppressionPage, problem: str = "") -> str:
    def url(**place: str | None) -> str | None:
        if not any(place.values()):
            return None
        values: dict[str, Any] = {"channel": query.channel, "q": query.search, **place}
        return url_for("suppressions.index", **values)

    return page(
        "suppressions/index.html",
        _NAV,
        channel=query.channel.value,
        channels=[channel.value for channel in Channel],
        q=query.search or "",
        rows=found.rows,
        reasons=_REASONS,
        before_url=url(before=found.before),
        after_url=url(after=found.after),
        problem=problem,
    )


# -- by hand ----------------------------------------------------------------------------------


@pages.get("/new")
def new() -> str:
    """The form for one recipient."""
    wanted = request.args.get("channel", "")
    return _new_page({"channel": wanted if wanted in set(Channel) else Channel.EMAIL.value}, {})


def _new_page(values: Mapping[str, str], errors: Mapping[str, str]) -> str:
    channels = [channel.value for channel in Channel]
    return page("suppressions/new.html", _NAV, values=values, errors=errors, channels=channels)


@pages.post("")
def create() -> ResponseReturnValue:
    """Put one recipient on the list."""
    channel, recipient = request.form.get("channel", ""), request.form.get("recipient", "")
    try:
        command = parse_add_suppression(channel, recipient)
    except InvalidRequest as error:
        return _new_page({"channel": channel, "recipient": recipient}, field_errors(error)), 422
    report = _add([command])
    words = "is on the list now" if report.added else "was on the list already"
    flash(f"{command.key[:200]} {words}.", "success" if report.added else "info")
    return redirect(url_for("suppressions.index", channel=channel))


def _add(lines: Iterable[AddSuppression | BadLine]) -> ImportReport:
    at_hand, workspace_id = runtime(), viewer().workspace_id
    session().rollback()  # on SQLite this request holds the write lock
    return suppression_list.add_all(at_hand.engine, workspace_id, lines, now=at_hand.clock())


@pages.get("/remove")
def remove() -> str:
    """Ask before a recipient is taken off the list."""
    channel, recipient = _named(request.args)
    with runtime().reader.connect() as connection:
        row = suppression_list.get(connection, viewer().workspace_id, channel, recipient)
    return page("suppressions/remove.html", _NAV, row=row, reasons=_REASONS)


@pages.post("/remove")
def remove_now() -> ResponseReturnValue:
    """Take them off the list: later sends go out again."""
    channel, recipient = _named(request.form)
    at_hand, workspace_id = runtime(), viewer().workspace_id
    session().rollback()
    if not suppression_list.remove(at_hand.engine, workspace_id, channel, recipient):
        raise NotFound("This recipient is not on the list.")
    flash(f"{recipient[:200]} is off the list: later sends go out again.", "success")
    return redirect(url_for("suppressions.index", channel=channel))


def _named(given: Mapping[str, str]) -> tuple[Channel, str]:
    """Raises `NotFound` for what no list can hold."""
    channel, recipient = given.get("channel", ""), given.get("recipient", "")
    if channel not in set(Channel) or not recipient or "\0" in recipient:
        raise NotFound("This recipient is not on the list.")
    return Channel(channel), recipient


# -- files ------------------------------------------------------------------------------------


@pages.get("/export")
def export() -> Response:
    """The whole list as CSV, read while it is sent."""
    rows = suppression_list.iterate(runtime().reader, viewer().workspace_id, None)
    answer = Response(csv_lines(rows), mimetype="text/csv")
    answer.headers["Content-Disposition"] = 'attachment; filename="suppressions.csv"'
    return answer


@pages.get("/import")
def choose_file() -> str:
    """The form for a file, with what it may hold."""
    return _import_page({}, {})


def _import_page(
    values: Mapping[str, str], errors: Mapping[str, str], report: ImportReport | None = None
) -> str:
    return page(
        "suppressions/import.html",
        _NAV,
        values=values,
        errors=errors,
        report=report,
        channels=[channel.value for channel in Channel],
        max_megabytes=MAX_PAGE_BODY_BYTES // (1024 * 1024),
    )


@pages.post("/import")
def take_file() -> ResponseReturnValue:
    """Put every good line on the list, and tell the others."""
    channel = request.form.get("channel", "")
    file = request.files.get("file")
    if file is None or not file.filename:
        return _import_page({"channel": channel}, {"file": "Choose a CSV file."}), 422
    try:
        text = file.stream.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        error = "This file is no text in UTF-8: save it as CSV UTF-8."
        return _import_page({"channel": channel}, {"file": error}), 422
    of = Channel(channel) if channel in set(Channel) else None
    report = _add(read_suppressions(io.StringIO(text, newline=""), of, now=runtime().clock()))
    return _import_page({"channel": channel}, {}, report)
