"""The pages about blocks: list, new, edit with its preview and its warning, versions, removal."""

from __future__ import annotations

import re

import pytest

from senderkit.commands import parse_save_theme
from senderkit.services import themes
from senderkit.web.extensions import database
from senderkit.web.headers import PREVIEW_POLICY
from tests.make import House, Pages, email_content
from tests.web.reading import read

BLOCKS = "/templates/-/blocks"
NEW = f"{BLOCKS}/-/new"
FOOTER = f"{BLOCKS}/footer"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def make(owner: Pages, name: str = "footer", content: str = "<p>Acme Ltd</p>") -> None:
    answer = owner.submit(NEW, {"name": name, "content": content}, action=BLOCKS)
    assert answer.status_code == 302, read(answer.text).text


def change(owner: Pages, content: str, **more: str) -> str:
    form = read(owner.get(FOOTER).text).form(FOOTER).values
    answer = owner.client.post(FOOTER, data=form | {"content": content} | more)
    assert answer.status_code == 302, read(answer.text).text
    return answer.text


def live_template(house: House, slug: str = "welcome", html: str = "<i>{{> footer}}</i>") -> None:
    house.template(slug, content=email_content(html=html))


def rendered(house: House) -> str:
    answer = house.api().post("/v1/templates/welcome/render", {"vars": {}}).json
    assert answer is not None
    return str(answer["output"]["html"])


# -- the list and a new one -------------------------------------------------------------------


def test_without_blocks_the_page_says_what_one_is_for(owner: Pages) -> None:
    page = read(owner.get(BLOCKS).text)
    assert "a piece that many templates share" in page.text
    assert page.links["New block"] == NEW
    assert page.links["Themes"] == "/templates/-/themes"
    assert read(owner.get("/templates").text).links["Blocks"] == BLOCKS


def test_the_list_says_where_each_is_used_and_who_changed_it(house: House, owner: Pages) -> None:
    make(owner)
    live_template(house)
    house.template("draft", content=email_content(html="{{> footer}}"), publish=False)
    page = read(owner.get(BLOCKS).text)
    assert page.links["footer"] == FOOTER
    assert "1 live, 1 draft" in page.text
    assert "by owner@acme.example" in page.text


def test_a_new_block_that_is_refused_keeps_what_was_typed(owner: Pages) -> None:
    typed = {"name": "Foot er", "content": "line\n{{#open}}", "description": "D", "note": "N"}
    answer = owner.submit(NEW, typed, action=BLOCKS)
    assert answer.status_code == 422
    form = read(answer.text).form(BLOCKS).values
    kept = {name: form[name].replace("\r\n", "\n") for name in typed}
    assert kept == typed
    assert 'id="f-name-error"' in answer.text

    answer = owner.submit(NEW, typed | {"name": "footer"}, action=BLOCKS)
    assert answer.status_code == 422
    assert "line 2" in read(answer.text).text
    assert 'id="f-content-error"' in answer.text


def test_a_name_that_is_taken_is_told_beside_the_field(owner: Pages) -> None:
    make(owner)
    answer = owner.submit(NEW, {"name": "footer", "content": "x"}, action=BLOCKS)
    assert answer.status_code == 422
    assert "There is a block 'footer' already." in read(answer.text).text
    assert 'id="f-name-error"' in answer.text


# -- changing one -----------------------------------------------------------------------------


def test_what_is_live_is_named_before_saving_and_changes_at_once(
    house: House, owner: Pages
) -> None:
    make(owner, content="One")
    live_template(house)
    house.template("draft", content=email_content(html="{{> footer}}"), publish=False)
    text = read(owner.get(FOOTER).text).text
    assert "Saving changes one live template at once: welcome" in text
    assert "draft draft only" in text

    change(owner, "Two\r\nlines")

    assert rendered(house) == "<i>Two\nlines</i>"


def test_an_unused_block_says_how_it_is_put_in(owner: Pages) -> None:
    make(owner)
    text = read(owner.get(FOOTER).text).text
    assert "{{> footer}}" in text
    assert "Saving changes" not in text


