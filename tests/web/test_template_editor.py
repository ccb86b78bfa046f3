"""The editor of a template: languages, variables, sample values, preview, checks, test sends."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from senderkit.web.headers import PREVIEW_POLICY
from tests.make import OWNER, Api, House, Pages, email_content, store_connection
from tests.web.reading import read

PATH = "/templates/welcome"
SAVE = f"{PATH}/versions"
EDIT = f"{PATH}/edit"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def make(api: Api, **more: Any) -> None:
    body = {"slug": "welcome", "channel": "email", "content": email_content()} | more
    answer = api.post("/v1/templates", body)
    assert answer.status_code == 201, answer.text


def typed(owner: Pages, query: str = "") -> dict[str, str]:
    """What the editor's form would send untouched."""
    answer = owner.get(PATH + query)
    assert answer.status_code == 200
    return read(answer.text).form(SAVE).values


def newest(api: Api) -> dict[str, Any]:
    listed = api.get("/v1/templates/welcome/versions").json
    assert listed is not None
    number = listed["data"][0]["versionNumber"]
    found: dict[str, Any] | None = api.get(f"/v1/templates/welcome/versions/{number}").json
    assert found is not None
    return found


# -- languages --------------------------------------------------------------------------------


def test_a_language_is_added_by_its_first_words_and_the_others_stay(api: Api, owner: Pages) -> None:
    make(api, translations={"fr": {"subject": "Salut"}})
    form = typed(owner, "?language=de")
    assert form["subject"] == ""
    answer = owner.client.post(SAVE, data=form | {"subject": "Hallo {{name}}"})
    assert answer.headers["Location"] == f"{PATH}?version=2&language=de"
    assert newest(api)["content"] == email_content()
    assert newest(api)["translations"] == {
        "fr": {"subject": "Salut"},
        "de": {"subject": "Hallo {{name}}"},
    }


def test_saving_the_default_keeps_every_language(api: Api, owner: Pages) -> None:
    translations = {"fr": {"subject": "Salut", "text": ""}, "pt-br": {"html": "<p>\nOi"}}
    make(api, translations=translations)
    owner.client.post(SAVE, data=typed(owner) | {"subject": "Changed"})
    assert newest(api)["content"]["subject"] == "Changed"
    assert newest(api)["translations"] == translations


def test_words_of_a_language_that_are_left_alone_come_back_to_the_letter(
    api: Api, owner: Pages
) -> None:
    translations = {"de": {"subject": "", "html": "\n<p>\tHallo", "text": ""}}
    make(api, translations=translations)
    answer = owner.client.post(SAVE, data=typed(owner, "?language=de"))
    assert answer.status_code == 302
    assert newest(api)["translations"] == translations


def test_what_is_not_translated_is_counted_and_says_what_the_default_says(
    api: Api, owner: Pages
) -> None:
    make(api, content=email_content(preheader="P"), translations={"de": {"subject": "Hallo"}})
    text = owner.get(f"{PATH}?language=de").text
    assert 'placeholder="P"' in text
    assert "2 not translated" in read(text).text


def test_languages_of_other_templates_are_offered(house: House, api: Api, owner: Pages) -> None:
    make(api, translations={"fr": {"subject": "Salut"}})
    house.template("other", translations={"fr": {"subject": "A"}, "de": {"subject": "B"}})
    links = read(owner.get(PATH).text).links
    assert links["de"] == f"{PATH}?version=1&language=de"
    house.write("UPDATE templates SET archived_at = created_at WHERE slug = 'other'")
    assert "de" not in read(owner.get(PATH).text).links


def test_a_language_is_removed_with_a_new_version(api: Api, owner: Pages) -> None:
    make(api, translations={"fr": {"subject": "Salut"}, "de": {"subject": "Hallo"}})
    action = f"{PATH}/languages/remove"
    form = read(owner.get(f"{PATH}?language=de").text).form(action).values
    assert owner.client.post(action, data=form).status_code == 302
    assert newest(api)["translations"] == {"fr": {"subject": "Salut"}}
    again = owner.client.post(action, data=form | {"base": "2"})
    assert again.status_code == 404


def test_a_language_without_words_is_not_saved(api: Api, owner: Pages) -> None:
    make(api)
    answer = owner.client.post(SAVE, data=typed(owner, "?language=de"))
    assert answer.status_code == 422
    assert "Translate at least one field" in read(answer.text).text


