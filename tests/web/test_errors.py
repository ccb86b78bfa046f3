"""The table of errors: each code of the contract, by a request that meets it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask, Response
from sqlalchemy import text
from werkzeug.test import TestResponse

from senderkit import keys
from senderkit.domain import Mode, Scope
from senderkit.services import templates
from senderkit.web import create_app
from senderkit.web.errors import STATUSES
from senderkit.web.extensions import database
from senderkit.web.operations import Operation
from senderkit.web.runtime import runtime_of
from tests.conftest import make_settings
from tests.fakes import free_port
from tests.make import Api, House, raw_email

SMS: Final = {"channel": "sms", "to": "+15555550100", "content": {"body": "b"}}
NEW: Final = {"slug": "welcome", "channel": "sms", "content": {"body": "b"}}


def newest(house: House) -> str:
    """The path of the newest message."""
    answer: Any = house.api().get("/v1/messages").json
    return f"/v1/messages/{answer['data'][0]['publicId']}"


# (status, code) -> a request to a house with the templates welcome (published), draft and old
# (archived), and with a message that is delivered.
TABLE: Final[dict[tuple[int, str], Callable[[House], TestResponse]]] = {
    (400, "invalid_request"): lambda house: house.api().post("/v1/send", {}),
    (400, "envelope_not_supported"): lambda house: house.api().post(
        "/v1/send", SMS | {"fromName": "Ada"}
    ),
    (400, "channel_mismatch"): lambda house: house.api().post(
        "/v1/send", {"template": "welcome", "to": "ada@example.com", "channel": "sms"}
    ),
    (400, "provider_not_configured"): lambda house: house.api("live").post("/v1/send", raw_email()),
    (401, "unauthorized"): lambda house: house.anonymous().get("/v1/context"),
    (403, "insufficient_scope"): lambda house: house.api(scopes=["send"]).get("/v1/context"),
    (404, "not_found"): lambda house: house.api().get("/v1/messages/msg_x"),
    (404, "template_not_found"): lambda house: house.api().get("/v1/templates/absent"),
    (404, "template_not_published"): lambda house: house.api().post("/v1/templates/draft/render"),
    (404, "version_not_found"): lambda house: house.api().get("/v1/templates/welcome/versions/9"),
    (405, "method_not_allowed"): lambda house: house.api().post("/v1/context"),
    (406, "not_acceptable"): lambda house: house.api().get(
        "/v1/context", headers={"Accept": "text/html"}
    ),
    (409, "not_cancelable"): lambda house: house.api().delete(newest(house)),
    (409, "slug_taken"): lambda house: house.api().post("/v1/templates", NEW),
    (413, "payload_too_large"): lambda house: house.api().post(
        "/v1/send", data=b" " * (25 * 1024 * 1024 + 1), content_type="application/json"
    ),
    (415, "unsupported_media_type"): lambda house: house.api().post(
        "/v1/send", data=b"{}", content_type="text/plain"
    ),
    (422, "template_archived"): lambda house: house.api().post(
        "/v1/send", {"template": "old", "to": "ada@example.com"}
    ),
    (501, "not_implemented"): lambda house: house.api().get("/v1/messages?tail=1"),
}
ELSEWHERE: Final = {(429, "rate_limited"), (503, "unavailable"), (500, "internal_error")}


@pytest.fixture
def furnished(house: House) -> House:
    for slug in ("welcome", "old"):
        house.template(slug)
    house.template("draft", publish=False)
    house.in_app(lambda: templates.archive(database.session(), 1, "old", now=house.clock()))
    house.api().send()
    house.deliver()
    return house


def test_each_error_has_its_status_and_code(furnished: House) -> None:
    for (status, code), request in TABLE.items():
        answer = request(furnished)
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/json"
        error = answer.json["error"]  # type: ignore[index]
        assert error["code"] == code
        assert error["message"].endswith((".", ")"))
        assert set(error) <= {"code", "message", "issues"}


def test_the_table_is_whole() -> None:
    """Every kind of error that has a status is met above, or in a test of its own."""
    kinds = [kind for parent, _ in STATUSES for kind in (parent, *parent.__subclasses__())]
    met = {code for _, code in (*TABLE, *ELSEWHERE)}
    assert {kind.code for kind in kinds} | {"internal_error"} == met


def test_what_is_observed_is_said(furnished: House) -> None:
    """Messages name what stands in the way: the status, the template, the version."""
    said = {
        (409, "not_cancelable"): "delivered",
        (422, "template_archived"): "'old'",
        (404, "template_not_found"): "'absent'",
        (404, "template_not_published"): "'draft'",
        (404, "version_not_found"): "version 9",
        (409, "slug_taken"): "'welcome'",
        (400, "provider_not_configured"): "email",
        (400, "channel_mismatch"): "email",
        (400, "envelope_not_supported"): "fromName",
    }
    for row, words in said.items():
        assert words in TABLE[row](furnished).json["error"]["message"], row  # type: ignore[index]


def test_every_bad_field_is_named_at_once(api: Api) -> None:
    answer = api.post(
        "/v1/send",
        {
            "channel": "email",
            "to": "nobody",
            "content": {"subject": "a\r\nb", "html": 1, "cc": ["x", "ada@example.com", 2]},
            "metadata": {"a": None, "b": [1], "": 1},
            "scheduledAt": "tomorrow",
            "fromName": "a<b",
            "colour": "red",
        },
    )
    assert answer.status_code == 400
    error = answer.json["error"]  # type: ignore[index]
    assert {".".join(map(str, issue["path"])) for issue in error["issues"]} == {
        *("to", "content.subject", "content.html", "content.cc.0", "content.cc.2"),
        *("metadata.a", "metadata.b", "metadata.", "scheduledAt", "fromName", "colour"),
    }
    for issue in error["issues"]:
        assert set(issue) == {"code", "path", "message"}
        assert re.fullmatch("[a-z_]+", issue["code"])


def test_every_bad_query_name_is_named_at_once(api: Api) -> None:
    answer = api.get("/v1/messages?limit=0&status=x&channel=y&colour=1&metadata[]=1&limit=2")
    assert answer.status_code == 400
    issues = answer.json["error"]["issues"]  # type: ignore[index]
    assert [issue["path"] for issue in issues] == [
        *(["limit"], ["status"], ["channel"], ["colour"], ["metadata", ""], ["limit"])
    ]


# -- when the server is at fault ------------------------------------------------------------------


def test_a_crash_is_500_and_leaks_nothing(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    @Operation(Scope.READ, answer=dict)
    def crash() -> Response:
        raise RuntimeError("the secret of the crash")

    api = house.api()
    house.app.add_url_rule("/v1/crash", view_func=crash)
    answer = api.get("/v1/crash")

    assert (answer.status_code, answer.mimetype) == (500, "application/json")
    assert answer.json["error"]["code"] == "internal_error"  # type: ignore[index]
    assert "secret" not in answer.text
    assert "the secret of the crash" in "".join(capsys.readouterr())
    assert answer.headers["X-Request-Id"]


def gone_server(folder: Path) -> Flask:
    """An application whose Postgres server is not there."""
    url = f"postgresql://nobody:hunter2@127.0.0.1:{free_port()}/senderkit"
    return create_app(make_settings(url, folder))


def gone_file(folder: Path) -> Flask:
    """An application in whose SQLite file's place stands a folder."""
    path = folder / "hunter2.sqlite3"
    app = create_app(make_settings(f"sqlite:///{path}", folder / "data"))
    path.unlink()
    path.mkdir()
    return app


