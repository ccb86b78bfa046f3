"""Sending again from a message's page and from a filtered list, by forms without JavaScript."""

from __future__ import annotations

import re

import pytest

from tests.make import OWNER, Api, House, Pages
from tests.web.reading import read

FAILING = "failed@simulator.senderkit.test"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def fields(text: str) -> dict[str, str]:
    """The hidden fields of the page's form."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text)
    return dict(found)


def failed(house: House, api: Api, count: int = 1) -> list[str]:
    ids = [api.send(to=FAILING) for _ in range(count)]
    house.deliver()
    return ids


def test_a_message_that_ended_offers_to_be_sent_again(house: House, api: Api, owner: Pages) -> None:
    [old] = failed(house, api)
    page = read(owner.get(f"/messages/{old}").text)
    assert page.links["Send again"] == f"/messages/{old}/resend"

    form = owner.get(f"/messages/{old}/resend").text
    answer = owner.client.post(
        f"/messages/{old}/resend", data=fields(form) | {"reason": "Wrong address"}
    )

    new = answer.headers["Location"].rpartition("/")[2]
    assert new != old
    shown = read(owner.get(f"/messages/{new}").text)
    assert "Sent again: this is the new message." in shown.text
    assert f"Repeats {old}, by {OWNER}: Wrong address" in shown.text
    assert shown.links[old] == f"/messages/{old}"
    before = read(owner.get(f"/messages/{old}").text)
    assert f"Sent again as {new}" in before.text
    assert f"As {new}, by {OWNER}: Wrong address" in before.text
    assert before.links[new] == f"/messages/{new}"


def test_a_form_that_is_posted_twice_sends_once(house: House, api: Api, owner: Pages) -> None:
    [old] = failed(house, api)
    data = fields(owner.get(f"/messages/{old}/resend").text) | {"reason": "why"}
    places = {
        owner.client.post(f"/messages/{old}/resend", data=data).headers["Location"]
        for _ in range(2)
    }
    assert len(places) == 1
    assert house.rows("SELECT count(*) FROM messages") == [(2,)]


def test_without_a_reason_nothing_is_sent_and_the_form_says_so(
    house: House, api: Api, owner: Pages
) -> None:
    [old] = failed(house, api)
    answer = owner.submit(f"/messages/{old}/resend", {"reason": " "})
    assert answer.status_code == 422
    assert "Say why, in a few words." in answer.text
    nonce = {"reason": "kept words", "nonce": "made up"}
    answer = owner.submit(f"/messages/{old}/resend", nonce)
    assert answer.status_code == 422
    assert 'value="kept words"' in answer.text
    assert house.rows("SELECT count(*) FROM messages") == [(1,)]


def test_what_is_on_its_way_cannot_be_sent_again(api: Api, owner: Pages) -> None:
    old = api.send()
    assert "Send again" not in read(owner.get(f"/messages/{old}").text).links
    answer = owner.get(f"/messages/{old}/resend", follow_redirects=True)
    assert "still on its way" in answer.text


def test_the_versions_are_offered_when_they_differ(house: House, api: Api, owner: Pages) -> None:
    house.template("welcome")
    old = api.send(template="welcome", to=FAILING)
    house.deliver()
    assert "Version 1" not in owner.get(f"/messages/{old}/resend").text
    content = {"subject": "New", "html": "<p>New</p>"}
    api.post("/v1/templates/welcome/versions", {"content": content})

    form = owner.get(f"/messages/{old}/resend").text
    assert "Version 1" in form
    assert "Version 2" in form
    owner.client.post(
        f"/messages/{old}/resend", data=fields(form) | {"reason": "why", "version": "now"}
    )
    newest = api.messages()[0]
    assert newest["templateVersion"] == 2


def test_what_cannot_be_sent_now_is_told_on_the_form(house: House, api: Api, owner: Pages) -> None:
    house.template("welcome")
    old = api.send(template="welcome", to=FAILING)
    house.deliver()
    house.write("UPDATE templates SET archived_at = created_at")
    form = owner.get(f"/messages/{old}/resend").text
    answer = owner.client.post(f"/messages/{old}/resend", data=fields(form) | {"reason": "why"})
    assert answer.status_code == 422
    assert "is archived: restore it" in answer.text


# -- a list -----------------------------------------------------------------------------------


def test_a_list_of_failures_is_sent_again_at_once(house: House, api: Api, owner: Pages) -> None:
    failed(house, api, 7)
    api.send()
    house.deliver()
    page = read(owner.get("/messages?status=failed&channel=email").text)
    link = page.links["Send these again"]
    assert link == "/messages/resend?status=failed&channel=email"
    assert "Send these again" not in read(owner.get("/messages").text).links

    form = owner.get(link)
    assert "Send these 7 messages again" in form.text
    answer = owner.client.post(link, data=fields(form.text) | {"reason": "A bad hour"})

    batch = owner.get(answer.headers["Location"])
    assert "7 messages are sent again." in batch.text
    assert "7 messages" in read(batch.text).text
    assert "sent again together" in batch.text
    assert house.rows("SELECT count(*) FROM messages") == [(15,)]


def test_a_reload_sends_nothing_more(house: House, api: Api, owner: Pages) -> None:
    failed(house, api, 3)
    form = owner.get("/messages/resend?status=failed").text
    data = fields(form) | {"reason": "why"}
    for _ in range(3):
        owner.client.post("/messages/resend?status=failed", data=data)
    assert house.rows("SELECT count(*) FROM messages") == [(6,)]


def test_those_that_were_sent_again_already_are_left_out(
    house: House, api: Api, owner: Pages
) -> None:
    failed(house, api, 2)
    form = owner.get("/messages/resend?status=failed").text
    owner.client.post("/messages/resend", data=fields(form) | {"reason": "why"})
    house.deliver()
    failed(house, api, 1)

    # The two new ones failed as well, the two old ones were sent again, and there is one more.
    text = owner.get("/messages/resend?status=failed").text
    assert "Send these 3 messages again" in text
    assert "2 of the list were sent again already" in text


def test_a_message_that_another_form_has_sent_meanwhile_is_left_out(
    house: House, api: Api, owner: Pages
) -> None:
    failed(house, api, 2)
    forms = [fields(owner.get("/messages/resend?status=failed").text) for _ in range(2)]
    for form in forms:
        answer = owner.client.post("/messages/resend", data=form | {"reason": "why"})
    assert "2 left out: It was sent again already." in owner.get(answer.headers["Location"]).text
    assert house.rows("SELECT count(*) FROM messages") == [(4,)]


def test_more_than_a_thousand_are_capped_and_told(house: House, api: Api, owner: Pages) -> None:
    [first] = failed(house, api)
    house.write(
        "INSERT INTO messages (id, public_id, uuid, workspace_id, livemode, channel, status, "
        "recipient, recipient_key, vars, metadata, created_at, change_seq, attempts) "
        "WITH RECURSIVE n(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM n WHERE n < 2000) "
        "SELECT n, 'msg_' || substr('00000000000000000000000000', 5) || n, uuid, workspace_id, "
        "livemode, channel, status, recipient, recipient_key, vars, metadata, created_at, n, 1 "
        "FROM messages, n WHERE public_id = :first",
        first=first,
    )
    text = owner.get("/messages/resend?status=failed").text
    assert "Send these 1,000 messages again" in text
    assert "no more are sent again at a time" in text
    assert len(fields(text)["ids"].split()) == 1000


def test_a_list_with_nothing_to_send_again_leads_back(api: Api, owner: Pages) -> None:
    api.send()
    answer = owner.get("/messages/resend?status=queued", follow_redirects=True)
    assert "There is nothing to send again" in answer.text
    answer = owner.get("/messages/resend?status=nope")
    assert answer.headers["Location"] == "/messages?status=nope"


def test_a_form_of_a_list_without_a_reason_keeps_its_messages(
    house: House, api: Api, owner: Pages
) -> None:
    failed(house, api, 2)
    form = fields(owner.get("/messages/resend?status=failed").text)
    answer = owner.client.post("/messages/resend?status=failed", data=form | {"reason": ""})
    assert answer.status_code == 422
    assert fields(answer.text)["ids"] == form["ids"]
    data = fields(answer.text) | {"reason": "why"}
    owner.client.post("/messages/resend?status=failed", data=data)
    assert house.rows("SELECT count(*) FROM messages") == [(4,)]


def test_a_form_without_its_token_sends_nothing(house: House, api: Api, owner: Pages) -> None:
    failed(house, api)
    data = fields(owner.get("/messages/resend?status=failed").text) | {"reason": "why"}
    del data["csrf_token"]
    assert owner.client.post("/messages/resend", data=data).status_code == 400
    assert house.rows("SELECT count(*) FROM messages") == [(1,)]
