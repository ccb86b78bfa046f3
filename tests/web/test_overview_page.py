"""The overview: a newcomer's steps, figures with their change, failures with their reason."""

from __future__ import annotations

import pytest

from senderkit.services.reports import Count
from senderkit.web.dashboard import overview as page_module
from tests.conftest import MakeApp
from tests.fakes import FakeSmtp
from tests.make import FakeClock, House, Pages
from tests.web.reading import read

SIMULATOR = "simulator.senderkit.test"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def text_of(owner: Pages) -> str:
    answer = owner.get("/")
    assert answer.status_code == 200
    return read(answer.text).text


def test_a_newcomer_sees_the_first_step(owner: Pages) -> None:
    page = read(owner.get("/").text)
    assert "0 of 5 done" in page.text
    assert page.links["New key"] == "/keys/new"
    assert "No message in the last 24 hours." in page.text


def test_steps_are_ticked_and_the_list_goes_when_all_are_done(
    make_app: MakeApp, clock: FakeClock
) -> None:
    with FakeSmtp() as smtp:
        url = f"smtp://127.0.0.1:{smtp.port}"
        house = House(make_app(SMTP_URL=url, MAIL_FROM="Acme <hello@acme.example>"), clock)
        house.set_up()
        owner = house.owner()
        assert "1 of 5 done" in text_of(owner)
        house.api().send()
        house.template("welcome")
        assert "4 of 5 done" in text_of(owner)
        house.api("live").send()
        house.clock.advance(seconds=1)
        house.deliver()
        assert "Get going" not in text_of(owner)


def test_the_figures_tell_what_became_of_the_day_and_what_has_changed(
    house: House, owner: Pages
) -> None:
    api = house.api()
    for _ in range(4):
        api.send()
    api.send(to=f"failed@{SIMULATOR}")
    house.clock.advance(seconds=1)
    house.deliver()
    house.clock.advance(hours=24)
    api.send()
    api.send(to=f"failed@{SIMULATOR}")
    api.send(scheduledAt="2026-12-01T10:00:00Z")
    house.clock.advance(seconds=2)
    house.deliver()
    text = text_of(owner)
    for words in (
        "Accepted 3 -40 % on the day before",
        "Delivered 50.0 % -30.0 points on the day before",
        "Failed 1 the same as the day before",
        "Median time 2 s to hand-over, +100 % on the day before",
        "Scheduled ahead 1",
    ):
        assert words in text


def test_a_first_day_is_compared_with_nothing(house: House, owner: Pages) -> None:
    house.api().send()
    text = text_of(owner)
    assert "Accepted 1 Handed over" in text
    assert "the day before" not in text


def test_failures_lead_to_the_newest_message_of_each_reason(house: House, owner: Pages) -> None:
    api = house.api()
    api.send(to=f"failed@{SIMULATOR}")
    newest = api.send(to=f"failed+2@{SIMULATOR}")
    house.clock.advance(seconds=1)
    house.deliver()
    page = read(owner.get("/").text)
    assert "and 1 more for the same reason" in page.text
    assert page.links[f"email failed+2@{SIMULATOR}"] == f"/messages/{newest}"


def test_the_other_mode_has_figures_of_its_own(house: House, owner: Pages) -> None:
    house.api().send()
    assert "The last 24 hours in test mode." in text_of(owner)
    owner.submit("/", {"mode": "live"}, action="/mode")
    assert "Accepted 0" in text_of(owner)


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.0, "0.0 %")]
)
def test_a_share_is_whole_only_when_nothing_is_missing(share: float, shown: str) -> None:
    assert page_module._percent(share) == shown


def test_a_count_that_stopped_says_so() -> None:
    assert page_module._counted(Count(1000, is_capped=True)) == "1,000+"
