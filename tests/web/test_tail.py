"""`GET /v1/messages?tail=1` up to the socket: who may listen, what comes first, what comes then.

`test_tail_served.py` has the socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from senderkit.services import following
from senderkit.web.streams import hub as hub_module
from senderkit.web.streams.opening import HANDOVER, Handover, Opened
from tests.conftest import MakeApp
from tests.make import Api, House, wait_until
from tests.web.tailing import Event, events_of


@dataclass
class Listening:
    """One stream as the front would have it, without a socket."""

    answer: TestResponse
    opened: Opened

    def beginning(self) -> list[Event]:
        """What is told before the news."""
        content = self.opened.first
        while self.opened.has_pages:
            content += self.opened.next_page()
        return events_of(content)

    def news(self, count: int = 1) -> list[Event]:
        """Wait for that many events."""
        content, is_over = b"", False

        def take() -> bool:
            nonlocal content, is_over
            more, is_over = self.opened.listener.take()
            content += more
            return is_over or len(events_of(content)) >= count

        wait_until(take)
        return events_of(content)

    def last_words(self) -> list[Event]:
        """Wait for the end."""
        content = b""

        def is_over() -> bool:
            nonlocal content
            more, ended = self.opened.listener.take()
            content += more
            return ended

        wait_until(is_over)
        return events_of(content)


class Listeners:
    """Opens streams of a house, and closes them in the end."""

    def __init__(self) -> None:
        self.opened: list[Opened] = []

    def ask(self, api: Api, query: str = "tail=1", **more: Any) -> tuple[TestResponse, Handover]:
        handover = Handover()
        environ = {HANDOVER: handover}
        answer = api.get(f"/v1/messages?{query}", environ_overrides=environ, **more)
        if handover.opened is not None:
            self.opened.append(handover.opened)
        return answer, handover

    def open(self, api: Api, query: str = "tail=1", after: int | None = None) -> Listening:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        answer, handover = self.ask(api, query, headers=headers)
        assert answer.status_code == 200, answer.text
        assert handover.opened is not None
        return Listening(answer, handover.opened)


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    found = Listeners()
    yield found
    for opened in found.opened:
        opened.close()


def states(events: list[Event]) -> list[tuple[str, str]]:
    return [event.state for event in events if event.kind == "message"]


def refused(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]  # type: ignore[index]


# -- who may listen -----------------------------------------------------------------------------


def test_a_stream_is_an_event_stream_that_nobody_keeps(api: Api, listeners: Listeners) -> None:
    answer = listeners.open(api).answer

    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Length" not in answer.headers
    assert answer.headers["X-Request-Id"]
    kept, _ = listeners.ask(api, headers={"X-Request-Id": "mine-12345678"})
    assert kept.headers["X-Request-Id"] == "mine-12345678"


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "application/json", "text/event-stream", "text/html", "x/y;q=0"]
)
def test_the_query_alone_selects_it(api: Api, listeners: Listeners, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer, handover = listeners.ask(api, headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert handover.opened is not None


def test_without_it_the_answer_is_a_page(api: Api, listeners: Listeners) -> None:
    for query in ("", "tail=", "limit=1"):
        answer, handover = listeners.ask(api, query)
        assert (answer.mimetype, handover.opened) == ("application/json", None)
    answer, _ = listeners.ask(api, "tail=", headers={"Accept": "text/event-stream"})
    assert refused(answer) == (406, "not_acceptable")


def test_bad_queries_are_refused_as_json(api: Api, listeners: Listeners) -> None:
    queries = (
        *("tail=0", "tail=true", "tail=2", "tail=01", "tail=1&tail=1", "tail=1&status=Sent"),
        *("tail=1&x=1", "tail=1&cursor=abc", "tail=1&limit=0", "tail=1&metadata=x"),
    )
    for query in queries:
        for accept in ("application/json", "text/event-stream"):
            answer, handover = listeners.ask(api, query, headers={"Accept": accept})
            assert refused(answer) == (400, "invalid_request"), query
            assert handover.opened is None


def test_a_place_that_is_none_is_refused(api: Api, listeners: Listeners) -> None:
    for text in ("abc", "-1", "1.5", "1" * 19, "٣", " 1"):
        answer, handover = listeners.ask(api, headers={"Last-Event-ID": text})
        if text != " 1":  # white space around a value is none of it
            assert refused(answer) == (400, "invalid_request"), text
            assert handover.opened is None
    answer, _ = listeners.ask(api, headers={"Last-Event-ID": ""})
    assert answer.status_code == 200


def test_it_needs_a_key_that_may_read(house: House, listeners: Listeners) -> None:
    cases = {
        (401, "unauthorized"): house.anonymous(),
        (403, "insufficient_scope"): house.api(scopes=["send", "cancel"]),
    }
    for expected, api in cases.items():
        answer, handover = listeners.ask(api, headers={"Accept": "text/event-stream"})
        assert refused(answer) == expected
        assert "WWW-Authenticate" in answer.headers
        assert handover.opened is None
    answer, _ = listeners.ask(house.api(scopes=["read"]))
    assert answer.status_code == 200


def test_a_head_request_gets_the_head_and_opens_nothing(house: House, api: Api) -> None:
    handover = Handover()
    path = "/v1/messages?tail=1"
    answer = api.call("HEAD", path, environ_overrides={HANDOVER: handover})
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert (handover.opened, len(house.runtime.hub)) == (None, 0)


def test_under_another_server_it_says_that_it_cannot(api: Api) -> None:
    assert refused(api.get("/v1/messages?tail=1")) == (501, "not_implemented")


def test_there_is_an_end_to_how_many_may_listen(
    api: Api, house: House, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MOST_LISTENERS_EACH", 2)
    monkeypatch.setattr(hub_module, "MOST_LISTENERS", 3)
    first = listeners.open(api)
    listeners.open(api)
    answer, _ = listeners.ask(api)
    assert refused(answer) == (429, "rate_limited")
    assert answer.json["error"]["limit"] == 2  # type: ignore[index]
    assert 1 <= int(answer.headers["Retry-After"]) <= 60

    listeners.open(house.api())
    answer, _ = listeners.ask(house.api())
    assert refused(answer) == (503, "unavailable")
    assert "Retry-After" in answer.headers

    first.opened.close()
    first.opened.close()
    listeners.open(api)
    assert len(house.runtime.hub) == 3


# -- what comes first ---------------------------------------------------------------------------


def test_the_newest_fifty_come_oldest_first_and_then_one_ready(
    api: Api, house: House, listeners: Listeners
) -> None:
    sent = [api.send() for _ in range(53)]

    beginning = listeners.open(api).beginning()

    assert [event.kind for event in beginning] == ["message"] * 50 + ["ready"]
    assert [event.message_id for event in beginning[:-1]] == sent[3:]
    assert beginning[0].data == api.message(sent[3])
    assert beginning[-1].number == newest(house)
    assert {event.number for event in beginning[:-1]} == {None}


def test_limit_says_how_many_come_first(api: Api, listeners: Listeners) -> None:
    sent = [api.send() for _ in range(4)]
    beginning = listeners.open(api, "tail=1&limit=2").beginning()
    assert [event.message_id for event in beginning[:-1]] == sent[2:]


def test_without_a_message_it_is_ready_at_once(api: Api, listeners: Listeners) -> None:
    [ready] = listeners.open(api).beginning()
    assert (ready.kind, ready.number, ready.data) == ("ready", 0, {})


FILTERS = (
    *("status=delivered", "channel=sms", "template=welcome", "metadata[n]=1", "search=ADA"),
    "metadata[n]=1&search=ada&channel=email",
)


@pytest.mark.parametrize("query", FILTERS)
def test_the_filters_of_the_list_count_before_and_after(
    api: Api, house: House, listeners: Listeners, query: str
) -> None:
    house.template("welcome")

    def send_all() -> None:
        api.send(to="ada@example.com", metadata={"n": 1})
        api.send(template="welcome", to="bob@example.com", metadata={"n": 2})
        api.send(channel="sms", to="+15555550100", content={"body": "b"}, metadata={"n": 1})
        house.deliver()

    send_all()
    before = {message["publicId"] for message in api.messages(f"?{query}")}
    listening = listeners.open(api, f"tail=1&{query}")
    everything = listeners.open(api)
    assert {event.message_id for event in listening.beginning()[:-1]} == before
    send_all()
    expected = {message["publicId"] for message in api.messages(f"?{query}")} - before

    everything.news(3)
    heard = listening.news(len(expected))

    assert {event.message_id for event in heard} == expected
    resumed = listeners.open(api, f"tail=1&{query}", after=0).beginning()
    assert {event.message_id for event in resumed[:-1]} == before | expected


# -- resuming -----------------------------------------------------------------------------------


def newest(house: House) -> int:
    with house.runtime.reader.connect() as connection:
        return following.newest_number(connection)


def test_it_goes_on_after_the_last_event_and_tells_nothing_twice(
    api: Api, house: House, listeners: Listeners
) -> None:
    first, second = api.send(), api.send()
    start = newest(house)
    house.deliver()
    third = api.send()

    beginning = listeners.open(api, after=start).beginning()

    assert states(beginning) == [
        (first, "delivered"),
        (second, "delivered"),
        (third, "queued"),
    ]
    numbers = [event.number or 0 for event in beginning]
    assert numbers == sorted(numbers)
    assert (beginning[-1].kind, beginning[-1].number) == ("ready", newest(house))
    assert states(listeners.open(api, after=numbers[1]).beginning()) == [(third, "queued")]
    assert states(listeners.open(api, after=newest(house)).beginning()) == []


def test_from_each_event_on_the_rest_is_the_same(
    api: Api, house: House, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("senderkit.web.streams.opening._PAGE", 2)
    for _ in range(5):
        api.send()
    house.deliver()
    for _ in range(3):
        api.send()
    whole = listeners.open(api, after=0).beginning()

    assert len(whole) == 9
    for place, event in enumerate(whole):
        assert listeners.open(api, after=event.number).beginning() == (
            whole[place + 1 :] or [whole[-1]]
        )


def test_a_place_that_no_change_has_yet_begins_anew(api: Api, listeners: Listeners) -> None:
    message_id = api.send()
    beginning = listeners.open(api, after=10**9).beginning()
    assert states(beginning) == [(message_id, "queued")]


# -- news ---------------------------------------------------------------------------------------


def test_each_change_comes_as_the_message_is_then(
    api: Api, house: House, listeners: Listeners
) -> None:
    listening = listeners.open(api)
    message_id = api.send()
    [news] = listening.news()
    assert (news.kind, news.data) == ("message", api.message(message_id))

    house.deliver()
    heard = listening.news()
    assert heard[-1].data == api.message(message_id)
    assert heard[-1].number == newest(house)

    scheduled = api.send(scheduledAt="2026-11-24T11:00:00Z")
    assert states(listening.news()) == [(scheduled, "scheduled")]
    api.delete(f"/v1/messages/{scheduled}")
    assert states(listening.news()) == [(scheduled, "canceled")]


def test_what_came_between_the_page_and_the_news_is_told(
    api: Api, house: House, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody sends while the first page is read: after it was, or before it is."""
    sent: list[str] = []
    real = following.newest_number

    def and_send(connection: Any) -> int:
        found = real(connection)
        if not sent:
            sent.append(api.send())
        return found

    monkeypatch.setattr("senderkit.web.streams.opening.following.newest_number", and_send)
    listening = listeners.open(api)
    heard = [*listening.beginning(), *listening.news()]
    assert {event.message_id for event in heard if event.kind == "message"} == set(sent)