def test_a_circle_is_told_beside_the_field(house: House, owner: Pages) -> None:
    make(owner, "logo", "{{> footer}}")
    make(owner)
    form = read(owner.get(FOOTER).text).form(FOOTER).values
    answer = owner.client.post(FOOTER, data=form | {"content": "{{> logo}}"})
    assert answer.status_code == 422
    assert "It would include itself: footer → logo → footer." in read(answer.text).text
    assert 'id="f-content-error"' in answer.text


def test_nothing_of_a_faster_author_is_overwritten_unseen(house: House, owner: Pages) -> None:
    make(owner, content="One")
    opened = read(owner.get(FOOTER).text).form(FOOTER).values
    change(owner, "Theirs")

    answer = owner.client.post(FOOTER, data=opened | {"content": "Mine"})

    page = read(answer.text)
    assert answer.status_code == 409
    assert "Version 2 is current by now: somebody was faster." in page.text
    assert house.rows("SELECT number FROM block_versions ORDER BY number") == [(1,), (2,)]
    again = page.form(FOOTER).values
    assert (again["content"], again["base"]) == ("Mine", "2")
    assert owner.client.post(FOOTER, data=again).status_code == 302


def test_saving_what_it_says_already_makes_no_version(house: House, owner: Pages) -> None:
    make(owner, content="One")
    change(owner, "One", description="The legal lines")
    assert house.rows("SELECT number FROM block_versions") == [(1,)]
    assert "The legal lines" in read(owner.get(BLOCKS).text).text


# -- previews ---------------------------------------------------------------------------------


def test_a_preview_is_shown_alone_in_the_default_theme(house: House, owner: Pages) -> None:
    make(owner, content='<a class="button" href="#">Go</a><script>alert(1)</script>')
    command = parse_save_theme(
        {"name": "Acme", "font": "georgia", "width": "600", "radius": "4"}
        | dict.fromkeys(("text", "muted", "background", "surface"), "#111111")
        | {"accent": "#aa0055"}
    )
    house.in_app(lambda: themes.create_theme(database.session(), 1, command, now=house.clock()))
    [frame] = read(owner.get(FOOTER).text).frames

    answer = owner.get(frame)

    assert answer.headers["Content-Security-Policy"] == PREVIEW_POLICY
    assert "background: #aa0055" in answer.text
    assert "<script" not in answer.text


def test_what_was_not_saved_is_previewed_within_a_template(house: House, owner: Pages) -> None:
    make(owner, content="One")
    live_template(house, html="<h1>{{name}}</h1>{{> footer}}")
    house.write("UPDATE templates SET sample_vars = :vars", vars='{"name": "Ada"}')
    form = read(owner.get(FOOTER).text).form(FOOTER).values

    typed = form | {"content": "<p>Two {{name}}</p>", "within": "welcome"}
    answer = owner.client.post(f"{BLOCKS}/-/preview", data=typed)

    assert answer.headers["Content-Security-Policy"] == PREVIEW_POLICY
    assert "<h1>Ada</h1>" in answer.text
    assert "<p>Two Ada</p>" in answer.text
    assert rendered(house) == "<h1></h1>One"
    assert owner.client.post(f"{BLOCKS}/-/preview", data=typed | {"within": "x"}).status_code == 404


def test_a_preview_within_an_sms_is_its_words(house: House, owner: Pages) -> None:
    make(owner, "sign", "Acme & Co")
    house.template("code", channel="sms", content={"body": "Your code. {{> sign}}"})
    answer = owner.get(f"{BLOCKS}/sign/preview?within=code")
    assert (answer.mimetype, answer.text) == ("text/plain", "Your code. Acme & Co")


def test_a_block_that_cannot_be_rendered_says_why_in_the_preview(owner: Pages) -> None:
    make(owner)
    form = read(owner.get(FOOTER).text).form(FOOTER).values
    answer = owner.client.post(f"{BLOCKS}/-/preview", data=form | {"content": "{{#open}}"})
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert "'open' is never closed" in answer.text