@pytest.mark.parametrize("make", [gone_server, gone_file])
def test_a_database_that_is_gone_is_503(tmp_path: Path, make: Callable[[Path], Flask]) -> None:
    app = make(tmp_path)
    api = Api(app.test_client(), keys.mint(Mode.TEST).token)
    for answer in (api.get("/v1/context"), api.post("/v1/send", raw_email())):
        assert (answer.status_code, answer.mimetype) == (503, "application/json")
        assert answer.json["error"]["code"] == "unavailable"  # type: ignore[index]
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert "hunter2" not in answer.text
    runtime_of(app).close()


def test_a_send_that_cannot_be_stored_is_no_success_and_stores_nothing(house: House) -> None:
    api = house.api()
    with house.runtime.engine.begin() as connection:
        connection.execute(text("ALTER TABLE message_contents RENAME TO away"))

    answer = api.post("/v1/send", raw_email(), headers={"Idempotency-Key": "k"})

    # To SQLite it is the same as a database that cannot be used, to Postgres a fault of ours.
    assert answer.status_code in {500, 503}
    with house.runtime.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO message_contents"))
    assert house.rows("SELECT count(*) FROM messages") == [(0,)]
    # The key was not used up.
    again = api.post("/v1/send", raw_email(), headers={"Idempotency-Key": "k"})
    assert again.status_code == 202
    assert "Idempotent-Replayed" not in again.headers
