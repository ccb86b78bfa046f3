"""What templates are made with: blocks, themes, languages, MJML, earlier slugs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from sqlalchemy.orm import Session

from senderkit.commands import parse_save_block, parse_save_theme
from senderkit.errors import InvalidRequest, NotFound, SlugTaken
from senderkit.services import block_uses, blocks, slugs, templates, themes
from senderkit.web.extensions import database
from tests.make import Api, House, email_content

Result = TypeVar("Result")

THEME = {
    "name": "Brand",
    "font": "georgia",
    "text": "#111111",
    "muted": "#555555",
    "background": "#eeeeee",
    "surface": "#ffffff",
    "accent": "#aa0055",
    "width": "640",
    "radius": "4",
}
MJML = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{name}}</mj-text>"
    '<mj-button href="{{url}}">Go</mj-button></mj-column></mj-section></mj-body></mjml>'
)


def within(house: House, work: Callable[[Session], Result]) -> Result:
    result: Result = house.in_app(lambda: work(database.session()))
    return result


def save_block(house: House, name: str, content: str, *, is_new: bool = True) -> None:
    command = parse_save_block(name=name, content=content)
    save: Any = blocks.create_block if is_new else blocks.save_version
    within(house, lambda s: save(s, 1, command, created_by_id=None, now=house.clock()))


def dress(house: House, slug: str = "welcome", **changes: str) -> str:
    """Give a template a theme; return the theme's id."""
    command = parse_save_theme(THEME | changes)
    public_id: str = within(
        house, lambda s: themes.create_theme(s, 1, command, now=house.clock()).public_id
    )
    house.write(
        "UPDATE templates SET theme_id = (SELECT id FROM themes WHERE public_id = :id) "
        "WHERE slug = :slug",
        id=public_id,
        slug=slug,
    )
    return public_id


def rendered(api: Api, slug: str = "welcome", **variables: Any) -> dict[str, Any]:
    answer = api.post(f"/v1/templates/{slug}/render", {"vars": variables})
    assert answer.status_code == 200, answer.text
    output: dict[str, Any] = answer.json["output"]  # type: ignore[index]
    return output


def sent(house: House, api: Api, **body: Any) -> dict[str, Any]:
    """What a send of the template was rendered to."""
    api.send(template="welcome", to="ada@example.com", **body)
    house.deliver()
    [[found]] = house.rows("SELECT rendered FROM message_contents ORDER BY message_id DESC LIMIT 1")
    content: dict[str, Any] = json.loads(found) if isinstance(found, str) else found
    return content


# -- blocks -----------------------------------------------------------------------------------


def test_an_edit_of_a_block_reaches_the_next_render_and_the_next_send(house: House) -> None:
    house.template(content=email_content(html="<p>Hi</p>{{> footer}}"))
    api = house.api()
    save_block(house, "footer", "<p>One, {{name}}</p>")
    assert "One, Ada" in rendered(api, name="Ada")["html"]
    assert "One, Ada" in sent(house, api, vars={"name": "Ada"})["html"]

    save_block(house, "footer", "<p>Two, {{name}}</p>", is_new=False)

    assert "Two, Ada" in rendered(api, name="Ada")["html"]
    assert "Two, Ada" in sent(house, api, vars={"name": "Ada"})["html"]


def test_going_back_is_as_immediate(house: House) -> None:
    house.template(content=email_content(html="{{> footer}}"))
    save_block(house, "footer", "One")
    save_block(house, "footer", "Two", is_new=False)

    within(house, lambda s: blocks.go_back(s, 1, "footer", 1, now=house.clock()))

    assert "One" in rendered(house.api())["html"]
    numbers = within(
        house,
        lambda s: [
            each.number for each in blocks.list_versions(s, blocks.get_block(s, 1, "footer"))
        ],
    )
    assert numbers == [2, 1]


def test_a_block_cannot_include_itself_in_any_circle(house: House) -> None:
    save_block(house, "a", "{{> b}}")
    save_block(house, "b", "{{> c}}")
    with pytest.raises(InvalidRequest, match="It would include itself: "):
        save_block(house, "c", "x {{> a}}")
    with pytest.raises(InvalidRequest, match="d → d"):
        save_block(house, "d", "{{> d}}")
    assert [block.name for block in within(house, lambda s: blocks.list_blocks(s, 1))] == ["a", "b"]