def test_pictures_of_other_servers_are_loaded_only_when_asked(owner: Pages) -> None:
    make(owner, content='<img src="https://acme.example/logo.png">')
    assert "acme.example" not in owner.get(f"{FOOTER}/preview").text
    assert "acme.example" in owner.get(f"{FOOTER}/preview?pictures=yes").text


# -- versions ---------------------------------------------------------------------------------


def test_versions_tell_who_and_why_and_going_back_takes_one_click(
    house: House, owner: Pages
) -> None:
    make(owner, content="same\nOne")
    live_template(house)
    change(owner, "same\nTwo", note="We moved")
    page = read(owner.get(f"{FOOTER}/versions").text)
    assert "We moved" in page.text
    assert "by owner@acme.example" in page.text
    compared = read(owner.get(page.links["Version 1"]).text)
    assert "Removed:" in compared.text
    assert re.search(r"Added: \S One", compared.text)

    form = page.form(f"{FOOTER}/go-back")
    assert form.values["version"] == "1"
    answer = owner.client.post(form.action, data=form.values, follow_redirects=True)

    assert "Version 1 is current again" in read(answer.text).text
    assert rendered(house) == "<i>same\nOne</i>"


def test_going_back_into_a_circle_is_refused_in_words(owner: Pages) -> None:
    make(owner, content="{{> logo}}")
    change(owner, "plain")
    make(owner, "logo", "{{> footer}}")
    page = read(owner.get(f"{FOOTER}/versions").text)
    form = page.form(f"{FOOTER}/go-back")
    answer = owner.client.post(form.action, data=form.values, follow_redirects=True)
    assert "Version 1 cannot be current again. It would include itself" in read(answer.text).text


@pytest.mark.parametrize("version", ["", "x", "7", "9" * 12, "²"])
def test_a_version_that_does_not_exist_is_no_crash(owner: Pages, version: str) -> None:
    make(owner)
    change(owner, "Two")
    form = read(owner.get(f"{FOOTER}/versions").text).form(f"{FOOTER}/go-back").values
    answer = owner.client.post(f"{FOOTER}/go-back", data=form | {"version": version})
    assert answer.status_code == 404
    assert owner.get(f"{FOOTER}/versions/99999999999999999999").status_code == 404


def test_texts_that_differ_too_much_are_told_apart_as_a_whole(owner: Pages) -> None:
    make(owner, content="\n".join(f"{n % 3}" for n in range(3_000)))
    change(owner, "\n".join(f"{n % 2}" for n in range(3_000)))
    text = read(owner.get(f"{FOOTER}/versions/1").text).text
    assert "differ too much to be compared line by line" in text


# -- its end ----------------------------------------------------------------------------------


def test_removing_names_what_breaks(house: House, owner: Pages) -> None:
    make(owner)
    make(owner, "frame", "{{> footer}}")
    live_template(house)
    text = read(owner.get(f"{FOOTER}/remove").text).text
    assert "One live template loses it with the next send: welcome" in text
    assert "Blocks that name it: frame" in text

    answer = owner.submit(f"{FOOTER}/remove", {}, follow_redirects=True)

    assert re.search("The block “footer” is removed", read(answer.text).text)
    assert rendered(house) == "<i></i>"
    assert owner.get(FOOTER).status_code == 404


def test_a_block_of_another_workspace_is_not_there(house: House, owner: Pages) -> None:
    make(owner)
    house.write(
        "INSERT INTO workspaces (id, uuid, slug, name, created_at) SELECT 2, "
        "'00000000-0000-4000-8000-000000000002', 'other', 'Other', created_at FROM workspaces"
    )
    house.write("UPDATE blocks SET workspace_id = 2")
    paths = (FOOTER, f"{FOOTER}/preview", f"{FOOTER}/versions", f"{FOOTER}/versions/1")
    assert {owner.get(path).status_code for path in (*paths, f"{FOOTER}/remove")} == {404}
    form = read(owner.get(NEW).text).form(BLOCKS).values
    for path in (FOOTER, f"{FOOTER}/go-back", f"{FOOTER}/remove"):
        data = form | {"content": "x", "version": "1"}
        assert owner.client.post(path, data=data).status_code == 404
    assert house.rows("SELECT count(*) FROM block_versions") == [(1,)]
