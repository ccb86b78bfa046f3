"""Messages as files: CSV for spreadsheets, JSON lines for programs; written while they are read.

A file that ends before its time says so in its last line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from senderkit.commands import guarded_cell
from senderkit.domain import TimelineEvent
from senderkit.services.reports import MessageView
from senderkit.web import wire

CSV: Final = "csv"
JSON_LINES: Final = "jsonl"
MIMETYPES: Final = {CSV: "text/csv", JSON_LINES: "application/x-ndjson"}
CUT_OFF: Final = "INCOMPLETE: the export was cut off here. Make it again."

_FIELDS: Final = (
    *("createdAt", "publicId", "status", "channel", "recipient", "templateSlug"),
    *("templateVersion", "provider", "providerMessageId", "latencyMs", "error"),
    *("scheduledAt", "openedAt", "clickedAt"),
)
_MOMENTS: Final = {"sentAt": TimelineEvent.SENT, "deliveredAt": TimelineEvent.DELIVERED}
COLUMNS: Final = (*_FIELDS, *_MOMENTS, "metadata")
"""Of the CSV file: the API's names, two moments of the timeline, and the metadata as JSON."""

Pages = Iterable[Sequence[MessageView]]


def parts(
    kind: str, pages: Pages, workspace_uuid: str, goes_on: Callable[[], bool]
) -> Iterator[bytes]:
    """The file in whole lines, in UTF-8. It is cut off before the first page that must not go on.

    `kind` is a key of `MIMETYPES`.
    """
    write = _csv_lines if kind == CSV else _json_lines
    if kind == CSV:
        yield _csv_line(COLUMNS)
    for page in pages:
        if not goes_on():
            yield _csv_line([CUT_OFF]) if kind == CSV else _json_line({"error": CUT_OFF})
            return
        yield write(page, workspace_uuid)


def _json_lines(page: Sequence[MessageView], workspace_uuid: str) -> bytes:
    return b"".join(_json_line(wire.message_json(view, workspace_uuid)) for view in page)


def _json_line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _csv_lines(page: Sequence[MessageView], workspace_uuid: str) -> bytes:
    return b"".join(_csv_line(_cells(view, workspace_uuid)) for view in page)


def _cells(view: MessageView, workspace_uuid: str) -> list[str]:
    message: Any = wire.message_json(view, workspace_uuid)
    metadata = orjson.dumps(message["metadata"]).decode("utf-8") if message["metadata"] else ""
    moments = [_first_moment(message["timeline"], event) for event in _MOMENTS.values()]
    cells = [message[name] for name in _FIELDS]
    return ["" if cell is None else str(cell) for cell in (*cells, *moments, metadata)]


def _first_moment(timeline: Sequence[Any], event: TimelineEvent) -> str:
    return next((step["t"] for step in timeline if step["e"] == event), "")


def _csv_line(cells: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow([guarded_cell(cell) for cell in cells])
    return line.getvalue().encode("utf-8")