def test_what_is_wrong_in_a_language_is_told_beside_its_field(api: Api, owner: Pages) -> None:
    make(api)
    form = typed(owner, "?language=de") | {"html": "{{#open}}"}
    answer = owner.client.post(SAVE, data=form)
    assert answer.status_code == 422
    assert 'id="f-html-error"' in answer.text
    assert read(answer.text).form(SAVE).values["html"] == "{{#open}}"


@pytest.mark.parametrize("tag", ["german!", "x" * 40, "../a", "1"])
def test_a_language_that_is_none_is_told(api: Api, owner: Pages, tag: str) -> None:
    make(api)
    answer = owner.get(PATH, query_string={"language": tag}, follow_redirects=True)
    assert "is no language tag" in read(answer.text).text


# -- markup -----------------------------------------------------------------------------------


def test_an_email_is_converted_to_mjml_and_back_by_a_person(api: Api, owner: Pages) -> None:
    make(api)
    answer = owner.client.post(EDIT, data=typed(owner) | {"do": "convert"})
    form = read(answer.text).form(SAVE).values
    assert "html" not in form
    assert "<p>Hello, {{name}}.</p>" in form["mjml"]
    assert owner.client.post(SAVE, data=form).status_code == 302
    assert set(newest(api)["content"]) == {"subject", "mjml"}

    answer = owner.client.post(EDIT, data=typed(owner) | {"do": "convert"})
    form = read(answer.text).form(SAVE).values
    assert "Hello, {{name}}." in form["html"]
    owner.client.post(SAVE, data=form)
    assert set(newest(api)["content"]) == {"subject", "html"}


def test_a_new_email_may_be_written_in_mjml(api: Api, owner: Pages) -> None:
    source = "<mjml><mj-body><mj-text>Hi</mj-text></mj-body></mjml>"
    form = {"channel": "email", "slug": "welcome", "subject": "S", "html": source, "markup": "mjml"}
    owner.submit("/templates/-/new", form, action="/templates")
    assert newest(api)["content"] == {"subject": "S", "mjml": source}
    answer = owner.submit("/templates/-/new", form | {"html": "<p>"}, action="/templates")
    page = read(answer.text)
    assert answer.status_code == 422
    assert page.form("/templates").values["mjml"] == "<p>"


# -- two at once ------------------------------------------------------------------------------


def test_saving_over_a_version_that_somebody_else_saved_meanwhile_asks_first(
    api: Api, owner: Pages
) -> None:
    make(api)
    form = typed(owner) | {"subject": "Mine"}
    api.post("/v1/templates/welcome/versions", {"content": email_content(subject="Theirs")})

    answer = owner.client.post(SAVE, data=form)

    assert answer.status_code == 409
    page = read(answer.text)
    assert "Version 2 was saved while you were writing" in page.text
    assert page.links["Look at version 2"] == f"{PATH}?version=2"
    assert newest(api)["content"]["subject"] == "Theirs"
    assert owner.client.post(SAVE, data=page.form(SAVE).values).status_code == 302
    assert newest(api)["content"]["subject"] == "Mine"


def test_an_older_version_says_that_it_is_one(api: Api, owner: Pages) -> None:
    make(api)
    api.post("/v1/templates/welcome/versions", {"content": email_content()})
    page = read(owner.get(f"{PATH}?version=1").text)
    assert "These are the words of version 1; the newest is version 2" in page.text
    assert owner.client.post(SAVE, data=page.form(SAVE).values).status_code == 302


def test_a_note_is_kept_with_its_version(house: House, api: Api, owner: Pages) -> None:
    make(api)
    owner.client.post(SAVE, data=typed(owner) | {"note": " Shorter "})
    assert house.rows("SELECT note FROM template_versions WHERE number = 2") == [("Shorter",)]
    answer = owner.client.post(SAVE, data=typed(owner) | {"note": "x" * 501})
    assert answer.status_code == 422
    assert "Note:" in read(answer.text).text


# -- variables --------------------------------------------------------------------------------


def test_variables_are_declared_in_rows(api: Api, owner: Pages) -> None:
    make(api)
    row = {"var-0-name": "name", "var-0-type": "string", "var-0-required": "yes"}
    more = {"var-5-name": "n", "var-5-type": "number", "var-5-example": "3"}
    owner.client.post(SAVE, data=typed(owner) | row | more)
    assert newest(api)["variables"] == [
        {"name": "name", "type": "string", "description": None, "required": True, "example": None},
        {"name": "n", "type": "number", "description": None, "required": False, "example": 3},
    ]


