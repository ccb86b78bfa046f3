"""`/v1/templates`: reading, rendering and drafting. Publishing is a person's, not an app's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from werkzeug.test import TestResponse

from senderkit.services import templates
from senderkit.web.extensions import database
from tests.make import Api, House, email_content

START: Final = "2026-11-24T10:00:00.000Z"
VARIABLES: Final = [
    {"name": "name", "type": "string", "required": True, "description": "Who", "example": "Ada"},
    {"name": "items", "type": "array"},
]
CONTENTS: Final[dict[str, dict[str, Any]]] = {
    "email": {"subject": "Hi {{name}}", "html": "<p>{{name}} {{{name}}}</p>", "preheader": "{{x}}"},
    "sms": {"body": "Hi {{name}}"},
    "push": {"title": "{{name}}", "body": "b", "data": {"a": "{{name}}"}, "badge": 2, "sound": "s"},
    "web-push": {"title": "{{name}}", "body": "b", "icon": "/i", "clickUrl": "/{{name}}"},
}


def new(slug: str = "welcome", channel: str = "email", **more: Any) -> dict[str, Any]:
    return {"slug": slug, "channel": channel, "content": CONTENTS[channel]} | more


def outcome(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]  # type: ignore[index]


def paths(answer: TestResponse) -> list[str]:
    assert answer.status_code == 400, answer.text
    issues = answer.json["error"]["issues"]  # type: ignore[index]
    return [".".join(map(str, issue["path"])) for issue in issues]


def archive(house: House, slug: str) -> None:
    house.in_app(lambda: templates.archive(database.session(), 1, slug, now=house.clock()))


# -- drafting -----------------------------------------------------------------------------------


def test_a_new_template_is_a_draft(api: Api) -> None:
    answer = api.post("/v1/templates", new(description="Greets.", variables=VARIABLES))
    assert answer.status_code == 201
    assert answer.json == {
        "slug": "welcome",
        "channel": "email",
        "description": "Greets.",
        "status": "draft",
        "updatedAt": START,
        "currentVersion": None,
    }
    assert api.get("/v1/templates/welcome").json == answer.json


def test_a_template_of_each_channel_keeps_its_content(api: Api) -> None:
    for channel, content in CONTENTS.items():
        assert api.post("/v1/templates", new(channel, channel)).status_code == 201
        version: Any = api.get(f"/v1/templates/{channel}/versions/1").json
        assert version == {
            "versionNumber": 1,
            "variables": [],
            "publishedAt": None,
            "createdAt": START,
            "note": None,
            "content": content,
            "translations": {},
        }


def test_mjml_may_stand_in_place_of_html(api: Api) -> None:
    mjml = {"subject": "s", "mjml": "<mjml><mj-body></mj-body></mjml>"}
    assert api.post("/v1/templates", new(content=mjml)).status_code == 201
    assert paths(api.post("/v1/templates", new("b", content=mjml | {"html": ""}))) == [
        "content.html"
    ]


def test_a_slug_is_taken_once_in_any_case(api: Api, house: House) -> None:
    assert api.post("/v1/templates", new()).status_code == 201
    assert outcome(api.post("/v1/templates", new(channel="sms"))) == (409, "slug_taken")
    archive(house, "welcome")
    assert outcome(api.post("/v1/templates", new())) == (409, "slug_taken")
    assert paths(api.post("/v1/templates", new("Welcome"))) == ["slug"]


def test_a_race_for_a_slug_has_one_winner(house: House) -> None:
    apis = [house.api() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda api: api.post("/v1/templates", new()).status_code, apis))
    assert sorted(statuses) == [201, *[409] * 7]


def test_a_version_is_added_and_never_published_by_it(house: House, api: Api) -> None:
    house.template(content=CONTENTS["email"])
    answer = api.post("/v1/templates/Welcome/versions", {"content": email_content()})
    assert (answer.status_code, answer.json) == (201, {"versionNumber": 2})
    detail: Any = api.get("/v1/templates/welcome").json
    assert (detail["status"], detail["currentVersion"]["versionNumber"]) == ("active", 1)
    listed: Any = api.get("/v1/templates/welcome/versions").json
    assert [item["versionNumber"] for item in listed["data"]] == [2, 1]
    assert [item["publishedAt"] for item in listed["data"]] == [None, START]
    assert "content" not in listed["data"][0]


def test_versions_added_at_once_get_numbers_of_their_own(house: House) -> None:
    house.template()
    apis = [house.api() for _ in range(8)]
    body = {"content": email_content()}
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda api: api.post("/v1/templates/welcome/versions", body), apis)
        numbers = [answer.json["versionNumber"] for answer in answers]
    assert sorted(numbers) == list(range(2, 10))


def test_a_version_s_content_is_that_of_the_template_s_channel(api: Api) -> None:
    api.post("/v1/templates", new("sms", "sms"))
    answer = api.post("/v1/templates/sms/versions", {"content": {"subject": "s", "html": ""}})
    assert paths(answer) == ["content.body"]


def test_a_description_is_changed_or_cleared(house: House, api: Api) -> None:
    house.template()
    house.clock.advance(seconds=1)
    answer: Any = api.patch("/v1/templates/Welcome", {"description": "Greets."}).json
    assert (answer["description"], answer["updatedAt"]) == ("Greets.", "2026-11-24T10:00:01.000Z")
    cleared: Any = api.patch("/v1/templates/welcome", {"description": None}).json
    assert cleared["description"] is None
    assert paths(api.patch("/v1/templates/welcome", {})) == ["description"]
    for name in ("slug", "status", "channel", "content", "archived"):
        body = {"description": None, name: "x"}
        assert paths(api.patch("/v1/templates/welcome", body)) == [name]


def test_what_an_app_may_not_do_has_no_route(house: House, api: Api) -> None:
    house.template()
    for action in ("publish", "archive", "restore", "rename", "versions/1/publish"):
        assert outcome(api.post(f"/v1/templates/welcome/{action}")) == (404, "not_found")
    for method in ("PUT", "DELETE"):
        assert outcome(api.call(method, "/v1/templates/welcome")) == (405, "method_not_allowed")
    assert outcome(api.call("DELETE", "/v1/templates/welcome/versions/1"))[0] == 405


def test_every_bad_field_of_a_template_is_named(api: Api) -> None:
    answer = api.post(
        "/v1/templates",
        {
            "slug": "a b",
            "channel": "email",
            "content": {"subject": "a\nb", "html": None, "text": 1},
            "variables": [{"name": "a b", "type": "date"}, {"name": "x", "type": "string"}, 1],
            "description": 1,
        },
    )
    assert set(paths(answer)) == {
        *("slug", "content.subject", "content.html", "content.text", "description"),
        *("variables.0.name", "variables.0.type", "variables.2"),
    }
    assert api.get("/v1/templates").json == {"data": []}


def test_a_field_that_is_no_mustache_is_named(api: Api) -> None:
    api.post("/v1/templates", new())
    broken = {"subject": "{{a", "html": "{{#a}}", "text": "{{/b}}"}
    for answer in (
        api.post("/v1/templates", new("x", content=broken)),
        api.post("/v1/templates/welcome/versions", {"content": broken}),
    ):
        assert set(paths(answer)) == {"content.subject", "content.html", "content.text"}
        assert "line 1" in answer.text


# -- reading ------------------------------------------------------------------------------------


def test_the_list_holds_every_template_by_slug_archived_ones_too(house: House, api: Api) -> None:
    for slug in ("b", "a", "c"):
        house.template(slug, publish=slug != "c")
    archive(house, "b")
    listed: Any = api.get("/v1/templates").json
    assert [(item["slug"], item["status"]) for item in listed["data"]] == [
        *(("a", "active"), ("b", "archived"), ("c", "draft"))
    ]
    assert set(listed["data"][0]) == {"slug", "channel", "description", "status", "updatedAt"}


def test_a_template_shows_its_published_version_without_words(house: House, api: Api) -> None:
    house.template(variables=VARIABLES)
    detail: Any = api.get("/v1/templates/WELCOME").json
    assert detail["currentVersion"] == {
        "versionNumber": 1,
        "variables": [
            VARIABLES[0],
            {"name": "items", "type": "array", "description": None, "required": False}
            | {"example": None},
        ],
        "publishedAt": START,
    }


def test_templates_are_the_same_in_both_modes(house: House) -> None:
    house.template()
    for path in ("/v1/templates", "/v1/templates/welcome", "/v1/templates/welcome/versions"):
        assert house.api("live").get(path).json == house.api("test").get(path).json


def test_what_is_not_there_is_not_found(house: House, api: Api) -> None:
    house.template()
    for slug in ("absent", "%20", "welcome%20", "wel%00come", "%F0%9F%94%91", "x" * 5000, "%FF"):
        for method, suffix in (("GET", ""), ("GET", "/versions"), ("GET", "/versions/1")):
            status, code = outcome(api.call(method, f"/v1/templates/{slug}{suffix}"))
            assert (status, code in {"template_not_found", "not_found"}) == (404, True), slug
        for method, suffix, body in (
            ("POST", "/render", {}),
            ("POST", "/versions", {"content": {}}),
            ("PATCH", "", {"description": None}),
        ):
            answer = api.call(method, f"/v1/templates/{slug}{suffix}", json=body)
            assert answer.status_code == 404, (slug, suffix)
    for number in ("0", "2", "2147483648", "9223372036854775808", "9" * 400):
        answer = api.get(f"/v1/templates/welcome/versions/{number}")
        assert outcome(answer) == (404, "version_not_found"), number


# -- rendering ----------------------------------------------------------------------------------


def render(api: Api, slug: str, **body: Any) -> Any:
    answer = api.post(f"/v1/templates/{slug}/render", body)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_each_channel_renders_to_its_own_output(house: House, api: Api) -> None:
    for channel, content in CONTENTS.items():
        house.template(channel, channel=channel, content=content)
    variables = {"name": "<Ada>", "x": "p"}
    rendered = {channel: render(api, channel, vars=variables) for channel in CONTENTS}
    assert {channel: answer["channel"] for channel, answer in rendered.items()} == {
        channel: channel for channel in CONTENTS
    }
    email = rendered["email"]["output"]
    assert set(email) == {"subject", "preheader", "html", "text"}
    assert (email["subject"], email["preheader"]) == ("Hi <Ada>", "p")
    assert "&lt;Ada&gt;" in email["html"]
    assert rendered["sms"]["output"] == {"body": "Hi <Ada>"}
    assert rendered["push"]["output"] == {
        **{"title": "<Ada>", "body": "b", "data": {"a": "<Ada>"}, "badge": 2, "sound": "s"}
    }
    assert rendered["web-push"]["output"] == {
        **{"title": "<Ada>", "body": "b", "icon": "/i", "clickUrl": "/<Ada>"},
        **{"badge": None, "data": {}},
    }


def test_missing_variables_are_listed_and_render_as_nothing(house: House, api: Api) -> None:
    body = "{{a}}{{b.c}}{{#items}}{{name}}{{/items}}{{^none}}!{{/none}}"
    house.template("t", channel="sms", content={"body": body})
    answer = render(api, "t", vars={"items": [{"name": "x"}, {}]})
    assert answer["output"] == {"body": "x!"}
    assert answer["missing"] == ["a", "b.c", "items.name", "none"]


def test_the_published_version_renders_unless_another_is_asked_for(house: House, api: Api) -> None:
    house.template("t", channel="sms", content={"body": "one"}, publish=False)
    assert outcome(api.post("/v1/templates/t/render")) == (404, "template_not_published")
    assert render(api, "t", version=1)["output"] == {"body": "one"}
    house.publish("t")
    api.post("/v1/templates/t/versions", {"content": {"body": "two"}})
    assert render(api, "t")["output"] == {"body": "one"}
    assert render(api, "t", version=2)["output"] == {"body": "two"}
    assert render(api, "t", version=2.0)["output"] == {"body": "two"}
    assert outcome(api.post("/v1/templates/t/render", {"version": 3})) == (404, "version_not_found")
    for version in (0, -1, "1", 1.5, True, 2**31):
        assert paths(api.post("/v1/templates/t/render", {"version": version})) == ["version"]


def test_a_template_that_runs_away_is_refused(house: House, api: Api) -> None:
    loops = "{{#a}}" * 8 + "x" + "{{/a}}" * 8
    house.template("t", channel="sms", content={"body": loops})
    answer = api.post("/v1/templates/t/render", {"vars": {"a": [1] * 10}})
    assert outcome(answer) == (400, "invalid_request")


def test_rendering_stores_nothing(house: House, api: Api) -> None:
    house.template()
    render(api, "welcome", vars={"name": "Ada"})
    assert house.rows("SELECT count(*) FROM messages") == [(0,)]
