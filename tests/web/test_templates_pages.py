"""The pages about templates: list, new, editor, publish and go back, settings, archive, restore."""

from __future__ import annotations

from typing import Any

import pytest

from senderkit.domain import Channel
from tests.make import OWNER, Api, House, Pages, email_content, store_connection
from tests.web.reading import read

CONTENTS: dict[str, dict[str, Any]] = {
    "email": {
        "subject": "Hello {{name}}",
        "preheader": "Two\nlines",
        "html": "\n<p>Hello,\n  {{name}}.</p>\n",
        "text": "",
    },
    "email in MJML": {"subject": "S", "mjml": "<mjml>\n</mjml>"},
    "sms": {"body": "\nCode {{code}}\n"},
    "push": {
        "title": "T",
        "body": "B",
        "data": {"id": "{{id}}"},
        "badge": 0,
        "sound": "default",
    },
    "web-push": {
        "title": "T\nU",
        "body": "B",
        "icon": "https://acme.example/{{x}}.png",
        "clickUrl": "https://acme.example",
        "badge": 7,
        "data": {"deep": [{"a": None}, 1.5, True]},
    },
}
VARIABLES = [
    {"name": "name", "type": "string", "description": "D", "required": True, "example": "Ada"},
    {"name": "n", "type": "number", "description": None, "required": False, "example": 0},
]


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def versions(api: Api, slug: str) -> list[dict[str, Any]]:
    """Newest first, with content."""
    listed = api.get(f"/v1/templates/{slug}/versions").json
    assert listed is not None
    numbers = [version["versionNumber"] for version in listed["data"]]
    found = [api.get(f"/v1/templates/{slug}/versions/{number}").json for number in numbers]
    return [version for version in found if version is not None]


def status(api: Api, slug: str) -> str:
    found = api.get(f"/v1/templates/{slug}").json
    assert found is not None
    return str(found["status"])


# -- the list and a new one -------------------------------------------------------------------


def test_without_templates_the_page_says_what_one_is_for(owner: Pages) -> None:
    page = read(owner.get("/templates").text)
    assert "keeps the words out of your code" in page.text
    assert page.links["New template"] == "/templates/-/new"


