"""The overview: a newcomer's steps, figures with their change, failures with their reason."""

from __future__ import annotations

import pytest

from senderkit.domain import Channel, Outgoing, Receipt
from senderkit.errors import Refused
from senderkit.services.reports import Count
from senderkit.web.dashboard import figures
from tests.conftest import MakeApp, RegisterProvider
from tests.fakes import FakeSmtp
from tests.make import FakeClock, House, Pages
from tests.outbox.conftest import connect, fake_provider
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
    house.count()
    text = text_of(owner)
    for words in (
        "Accepted 3 -40 % on the day before",
        "Delivered 50.0 % -30.0 points on the day before",
        "Failed 1 the same as the day before",
        "Median time 2 s to delivery, +95 % on the day before",
        "Waiting now 0",
        "Scheduled ahead 1",
        "Held 0",
        "Delivered 1 Handed over 0 Waiting 1 Not sent 0 Failed 1",
    ):
        assert words in text


def test_a_first_day_is_compared_with_nothing(house: House, owner: Pages) -> None:
    house.api().send()
    house.count()
    text = text_of(owner)
    assert "Accepted 1 Handed over" in text
    assert "the day before" not in text


def test_where_no_provider_reports_what_was_handed_over_is_told(
    house: House, owner: Pages, register: RegisterProvider
) -> None:
    connect(house, register(fake_provider("fake-mail", channel=Channel.EMAIL)).name)
    house.api("live").send()
    house.clock.advance(seconds=3)
    house.deliver()
    house.count()
    owner.submit("/", {"mode": "live"}, action="/mode")
    text = text_of(owner)
    assert "Handed over 100 %" in text
    assert "to hand-over" in text
    assert "Time to hand-over" in text


# -- periods and filters ----------------------------------------------------------------------


def test_each_period_is_a_link_that_keeps_the_filters(house: House, owner: Pages) -> None:
    house.api().send()
    house.count()
    links = read(owner.get("/?channel=email").text).links
    assert links["7 days"] == "/?channel=email&period=7d"
    for words, path in (("24 hours", "/"), ("7 days", "/?period=7d"), ("90 days", "/?period=90d")):
        page = owner.get(path)
        assert f'aria-current="page">{words}</a>' in page.text
        assert f"The last {words} in test mode." in page.text


def test_a_filter_counts_some_of_the_messages(house: House, owner: Pages) -> None:
    house.template("welcome")
    api = house.api()
    api.send()
    api.send(template="welcome", to="ada@example.com")
    house.count()
    page = read(owner.get("/").text)
    assert "Accepted 2" in page.text
    assert page.links["welcome"] == "/?template=welcome"
    page = read(owner.get("/?template=welcome").text)
    assert "Accepted 1" in page.text
    assert page.links["Any template"] == "/"
    assert page.links["Clear"] == "/"
    page = read(owner.get("/?template=gone&period=30d").text)
    assert "No message in the last 30 days fits these filters." in page.text
    assert page.links["template: gone"] == "/?period=30d"


@pytest.mark.parametrize(
    "query",
    ["period=1y", "channel=fax", "provider=A%00", "key=x", "template=%00", "template=" + "x" * 101],
)
def test_a_query_that_cannot_be_read_is_told_and_everything_is_shown(
    owner: Pages, query: str
) -> None:
    answer = owner.get(f"/?{query}")
    assert answer.status_code == 400
    text = read(answer.text).text
    assert "This cannot be counted" in text
    assert "The last 24 hours in test mode." in text


# -- where the figures lead -------------------------------------------------------------------


def test_a_column_leads_to_exactly_its_messages(house: House, owner: Pages) -> None:
    api = house.api()
    for _ in range(2):
        api.send()
        house.clock.advance(hours=1)
    house.count()
    page = owner.get("/")
    assert "24 Nov, 10:00 to 11:00 UTC: 1 waiting" in page.text
    url = "/messages?from=2026-11-24T10&to=2026-11-24T10"
    assert url.replace("&", "&amp;") in page.text
    assert "1 message " in read(owner.get(url).text).text + " "
    day = owner.get("/?period=7d")
    assert "/messages?from=2026-11-24&amp;to=2026-11-24" in day.text


def test_failures_lead_to_exactly_the_messages_of_their_reason(
    house: House, owner: Pages, register: RegisterProvider
) -> None:
    def refuse(outgoing: Outgoing) -> Receipt:
        why = "no such user" if "ada" in outgoing.recipient else "mailbox full"
        raise Refused(f"550 <{outgoing.recipient}>: {why}")

    connect(house, register(fake_provider("fake-mail", refuse, channel=Channel.EMAIL)).name)
    api = house.api("live")
    api.send(to="ada9@example.com")
    house.clock.advance(hours=30)
    for number in range(2):
        api.send(to=f"ada{number}@example.com")
    api.send(to="grace@example.com")
    house.deliver()
    house.count()
    owner.submit("/", {"mode": "live"}, action="/mode")
    page = read(owner.get("/").text)
    assert "550 <…>: no such user 2" in page.text

    listed = read(owner.get(page.links["550 <…>: no such user"]).text)

    assert "2 messages" in listed.text
    assert all(f"ada{number}@example.com" in listed.text for number in range(2))
    assert "grace@" not in listed.text
    assert listed.links["reason: 550 <…>: no such user"].startswith("/messages?status=failed")
    everything = page.links["550 <…>: no such user"].replace("from=", "since=")
    assert "3 messages" in read(owner.get(everything).text).text


def test_the_list_of_one_reason_has_pages(
    house: House, owner: Pages, register: RegisterProvider
) -> None:
    api = house.api()
    for _ in range(60):
        api.send(to=f"failed@{SIMULATOR}")
    house.deliver()
    house.count()
    [[key]] = house.rows("SELECT DISTINCT reason_key FROM message_failures")
    first = read(owner.get(f"/messages?reason={key}").text)
    assert "50+ messages" in first.text
    second = read(owner.get(first.links["Older"]).text)
    assert "10 messages" in second.text
    assert "50+ messages" in read(owner.get(second.links["Newer"]).text).text


# -- what is behind ---------------------------------------------------------------------------


def test_what_is_not_counted_yet_is_told(house: House, owner: Pages) -> None:
    house.api().send()
    house.clock.advance(minutes=2)
    assert "As of 2026-11-24 10:00:00 UTC" in text_of(owner)
    house.count()
    assert "As of" not in text_of(owner)


def test_charts_have_tables_behind_them_and_a_title_for_each_column(
    house: House, owner: Pages
) -> None:
    house.api().send()
    house.clock.advance(seconds=1)
    house.deliver()
    house.count()
    page = owner.get("/").text
    assert page.count("Show as table") == 2
    assert page.count('<tr><th scope="row">') == 48
    assert page.count("<title>") == 1 + 24 + 24
    assert "style=" not in page


def test_the_other_mode_has_figures_of_its_own(house: House, owner: Pages) -> None:
    house.api().send()
    house.count()
    assert "The last 24 hours in test mode." in text_of(owner)
    assert "Accepted 1" in text_of(owner)
    owner.submit("/", {"mode": "live"}, action="/mode")
    assert "Accepted 0" in text_of(owner)


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.0, "0.0 %")]
)
def test_a_share_is_whole_only_when_nothing_is_missing(share: float, shown: str) -> None:
    assert figures.shown_share(share) == shown


def test_a_count_that_stopped_says_so() -> None:
    assert figures.counted(Count(1000, is_capped=True)) == "1,000+"