def test_what_is_wrong_with_a_row_is_told_beside_it(api: Api, owner: Pages) -> None:
    make(api)
    rows = {
        "var-0-name": "a b",
        "var-0-type": "string",
        "var-1-name": "n",
        "var-1-type": "number",
        "var-1-example": "many",
        "var-2-name": "n",
        "var-2-type": "nothing",
    }
    answer = owner.client.post(SAVE, data=typed(owner) | rows)
    assert answer.status_code == 422
    for name in ("var-0-name", "var-1-example", "var-2-type"):
        assert f'id="f-{name}-error"' in answer.text
    assert read(answer.text).form(SAVE).values["var-1-example"] == "many"


def test_all_that_is_used_is_declared_by_one_button(api: Api, owner: Pages) -> None:
    make(api, content=email_content(html="{{name}}{{#items}}{{price}}{{/items}}"))
    assert "2 variables are used and not declared" in read(owner.get(PATH).text).text
    answer = owner.client.post(EDIT, data=typed(owner) | {"do": "declare", "subject": "Kept"})
    form = read(answer.text).form(SAVE).values
    assert form["subject"] == "Kept"
    names = {form[f"var-{index}-name"]: form[f"var-{index}-type"] for index in (1, 2)}
    assert names == {"name": "string", "items": "array"}
    assert len(api.get("/v1/templates/welcome/versions").json["data"]) == 1  # type: ignore[index]


def test_as_many_variables_as_a_version_may_have_can_be_saved(api: Api, owner: Pages) -> None:
    variables = [{"name": f"v{i}", "type": "string", "required": True} for i in range(200)]
    make(api, variables=variables)
    assert owner.client.post(SAVE, data=typed(owner) | {"subject": "S"}).status_code == 302
    assert len(newest(api)["variables"]) == 200


# -- preview ----------------------------------------------------------------------------------


def test_the_preview_shows_what_is_typed_and_runs_in_a_policy_of_its_own(
    api: Api, owner: Pages
) -> None:
    make(api, variables=[{"name": "name", "type": "string", "example": "Ada"}])
    form = typed(owner) | {"html": "<h1>Dear {{name}}</h1><script>x</script>"}
    answer = owner.client.post(f"{PATH}/preview", data=form)
    assert answer.headers["Content-Security-Policy"] == PREVIEW_POLICY
    assert "<h1>Dear Ada</h1>" in answer.text
    assert "script" not in answer.text
    assert "Hello, Ada." in owner.get(f"{PATH}/preview").text


def test_the_preview_has_three_parts(api: Api, owner: Pages) -> None:
    make(api)
    form = typed(owner) | {"html": "<h1>Dear</h1>"}
    for part, start, kind in (
        ("html", "<!doctype html>", "text/html"),
        ("text", "Dear", "text/plain"),
        ("source", "<h1>Dear</h1>", "text/plain"),
    ):
        answer = owner.client.post(f"{PATH}/preview", data=form | {"part": part})
        assert answer.text.startswith(start)
        assert answer.mimetype == kind
        assert answer.headers["Content-Security-Policy"] == PREVIEW_POLICY


def test_the_preview_answers_for_the_scheme_that_is_asked_for(api: Api, owner: Pages) -> None:
    style = "<style>@media (prefers-color-scheme: dark) { p { color: red } }</style><p>Hi"
    make(api, content=email_content(html=style))
    light = owner.get(f"{PATH}/preview").text
    dark = owner.get(f"{PATH}/preview?scheme=dark").text
    assert 'content="light"' in light
    assert 'content="dark"' in dark
    assert "prefers-color-scheme" not in light + dark
    assert "(min-width: 0px)" in dark
    assert "(min-width: 0px)" not in light


def test_the_preview_is_in_the_chosen_language(api: Api, owner: Pages) -> None:
    make(api, translations={"de": {"html": "<p>Hallo"}})
    assert "Hallo" in owner.get(f"{PATH}/preview?language=de").text
    form = typed(owner, "?language=de") | {"html": "<p>Servus"}
    assert "Servus" in owner.client.post(f"{PATH}/preview", data=form).text


def test_the_live_part_shows_head_missing_values_and_checks(api: Api, owner: Pages) -> None:
    make(api)
    form = typed(owner) | {"subject": "Dear {{who}}", "html": '<img src="https://a.example/b.png">'}
    text = read(owner.client.post(f"{PATH}/live", data=form).text).text
    assert "sample values lack" in text
    assert "no alternative text" in text
    assert "'who' is used but not declared" in text


