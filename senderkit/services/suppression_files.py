"""The suppression list as a CSV file; it can be read back as it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from senderkit.commands import SUPPRESSION_COLUMNS, guarded_cell
from senderkit.services.suppression_list import SuppressionRow


def csv_lines(rows: Iterable[SuppressionRow]) -> Iterator[str]:
    """The lines of the file, the header first, each with its line break."""
    yield _line(SUPPRESSION_COLUMNS)
    for row in rows:
        since = f"{row.since:%Y-%m-%dT%H:%M:%SZ}"
        yield _line((row.channel.value, row.recipient, row.reason.value, since))


def _line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([guarded_cell(cell) for cell in cells])
    return line.getvalue()
