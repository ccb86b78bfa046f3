"""From a view to a stream: what comes first, then the listener for the rest.

The view runs like any other, in a request thread with the guards of its path. It returns the head
of the answer and leaves the stream with the front, which takes it from there. Under a server that
is not ours there is no front to take it, and the answer is an error.

Somebody listens before the first page is read: what changes in between comes twice, and nothing is
lost. A stream that resumes is told page by page what it missed, as fast as it takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flask import Response, request
from sqlalchemy import Engine

from senderkit.errors import StreamsNotServed
from senderkit.services import following
from senderkit.services.listening import Ticket
from senderkit.web.runtime import runtime
from senderkit.web.streams import events
from senderkit.web.streams.hub import Hub, Listener, Topic

HANDOVER: Final = "senderkit.stream"
"""In the WSGI environment: the front's `Handover`, where there is one."""
_PAGE: Final = 100

First = Callable[[], bytes]
"""Reads what comes before the news, as events."""


@dataclass(slots=True)
class Handover:
    """Room for the stream that a view opens."""

    opened: Opened | None = None

    def close(self) -> None:
        """The stream is over, or never came to be."""
        if self.opened is not None:
            self.opened.close()


class Opened:
    """A stream that is about to be written. Its pages are read in a request thread."""

    def __init__(self, hub: Hub, listener: Listener, missed: Missed | None, first: bytes) -> None:
        self.listener = listener
        self.first = first
        self._hub = hub
        self._missed = missed

    @property
    def has_pages(self) -> bool:
        """Whether there is more to tell before the news."""
        return self._missed is not None and not self._missed.is_over

    def next_page(self) -> bytes:
        """The next part of it. Raises `SQLAlchemyError`s."""
        assert self._missed is not None  # noqa: S101 - asked for only while `has_pages`
        return self._missed.next_page()

    def close(self) -> None:
        """The stream is over."""
        self._hub.part(self.listener)


class Missed:
    """The changes of a topic after a number, up to one that is committed: page by page."""

    def __init__(self, reader: Engine, topic: Topic, after: int, last: int) -> None:
        self._reader = reader
        self._topic = topic
        self._after = after
        self._last = last
        self.is_over = False

    def next_page(self) -> bytes:
        """At most a page of events; at the end that all is told."""
        topic, span = self._topic, (self._after, self._last)
        conditions = following.conditions_of(topic.room, topic.query)
        where = conditions if topic.form.only_fitting else []
        with self._reader.connect() as connection:
            found = following.list_changed(
                connection, [topic.room], *span, limit=_PAGE, conditions=where
            )
            fitting = following.find_fitting(connection, topic.room, topic.query, found)
        told = [topic.form.tell(each, fits=each.id in fitting) for each in found]
        self.is_over = len(found) < _PAGE
        self._after = found[-1].number if found else self._last
        end = events.ready(self._last) if self.is_over else b""
        return b"".join([*filter(None, told), end])


def are_streams_served() -> bool:
    """Whether the server in front of this request is our own."""
    return HANDOVER in request.environ


def answer_stream(
    topic: Topic,
    ticket: Ticket,
    *,
    after: int | None,
    begin: Callable[[], bytes] = lambda: b"",
) -> Response:
    """The head of a stream that follows `topic` after a number, or begins with what `begin` reads.

    A number that no change has yet, as after the restoring of a backup, counts as none. Raises
    `StreamsNotServed`, `ServiceUnavailable` or `TooManyStreams`.
    """
    handover: Handover | None = request.environ.get(HANDOVER)
    if handover is None:
        raise StreamsNotServed
    if request.method != "HEAD":
        handover.opened = _open(topic, ticket, after, begin)
    head = Response(iter(()), mimetype="text/event-stream")  # of a length that nobody knows
    head.headers["X-Accel-Buffering"] = "no"  # a proxy must not keep events back
    return head


def _open(topic: Topic, ticket: Ticket, after: int | None, begin: First) -> Opened:
    at_hand = runtime()
    with at_hand.reader.connect() as connection:
        last = following.newest_number(connection)
    listener = at_hand.hub.join(topic, ticket, last)
    try:
        if after is None or after > last:
            first, missed = begin() + events.ready(last), None
        else:
            missed = Missed(at_hand.reader, topic, after, last)
            first = missed.next_page()
    except BaseException:
        at_hand.hub.part(listener)
        raise
    return Opened(at_hand.hub, listener, missed, events.RETRY + first)