def test_unfinished_words_are_checked_without_being_refused(api: Api, owner: Pages) -> None:
    make(api)
    form = typed(owner) | {"subject": "", "html": "\n {{#open}}"}
    answer = owner.client.post(f"{PATH}/live", data=form)
    assert answer.status_code == 200
    assert 'data-field="html" data-line="2" data-column="2"' in answer.text
    assert "It cannot be rendered" in answer.text
    frame = owner.client.post(f"{PATH}/preview", data=form)
    assert frame.status_code == 422
    assert "never closed" in frame.text


def test_an_sms_is_counted_while_it_is_typed(house: House, owner: Pages) -> None:
    house.template("welcome", channel="sms", content={"body": "Hi"})
    form = typed(owner) | {"body": "x" * 69 + "\u2019" + "y"}
    text = read(owner.client.post(f"{PATH}/live", data=form).text).text
    assert "Segments 2" in text
    assert "UCS-2" in text
    assert "\u2019" in text


def test_a_push_is_shown_on_a_card(house: House, owner: Pages) -> None:
    content = {"title": "T", "body": "B", "clickUrl": "https://a.example/{{x}}"}
    house.template("welcome", channel="web-push", content=content)
    form = typed(owner) | {"sample": '{"x": "7"}', "data": "{"}
    text = read(owner.client.post(f"{PATH}/live", data=form).text).text
    assert "https://a.example/7" in text
    assert "This is not valid JSON" in text


HOSTILE = {
    "sections": "{{#a}}" * 49 + "x" + "{{/a}}" * 49,
    "tags": "{{a}}" * 20_000,
    "elements": "<b>" * 100_000,
    "comments": "<!--" * 40_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_words_end_soon_with_words_for_people(api: Api, owner: Pages, name: str) -> None:
    make(api)
    form = typed(owner) | {"html": HOSTILE[name], "sample": json.dumps({"a": [1] * 50})}
    started = time.thread_time()
    live = owner.client.post(f"{PATH}/live", data=form)
    frame = owner.client.post(f"{PATH}/preview", data=form)
    assert time.thread_time() - started < 8
    assert live.status_code == 200
    assert frame.status_code in {200, 422}
    assert frame.headers["Content-Security-Policy"] == PREVIEW_POLICY


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("{", "is not valid JSON"),
        ("[]", "The sample values cannot be used"),
        ('{"a": [' + "1," * 999_999 + "1]}", "At most 200,000 characters"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "The sample values cannot be used"),
    ],
    ids=["cut off", "no object", "a million items", "too deep"],
)
def test_sample_values_that_cannot_be_used_are_told(
    api: Api, owner: Pages, sample: str, words: str
) -> None:
    make(api)
    form = typed(owner) | {"sample": sample}
    frame = owner.client.post(f"{PATH}/preview", data=form)
    assert frame.status_code == 422
    assert words in frame.text
    answer = owner.client.post(EDIT, data=form | {"do": "sample"})
    assert answer.status_code == 422
    assert 'id="f-sample-error"' in answer.text
    assert read(answer.text).form(SAVE).values["sample"] == sample


def test_words_that_try_to_leave_the_frame_stay_in_it(api: Api, owner: Pages) -> None:
    make(api)
    html = (
        '<meta http-equiv="refresh" content="0;url=https://evil.example">'
        '<base target="_top"><a target="_top" href="https://evil.example">x</a>'
        '<form action="https://evil.example"><iframe src="https://evil.example"></iframe></form>'
        '<img src="https://evil.example/x.png"><p onclick="x()">y</p>{{{v}}}'
    )
    form = typed(owner) | {"html": html, "sample": '{"v": "<script>top.location=1</script>"}'}
    answer = owner.client.post(f"{PATH}/preview", data=form)
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    for word in ("refresh", "<base", "_top", "<form", "<iframe", "x.png", "onclick", "<script"):
        assert word not in answer.text


# -- sample values ----------------------------------------------------------------------------


def test_sample_values_are_saved_and_given_up_again(house: House, api: Api, owner: Pages) -> None:
    make(api, variables=[{"name": "name", "type": "string", "example": "Ada"}])
    form = typed(owner)
    assert json.loads(form["sample"]) == {"name": "Ada"}
    answer = owner.client.post(
        EDIT, data=form | {"do": "sample", "sample": '{"name": "Bob"}', "subject": "Kept"}
    )
    assert "The sample values are saved." in read(answer.text).text
    assert read(answer.text).form(SAVE).values["subject"] == "Kept"
    assert json.loads(typed(owner)["sample"]) == {"name": "Bob"}
    assert "Hello, Bob." in owner.get(f"{PATH}/preview").text

    owner.client.post(EDIT, data=typed(owner) | {"do": "examples"})
    assert json.loads(typed(owner)["sample"]) == {"name": "Ada"}


