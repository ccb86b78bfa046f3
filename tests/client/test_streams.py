"""Server-sent events as bytes: the format's rules, however the bytes are cut."""

from __future__ import annotations

import pytest

from senderkit.client.streams import Event, EventReader

EVENTS = {
    b"data: a\n\n": [Event("message", "a")],
    b"data:a\n\n": [Event("message", "a")],
    b"data:  a\n\n": [Event("message", " a")],
    b"data: a\ndata: b\n\n": [Event("message", "a\nb")],
    b"event: ready\ndata: {}\n\n": [Event("ready", "{}")],
    b"event: x\n\ndata: a\n\n": [Event("message", "a")],
    b"data\n\n": [Event("message", "")],
    b"data:\ndata:\n\n": [Event("message", "\n")],
    b": comment\n\n": [],
    b":\n\ndata: a\n:x\n\n": [Event("message", "a")],
    b"\n\n\n": [],
    b"data: cut off": [],
    b"data: cut off\n": [],
    b"unknown: x\ndata: a\n\n": [Event("message", "a")],
    b"data: a\r\n\r\ndata: b\r\rdata: c\n\n": [
        Event("message", "a"),
        Event("message", "b"),
        Event("message", "c"),
    ],
    b"\xef\xbb\xbfdata: a\n\n": [Event("message", "a")],
    "data: größe 🙂\n\n".encode(): [Event("message", "größe 🙂")],
    b"data: \xff\n\n": [Event("message", "\ufffd")],
    "data: a\u2028b\x0bc\x85\n\n".encode(): [Event("message", "a\u2028b\x0bc\x85")],
}


@pytest.mark.parametrize("stream", EVENTS)
def test_a_stream_reads_the_same_however_it_is_cut(stream: bytes) -> None:
    for size in range(1, len(stream) + 1):
        reader = EventReader()
        chunks = [stream[place : place + size] for place in range(0, len(stream), size)]
        assert [event for chunk in chunks for event in reader.feed(chunk)] == EVENTS[stream]


@pytest.mark.parametrize(
    ("stream", "last"),
    [
        (b"id: 1\ndata: a\n\n", "1"),
        (b"id: 1\ndata: a\n\ndata: b\n\n", "1"),
        (b"id: 1\ndata: a\n\nid: 2\ndata: b\n", "1"),
        (b"id: 1\ndata: a\n\nid\ndata: b\n\n", ""),
        (b"id: 1\n\n", "1"),
        (b"id: a\x00b\ndata: a\n\n", None),
        (b"data: a\n\n", None),
    ],
)
def test_the_last_id_is_that_of_the_last_whole_event(stream: bytes, last: str | None) -> None:
    reader = EventReader()
    list(reader.feed(stream))

    assert reader.last_event_id == last


def test_a_new_connection_forgets_what_was_cut_off_and_keeps_the_place() -> None:
    reader = EventReader()
    list(reader.feed(b"id: 1\ndata: a\n\nid: 2\nevent: x\ndata: cut"))
    reader.start_anew()

    assert list(reader.feed(b"\xef\xbb\xbfdata: b\n\n")) == [Event("message", "b")]
    assert reader.last_event_id == "1"


@pytest.mark.parametrize(
    ("line", "seconds"), [(b"1500", 1.5), (b"x", 0.0), (b"-1", 0.0), (b"", 0.0)]
)
def test_the_server_may_say_how_long_to_wait(line: bytes, seconds: float) -> None:
    reader = EventReader()
    list(reader.feed(b"retry: " + line + b"\n\n"))

    assert reader.retry_seconds == seconds
