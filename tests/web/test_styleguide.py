"""The style guide is there while debugging, and for nobody else."""

from __future__ import annotations

from senderkit.domain import MessageStatus, TimelineEvent
from tests.conftest import MakeApp
from tests.make import FakeClock, House
from tests.web.reading import read


def test_debugging_shows_every_part(make_app: MakeApp, clock: FakeClock) -> None:
    house = House(make_app(DEBUG="on"), clock)
    house.set_up()
    assert house.pages().get("/styleguide").status_code == 302
    answer = house.owner().get("/styleguide")
    assert answer.status_code == 200
    text = read(answer.text).text
    words = {*MessageStatus, *TimelineEvent}
    assert [word for word in words if word.replace("_", " ").capitalize() not in text] == []


def test_without_debugging_there_is_none(house: House) -> None:
    assert house.owner().get("/styleguide").status_code == 404