def test_the_list_tells_what_is_live_and_what_is_newer(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome", description="At sign-up")
    api.post("/v1/templates/welcome/versions", {"content": email_content()})
    house.template("draft-only", publish=False)
    house.template("gone")
    owner.submit("/templates/gone", {}, action="/templates/gone/archive")

    text = read(owner.get("/templates").text).text
    assert "welcome At sign-up Email Live is 1 · draft 2 Active" in text
    assert "draft-only Email Not published · draft 1 Draft" in text
    assert "Archived (1)" in text


@pytest.mark.parametrize("channel", Channel)
def test_a_template_is_made_on_each_channel(api: Api, owner: Pages, channel: Channel) -> None:
    page = f"/templates/-/new?channel={channel.value}"
    form = read(owner.get(page).text).form("/templates").values
    words = {"subject": "S", "html": "<p>{{x}}", "title": "T", "body": "B"}
    typed = {name: words.get(name, text) for name, text in form.items()}
    answer = owner.submit(page, typed | {"slug": "made", "description": "D"}, action="/templates")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/templates/made"
    (draft,) = versions(api, "made")
    assert set(draft["content"]) <= set(words)
    assert (status(api, "made"), draft["versionNumber"]) == ("draft", 1)
    assert f"by {OWNER}" in read(owner.get("/templates/made/versions").text).text


def test_a_form_that_is_refused_keeps_what_was_typed_and_names_every_field(
    api: Api, owner: Pages
) -> None:
    typed = {
        "channel": "web-push",
        "slug": "No Such Slug",
        "description": "Kept",
        "title": "{{#open}}",
        "body": "",
        "badge": "many",
        "data": "{",
        "variables": '[{"name": "a b"}]',
        "is_essential": "yes",
    }
    answer = owner.submit("/templates/-/new", typed, action="/templates")
    assert answer.status_code == 422
    page = read(answer.text)
    form = page.form("/templates").values
    assert {name: form.get(name) for name in typed} == typed
    for words in ("Give the text.", "Must be a whole number", "This is not valid JSON"):
        assert words in page.text
    assert api.get("/v1/templates").json == {"data": []}


def test_all_that_is_wrong_is_told_at_once_each_beside_its_field(owner: Pages) -> None:
    typed = {
        "channel": "email",
        "slug": "",
        "description": "x" * 2001,
        "subject": "",
        "html": "{{#a}}",
        "text": "{{/b}}",
        "variables": '[{"name": "x"}]',
    }
    answer = owner.submit("/templates/-/new", typed, action="/templates")
    assert answer.status_code == 422
    fields = {"slug", "description", "subject", "html", "text", "variables"}
    assert {name for name in fields if f'id="f-{name}-error"' in answer.text} == fields
    assert "variables[0].type: This field is required." in read(answer.text).text


def test_a_slug_that_is_taken_is_told_at_the_slug(house: House, owner: Pages) -> None:
    house.template("welcome")
    typed = {"channel": "sms", "slug": "welcome", "body": "B"}
    answer = owner.submit("/templates/-/new", typed, action="/templates")
    assert answer.status_code == 422
    assert 'id="f-slug-error"' in answer.text
    assert "There is a template 'welcome' already." in read(answer.text).text


def test_an_unknown_channel_is_the_first_one(owner: Pages) -> None:
    for page in ("/templates/-/new?channel=fax", "/templates/-/new"):
        form = read(owner.get(page).text).form("/templates").values
        assert form["channel"] == "email"
    answer = owner.submit("/templates/-/new", {"channel": "fax"}, action="/templates")
    assert answer.status_code == 422


def test_no_slug_can_take_the_place_of_the_form(house: House, owner: Pages) -> None:
    house.template("new")
    assert "Version 1 is live" in read(owner.get("/templates/new").text).text


# -- the editor -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONTENTS)
def test_nothing_of_a_version_is_lost_by_saving_what_stands_in_the_editor(
    api: Api, owner: Pages, name: str
) -> None:
    body = {
        "slug": "full",
        "channel": name.partition(" ")[0],
        "content": CONTENTS[name],
        "variables": VARIABLES,
    }
    assert api.post("/v1/templates", body).status_code == 201
    form = read(owner.get("/templates/full").text).form("/templates/full/versions").values

    answer = owner.client.post("/templates/full/versions", data=form)

    assert answer.status_code == 302
    newest, first = versions(api, "full")
    assert newest["content"] == first["content"] == CONTENTS[name]
    assert newest["variables"] == first["variables"] == VARIABLES


def test_saving_makes_the_next_draft_and_leaves_the_live_version(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome")
    form = read(owner.get("/templates/welcome").text).form("/templates/welcome/versions").values
    answer = owner.client.post(
        "/templates/welcome/versions", data=form | {"subject": "Hi"}, follow_redirects=True
    )
    text = read(answer.text).text
    assert "Draft 2 is saved." in text
    assert "Draft 2, not published · live is 1" in text
    newest = versions(api, "welcome")[0]
    assert newest["content"] == email_content(subject="Hi")
    current = api.get("/v1/templates/welcome").json
    assert current is not None
    assert current["currentVersion"]["versionNumber"] == 1


def test_an_older_version_can_be_read_and_saved_on_top(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome", content=email_content(text="First"))
    api.post("/v1/templates/welcome/versions", {"content": email_content(text="Second")})
    page = "/templates/welcome?version=1"
    form = read(owner.get(page).text).form("/templates/welcome/versions").values
    assert form["base"] == "1"
    owner.client.post("/templates/welcome/versions", data=form)
    assert versions(api, "welcome")[0]["content"] == email_content(text="First")


def test_an_editor_that_is_refused_keeps_what_was_typed(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome")
    form = read(owner.get("/templates/welcome").text).form("/templates/welcome/versions").values
    typed = form | {"subject": "", "html": "{{#open}}<p>kept"}
    answer = owner.client.post("/templates/welcome/versions", data=typed)
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.form("/templates/welcome/versions").values["html"] == "{{#open}}<p>kept"
    assert 'id="f-subject-error"' in answer.text
    assert "Publish 1" not in page.text
    assert len(versions(api, "welcome")) == 1


@pytest.mark.parametrize("version", ["2", "0", "-1", "x", "1.0", "9" * 30, "\u0661"])
def test_a_version_that_is_none_is_not_found(house: House, owner: Pages, version: str) -> None:
    house.template("welcome")
    path = "/templates/welcome"
    assert owner.get(path, query_string={"version": version}).status_code == 404
    assert owner.submit(path, {"base": version}, action=f"{path}/versions").status_code == 404
    assert owner.submit(path, {"version": version}, action=f"{path}/publish").status_code == 404


def test_an_unknown_template_is_not_found_by_any_form(owner: Pages) -> None:
    path = "/templates/unknown"
    assert owner.get(path).status_code == 404
    assert owner.get(f"{path}/settings").status_code == 404
    assert owner.get(f"{path}/versions").status_code == 404
    for rest in ("/settings", "/versions", "/publish", "/archive", "/restore"):
        assert owner.submit("/", {}, action=path + rest).status_code == 404


def test_publishing_and_going_back_take_effect_with_the_next_send(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome", content=email_content(subject="First"), publish=False)
    path = "/templates/welcome"
    page = read(owner.get(path).text)
    assert "Draft 1, never published" in page.text
    owner.submit(path, page.form(f"{path}/publish").values, action=f"{path}/publish")
    api.post("/v1/templates/welcome/versions", {"content": email_content(subject="Second")})
    page = read(owner.get(path).text)
    answer = owner.submit(
        path, page.form(f"{path}/publish").values, action=f"{path}/publish", follow_redirects=True
    )
    page = read(answer.text)
    assert "Version 2 is live: the next send uses it." in page.text
    assert rendered_subject(api) == "Second"

    page = read(owner.get(f"{path}/versions").text)
    back = page.form(f"{path}/publish").values
    assert back["version"] == "1"
    owner.submit(path, back, action=f"{path}/publish")
    assert rendered_subject(api) == "First"
    assert "Version 2" in read(owner.get(f"{path}/versions").text).text


def rendered_subject(api: Api) -> str:
    answer = api.post("/v1/templates/welcome/render", {}).json
    assert answer is not None
    return str(answer["output"]["subject"])


# -- its life ---------------------------------------------------------------------------------


def test_the_settings_are_saved_and_count_for_the_next_send(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome")
    path = "/templates/welcome/settings"
    form = read(owner.get(path).text).form(path).values
    assert "is_essential" not in form
    typed = form | {"description": " At sign-up ", "is_essential": "yes"}
    text = read(owner.client.post(path, data=typed, follow_redirects=True).text).text
    assert "The settings are saved." in text
    assert "At sign-up" in text
    api.send(template="welcome", to="ada@example.com")
    form = read(owner.get(path).text).form(path).values
    assert form.pop("is_essential") == "yes"
    owner.client.post(path, data=form | {"description": ""})
    api.send(template="welcome", to="ada@example.com")

    requests = [row[0] for row in house.rows("SELECT request FROM message_contents")]
    assert ["essential" in str(request) for request in requests] == [True, False]
    found = api.get("/v1/templates/welcome").json
    assert found is not None
    assert found["description"] is None


def test_a_description_that_is_too_long_is_told_and_kept(house: House, owner: Pages) -> None:
    house.template("welcome")
    path = "/templates/welcome/settings"
    typed = {"description": "x" * 2001, "is_essential": "yes"}
    answer = owner.submit(path, typed, action=path)
    assert answer.status_code == 422
    form = read(answer.text).form(path).values
    assert (form["description"], form["is_essential"]) == ("x" * 2001, "yes")
    assert 'id="f-description-error"' in answer.text


def test_a_template_names_its_connection(house: House, owner: Pages) -> None:
    house.template("welcome")
    path = "/templates/welcome/settings"
    assert "connection_id" not in read(owner.get(path).text).form(path).values
    connection_id = store_connection(house)
    form = read(owner.get(path).text).form(path).values
    assert form["connection_id"] == ""
    owner.client.post(path, data=form | {"connection_id": connection_id})
    assert read(owner.get(path).text).form(path).values["connection_id"] == connection_id
    assert "named by welcome" in read(owner.get("/channels").text).text
    owner.client.post(path, data=form | {"connection_id": ""})
    assert house.rows("SELECT connection_id FROM templates") == [(None,)]


@pytest.mark.parametrize("wanted", ["00000000-0000-4000-8000-000000000000", "x", "a\0b"])
def test_a_connection_of_nobody_or_of_another_channel_is_told(
    house: House, owner: Pages, wanted: str
) -> None:
    house.template("code", channel="sms", content={"body": "B"})
    store_connection(house)
    path = "/templates/code/settings"
    answer = owner.submit(path, {"connection_id": wanted}, action=path)
    assert answer.status_code == 422
    assert "Connection:" in read(answer.text).text
    assert house.rows("SELECT connection_id FROM templates") == [(None,)]
    [(other,)] = house.rows("SELECT uuid FROM connections")
    assert owner.submit(path, {"connection_id": other}, action=path).status_code == 422


def test_an_essential_template_can_be_made_at_once(api: Api, house: House, owner: Pages) -> None:
    typed = {"channel": "sms", "slug": "code", "body": "B", "is_essential": "yes"}
    owner.submit("/templates/-/new", typed, action="/templates")
    assert (
        read(owner.get("/templates/code/settings").text)
        .form("/templates/code/settings")
        .values["is_essential"]
    )


def test_archiving_stops_new_sends_and_restoring_makes_a_draft(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome")
    path = "/templates/welcome"
    answer = owner.submit(f"{path}/settings", {}, action=f"{path}/archive", follow_redirects=True)
    page = read(answer.text)
    assert "is archived: new sends of it are refused" in page.text
    assert status(api, "welcome") == "archived"
    assert api.post("/v1/send", {"template": "welcome", "to": "a@b.example"}).status_code == 422
    assert [form.action for form in page.forms if "publish" in form.action] == []
    publishing = owner.submit(f"{path}/settings", {"version": "1"}, action=f"{path}/publish")
    assert publishing.status_code == 422

    answer = owner.submit(f"{path}/settings", {}, action=f"{path}/restore", follow_redirects=True)
    assert "is back as a draft" in read(answer.text).text
    assert status(api, "welcome") == "draft"