def test_samples_that_nobody_touched_follow_the_rows(api: Api, owner: Pages) -> None:
    make(api)
    row = {"var-0-name": "name", "var-0-type": "string", "var-0-example": "Eve"}
    answer = owner.client.post(f"{PATH}/preview", data=typed(owner) | row)
    assert "Hello, Eve." in answer.text


# -- test sends -------------------------------------------------------------------------------


def test_a_saved_version_is_sent_to_oneself_once(house: House, api: Api, owner: Pages) -> None:
    make(api, variables=[{"name": "name", "type": "string", "example": "Ada"}])
    form = typed(owner)
    assert form["to"] == OWNER
    assert "nothing leaves this server" in read(owner.get(PATH).text).text
    body = form | {"do": "test", "subject": "Not saved"}
    first = read(owner.client.post(EDIT, data=body).text)
    second = read(owner.client.post(EDIT, data=body).text)
    assert "nothing more was sent" in second.text
    assert first.links["Open the message"] == second.links["Open the message"]
    assert first.form(SAVE).values["subject"] == "Not saved"
    house.deliver()
    (message,) = api.messages()
    pinned = (message["templateSlug"], message["templateVersion"], message["recipient"])
    assert pinned == ("welcome", 1, OWNER)
    assert message["vars"] == {"name": "Ada"}
    assert owner.get(first.links["Open the message"]).status_code == 200


def test_a_live_test_send_needs_a_provider_and_says_so(
    house: House, api: Api, owner: Pages
) -> None:
    make(api)
    owner.submit("/", {"mode": "live", "area": "templates"}, action="/mode")
    page = read(owner.get(PATH).text)
    assert "no provider is connected" in page.text
    answer = owner.client.post(EDIT, data=page.form(SAVE).values | {"do": "test"})
    assert answer.status_code == 422
    assert "No provider is connected" in read(answer.text).text

    store_connection(house)
    page = read(owner.get(PATH).text)
    assert "it really goes out, through “Mail server”" in page.text
    answer = owner.client.post(EDIT, data=page.form(SAVE).values | {"do": "test"})
    assert "It is on its way." in read(answer.text).text


@pytest.mark.parametrize("to", ["", "nobody", '{"endpoint'])
def test_a_recipient_that_is_none_is_told_beside_its_field(api: Api, owner: Pages, to: str) -> None:
    make(api)
    answer = owner.client.post(EDIT, data=typed(owner) | {"do": "test", "to": to})
    assert answer.status_code == 422
    assert 'id="f-to-error"' in answer.text
    assert api.messages() == []


def test_a_test_send_without_our_number_is_refused(api: Api, owner: Pages) -> None:
    make(api)
    form = typed(owner) | {"do": "test", "send_nonce": "x"}
    answer = owner.client.post(EDIT, data=form)
    assert answer.status_code == 422
    assert "out of date" in read(answer.text).text


# -- the page ---------------------------------------------------------------------------------


def test_only_the_editor_may_have_styles_of_its_scripts(api: Api, owner: Pages) -> None:
    make(api)
    policy = owner.get(PATH).headers["Content-Security-Policy"]
    again = owner.get(PATH).headers["Content-Security-Policy"]
    assert "style-src 'self' 'nonce-" in policy
    assert policy != again
    assert "unsafe" not in policy
    assert "nonce" not in owner.get(f"{PATH}/settings").headers["Content-Security-Policy"]


def test_an_unknown_button_and_an_unknown_template_are_not_found(api: Api, owner: Pages) -> None:
    make(api)
    assert owner.client.post(EDIT, data=typed(owner) | {"do": "x"}).status_code == 404
    token = typed(owner)["csrf_token"]
    for rest in ("preview", "live", "edit", "languages/remove"):
        answer = owner.client.post(f"/templates/none/{rest}", data={"csrf_token": token})
        assert answer.status_code == 404


def test_an_archived_template_can_be_looked_at(house: House, owner: Pages) -> None:
    house.template("welcome")
    owner.submit(f"{PATH}/settings", {}, action=f"{PATH}/archive")
    text = read(owner.get(PATH).text).text
    assert "Save as draft" not in text
    assert "Send a test" not in text