def test_another_process_is_heard_too(api: Api, listeners: Listeners, make_app: MakeApp) -> None:
    other = make_app()
    listening = listeners.open(api)
    message_id = Api(other.test_client(), api.token).send()
    assert states(listening.news()) == [(message_id, "queued")]


def test_nobody_hears_the_other_mode(house: House, listeners: Listeners) -> None:
    test, live = house.api("test"), house.api("live")
    hears_test, hears_live = listeners.open(test), listeners.open(live)
    message_id = test.send()

    assert states(hears_test.news()) == [(message_id, "queued")]
    assert events_of(hears_live.opened.listener.take()[0]) == []
    assert states(listeners.open(live, after=0).beginning()) == []


def test_all_who_listen_hear_the_same_bytes(api: Api, listeners: Listeners) -> None:
    some = [listeners.open(api) for _ in range(20)]
    api.send()
    heard = {tuple(map(repr, each.news())) for each in some}
    assert len(heard) == 1


def test_one_that_begins_earlier_repeats_nothing_to_the_others(
    api: Api, house: House, listeners: Listeners
) -> None:
    sent = [api.send(), api.send()]
    late = listeners.open(api)
    topic, ticket = late.opened.listener.topic, late.opened.listener.ticket
    early = house.runtime.hub.join(topic, ticket, 0)
    told = b""

    def is_told() -> bool:
        nonlocal told
        told += early.take()[0]
        return len(events_of(told)) == 2

    wait_until(is_told)
    house.runtime.hub.part(early)
    assert [event.message_id for event in events_of(told)] == sent
    assert events_of(late.opened.listener.take()[0]) == []