def test_going_back_cannot_close_a_circle_either(house: House) -> None:
    save_block(house, "a", "{{> b}}")
    save_block(house, "a", "plain", is_new=False)
    save_block(house, "b", "{{> a}}")

    with pytest.raises(InvalidRequest, match="include itself"):
        within(house, lambda s: blocks.go_back(s, 1, "a", 1, now=house.clock()))


def test_blocks_that_no_render_could_finish_are_refused_when_saved(house: House) -> None:
    """Each of them brings the next one along ten times."""
    save_block(house, "b0", "x")
    for level in range(1, 5):
        save_block(house, f"b{level}", f"{{{{> b{level - 1}}}}}" * 10 if level < 4 else "{{> b3}}")
    with pytest.raises(InvalidRequest, match="'b5' would bring along more than 10,000 blocks"):
        save_block(house, "b5", "{{> b3}}" * 10)
    # What it would do to others counts as well.
    with pytest.raises(InvalidRequest, match="'b2' would bring along more than 10,000 blocks"):
        save_block(house, "b1", "{{> b0}}" * 2000, is_new=False)


def test_blocks_that_are_nested_too_deep_are_refused_when_saved(house: House) -> None:
    save_block(house, "b0", "x")
    for level in range(1, 20):
        save_block(house, f"b{level}", f"{{{{> b{level - 1}}}}}")
    house.template(content=email_content(html="{{> b19}}"))
    assert rendered(house.api())["html"] == "x"
    with pytest.raises(InvalidRequest, match="'b20' would include blocks more than 20 levels deep"):
        save_block(house, "b20", "{{> b19}}")
    save_block(house, "deeper", "x")
    with pytest.raises(InvalidRequest, match="'b19' would include"):
        save_block(house, "b0", "{{> deeper}}", is_new=False)


def test_of_two_authors_the_slower_one_is_told(house: House) -> None:
    save_block(house, "footer", "One")
    command = parse_save_block(name="footer", content="Mine")
    save = partial(blocks.save_version, created_by_id=None, now=house.clock())
    within(house, lambda s: save(s, 1, command.model_copy(update={"content": "Theirs"}), base=1))

    with pytest.raises(blocks.ChangedMeanwhile, match="Version 2 is current"):
        within(house, lambda s: save(s, 1, command, base=1))

    assert within(house, lambda s: save(s, 1, command, base=2).number) == 3
    assert within(house, lambda s: save(s, 1, command, base=3).number) == 3


def test_where_a_block_is_used_counts_what_other_blocks_bring_along(house: House) -> None:
    save_block(house, "logo", "<b>Acme</b>")
    save_block(house, "footer", "{{> logo}}")
    house.template("welcome", content=email_content(html="{{> footer}}"))
    house.template("draft", content=email_content(html="{{> logo}}"), publish=False)
    house.template("other")
    translated = {"de": {"html": "{{> footer}}"}}
    house.template("translated", translations=translated)

    found = within(house, lambda s: block_uses.uses_by_block(s, 1))

    assert {name: (uses.live, uses.drafts, uses.blocks) for name, uses in found.items()} == {
        "footer": (("translated", "welcome"), (), ()),
        "logo": (("translated", "welcome"), ("draft",), ("footer",)),
    }


def test_a_block_that_is_removed_leaves_nothing_in_its_place(house: House) -> None:
    house.template(content=email_content(html="<p>Hi</p>{{> footer}}"))
    save_block(house, "footer", "Footer")

    within(house, lambda s: blocks.remove_block(s, 1, "footer"))

    assert rendered(house.api())["html"] == "<p>Hi</p>"
    with pytest.raises(NotFound):
        within(house, lambda s: blocks.get_block(s, 1, "footer"))


def test_a_bad_block_is_refused_with_its_place(house: House) -> None:
    with pytest.raises(InvalidRequest) as caught:
        save_block(house, "footer", "line\n{{#open}}")
    assert "line 2" in caught.value.issues[0].message
    with pytest.raises(InvalidRequest) as caught:
        parse_save_block(name="No Name", content=" ", note="x" * 501)
    assert [issue.path for issue in caught.value.issues] == [("name",), ("content",), ("note",)]
    save_block(house, "footer", "x")
    with pytest.raises(InvalidRequest, match="already"):
        save_block(house, "footer", "y")


# -- themes -----------------------------------------------------------------------------------


