"""The follower that counts: rollups of what became of messages, by hour and by day.

For each message that changed, what it counted as before and what it counts as now are worked out of
its timeline, and the difference is added. So the order in which things are reported, and how the
changes are cut into spans, make no difference to the sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, select

from senderkit.followers import Span, Write
from senderkit.models import Message, TimelineEntry
from senderkit.services.rollup_counts import (
    Failed,
    Source,
    Tally,
    Traits,
    add_counts,
    add_failures,
    find_cells,
    hour_of,
)
from senderkit.services.rollup_folds import Standing, Step, fold


class Rollups:
    """Takes in the changes of messages. Runs as a follower."""

    name = "rollups"

    def follow(self, reader: Connection, span: Span) -> Write:
        """What the changes of `span` make of the counts, to be added to them."""
        tallies: dict[tuple[Traits, datetime], Tally] = {}
        failed: list[Failed] = []
        for source, before, now in _standings(reader, span):
            if before == now:
                continue
            for standing, by in ((before, -1), (now, 1)):
                if standing is not None:
                    key = _traits(source, standing), hour_of(source.created_at)
                    tallies.setdefault(key, Tally()).count(standing, by)
            if now is not None and now.reason and not (before and before.reason):
                failed.append(Failed(source, _traits(source, now), now.reason))

        def write(connection: Connection) -> None:
            if tallies:
                cell_ids = find_cells(connection, {traits for traits, _ in tallies})
                add_counts(connection, cell_ids, tallies)
                add_failures(connection, cell_ids, failed)

        return write


def _traits(source: Source, standing: Standing) -> Traits:
    return Traits(
        source.workspace_id,
        source.livemode,
        source.channel,
        source.template_slug,
        standing.provider,
        source.api_key_id,
    )


# -- reading ----------------------------------------------------------------------------------

# The statements are made once: making them costs more than running them.
_CHANGED: Final = (
    select(TimelineEntry.message_id)
    .where(
        TimelineEntry.change_seq > bindparam("after"), TimelineEntry.change_seq <= bindparam("last")
    )
    .distinct()
)
_STEPS: Final = (
    select(
        TimelineEntry.message_id,
        TimelineEntry.change_seq,
        TimelineEntry.at,
        TimelineEntry.event,
        TimelineEntry.detail,
    )
    .where(
        TimelineEntry.message_id.in_(bindparam("ids", expanding=True)),
        TimelineEntry.change_seq <= bindparam("last"),
    )
    .order_by(TimelineEntry.message_id, TimelineEntry.change_seq)
)
_SOURCES: Final = select(
    Message.id,
    Message.workspace_id,
    Message.livemode,
    Message.created_at,
    Message.channel,
    Message.template_slug,
    Message.api_key_id,
).where(Message.id.in_(bindparam("ids", expanding=True)))


def _standings(
    reader: Connection, span: Span
) -> Iterator[tuple[Source, Standing | None, Standing | None]]:
    """Each message that changed, what it counted as before the span and what after it."""
    bounds = {"after": span.after, "last": span.last}
    ids = list(reader.execute(_CHANGED, bounds).scalars())
    steps: dict[int, list[Step]] = {}
    for row in reader.execute(_STEPS, {"ids": ids, "last": span.last}):
        steps.setdefault(row[0], []).append(Step(*row[1:]))
    for row in reader.execute(_SOURCES, {"ids": ids}):
        source = Source(*row)
        before, now = fold(source.created_at, steps[source.id], span.after)
        yield source, before, now
