"""What holds for every request under /v1: routes, methods, headers, media types, queries."""

from __future__ import annotations

import re
from typing import Any, Final

from werkzeug.test import TestResponse

from tests.make import Api, House, raw_email

ROUTES: Final = (
    ("GET", "/v1/context"),
    ("GET", "/v1/messages"),
    ("GET", "/v1/messages/msg_x"),
    ("DELETE", "/v1/messages/msg_x"),
    ("POST", "/v1/send"),
    ("POST", "/v1/send-raw"),
    ("GET", "/v1/templates"),
    ("POST", "/v1/templates"),
    ("GET", "/v1/templates/x"),
    ("PATCH", "/v1/templates/x"),
    ("GET", "/v1/templates/x/versions"),
    ("POST", "/v1/templates/x/versions"),
    ("GET", "/v1/templates/x/versions/1"),
    ("POST", "/v1/templates/x/render"),
)
WITH_BODY: Final = tuple(path for method, path in ROUTES if method in {"POST", "PATCH"})


def code(answer: TestResponse) -> str:
    """The error's code; the answer must be a JSON error."""
    assert answer.mimetype == "application/json", answer.text
    found: str = answer.json["error"]["code"]  # type: ignore[index]
    return found


def outcome(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, code(answer)


def verb(path: str) -> str:
    return "PATCH" if path == "/v1/templates/x" else "POST"


# -- paths --------------------------------------------------------------------------------------


def test_an_unknown_path_is_404_in_json(api: Api) -> None:
    for path in (
        *("/v1", "/v1/", "/v1/nothing", "/v1/Context", "/v1/context/more", "/v1//context"),
        *("/v1/messages/a/b", "/v1/messages/a%2Fb", "/v1/templates//x", "/v1/context%20"),
        *("/v1/templates/x/versions/one", "/v1/templates/x/versions/-1", "/v1/context;a=1"),
        *("/v1/../v1/context", "/v1/./context", "/v1/%63ontext%00", "/v1/%FF"),
    ):
        assert outcome(api.get(path)) == (404, "not_found"), path


def test_nothing_redirects(api: Api) -> None:
    for method, path in ROUTES:
        for variant in (
            path,
            f"{path}/",
            f"/%2F{path[1:]}",
            path.replace("/v1/", "/v1//"),
            path.upper(),
        ):
            for scheme in ("http://localhost", "https://other.example"):
                status = api.call(method, variant, base_url=scheme).status_code
                assert not 300 <= status < 400, (method, variant)


def test_a_trailing_slash_serves_the_same(api: Api) -> None:
    assert api.get("/v1/context/").json == api.get("/v1/context").json


# -- methods ------------------------------------------------------------------------------------


def test_a_wrong_method_is_405_and_names_the_right_ones(api: Api) -> None:
    by_path: dict[str, set[str]] = {}
    for method, path in ROUTES:
        by_path.setdefault(path, set()).add(method)
    for path, methods in by_path.items():
        allowed = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE"} - allowed:
            answer = api.call(method, path)
            assert outcome(answer) == (405, "method_not_allowed"), (method, path)
            assert set(answer.headers["Allow"].split(", ")) == allowed


def test_head_is_get_without_a_body(api: Api) -> None:
    head, get = api.call("HEAD", "/v1/context"), api.get("/v1/context")
    assert head.status_code == 200
    assert head.data == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_options_names_the_methods(api: Api) -> None:
    answer = api.call("OPTIONS", "/v1/messages/msg_x")
    assert answer.status_code == 200
    assert {"GET", "DELETE"} <= set(answer.headers["Allow"].split(", "))


# -- media types --------------------------------------------------------------------------------


def test_who_accepts_json_gets_it(api: Api) -> None:
    assert api.get("/v1/context").status_code == 200
    for accept in (
        *("*/*", "application/json", "application/*", "APPLICATION/JSON", "", " "),
        *("text/html, */*;q=0.1", "application/json; charset=utf-8", "text/html,application/json"),
        *("application/json;q=0.5", "*/*;q=0, application/json", "*; q=.2, */*; q=.2"),
    ):
        assert api.get("/v1/context", headers={"Accept": accept}).status_code == 200, accept


def test_who_does_not_accept_json_is_told_so_in_json(api: Api) -> None:
    for method, path in ROUTES:
        answer = api.call(method, path, headers={"Accept": "text/html"})
        assert outcome(answer) == (406, "not_acceptable"), (method, path)
    for accept in (
        *("application/xml", "application/json;q=0", "application/json; Q=0.00, */*", "*/*;q=0"),
        *("text/event-stream", "image/*", "application/json+x", "json", ";", "x"),
    ):
        answer = api.get("/v1/context", headers={"Accept": accept})
        assert outcome(answer) == (406, "not_acceptable"), accept


def test_json_is_taken(api: Api) -> None:
    for content_type in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        answer = api.post("/v1/templates/x/render", data=b"{}", content_type=content_type)
        assert outcome(answer) == (404, "template_not_found"), content_type


def test_another_content_type_is_415(api: Api) -> None:
    for content_type in (
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/vnd.api+json", "application/jsonp", "text/json", "json", "", ";", "a/b;c"),
    ):
        for path in WITH_BODY:
            answer = api.call(verb(path), path, data=b'{"a":1}', content_type=content_type)
            assert outcome(answer) == (415, "unsupported_media_type"), (path, content_type)


def test_an_encoded_body_is_415(api: Api) -> None:
    for encoding in ("gzip", "br", "deflate", "gzip, identity", "x"):
        for path in WITH_BODY:
            headers = {"Content-Encoding": encoding}
            answer = api.call(verb(path), path, json={}, headers=headers)
            assert outcome(answer) == (415, "unsupported_media_type"), (path, encoding)


def test_an_identity_body_is_taken(api: Api) -> None:
    answer = api.post("/v1/send", raw_email(), headers={"Content-Encoding": "identity"})
    assert answer.status_code == 202


def test_a_body_that_nobody_reads_does_not_matter(api: Api) -> None:
    json_type = {"content_type": "application/json"}
    message_id = api.send()
    assert api.get("/v1/context", **json_type).status_code == 200
    assert api.get("/v1/context", data=b"{", content_type="text/plain").status_code == 200
    assert api.call("DELETE", f"/v1/messages/{message_id}", **json_type).status_code == 200


def test_render_may_come_without_a_body(house: House) -> None:
    house.template()
    for more in ({}, {"content_type": "application/json"}, {"data": b"", "content_type": "a/b"}):
        answer = house.api().post("/v1/templates/welcome/render", **more)
        assert answer.status_code == 200, more


def test_where_a_body_is_needed_an_empty_one_is_said_to_be_empty(api: Api) -> None:
    for path in set(WITH_BODY) - {"/v1/templates/x/render"}:
        answer = api.call(verb(path), path, content_type="application/json")
        assert outcome(answer) == (400, "invalid_request"), path
        assert "empty" in answer.json["error"]["message"]  # type: ignore[index]


# -- headers ------------------------------------------------------------------------------------


def test_a_well_formed_request_id_is_kept(api: Api) -> None:
    for given in ("abcdefgh", "req_0123456789abcdef", "A-b.c_9" * 18, "x" * 128):
        answer = api.get("/v1/context", headers={"X-Request-Id": given})
        assert answer.headers["X-Request-Id"] == given


def test_another_request_id_is_replaced(api: Api) -> None:
    for given in ("", "short", "x" * 129, "has a space", "<script>", "a,b,c,d,e", "é" * 8):
        answer = api.get("/v1/context", headers={"X-Request-Id": given})
        assert re.fullmatch("req_[0-9a-f]{24}", answer.headers["X-Request-Id"]), given


def test_every_answer_has_its_own_request_id_and_is_kept_by_no_cache(api: Api) -> None:
    answers = [
        *(api.call(method, path) for method, path in ROUTES),
        *(api.get(path) for path in ("/v1/nothing", "/v1/context", "/v1/send")),
        *(Api(api.client, None).call(method, path) for method, path in ROUTES),
    ]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in answer.headers


# -- unknown names ------------------------------------------------------------------------------


def test_an_unknown_query_name_is_refused_on_every_route(api: Api) -> None:
    for method, path in ROUTES:
        answer = api.call(method, f"{path}?staus=sent&x=")
        assert outcome(answer) == (400, "invalid_request"), (method, path)
        issues = answer.json["error"]["issues"]  # type: ignore[index]
        assert {tuple(issue["path"]) for issue in issues} == {("staus",), ("x",)}
        assert {issue["code"] for issue in issues} == {"unknown_field"}


def test_an_empty_query_is_no_query(api: Api) -> None:
    assert api.get("/v1/context?").status_code == 200


def test_an_unknown_field_of_a_body_is_refused_on_every_route(house: House) -> None:
    house.template("x")
    api = house.api()
    bodies: dict[str, dict[str, Any]] = {
        "/v1/send": raw_email(),
        "/v1/send-raw": raw_email(),
        "/v1/templates": {"slug": "y", "channel": "sms", "content": {"body": "b"}},
        "/v1/templates/x": {"description": None},
        "/v1/templates/x/versions": {"content": {"subject": "s", "html": ""}},
        "/v1/templates/x/render": {},
    }
    assert set(bodies) == set(WITH_BODY)
    for path, body in bodies.items():
        answer = api.call(verb(path), path, json=body | {"colour": 1})
        assert outcome(answer) == (400, "invalid_request"), path
        issues = answer.json["error"]["issues"]  # type: ignore[index]
        assert [(issue["code"], issue["path"]) for issue in issues] == [
            ("unknown_field", ["colour"])
        ]
    assert house.rows("SELECT count(*) FROM messages") == [(0,)]
    assert house.rows("SELECT count(*) FROM templates") == [(1,)]


def test_an_unknown_field_inside_content_or_an_attachment_is_ignored(api: Api) -> None:
    file = {"filename": "a", "contentType": "a/b", "content": "SGk=", "colour": 1}
    content = {"subject": "s", "html": "", "colour": 1, "attachments": [file]}
    assert api.post("/v1/send", raw_email(content=content)).status_code == 202