def test_a_theme_dresses_the_html_and_a_change_reaches_the_next_send(house: House) -> None:
    house.template(content=email_content(html='<p>Hi</p><a class="button" href="#">Go</a>'))
    api = house.api()
    theme_id = dress(house)
    html = sent(house, api)["html"]
    assert "Georgia" in html
    assert "background: #aa0055" in html
    assert "max-width: 640px" in html

    command = parse_save_theme(THEME | {"accent": "#00aa55"})
    within(house, lambda s: themes.change_theme(s, 1, theme_id, command, now=house.clock()))

    assert "background: #00aa55" in sent(house, api)["html"]
    assert "background: #00aa55" in rendered(api)["html"]


def test_without_a_theme_the_html_stays_as_it_is(house: House) -> None:
    house.template(content=email_content(html="<p>Hi</p>"))
    theme_id = dress(house)
    within(house, lambda s: themes.remove_theme(s, 1, theme_id))

    assert rendered(house.api())["html"] == "<p>Hi</p>"


def test_the_first_theme_is_the_default_and_there_is_one_at_most(house: House) -> None:
    def create(name: str, **more: str) -> None:
        command = parse_save_theme(THEME | {"name": name} | more)
        within(house, lambda s: themes.create_theme(s, 1, command, now=house.clock()))

    create("One")
    create("Two", is_default="yes")
    create("Three")

    found = within(house, lambda s: themes.list_themes(s, 1))
    assert [(each.name, each.is_default) for each in found] == [
        ("One", False),
        ("Three", False),
        ("Two", True),
    ]
    with pytest.raises(InvalidRequest, match="already"):
        create("Two")


def test_another_theme_takes_the_place_of_a_default_that_is_removed(house: House) -> None:
    house.template()
    theme_id = dress(house)
    dress(house, name="Other")
    assert within(house, lambda s: themes.uses_by_theme(s, 1)) == {2: ("welcome",)}

    within(house, lambda s: themes.remove_theme(s, 1, theme_id))

    assert house.rows("SELECT name FROM themes WHERE is_default") == [("Other",)]


def test_every_bad_value_of_a_theme_is_named() -> None:
    bad = {"name": " ", "font": "comic", "text": "red", "width": "9000", "radius": "-1"}
    with pytest.raises(InvalidRequest) as caught:
        parse_save_theme(THEME | bad)
    assert {issue.path[0] for issue in caught.value.issues} == set(bad)


# -- MJML -------------------------------------------------------------------------------------


def test_mjml_is_compiled_when_it_is_saved_with_the_theme_of_then(house: House) -> None:
    house.template(content=email_content(html="x"))
    theme_id = dress(house)
    api = house.api()
    answer = api.post("/v1/templates/welcome/versions", {"content": {"subject": "S", "mjml": MJML}})
    assert answer.status_code == 201, answer.text
    house.publish("welcome")
    html = rendered(api, name="Ada", url="https://acme.example/")["html"]
    assert "Hello Ada" in html
    assert 'href="https://acme.example/"' in html
    assert "#aa0055" in html
    assert "640px" in html

    command = parse_save_theme(THEME | {"accent": "#00aa55"})
    within(house, lambda s: themes.change_theme(s, 1, theme_id, command, now=house.clock()))

    assert 'bgcolor="#aa0055"' in rendered(api, name="Ada")["html"]


@pytest.mark.parametrize(
    ("mjml", "words"),
    [
        ("<mjml><mj-body>", "'mjml'"),
        ("<p>no mjml</p>", "must begin with <mjml>"),
        ("<mjml>" + "<mj-text>" * 1001 + "</mjml>", "1,000 elements"),
        ("<mjml><mj-body><mj-text>{{#a}}</mj-text></mj-body></mjml>", "line 1"),
    ],
)
def test_bad_mjml_is_refused_and_nothing_is_stored(house: House, mjml: str, words: str) -> None:
    content = {"subject": "S", "mjml": mjml}
    answer = house.api().post(
        "/v1/templates", {"slug": "welcome", "channel": "email", "content": content}
    )

    assert answer.status_code == 400
    [issue] = answer.json["error"]["issues"]  # type: ignore[index]
    assert issue["path"] == ["content", "mjml"]
    assert words in issue["message"]
    assert house.rows("SELECT id FROM templates") == []


# -- languages --------------------------------------------------------------------------------

GERMAN = {"de": {"subject": "Hallo {{name}}", "html": "<p>Hallo</p>"}}


