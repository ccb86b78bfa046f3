"""The versions of a template: what is live against what is newest, one click back, what differs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import MakeApp
from tests.make import OWNER, START, Api, FakeClock, House, Pages, email_content
from tests.web.reading import read

PATH = "/templates/welcome"
VERSIONS = f"{PATH}/versions"
MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def add(api: Api, **more: Any) -> None:
    body = {"content": email_content()} | more
    assert api.post("/v1/templates/welcome/versions", body).status_code == 201


def subject_of(house: House, api: Api, **body: Any) -> str:
    """What the subject of a send of the template became."""
    message_id = api.send(template="welcome", to="ada@example.com", **body)
    house.deliver()
    [[version]] = house.rows(
        "SELECT v.content FROM messages m JOIN template_versions v ON v.id = m.template_version_id "
        "WHERE m.public_id = :id",
        id=message_id,
    )
    return "First" if "First" in str(version) else "Second"


# -- the page ---------------------------------------------------------------------------------


def test_live_and_newest_are_always_in_sight(house: House, api: Api, owner: Pages) -> None:
    house.template(publish=False)
    text = read(owner.get(VERSIONS).text).text
    assert "Live None Live sends are refused until a version is published." in text
    assert "Newest Version 1" in text

    house.publish("welcome")
    text = read(owner.get(VERSIONS).text).text
    assert "Newest The live one Nothing waits to be published." in text

    add(api)
    text = read(owner.get(VERSIONS).text).text
    assert "Live Version 1 since" in text
    assert "A draft: test sends use it, live sends do not." in text


def test_each_version_has_its_author_its_note_and_its_marks(
    house: House, api: Api, owner: Pages
) -> None:
    house.template()
    form = read(owner.get(PATH).text).form(f"{PATH}/versions").values
    owner.client.post(f"{PATH}/versions", data=form | {"subject": "Hi"})
    house.write("UPDATE template_versions SET note = 'Shorter <b>' WHERE number = 2")
    owner.submit(VERSIONS, {"version": "2"}, action=f"{PATH}/publish")

    text = read(owner.get(VERSIONS).text).text
    assert f"10:00:00 UTC by {OWNER} Shorter <b> Version 1" in text
    assert "UTC over the API · was published 2026-11-24" in text


def test_publishing_and_going_back_are_one_click_each(house: House, api: Api, owner: Pages) -> None:
    house.template()
    add(api)
    forms = [f for f in read(owner.get(VERSIONS).text).forms if f.action == f"{PATH}/publish"]
    assert {form.values["version"] for form in forms} == {"2"}
    answer = owner.client.post(f"{PATH}/publish", data=forms[0].values, follow_redirects=True)
    page = read(answer.text)
    assert answer.request.path == VERSIONS
    assert "Version 2 is live: the next send uses it." in page.text
    assert "Go back to this" in page.text

    back = page.form(f"{PATH}/publish").values
    assert back["version"] == "1"
    answer = owner.client.post(f"{PATH}/publish", data=back, follow_redirects=True)
    assert "Live Version 1 since" in read(answer.text).text


def test_a_form_without_its_token_publishes_nothing(house: House, api: Api, owner: Pages) -> None:
    house.template()
    add(api)
    assert owner.client.post(f"{PATH}/publish", data={"version": "2"}).status_code == 400
    assert "Live Version 1" in read(owner.get(VERSIONS).text).text


def test_many_versions_come_a_page_at_a_time(house: House, owner: Pages) -> None:
    house.template()
    house.write(
        "INSERT INTO template_versions (id, template_id, number, content, variables, created_at) "
        "SELECT v.id + n.value, v.template_id, 1 + n.value, v.content, v.variables, v.created_at "
        "FROM template_versions v, (WITH RECURSIVE counted(value) AS "
        "(SELECT 1 UNION ALL SELECT value + 1 FROM counted WHERE value < 120) "
        "SELECT value FROM counted) n"
    )
    first = read(owner.get(VERSIONS).text)
    assert "Version 72" in first.text
    assert "Version 71 " not in first.text
    second = read(owner.get(first.links["Older"]).text)
    assert "Live Version 1 since" in second.text
    third = read(owner.get(second.links["Older"]).text)
    assert "Version 21 " in third.text
    assert "Older" not in third.links
    assert third.links["Newest"] == VERSIONS
    assert owner.get(f"{VERSIONS}?before=999").status_code == 404


# -- what a send uses -------------------------------------------------------------------------


def test_publishing_counts_for_the_next_send_in_every_process(
    make_app: MakeApp, clock: FakeClock
) -> None:
    settings = {"SMTP_URL": "smtp://127.0.0.1:9", "MAIL_FROM": "Acme <hello@acme.example>"}
    one, other = House(make_app(**settings), clock), House(make_app(**settings), clock)
    one.set_up()
    one.template(content=email_content(subject="First"))
    app = other.api("live")
    assert subject_of(other, app) == "First"
    add(one.api(), content=email_content(subject="Second"))
    assert subject_of(other, app) == "First"

    one.publish("welcome", 2)
    assert subject_of(other, app) == "Second"
    other.publish("welcome", 1)
    assert subject_of(one, one.api("live")) == "First"


def test_a_scheduled_message_keeps_the_version_it_was_accepted_with(
    house: House, api: Api, owner: Pages, clock: FakeClock
) -> None:
    house.template(content=email_content(subject="First"))
    later = START.replace(day=25).isoformat()
    message_id = api.send(template="welcome", to="ada@example.com", scheduledAt=later)
    add(api, content=email_content(subject="Second"))
    owner.submit(VERSIONS, {"version": "2"}, action=f"{PATH}/publish")
    owner.submit(f"{PATH}/settings", {}, action=f"{PATH}/archive")

    clock.advance(days=2)
    house.deliver()

    message = api.message(message_id)
    assert (message["templateVersion"], message["status"]) == (1, "delivered")
    [[rendered]] = house.rows("SELECT rendered FROM message_contents")
    assert "First" in str(rendered)


# -- two of them ------------------------------------------------------------------------------


@pytest.fixture
def changed(house: House, api: Api) -> House:
    house.template(
        content=email_content(html="<p>One</p>\n<p>Two</p>"),
        variables=[{"name": "name", "type": "string"}],
        translations={"de": {"subject": "Hallo"}},
    )
    add(
        api,
        content=email_content(html="<p>One</p>\n<p>Zwei & <b></p>", preheader="New"),
        variables=[{"name": "name", "type": "string", "example": "Ada"}],
        translations={"de": {"subject": "Guten Tag"}, "fr": {"subject": "Bonjour"}},
    )
    return house


@pytest.mark.parametrize("view", ["side", "inline"])
def test_every_field_and_language_is_compared(changed: House, owner: Pages, view: str) -> None:
    answer = owner.get(f"{PATH}/compare?from=1&to=2&view={view}")
    text = read(answer.text).text
    for words in ("Preheader added", "HTML", "Variables", "de Subject", "fr Subject added"):
        assert words in text
    assert '"example": "Ada"' in text
    assert "<del>Two</del>" in answer.text
    assert "<ins>Zwei &amp; &lt;b&gt;</ins>" in answer.text
    assert f"{MINUS}&lt;p&gt;<del>" in answer.text.replace("</b>", "")
    assert f"Version 1 (live) is marked {MINUS} and version 2 (newest) is marked +" in text


def test_live_and_newest_are_compared_unless_others_are_named(changed: House, owner: Pages) -> None:
    assert f"Version 1 (live) is marked {MINUS}" in read(owner.get(f"{PATH}/compare").text).text
    swapped = read(owner.get(f"{PATH}/compare").text).links["Swap"]
    page = read(owner.get(swapped).text)
    assert "Preheader removed" in page.text
    assert "Publish" not in page.text
    assert "The same version twice" in read(owner.get(f"{PATH}/compare?from=2&to=2").text).text


def test_a_version_can_be_published_from_where_it_is_compared(changed: House, owner: Pages) -> None:
    form = read(owner.get(f"{PATH}/compare").text).form(f"{PATH}/publish").values
    answer = owner.client.post(f"{PATH}/publish", data=form, follow_redirects=True)
    assert "Live Version 2 since" in read(answer.text).text
    assert "The live one" in read(answer.text).text


def test_versions_that_say_the_same_differ_in_nothing(house: House, api: Api, owner: Pages) -> None:
    house.template()
    add(api)
    assert "Nothing differs" in read(owner.get(f"{PATH}/compare").text).text


def test_a_field_that_is_given_but_empty_is_told(house: House, api: Api, owner: Pages) -> None:
    house.template()
    add(api, content=email_content(text=""))
    text = read(owner.get(f"{PATH}/compare").text).text
    assert "Plain text added It is given now, but empty." in text


def test_very_long_fields_are_told_not_compared(house: House, api: Api, owner: Pages) -> None:
    house.template(content=email_content(html="a\n" * 450_000, text="b\n" * 450_000))
    add(api, content=email_content(html="c\n" * 450_000, text="d\n" * 450_000))
    answer = owner.get(f"{PATH}/compare")
    text = read(answer.text).text
    assert "too many to show here" in text
    assert "too long to be compared here: 900,000 against 900,000 characters" in text
    assert len(answer.text) < 1_000_000


@pytest.mark.parametrize("query", ["from=3", "to=x", "from=0&to=1", "from=1&to=-1"])
def test_a_version_that_is_none_cannot_be_compared(
    changed: House, owner: Pages, query: str
) -> None:
    assert owner.get(f"{PATH}/compare?{query}").status_code == 404
