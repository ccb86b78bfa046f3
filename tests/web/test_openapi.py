"""`/openapi.json`: it says what the API does, all of it and nothing else."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import openapi_spec_validator
import pytest
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from senderkit import __version__, keys
from senderkit.commands import LIST_MESSAGES_QUERY, parse_list_messages
from senderkit.domain import Mode
from senderkit.errors import InvalidRequest
from senderkit.services import templates
from senderkit.web.extensions import database
from tests.conftest import MakeApp
from tests.make import Api, House, email_content, raw_email
from tests.web.test_scopes import CONTRACT

Json = dict[str, Any]
EVERYWHERE: Final = {400, 401, 403, 406, 414, 429, 431, 500, 503}


class Document:
    """The document as served, and its schemas closed: no name but the documented ones."""

    def __init__(self, whole: Json) -> None:
        self.whole = whole
        self._closed = copy.deepcopy(whole)
        for schema in self._closed["components"]["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        for path, methods in self.whole["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def operation(self, name: str) -> Json:
        found: Json = next(item for *_, item in self.operations() if item["operationId"] == name)
        return found

    def response(self, name: str, status: int) -> Json:
        response: Json = self.operation(name)["responses"][str(status)]
        found: Json = self.resolved(response["$ref"]) if "$ref" in response else response
        return found

    def codes(self, name: str) -> set[str]:
        """Every error code that an operation documents."""
        statuses = self.operation(name)["responses"]
        parts = [part for at in statuses for part in self._schema(name, int(at)).get("allOf", [])]
        errors = [part["properties"]["error"] for part in parts if "properties" in part]
        return {code for error in errors for code in error["properties"]["code"]["enum"]}

    def _schema(self, name: str, status: int) -> Json:
        content: Json = self.response(name, status).get("content", {})
        found: Json = content.get("application/json", {}).get("schema", {})
        return found

    def resolved(self, reference: str) -> Any:
        found: Any = self.whole
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found

    def check(self, name: str, answer: TestResponse) -> None:
        """Raise unless an operation may give this answer."""
        schema = self._schema(name, answer.status_code)
        validator = Draft202012Validator(schema | {"components": self._closed["components"]})
        validator.validate(answer.json)
        for header, described in self.response(name, answer.status_code)["headers"].items():
            assert header in answer.headers or not described.get("required"), header


@pytest.fixture
def document(house: House) -> Document:
    answer = house.anonymous().get("/openapi.json")
    assert answer.status_code == 200
    return Document(answer.json)  # type: ignore[arg-type]


# -- the document by itself -----------------------------------------------------------------------


def test_it_is_valid_openapi_3_1(document: Document) -> None:
    openapi_spec_validator.validate(document.whole)
    assert document.whole["openapi"].startswith("3.1.")
    assert document.whole["info"]["version"] == __version__
    scheme = document.whole["components"]["securitySchemes"]["apiKey"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert re.fullmatch(scheme["bearerFormat"], keys.mint(Mode.TEST).token)


def test_it_names_the_address_that_clients_use(make_app: MakeApp, house: House) -> None:
    app = make_app(PUBLIC_URL="https://notify.acme.example")
    served: Any = House(app, house.clock).anonymous().get("/openapi.json").json
    assert served["servers"] == [{"url": "https://notify.acme.example"}]


def test_it_holds_every_route_with_its_scope_and_no_other(document: Document) -> None:
    described = {
        (method, path): item["x-senderkit-scope"] for method, path, item in document.operations()
    }
    camel = {"<public_id>": "{publicId}", "<slug>": "{slug}", "<int:number>": "{number}"}
    expected = {}
    for (method, rule), scope in CONTRACT.items():
        for placeholder, name in camel.items():
            rule = rule.replace(placeholder, name)  # noqa: PLW2901
        expected[method, rule] = scope
    assert described == expected


def test_every_reference_and_link_leads_somewhere(document: Document) -> None:
    for reference in re.findall(r'"\$ref": ?"(#[^"]+)"', repr(document.whole).replace("'", '"')):
        assert document.resolved(reference)
    names = [item["operationId"] for *_, item in document.operations()]
    assert len(set(names)) == len(names)
    for *_, item in document.operations():
        for response in item["responses"].values():
            for link in response.get("links", {}).values():
                target = document.operation(link["operationId"])
                in_path = {p["name"] for p in target["parameters"] if p["in"] == "path"}
                assert set(link["parameters"]) == in_path


def test_every_operation_is_described_for_people(document: Document) -> None:
    for method, path, item in document.operations():
        assert item["summary"], (method, path)
        assert not item["summary"].endswith(".")
        assert item["tags"][0] in {tag["name"] for tag in document.whole["tags"]}
        for parameter in item["parameters"]:
            assert parameter["in"] == "path" or parameter["description"]


def test_nothing_of_the_machinery_shows(document: Document) -> None:
    text = repr(document.whole)
    for word in ("pydantic", "TypedDict", "Json'", "public_id", "from_", "RootModel"):
        assert word not in text, word


def test_the_query_of_the_list_is_the_one_that_is_read(document: Document) -> None:
    everything = document.operation("listMessages")["parameters"]
    parameters = [parameter for parameter in everything if parameter["in"] == "query"]
    assert {parameter["name"] for parameter in parameters} == set(LIST_MESSAGES_QUERY)
    for parameter in parameters:
        name = parameter["name"]
        pair = ("metadata[a]", "1") if name == "metadata" else (name, "")
        try:
            parse_list_messages([pair])
        except InvalidRequest as error:
            assert {issue.code for issue in error.issues} == {"invalid_value"}  # noqa: PT017


def test_the_list_can_be_a_stream_and_says_how_it_resumes(document: Document) -> None:
    operation = document.operation("listMessages")
    headers = [each["name"] for each in operation["parameters"] if each["in"] == "header"]
    assert headers == ["Last-Event-ID"]
    assert set(operation["responses"]["200"]["content"]) == {
        "application/json",
        "text/event-stream",
    }
    streams = [
        path
        for _, path, each in document.operations()
        if "text/event-stream" in each["responses"].get("200", {}).get("content", {})
    ]
    assert streams == ["/v1/messages"]


# -- what is answered is what is documented -------------------------------------------------------


@pytest.fixture
def furnished(house: House) -> House:
    house.template("welcome", variables=[{"name": "name", "type": "string"}])
    house.template("old")
    house.template("draft", publish=False)
    house.template("text", channel="sms", content={"body": "b"})
    house.in_app(lambda: templates.archive(database.session(), 1, "old", now=house.clock()))
    return house


def sent(api: Api, **more: Any) -> str:
    message_id = api.send(**more)
    return f"/v1/messages/{message_id}"


Request = Callable[[Api], TestResponse]
TO: Final = {"to": "ada@example.com"}
SUCCEEDS: Final[dict[str, Request]] = {
    "getContext": lambda api: api.get("/v1/context"),
    "send": lambda api: api.post("/v1/send", TO | {"template": "welcome"}),
    "sendRaw": lambda api: api.post("/v1/send-raw", raw_email()),
    "listMessages": lambda api: (sent(api), api.get("/v1/messages?limit=1"))[1],
    "getMessage": lambda api: api.get(sent(api, metadata={"a": 1, "b": True}, vars={"a": []})),
    "cancelMessage": lambda api: api.delete(sent(api)),
    "listTemplates": lambda api: api.get("/v1/templates"),
    "createTemplate": lambda api: api.post(
        "/v1/templates", {"slug": "new", "channel": "email", "content": email_content()}
    ),
    "getTemplate": lambda api: api.get("/v1/templates/welcome"),
    "describeTemplate": lambda api: api.patch("/v1/templates/draft", {"description": "d"}),
    "listVersions": lambda api: api.get("/v1/templates/welcome/versions"),
    "addVersion": lambda api: api.post(
        "/v1/templates/draft/versions", {"content": email_content()}
    ),
    "getVersion": lambda api: api.get("/v1/templates/welcome/versions/1"),
    "renderTemplate": lambda api: api.post("/v1/templates/welcome/render"),
}
ABSENT: Final = "/v1/templates/absent"
FAILS: Final[dict[tuple[str, str], Request]] = {
    ("send", "channel_mismatch"): lambda api: api.post(
        "/v1/send", TO | {"template": "welcome", "channel": "sms"}
    ),
    ("send", "envelope_not_supported"): lambda api: api.post(
        "/v1/send", {"template": "text", "to": "+15555550100", "fromName": "A"}
    ),
    ("send", "template_not_found"): lambda api: api.post("/v1/send", TO | {"template": "absent"}),
    ("send", "version_not_found"): lambda api: api.post(
        "/v1/send", TO | {"template": "welcome", "version": 9}
    ),
    ("send", "template_archived"): lambda api: api.post("/v1/send", TO | {"template": "old"}),
    ("sendRaw", "envelope_not_supported"): lambda api: api.post(
        "/v1/send-raw",
        {"channel": "sms", "to": "+15555550100", "content": {"body": "b"}, "fromName": "A"},
    ),
    ("getMessage", "not_found"): lambda api: api.get("/v1/messages/msg_x"),
    ("cancelMessage", "not_found"): lambda api: api.delete("/v1/messages/msg_x"),
    ("cancelMessage", "not_cancelable"): lambda api: [
        api.delete(path) for path in [sent(api)] for _ in range(2)
    ][1],
    ("createTemplate", "slug_taken"): lambda api: api.post(
        "/v1/templates", {"slug": "old", "channel": "email", "content": email_content()}
    ),
    ("getTemplate", "template_not_found"): lambda api: api.get(ABSENT),
    ("describeTemplate", "template_not_found"): lambda api: api.patch(ABSENT, {"description": ""}),
    ("listVersions", "template_not_found"): lambda api: api.get(f"{ABSENT}/versions"),
    ("addVersion", "template_not_found"): lambda api: api.post(
        f"{ABSENT}/versions", {"content": {}}
    ),
    ("getVersion", "template_not_found"): lambda api: api.get(f"{ABSENT}/versions/1"),
    ("getVersion", "version_not_found"): lambda api: api.get("/v1/templates/old/versions/9"),
    ("renderTemplate", "template_not_found"): lambda api: api.post(f"{ABSENT}/render"),
    ("renderTemplate", "template_not_published"): lambda api: api.post(
        "/v1/templates/draft/render"
    ),
    ("renderTemplate", "version_not_found"): lambda api: api.post(
        "/v1/templates/old/render", {"version": 9}
    ),
    ("listMessages", "not_implemented"): lambda api: api.get("/v1/messages?tail=1"),
}
LIVE: Final[dict[tuple[str, str], Request]] = {
    ("send", "provider_not_configured"): lambda api: api.post(
        "/v1/send", TO | {"template": "welcome"}
    ),
    ("send", "template_not_published"): lambda api: api.post(
        "/v1/send", TO | {"template": "draft"}
    ),
    ("sendRaw", "provider_not_configured"): lambda api: api.post("/v1/send-raw", raw_email()),
}


def test_what_every_operation_answers_is_what_it_documents(
    furnished: House, document: Document
) -> None:
    assert set(SUCCEEDS) == {item["operationId"] for *_, item in document.operations()}
    api = furnished.api()
    for name, request in SUCCEEDS.items():
        answer = request(api)
        assert 200 <= answer.status_code < 300, (name, answer.text)
        document.check(name, answer)


def test_messages_in_every_state_are_as_documented(furnished: House, document: Document) -> None:
    api = furnished.api()
    for local in ("ada", "failed", "opted-out", "suppressed", "delayed"):
        sent(api, to=f"{local}@simulator.senderkit.test")
    sent(api, scheduledAt="2026-11-24T20:00:00Z", **{"from": "A <a@acme.example>"})
    sent(api, template="welcome", to="ada@example.com")
    furnished.clock.advance(seconds=1)
    furnished.deliver()
    document.check("listMessages", api.get("/v1/messages"))


def test_every_error_of_an_operation_is_met_and_as_documented(
    furnished: House, document: Document
) -> None:
    everywhere = document.codes("getContext")
    bodies = {"payload_too_large", "unsupported_media_type"}
    documented = {
        (item["operationId"], code)
        for *_, item in document.operations()
        for code in document.codes(item["operationId"]) - everywhere - bodies
    }
    # A slug with a slash in it, or a number that is none, is no route.
    routes = {(name, "not_found") for name, code in documented if code != "not_cancelable"}
    assert documented - routes == {*FAILS, *LIVE} - routes
    for mode, table in (("test", FAILS), ("live", LIVE)):
        api = furnished.api(mode)
        for (name, code), request in table.items():
            answer = request(api)
            assert answer.json["error"]["code"] == code, answer.text  # type: ignore[index]
            document.check(name, answer)


def test_what_every_route_refuses_is_as_documented(furnished: House, document: Document) -> None:
    api, stranger = furnished.api(), furnished.anonymous()
    for method, path, item in document.operations():
        name = item["operationId"]
        assert {int(status) for status in item["responses"]} >= EVERYWHERE
        at = re.sub(r"\{\w+\}", "1", path)
        other = {"read": "send", "send": "read", "cancel": "read"}[item["x-senderkit-scope"]]
        refusals = {
            401: stranger.call(method, at),
            403: furnished.api(scopes=[other]).call(method, at),
            400: api.call(method, f"{at}?colour=1"),
            406: api.call(method, at, headers={"Accept": "text/html"}),
        }
        if "requestBody" in item:
            refusals[415] = api.call(method, at, data=b"{}", content_type="text/plain")
            refusals[413] = api.call(
                method, at, data=b" " * 26_214_401, content_type="application/json"
            )
        for status, answer in refusals.items():
            assert answer.status_code == status, (name, answer.text)
            document.check(name, answer)


def test_the_example_of_every_body_works(house: House, document: Document) -> None:
    """In the order in which a newcomer would try them."""
    api = house.api()
    for name in ("createTemplate", "addVersion", "describeTemplate", "renderTemplate", "send"):
        method, path, item = next(
            found for found in document.operations() if found[2]["operationId"] == name
        )
        example = item["requestBody"]["content"]["application/json"]["example"]
        answer = api.call(method, path.replace("{slug}", "welcome"), json=example)
        assert 200 <= answer.status_code < 300, (name, answer.text)
        if name == "createTemplate":
            house.publish("welcome")
    raw = document.operation("sendRaw")["requestBody"]["content"]["application/json"]["example"]
    assert api.post("/v1/send-raw", raw).status_code == 202
