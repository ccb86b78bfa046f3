"""Which key may call which route: every route with every set of scopes."""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest
from flask import Flask, Response

from senderkit.domain import Scope
from senderkit.web import application
from senderkit.web.api import make_api
from senderkit.web.operations import ScopeMissingError
from tests.conftest import MakeApp
from tests.make import House

# The contract's table, spelled out: (method, route of the url map) -> scope.
CONTRACT: Final = {
    ("GET", "/v1/messages"): "read",
    ("GET", "/v1/messages/<public_id>"): "read",
    ("GET", "/v1/context"): "read",
    ("GET", "/v1/templates"): "read",
    ("GET", "/v1/templates/<slug>"): "read",
    ("GET", "/v1/templates/<slug>/versions"): "read",
    ("GET", "/v1/templates/<slug>/versions/<int:number>"): "read",
    ("POST", "/v1/templates/<slug>/render"): "read",
    ("POST", "/v1/send"): "send",
    ("POST", "/v1/send-raw"): "send",
    ("POST", "/v1/templates"): "send",
    ("POST", "/v1/templates/<slug>/versions"): "send",
    ("PATCH", "/v1/templates/<slug>"): "send",
    ("DELETE", "/v1/messages/<public_id>"): "cancel",
}
SCOPES: Final = ("read", "send", "cancel")
SCOPE_SETS: Final = [
    chosen for count in range(4) for chosen in itertools.combinations(SCOPES, count)
]


def routes(app: Flask) -> set[tuple[str, str]]:
    """Every method of every /v1 rule, HEAD and OPTIONS too."""
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/v1")
        for method in rule.methods or ()
    }


def path_of(rule: str) -> str:
    """A path below the rule that names nothing that exists."""
    absent = {"<public_id>": "msg_absent", "<slug>": "absent", "<int:number>": "1"}
    for placeholder, value in absent.items():
        rule = rule.replace(placeholder, value)
    return rule


def test_every_route_of_the_contract_exists_and_no_other(app: Flask) -> None:
    assert {route for route in routes(app) if route[0] not in {"HEAD", "OPTIONS"}} == set(CONTRACT)


@pytest.mark.parametrize("scopes", SCOPE_SETS, ids=lambda scopes: "+".join(scopes) or "none")
def test_a_key_opens_exactly_the_routes_of_its_scopes(
    house: House, scopes: tuple[str, ...]
) -> None:
    api = house.api(scopes=scopes)
    for method, rule in CONTRACT:
        needed = CONTRACT[method, rule]
        answer = api.call(method, path_of(rule))
        if not scopes or needed in scopes:
            assert answer.status_code not in {401, 403}, (method, rule)
            continue
        assert_insufficient(answer, needed)


def assert_insufficient(answer: Any, scope: str) -> None:
    assert answer.status_code == 403
    assert answer.json["error"]["code"] == "insufficient_scope"
    assert f"'{scope}'" in answer.json["error"]["message"]
    challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
    assert answer.headers["WWW-Authenticate"] == challenge


def test_head_and_options_need_a_scope_as_well(house: House) -> None:
    keys = {scope: house.api(scopes=[scope]) for scope in SCOPES}
    for method, rule in sorted(routes(house.app)):
        if method in {"HEAD", "OPTIONS"}:
            opened = {
                scope
                for scope, api in keys.items()
                if api.call(method, path_of(rule)).status_code != 403
            }
            assert len(opened) == 1, (method, rule, opened)


def test_a_refused_key_changes_nothing(house: House) -> None:
    message_id = house.api().send(scheduledAt="2026-11-24T12:00:00Z")
    reader = house.api(scopes=["read"])

    assert reader.post("/v1/send", {}).status_code == 403
    assert reader.delete(f"/v1/messages/{message_id}").status_code == 403
    assert reader.post("/v1/templates", {}).status_code == 403

    assert reader.message(message_id)["status"] == "scheduled"
    assert [row[0] for row in house.rows("SELECT count(*) FROM messages")] == [1]


def test_the_scope_is_checked_before_the_request_is_looked_at(house: House) -> None:
    reader = house.api(scopes=["read"])
    answer = reader.call("POST", "/v1/send", data=b"{", content_type="text/plain")
    assert answer.status_code == 403


def test_an_unknown_route_is_no_matter_of_scopes(house: House) -> None:
    assert house.api(scopes=["cancel"]).get("/v1/nothing").status_code == 404
    assert house.api(scopes=["cancel"]).post("/v1/context").status_code == 405


def test_a_new_route_without_a_scope_stops_the_start(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_forgetful_route() -> Any:
        api = make_api()

        @api.get("/forgotten")
        def forgotten() -> Response:
            return Response("anybody may read this")

        return api

    monkeypatch.setattr(application, "make_api", with_a_forgetful_route)

    with pytest.raises(ScopeMissingError, match="forgotten"):
        make_app()


def test_the_scopes_of_the_domain_are_those_of_the_table() -> None:
    assert {scope.value for scope in Scope} == set(CONTRACT.values()) == set(SCOPES)


def test_a_key_without_scopes_may_do_everything(house: House) -> None:
    api = house.api(scopes=[])
    message_id = api.send()
    assert api.message(message_id)["publicId"] == message_id
    assert api.delete(f"/v1/messages/{message_id}").status_code == 200
