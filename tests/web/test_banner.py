"""The banner that tells the team on every page what waits for a repair, and "Try again now"."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from senderkit.commands import Place, parse_describe_connection
from senderkit.services.attention import MAX_HELD_COUNTED
from senderkit.web.extensions import database
from tests.conftest import MakeApp
from tests.fakes import FakeSmtp
from tests.make import OWNER, FakeClock, House, Pages
from tests.web.reading import read

PAGES = ("/", "/messages", "/templates", "/templates/-/new", "/keys", "/keys/new", "/password")
REASON = "The login was refused by the mail server: 535"


@pytest.fixture
def smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp(login=("mailer", "right")) as smtp:
        yield smtp


@pytest.fixture
def broken(make_app: MakeApp, clock: FakeClock, smtp: FakeSmtp) -> House:
    """A house whose password for the mail server is refused."""
    house = House(
        make_app(
            SMTP_URL=f"smtp://mailer:wrong@127.0.0.1:{smtp.port}",
            MAIL_FROM="Acme <hello@acme.example>",
        ),
        clock,
    )
    house.set_up()
    return house


def hold(house: House, count: int = 1) -> list[str]:
    """Send live messages that end up held."""
    api = house.api("live")
    sent = [api.send() for _ in range(count)]
    house.clock.advance(seconds=1)
    house.deliver()
    return sent


def connect(house: House, smtp: FakeSmtp) -> None:
    """Store a connection whose password is refused."""
    credentials = {
        "host": "127.0.0.1",
        "port": str(smtp.port),
        "security": "none",
        "username": "mailer",
        "password": "wrong",
        "from": "Acme <hello@acme.example>",
    }

    def work() -> None:
        session = database.session()
        command = parse_describe_connection("Mail server", Place.FIRST)
        house.runtime.channels.add(session, 1, "smtp", command, credentials, now=house.clock())

    house.in_app(work)


def banner(owner: Pages, path: str = "/") -> str:
    """The text between the navigation and the page, empty without a banner."""
    text = owner.get(path).text
    start = text.find('<section class="banner"')
    return read(text[start : text.index("</section>", start)]).text if start >= 0 else ""


@pytest.mark.parametrize("mode", ["live", "test"])
def test_every_page_tells_how_many_are_held_and_why(broken: House, mode: str) -> None:
    owner = broken.owner()
    assert [path for path in PAGES if banner(owner, path)] == []
    hold(broken, 2)
    owner.submit("/", {"mode": mode}, action="/mode")
    for path in PAGES:
        assert banner(owner, path).startswith("2 live messages are held " + REASON), path
        assert "Try again now" in banner(owner, path)
    assert ("Show them" in banner(owner)) == (mode == "live")


def test_a_held_message_shows_as_held_and_why(broken: House) -> None:
    (message_id,) = hold(broken)
    owner = broken.owner()
    owner.submit("/", {"mode": "live"}, action="/mode")
    page = read(owner.get(f"/messages/{message_id}").text)
    assert "Held It waits until what is wrong is put right; nothing is lost." in page.text
    assert f"Why it is held {REASON}" in page.text
    page = read(owner.get("/messages?status=held").text)
    assert "email ada@example.com raw Held" in page.text


def test_one_message_is_told_as_one(broken: House) -> None:
    hold(broken)
    assert banner(broken.owner()).startswith("1 live message is held")


def test_many_are_not_counted_to_the_end(broken: House) -> None:
    hold(broken)
    broken.write("UPDATE messages SET livemode = false")
    owner = broken.owner()
    assert banner(owner) == ""
    api = broken.api("live")
    for _ in range(MAX_HELD_COUNTED + 1):
        api.send()
    broken.write("UPDATE messages SET held_reason = 'r', due_at = NULL, livemode = true")
    assert banner(owner).startswith("100+ live messages are held r")


def test_trying_again_releases_them_and_tells_by_whom(broken: House, smtp: FakeSmtp) -> None:
    (message_id,) = hold(broken)
    owner = broken.owner()
    smtp.login = ("mailer", "wrong")
    answer = owner.submit("/", {}, action="/messages/release", follow_redirects=True)
    assert "1 message is being tried again." in read(answer.text).text
    assert banner(owner) == ""
    broken.deliver()

    owner.submit("/", {"mode": "live"}, action="/mode")
    text = read(owner.get(f"/messages/{message_id}").text).text
    assert f"Released by {OWNER} and tried again." in text
    assert "Sent The provider took it." in text
    assert len(smtp.messages) == 1


def test_what_is_still_broken_is_told_again(broken: House) -> None:
    hold(broken)
    owner = broken.owner()
    owner.submit("/", {}, action="/messages/release")
    broken.deliver()
    assert banner(owner).startswith(f"1 live message is held {REASON}")


def test_a_broken_connection_is_told_by_name_and_tried_again(house: House, smtp: FakeSmtp) -> None:
    connect(house, smtp)
    (message_id,) = hold(house)
    owner = house.owner()
    assert "Email connection “Mail server”: The login was refused" in banner(owner)
    house.write("DELETE FROM messages WHERE public_id = :id", id=message_id)
    assert banner(owner).startswith("A connection is broken")
    answer = owner.submit("/", {}, action="/messages/release", follow_redirects=True)
    assert "Nothing is held." in read(answer.text).text
    assert banner(owner) == ""


def test_nothing_is_released_by_looking(broken: House) -> None:
    hold(broken)
    owner = broken.owner()
    assert owner.get("/messages/release").status_code == 404
    assert banner(owner)