@pytest.mark.parametrize(
    ("asked", "subject"),
    [
        ({"locale": "de"}, "Hallo "),
        ({"locale": "de-AT"}, "Hallo "),
        ({"locale": "DE"}, "Hallo "),
        ({"vars": {"locale": "de_CH"}}, "Hallo "),
        ({"locale": "fr", "vars": {"locale": "de"}}, "Hello "),
        ({"vars": {"locale": 7}}, "Hello "),
        ({}, "Hello "),
    ],
)
def test_a_send_picks_its_language(house: House, asked: dict[str, Any], subject: str) -> None:
    house.template(translations=GERMAN)

    assert sent(house, house.api(), **asked)["subject"] == subject


def test_what_a_translation_lacks_is_the_versions_own(house: House) -> None:
    content = email_content(preheader="Own", text="own text")
    house.template(content=content, translations={"pt-BR": {"html": "<p>Olá</p>"}})
    api = house.api()

    output = rendered(api, locale="pt-br", name="Ada")

    assert output["subject"] == "Hello Ada"
    assert output["preheader"] == "Own"
    assert output["text"].strip() == "Olá"
    version = api.get("/v1/templates/welcome/versions/1").json
    assert version["translations"] == {"pt-br": {"html": "<p>Olá</p>"}}  # type: ignore[index]


def test_a_bad_translation_is_refused_with_every_place(house: House) -> None:
    bad = {
        "de": {"subject": 7},
        "not a tag": {},
        "fr": {"html": "{{#open}}"},
        "DE": {"html": "a", "mjml": "b"},
    }
    body = {"slug": "welcome", "channel": "email", "content": email_content()}
    answer = house.api().post("/v1/templates", body | {"translations": bad})
    assert answer.status_code == 400
    paths = [issue["path"] for issue in answer.json["error"]["issues"]]  # type: ignore[index]
    assert ["translations", "not a tag"] in paths
    assert ["translations", "de"] in paths

    answer = house.api().post(
        "/v1/templates", body | {"translations": {"fr": {"html": "{{#open}}"}}}
    )
    [issue] = answer.json["error"]["issues"]  # type: ignore[index]
    assert issue["path"] == ["translations", "fr", "html"]


# -- slugs ------------------------------------------------------------------------------------


def rename(house: House, old: str, new: str, *, keeps_alias: bool = True) -> None:
    within(
        house,
        lambda s: slugs.rename(s, 1, old, new, keeps_alias=keeps_alias, now=house.clock()),
    )


def test_an_old_slug_goes_on_working_until_it_is_removed(house: House) -> None:
    house.template()
    api = house.api()
    rename(house, "welcome", "hello")
    message = api.message(api.send(template="welcome", to="ada@example.com"))
    assert message["templateSlug"] == "hello"
    assert api.get("/v1/templates/WELCOME").json["slug"] == "hello"  # type: ignore[index]

    within(house, lambda s: slugs.remove_alias(s, 1, "hello", "welcome"))

    assert api.post("/v1/send", {"template": "welcome", "to": "a@example.com"}).status_code == 404
    assert api.send(template="hello", to="ada@example.com")


def test_without_an_alias_the_old_slug_is_free(house: House) -> None:
    house.template()
    rename(house, "welcome", "hello", keeps_alias=False)

    house.template("welcome")

    with pytest.raises(SlugTaken):
        rename(house, "hello", "welcome")


def test_nobody_takes_the_earlier_slug_of_another(house: House) -> None:
    house.template()
    house.template("other")
    rename(house, "welcome", "hello")

    with pytest.raises(SlugTaken, match="earlier slug"):
        rename(house, "other", "welcome")
    answer = house.api().post(
        "/v1/templates", {"slug": "welcome", "channel": "email", "content": email_content()}
    )
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "slug_taken")  # type: ignore[index]
    rename(house, "hello", "welcome")
    assert house.rows("SELECT slug FROM template_aliases") == [("hello",)]


def test_who_sent_it_lately_is_known_by_key(house: House) -> None:
    def senders() -> list[str | None]:
        def read(session: Session) -> list[slugs.RecentSender]:
            template = templates.get_template(session, 1, "welcome")
            return slugs.recent_senders(session, template, now=house.clock())

        return [sender.name for sender in within(house, read)]

    house.template()
    house.api().send(template="welcome", to="ada@example.com")
    house.clock.advance(days=6)
    assert senders() == ["An app"]

    house.clock.advance(days=2)
    assert senders() == []
