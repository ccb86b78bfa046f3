"""The pages about themes: list, new, edit beside a sample, hints about contrast, removal."""

from __future__ import annotations

from typing import Any

import pytest

from senderkit.web.headers import PREVIEW_POLICY
from tests.make import House, Pages
from tests.web.reading import read

THEMES = "/templates/-/themes"
NEW = f"{THEMES}/-/new"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def make(owner: Pages, name: str = "Acme", **changes: str) -> str:
    """Make a theme; return the address of its page."""
    typed = read(owner.get(NEW).text).form(THEMES).values | {"name": name} | changes
    answer = owner.client.post(THEMES, data=typed)
    assert answer.status_code == 302, read(answer.text).text
    return answer.location


def form_of(owner: Pages, path: str) -> dict[str, Any]:
    return read(owner.get(path).text).form(path).values


def test_without_themes_the_page_says_what_one_is_for(owner: Pages) -> None:
    page = read(owner.get(THEMES).text)
    assert "the same font, colours and width" in page.text
    assert page.links["New theme"] == NEW


def test_a_new_theme_is_listed_with_its_colours(owner: Pages) -> None:
    make(owner, accent="#AA0055")
    text = owner.get(THEMES).text
    assert 'fill="#aa0055"' in text
    assert "Default" in read(text).text
    assert "Not used" in read(text).text


def test_what_is_wrong_is_told_beside_each_field_and_kept(owner: Pages) -> None:
    typed = read(owner.get(NEW).text).form(THEMES).values
    bad = {"name": "", "accent": "red; }", "width": "9", "radius": "x"}
    answer = owner.client.post(THEMES, data=typed | bad)
    assert answer.status_code == 422
    kept = read(answer.text).form(THEMES).values
    assert {name: kept[name] for name in bad} == bad
    assert all(f'id="f-{name}-error"' in answer.text for name in bad)
    assert "worked out once every colour is one" in read(answer.text).text


def test_a_corner_of_zero_and_the_dark_colours_survive_the_form(house: House, owner: Pages) -> None:
    path = make(owner, radius="0", follows_dark="yes")
    form = form_of(owner, path)
    assert (form["radius"], form["follows_dark"]) == ("0", "yes")
    [frame] = read(owner.get(path).text).frames
    assert "radius=0" in frame
    owner.client.post(path, data={name: form[name] for name in form if name != "follows_dark"})
    assert "follows_dark" not in form_of(owner, path)


def test_a_change_reaches_the_next_render(house: House, owner: Pages) -> None:
    path = make(owner)
    content = {"subject": "S", "html": '<a class="button">Go</a>'}
    house.template(content=content)
    house.write("UPDATE templates SET theme_id = (SELECT id FROM themes)")

    owner.client.post(path, data=form_of(owner, path) | {"accent": "#0a5"})

    answer = house.api().post("/v1/templates/welcome/render", {"vars": {}})
    assert "background: #00aa55" in answer.text
    page = read(owner.get(path).text)
    assert page.links["welcome"] == "/templates/welcome/settings"
    assert "1 template" in read(owner.get(THEMES).text).text


def test_the_sample_shows_what_is_typed_in_a_sandbox(owner: Pages) -> None:
    [frame] = read(owner.get(NEW).text).frames
    assert "#4338ca" in owner.get(frame).text
    typed = read(owner.get(NEW).text).form(THEMES).values | {"accent": "#123456", "name": ""}

    answer = owner.client.post(f"{THEMES}/-/preview", data=typed)

    assert answer.headers["Content-Security-Policy"] == PREVIEW_POLICY
    assert "background: #123456" in answer.text
    assert "Track the parcel" in answer.text
    answer = owner.client.post(f"{THEMES}/-/preview", data=typed | {"accent": "</style>"})
    assert (answer.mimetype, answer.status_code) == ("text/plain", 200)
    assert "accent: Must be a colour" in answer.text


def test_the_sample_is_shown_in_the_dark_only_if_the_theme_follows_it(owner: Pages) -> None:
    typed = read(owner.get(NEW).text).form(THEMES).values | {"dark": "yes"}
    answer = owner.client.post(f"{THEMES}/-/preview", data=typed)
    assert "#1c1f26" not in answer.text
    answer = owner.client.post(f"{THEMES}/-/preview", data=typed | {"follows_dark": "yes"})
    assert "@media (min-width: 0px)" in answer.text
    assert "#1c1f26 !important" in answer.text


def test_colours_that_are_hard_to_read_come_with_advice(owner: Pages) -> None:
    typed = read(owner.get(NEW).text).form(THEMES).values
    assert "hard to read" not in read(owner.get(NEW).text).text
    answer = owner.client.post(f"{THEMES}/-/hints", data=typed | {"accent": "#ffcc00"})
    text = read(answer.text).text
    assert "Accent on surface 1.5 : 1, hard to read" in text
    assert "choose a darker accent" in text
    assert owner.client.post(f"{THEMES}/-/hints", data=typed | {"accent": "#"}).status_code == 422
    make(owner, accent="#ffcc00")
    assert "hard to read in 1 place" in read(owner.get(THEMES).text).text


def test_another_theme_becomes_the_default(house: House, owner: Pages) -> None:
    make(owner, "One")
    path = make(owner, "Two")
    assert "is_default" not in form_of(owner, path)
    owner.client.post(path, data=form_of(owner, path) | {"is_default": "yes"})
    named = "SELECT name FROM themes WHERE is_default"
    assert house.rows(named) == [("Two",)]
    assert "New templates begin with this theme." in read(owner.get(path).text).text

    answer = owner.submit(f"{path}/remove", {}, follow_redirects=True)

    assert "“One” is the default from now on." in read(answer.text).text
    assert house.rows(named) == [("One",)]


def test_removing_names_what_goes_out_without_it(house: House, owner: Pages) -> None:
    path = make(owner)
    house.template()
    house.write("UPDATE templates SET theme_id = (SELECT id FROM themes)")
    text = read(owner.get(f"{path}/remove").text).text
    assert "One template goes out without a theme" in text
    assert "welcome" in text

    owner.submit(f"{path}/remove", {})

    assert house.rows("SELECT theme_id FROM templates") == [(None,)]
    assert owner.get(path).status_code == 404


def test_a_name_that_is_taken_is_told_beside_the_field(owner: Pages) -> None:
    make(owner)
    typed = read(owner.get(NEW).text).form(THEMES).values | {"name": "Acme"}
    answer = owner.client.post(THEMES, data=typed)
    assert answer.status_code == 422
    assert 'id="f-name-error"' in answer.text


def test_a_theme_of_another_workspace_is_not_there(house: House, owner: Pages) -> None:
    path = make(owner)
    house.write(
        "INSERT INTO workspaces (id, uuid, slug, name, created_at) SELECT 2, "
        "'00000000-0000-4000-8000-000000000002', 'other', 'Other', created_at FROM workspaces"
    )
    house.write("UPDATE themes SET workspace_id = 2")
    assert {owner.get(p).status_code for p in (path, f"{path}/remove")} == {404}
    form = read(owner.get(NEW).text).form(THEMES).values | {"name": "Mine"}
    assert {owner.client.post(p, data=form).status_code for p in (path, f"{path}/remove")} == {404}
