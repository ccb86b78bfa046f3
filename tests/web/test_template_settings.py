"""The settings of a template: its slug and the ones before, a copy, its theme; and the list."""

from __future__ import annotations

import pytest

from tests.make import OWNER, Api, FakeClock, House, Pages, email_content
from tests.services.test_studio import MJML, dress
from tests.web.reading import read

PATH = "/templates/welcome"
SETTINGS = f"{PATH}/settings"
RENAME = f"{PATH}/rename"
NONE = "\N{EN DASH}"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def status_of_send(api: Api, slug: str) -> int:
    return api.post("/v1/send", {"template": slug, "to": "ada@example.com"}).status_code


# -- renaming ---------------------------------------------------------------------------------


def test_a_renamed_template_is_still_reached_by_its_old_slug(
    house: House, api: Api, owner: Pages
) -> None:
    house.template()
    form = read(owner.get(SETTINGS).text).form(RENAME).values
    assert form["keeps_alias"] == "yes"
    answer = owner.client.post(RENAME, data=form | {"slug": "hello"}, follow_redirects=True)
    page = read(answer.text)
    assert answer.request.path == "/templates/hello/settings"
    assert "The template is “hello” from now on." in page.text
    assert "Earlier slugs that still work welcome" in page.text
    assert [status_of_send(api, slug) for slug in ("hello", "welcome")] == [202, 202]
    assert {message["templateSlug"] for message in api.messages()} == {"hello"}
    assert owner.get(PATH).status_code == 200


def test_without_the_alias_sends_by_the_old_slug_are_refused(
    house: House, api: Api, owner: Pages
) -> None:
    house.template()
    owner.submit(SETTINGS, {"slug": "hello"}, action=RENAME)
    assert [status_of_send(api, slug) for slug in ("hello", "welcome")] == [202, 404]
    assert owner.get(PATH).status_code == 404


def test_who_sent_it_lately_is_named_before_it_is_renamed_or_archived(
    house: House, api: Api, owner: Pages, clock: FakeClock
) -> None:
    house.template()
    assert "Nobody sent it in the last 7 days." in read(owner.get(SETTINGS).text).text
    api.send(template="welcome", to="ada@example.com")
    text = read(owner.get(SETTINGS).text).text
    assert "Sent in the last 7 days by An app last 2026-11-24 10:00:00 UTC" in text
    assert "It was sent in the last 7 days by An app." in text
    clock.advance(days=8)
    owner = house.owner()
    assert "Nobody sent it" in read(owner.get(SETTINGS).text).text


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("No Such Slug", "Must be 1 to 100"),
        ("", "Must be 1 to 100"),
        ("taken", "There is a template 'taken' already."),
        ("earlier", "'earlier' is an earlier slug of another template."),
    ],
)
def test_a_slug_that_cannot_be_had_is_told_and_kept(
    house: House, owner: Pages, slug: str, words: str
) -> None:
    house.template()
    house.template("earlier")
    owner.submit(
        "/templates/earlier/settings",
        {"slug": "taken", "keeps_alias": "yes"},
        action="/templates/earlier/rename",
    )
    answer = owner.submit(SETTINGS, {"slug": slug}, action=RENAME)
    page = read(answer.text)
    assert answer.status_code == 422
    assert words in page.text
    assert 'id="f-slug-error"' in answer.text
    assert page.form(RENAME).values.get("slug") == slug
    assert "keeps_alias" not in page.form(RENAME).values
    assert owner.get(PATH).status_code == 200


def test_an_earlier_slug_is_removed_after_a_question(house: House, api: Api, owner: Pages) -> None:
    house.template()
    owner.submit(SETTINGS, {"slug": "hello", "keeps_alias": "yes"}, action=RENAME)
    path = "/templates/hello/aliases/welcome/remove"
    page = read(owner.get(path).text)
    assert "Sends of welcome are refused from then on." in page.text
    answer = owner.submit(path, {}, follow_redirects=True)
    assert "“welcome” does not work any more" in read(answer.text).text
    assert status_of_send(api, "welcome") == 404
    assert owner.get(path).status_code == 404
    house.template("welcome")


def test_a_template_may_take_an_earlier_slug_of_its_own_back(
    house: House, api: Api, owner: Pages
) -> None:
    house.template()
    owner.submit(SETTINGS, {"slug": "hello", "keeps_alias": "yes"}, action=RENAME)
    owner.submit(
        "/templates/hello/settings",
        {"slug": "welcome", "keeps_alias": "yes"},
        action="/templates/hello/rename",
    )
    assert "Earlier slugs that still work hello" in read(owner.get(SETTINGS).text).text


# -- a copy -----------------------------------------------------------------------------------


def test_a_copy_has_the_newest_words_and_the_settings(house: House, api: Api, owner: Pages) -> None:
    house.template(description="At sign-up", variables=[{"name": "name", "type": "string"}])
    theme_id = dress(house)
    house.write("UPDATE templates SET is_essential = :yes, sample_vars = '{\"a\": 1}'", yes=True)
    newer = {"content": email_content(subject="Newer"), "translations": {"de": {"subject": "Neu"}}}
    assert api.post("/v1/templates/welcome/versions", newer).status_code == 201

    form = read(owner.get(SETTINGS).text).form(f"{PATH}/duplicate").values
    assert form["copy_slug"] == "welcome-copy"
    answer = owner.client.post(f"{PATH}/duplicate", data=form, follow_redirects=True)
    assert "is a draft with the newest words" in read(answer.text).text

    copy = api.get("/v1/templates/welcome-copy/versions/1").json
    assert copy is not None
    assert copy["content"]["subject"] == "Newer"
    assert copy["translations"] == newer["translations"]
    settings = read(owner.get("/templates/welcome-copy/settings").text)
    values = settings.form("/templates/welcome-copy/settings").values
    assert (values["description"], values["theme_id"]) == ("At sign-up", theme_id)
    assert values["is_essential"] == "yes"
    assert len(set(house.rows("SELECT sample_vars FROM templates WHERE sample_vars IS NULL"))) == 0
    text = read(owner.get("/templates/welcome-copy/versions").text).text
    assert f"by {OWNER} Copied from welcome, version 2" in text
    assert "Live None" in text


