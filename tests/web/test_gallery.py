"""The gallery of starters: shown as they look, made by one form."""

from __future__ import annotations

import pytest

from senderkit.starters import STARTERS
from tests.make import Api, House, Pages
from tests.services.test_studio import dress
from tests.web.reading import read

GALLERY = "/templates/-/gallery"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def test_every_starter_is_shown_and_led_to(owner: Pages) -> None:
    page = read(owner.get(GALLERY).text)
    links = set(page.links.values())
    assert {f"{GALLERY}/{each.name}" for each in STARTERS} <= links
    assert len(page.frames) == 12
    only = read(owner.get(f"{GALLERY}?channel=sms").text)
    assert "493027 is your code." in only.text
    assert only.frames == []
    assert (
        read(owner.get("/templates/-/new").text).links[
            "Begin with one that is written already: welcome, password reset, receipt and more"
        ]
        == GALLERY
    )


def test_a_preview_is_a_sandbox_in_the_default_theme(house: House, owner: Pages) -> None:
    answer = owner.get(f"{GALLERY}/receipt/preview")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "Thank you, Ada" in answer.text
    assert "#4338ca" in answer.text
    house.template()
    dress(house)
    assert "#aa0055" in owner.get(f"{GALLERY}/receipt/preview").text
    assert owner.get(f"{GALLERY}/comment-push/preview").status_code == 404
    assert owner.get(f"{GALLERY}/unknown").status_code == 404


@pytest.mark.parametrize("name", ["receipt", "one-time-code-sms", "incident-push"])
def test_a_draft_is_made_of_a_starter(house: House, api: Api, owner: Pages, name: str) -> None:
    path = f"{GALLERY}/{name}"
    form = read(owner.get(path).text).form(path).values
    answer = owner.client.post(path, data=form | {"slug": "mine"}, follow_redirects=True)
    assert answer.request.path == "/templates/mine"
    assert "Draft 1 is saved." in read(answer.text).text
    version = api.get("/v1/templates/mine/versions/1").json
    assert version is not None
    assert version["variables"]
    [(theme_id, is_essential)] = house.rows("SELECT theme_id, is_essential FROM templates")
    assert (theme_id is not None) == (name == "receipt")
    assert bool(is_essential) == (name != "incident-push")
    assert len(house.rows("SELECT id FROM themes WHERE is_default")) == (name == "receipt")


def test_a_starter_has_the_default_theme_that_there_is(house: House, owner: Pages) -> None:
    house.template()
    theme_id = dress(house)
    owner.submit(f"{GALLERY}/welcome", {"slug": "mine"})
    [(found,)] = house.rows(
        "SELECT h.public_id FROM templates t JOIN themes h ON h.id = t.theme_id "
        "WHERE t.slug = 'mine'"
    )
    assert found == theme_id


@pytest.mark.parametrize(("slug", "words"), [("Bad Slug", "Must be 1 to"), ("welcome", "already")])
def test_a_slug_that_cannot_be_had_keeps_what_was_typed(
    house: House, owner: Pages, slug: str, words: str
) -> None:
    house.template()
    path = f"{GALLERY}/welcome"
    answer = owner.submit(path, {"slug": slug, "description": "Kept"})
    page = read(answer.text)
    assert answer.status_code == 422
    assert words in page.text
    assert page.form(path).values["description"] == "Kept"
    assert house.rows("SELECT id FROM themes") == []


def test_an_empty_template_may_have_a_theme_from_the_start(house: House, owner: Pages) -> None:
    house.template()
    theme_id = dress(house)
    form = read(owner.get("/templates/-/new").text).form("/templates").values
    assert form["theme_id"] == theme_id
    words = {"slug": "mine", "subject": "S", "html": "<p>Hi</p>"}
    assert owner.client.post("/templates", data=form | words).status_code == 302
    [(found,)] = house.rows("SELECT theme_id FROM templates WHERE slug = 'mine'")
    assert found is not None
    refused = owner.client.post("/templates", data=form | words | {"theme_id": "x", "slug": "b"})
    assert refused.status_code == 422
