"""The list of messages, live, up to the socket: who may listen, which rows come, when it ends."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from senderkit.web.streams.opening import HANDOVER, Handover, Opened
from tests.make import PASSWORD, House, Pages, wait_until
from tests.web.tailing import Event, events_of

_PLACE = re.compile(r'data-live="([^"]+)"')


class Reader:
    """A person's page of messages with its stream, without a socket."""

    def __init__(self) -> None:
        self.opened: list[Opened] = []

    def ask(self, pages: Pages, address: str, **headers: str) -> tuple[int, Opened | None]:
        handover = Handover()
        environ = {HANDOVER: handover}
        answer = pages.get(address, environ_overrides=environ, headers=headers)
        if handover.opened is not None:
            self.opened.append(handover.opened)
        return answer.status_code, handover.opened

    def open(self, pages: Pages, page: str = "/messages", **headers: str) -> Opened:
        status, opened = self.ask(pages, stream_of(pages, page), **headers)
        assert status == 200
        assert opened is not None
        return opened


@pytest.fixture
def reader() -> Iterator[Reader]:
    found = Reader()
    yield found
    for opened in found.opened:
        opened.close()


def stream_of(pages: Pages, page: str = "/messages") -> str:
    found = _PLACE.search(pages.get(page, environ_overrides={HANDOVER: Handover()}).text)
    assert found
    return html.unescape(found[1])


def next_rows(opened: Opened, count: int = 1) -> list[Event]:
    content = b""

    def take() -> bool:
        nonlocal content
        content += opened.listener.take()[0]
        return len(events_of(content)) >= count

    wait_until(take)
    return events_of(content)


def missed(opened: Opened) -> list[Event]:
    content = opened.first
    while opened.has_pages:
        content += opened.next_page()
    return [event for event in events_of(content) if event.kind == "message"]


def is_over(opened: Opened) -> bool:
    return opened.listener.take()[1]


def row_of(page: str, message_id: str) -> str:
    found = re.search(rf'<tr data-id="{message_id}".*?</tr>', page, re.DOTALL)
    assert found
    return found[0]


def test_a_row_is_told_just_as_the_page_has_it(house: House, reader: Reader) -> None:
    house.template("welcome")
    owner, api = house.owner(), house.api()
    opened = reader.open(owner)
    for body in (
        {"template": "welcome", "to": "Ada <ada@example.com>"},
        {"channel": "sms", "to": "+15555550100", "content": {"body": "b"}},
        {"to": "o'brien&co@example.com"},
    ):
        message_id = api.send(**body)
        [event] = next_rows(opened)
        assert event.data == {
            "fits": True,
            "row": row_of(owner.get("/messages").text, message_id),
        }


def test_in_live_mode_a_row_has_its_provider(live_house: House, reader: Reader) -> None:
    owner, api = live_house.owner(), live_house.api("live")
    owner.submit("/messages", {"mode": "live", "area": "messages"}, action="/mode")
    opened = reader.open(owner)
    message_id = api.send()
    [event] = next_rows(opened)
    assert event.data["row"] == row_of(owner.get("/messages").text, message_id)
    assert event.data["row"].count("<td") == 5


def test_nothing_is_lost_between_the_page_and_its_stream(house: House, reader: Reader) -> None:
    owner, api = house.owner(), house.api()
    first = api.send()
    address = stream_of(owner)
    house.deliver()
    second = api.send()

    status, opened = reader.ask(owner, address)
    assert (status, opened is not None) == (200, True)
    assert opened is not None
    told = missed(opened)
    assert [first in told[0].data["row"], second in told[1].data["row"]] == [True, True]
    again = reader.ask(owner, address, **{"Last-Event-ID": str(told[0].number)})[1]
    assert again is not None
    assert missed(again) == told[1:]


def test_a_row_that_left_the_filter_is_told_and_said_not_to_fit(
    house: House, reader: Reader
) -> None:
    owner, api = house.owner(), house.api()
    api.send()
    opened = reader.open(owner, "/messages?status=queued&channel=email&q=ada")
    house.deliver()
    [event] = next_rows(opened)
    assert event.data["fits"] is False
    api.send(to="grace@example.com")
    assert next_rows(opened)[0].data["fits"] is False
    api.send(to="ada@example.com")
    assert next_rows(opened)[0].data["fits"] is True


def test_the_address_of_a_stream_has_the_filters_of_its_page(house: House) -> None:
    owner = house.owner()
    address = stream_of(owner, "/messages?status=failed&q=a%26b&from=2026-11-24")
    assert urlsplit(address).path == "/messages/stream"
    assert parse_qs(urlsplit(address).query) == {
        **{"status": ["failed"], "q": ["a&b"], "from": ["2026-11-24"]},
        **{"mode": ["test"], "seen": ["0"]},
    }


def test_a_page_with_a_bad_filter_has_no_stream(house: House) -> None:
    assert "data-live" not in house.owner().get("/messages?status=nonsense").text


def test_bad_queries_are_refused(house: House, reader: Reader) -> None:
    owner = house.owner()
    for query in ("seen=x", "seen=-1", "status=nonsense", "from=yesterday"):
        assert reader.ask(owner, f"/messages/stream?mode=test&{query}") == (400, None)


def test_strangers_and_other_modes_get_nothing_and_stay_away(house: House, reader: Reader) -> None:
    address = "/messages/stream?mode=test&seen=0"
    assert reader.ask(house.pages(), address) == (204, None)
    assert reader.ask(house.owner(), "/messages/stream?mode=live&seen=0") == (204, None)
    assert reader.ask(house.owner(), "/messages/stream") == (204, None)


def test_an_api_key_opens_none(house: House, reader: Reader) -> None:
    token = house.token()
    address = "/messages/stream?mode=test&seen=0"
    answer = reader.ask(house.pages(), address, Authorization=f"Bearer {token}")
    assert answer == (204, None)


def test_under_another_server_the_page_works_without(house: House) -> None:
    owner = house.owner()
    answer = owner.get("/messages")
    assert (answer.status_code, "data-live" in answer.text) == (200, False)
    assert owner.get(stream_of(owner)).status_code == 204


def log_out(pages: Pages) -> None:
    assert pages.submit("/messages", {}, action="/logout").status_code == 302


def switch_mode(pages: Pages) -> None:
    answer = pages.submit("/messages", {"mode": "live", "area": "messages"}, action="/mode")
    assert answer.status_code == 302


def change_password(pages: Pages) -> None:
    new = {"current_password": PASSWORD, "new_password": "another four plain words"}
    assert pages.submit("/password", new).status_code == 302


@pytest.mark.parametrize("leave", [log_out, switch_mode, change_password])
def test_it_ends_with_the_session_and_with_the_mode(
    house: House, reader: Reader, leave: Any
) -> None:
    owner = house.owner()
    other = house.owner()
    mine, theirs = reader.open(owner), reader.open(other)
    leave(owner)
    wait_until(lambda: is_over(mine))
    if leave is log_out:
        house.api().send()
        next_rows(theirs)
    else:
        wait_until(lambda: is_over(theirs))