def test_a_copy_needs_a_slug_of_its_own(house: House, owner: Pages) -> None:
    house.template()
    answer = owner.submit(SETTINGS, {"copy_slug": "welcome"}, action=f"{PATH}/duplicate")
    assert answer.status_code == 422
    assert 'id="f-copy_slug-error"' in answer.text
    assert read(answer.text).form(f"{PATH}/duplicate").values["copy_slug"] == "welcome"
    assert len(house.rows("SELECT id FROM templates")) == 1


# -- its theme --------------------------------------------------------------------------------


def test_a_theme_is_chosen_and_taken_off(house: House, api: Api, owner: Pages) -> None:
    house.template(content=email_content(html="<p>Hi</p>"))
    theme_id = dress(house)
    house.write("UPDATE templates SET theme_id = NULL")
    form = read(owner.get(SETTINGS).text).form(SETTINGS).values
    assert form["theme_id"] == ""
    owner.client.post(SETTINGS, data=form | {"theme_id": theme_id})
    assert "Georgia" in str(api.post("/v1/templates/welcome/render", {}).json)
    assert read(owner.get(SETTINGS).text).form(SETTINGS).values["theme_id"] == theme_id
    owner.client.post(SETTINGS, data=form | {"theme_id": ""})
    assert "Georgia" not in str(api.post("/v1/templates/welcome/render", {}).json)


def test_a_theme_of_nobody_is_told(house: House, owner: Pages) -> None:
    house.template()
    answer = owner.submit(SETTINGS, {"theme_id": "thm_unknown"}, action=SETTINGS)
    assert answer.status_code == 422
    assert "There is no such theme" in read(answer.text).text


def test_mjml_says_when_its_theme_takes_effect(house: House, owner: Pages) -> None:
    house.template(content={"subject": "S", "mjml": MJML})
    assert "with the next version that is saved" in read(owner.get(SETTINGS).text).text
    house.template("code", channel="sms", content={"body": "B"})
    values = (
        read(owner.get("/templates/code/settings").text).form("/templates/code/settings").values
    )
    assert "theme_id" not in values


# -- the list ---------------------------------------------------------------------------------


def test_the_list_tells_who_edited_last_and_how_much_is_sent(
    house: House, api: Api, owner: Pages, clock: FakeClock
) -> None:
    house.template()
    house.template("other")
    api.send(template="welcome", to="ada@example.com")
    owner.submit(SETTINGS, {"slug": "hello", "keeps_alias": "yes"}, action=RENAME)
    api.send(template="welcome", to="ada@example.com")
    form = read(owner.get("/templates/hello").text).form("/templates/hello/versions").values
    owner.client.post("/templates/hello/versions", data=form | {"subject": "Hi"})

    page = read(owner.get("/templates").text)
    assert f"Live is 1 · draft 2 Active 2 2026-11-24 10:00:00 UTC {OWNER}" in page.text
    assert f"other Email Live is 1 Active {NONE} 2026-11-24 10:00:00 UTC over the API" in page.text
    assert page.links["2"] == "/messages?template=hello&from=2026-11-17"
    clock.advance(days=8)
    assert f"Active {NONE}" in read(house.owner().get("/templates?q=hello").text).text


def test_sends_are_those_of_the_mode_shown_and_counted_to_a_limit(
    house: House, api: Api, owner: Pages
) -> None:
    house.template()
    api.send(template="welcome", to="ada@example.com")
    house.write(
        "INSERT INTO messages (id, public_id, uuid, workspace_id, livemode, channel, status, "
        "recipient, recipient_key, template_slug, vars, metadata, created_at, change_seq, attempts)"
        " SELECT m.id + n.value, 'msg_' || n.value, m.uuid, m.workspace_id, m.livemode, m.channel, "
        "m.status, m.recipient, m.recipient_key, m.template_slug, m.vars, m.metadata, "
        "m.created_at, m.change_seq + n.value, 0 FROM messages m, (WITH RECURSIVE counted(value) "
        "AS (SELECT 1 UNION ALL SELECT value + 1 FROM counted WHERE value < 1200) "
        "SELECT value FROM counted) n"
    )
    assert "Active 1,000+" in read(owner.get("/templates").text).text
    owner.submit("/", {"mode": "live"}, action="/mode")
    assert f"Active {NONE}" in read(owner.get("/templates").text).text


def test_the_list_is_filtered_by_channel_state_and_words(house: House, owner: Pages) -> None:
    house.template(description="At sign-up")
    house.template("code", channel="sms", content={"body": "B"}, publish=False)
    house.template("old")
    owner.submit("/templates/old/settings", {}, action="/templates/old/archive")

    def shown(query: str) -> set[str]:
        links = read(owner.get(f"/templates?{query}").text).links
        return {"welcome", "code", "old"} & set(links)

    assert shown("") == {"welcome", "code", "old"}
    assert shown("channel=sms") == {"code"}
    assert shown("state=active") == {"welcome"}
    assert shown("state=changed") == {"code"}
    assert shown("state=archived") == {"old"}
    assert shown("q=SIGN") == {"welcome"}
    assert shown("q=%00&channel=fax") == set()
    assert "No template matches" in read(owner.get("/templates?q=nothing").text).text