def test_silence_is_broken_by_heartbeats(
    api: Api, house: House, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.runtime.hub, "_heartbeat_seconds", 0.0)
    monkeypatch.setattr(hub_module, "_POLL_SECONDS", 0.01)
    listening = listeners.open(api)
    wait_until(lambda: listening.opened.listener.take()[0].startswith(b": "))


# -- the end ------------------------------------------------------------------------------------


def revoke(house: House) -> None:
    house.write("UPDATE api_keys SET revoked_at = created_at")


def test_a_key_that_is_revoked_ends_its_streams(
    api: Api, house: House, listeners: Listeners
) -> None:
    listening = listeners.open(api)
    revoke(house)
    [told] = listening.last_words()
    assert (told.kind, told.data["error"]["code"]) == ("error", "unauthorized")
    assert len(house.runtime.hub) == 0


def test_what_comes_after_a_revocation_is_not_told(
    api: Api, house: House, listeners: Listeners
) -> None:
    other = house.api()
    listening = listeners.open(api)
    house.write("UPDATE api_keys SET revoked_at = created_at WHERE id = 1")
    other.send()
    assert [event.kind for event in listening.last_words()] == ["error"]


def test_a_fault_is_told_before_the_end_and_the_next_stream_is_sound(
    api: Api, house: House, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fault, code in (
        (OperationalError("SELECT", {}, Exception("gone")), "unavailable"),
        (RuntimeError("a bug"), "internal_error"),
    ):
        listening = listeners.open(api)
        with monkeypatch.context() as broken:

            def fail(*_: Any, error: Exception = fault, **__: Any) -> None:
                raise error

            broken.setattr(following, "list_changed", fail)
            api.send()
            [told] = listening.last_words()
        assert (told.kind, told.data["error"]["code"]) == ("error", code)

    listening = listeners.open(api)
    message_id = api.send()
    assert states(listening.news()) == [(message_id, "queued")]


def test_one_that_takes_nothing_is_let_go_and_the_others_are_not(
    api: Api, house: House, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_MOST_BYTES", 5_000)
    slow, quick = listeners.open(api), listeners.open(api)
    sent = []
    heard: list[Event] = []
    for _ in range(20):
        sent.append(api.send())
        heard += quick.news()

    assert [event.message_id for event in heard] == sent
    last = slow.last_words()
    assert (last[-1].kind, last[-1].data["error"]["code"]) == ("error", "unavailable")
    assert [event.message_id for event in last[:-1]] == sent[: len(last) - 1]
    beyond = listeners.open(api, after=last[-2].number).beginning()
    assert [event.message_id for event in beyond[:-1]] == sent[len(last) - 1 :]


def test_the_end_of_the_server_ends_them_all_and_takes_no_more(
    api: Api, house: House, listeners: Listeners
) -> None:
    some = [listeners.open(api) for _ in range(3)]
    house.runtime.hub.end_all()
    assert [each.last_words() for each in some] == [[], [], []]
    answer, _ = listeners.ask(api)
    assert refused(answer) == (503, "unavailable")


def test_a_first_page_that_fails_is_answered_as_json_and_leaves_no_listener(
    api: Api, house: House, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr("senderkit.web.api.tail.reports.list_messages", fail)
    answer, handover = listeners.ask(api)
    assert refused(answer) == (503, "unavailable")
    assert (handover.opened, len(house.runtime.hub)) == (None, 0)


def test_while_nobody_listens_nothing_is_read(
    house: House, api: Api, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = listeners.open(api)
    api.send()
    listening.news()
    listening.opened.close()
    reads: list[object] = []
    monkeypatch.setattr(hub_module, "find_valid", lambda *_: reads.append(1))
    monkeypatch.setattr(hub_module, "_POLL_SECONDS", 0.001)
    assert len(house.runtime.hub) == 0
    for _ in range(5):
        api.send()
    assert reads == []
