"""Who gets in: one valid key in one Authorization header, and nobody else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from senderkit import keys
from senderkit.domain import Mode
from senderkit.models import ApiKey
from senderkit.services import access, api_keys
from senderkit.web.extensions import database
from tests.conftest import MakeApp
from tests.make import House


def get(house: House, authorization: str | None, path: str = "/v1/context") -> TestResponse:
    headers = {} if authorization is None else {"Authorization": authorization}
    return house.app.test_client().get(path, headers=headers)


def assert_unauthorized(answer: TestResponse, *, token_given: bool) -> None:
    assert answer.status_code == 401
    error = answer.json["error"]  # type: ignore[index]
    assert error == {"code": "unauthorized", "message": error["message"]}
    challenge = 'Bearer error="invalid_token"' if token_given else "Bearer"
    assert answer.headers["WWW-Authenticate"] == challenge


# -- who gets in --------------------------------------------------------------------------------


def test_the_scheme_may_be_in_any_case(house: House) -> None:
    token = house.token()
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
        assert get(house, f"{scheme} {token}").status_code == 200, scheme


def test_spaces_around_the_token_do_not_matter(house: House) -> None:
    token = house.token()
    for spaces in (" ", "\t", " \t "):
        assert get(house, f"Bearer {spaces}{token}{spaces}").status_code == 200, spaces


@pytest.mark.parametrize("mode", ["live", "test"])
def test_the_prefix_decides_the_mode(house: House, mode: str) -> None:
    answer = house.api(mode).get("/v1/context")
    assert answer.json == {
        "workspace": {
            "id": house.rows("SELECT uuid FROM workspaces")[0][0],
            "slug": "acme",
            "name": "Acme",
        },
        "mode": mode,
    }


# -- who does not -------------------------------------------------------------------------------

Variant = Callable[[str], str]
REFUSED: Final[dict[str, Variant]] = {
    "another scheme": lambda token: f"Basic {token}",
    "no scheme": lambda token: token,
    "basic credentials": lambda token: "Basic " + base64.b64encode(f"{token}:".encode()).decode(),
    "the scheme twice": lambda token: f"Bearer Bearer {token}",
    "the scheme glued on": lambda token: f"Bearer{token}",
    "a token cut short": lambda token: f"Bearer {token[:-1]}",
    "a token too long": lambda token: f"Bearer {token}0",
    "a token in other case": lambda token: f"Bearer {token.swapcase()}",
    "another prefix": lambda token: f"Bearer {token.replace('sk_', 'pk_', 1)}",
    "the other mode's prefix": lambda token: f"Bearer {token.replace('_test_', '_live_', 1)}",
    "a token in quotes": lambda token: f'Bearer "{token}"',
    "a space inside": lambda token: f"Bearer {token[:20]} {token[20:]}",
    "two tokens": lambda token: f"Bearer {token} {token}",
    "two tokens with a comma": lambda token: f"Bearer {token},{token}",
    "a comma at the end": lambda token: f"Bearer {token},",
    "two headers joined": lambda token: f"Bearer {token}, Bearer {token}",
    "only the prefix": lambda _: "Bearer sk_test_",
    "a fullwidth letter": lambda token: f"Bearer {token[:-1]}\xef\xbc\xa1",
    "an NBSP behind": lambda token: f"Bearer {token}\xa0",
    "a parameter": lambda token: f"Bearer token={token}",
}
WITHOUT_TOKEN: Final = {
    "nothing": None,
    "an empty header": "",
    "the scheme alone": "Bearer",
    "the scheme and a space": "Bearer ",
    "digest": 'Digest username="ada"',
}


def test_a_header_that_is_not_quite_right_is_refused(house: House) -> None:
    token = house.token()
    for variant in REFUSED.values():
        authorization = variant(token)
        is_bearer = authorization.lower().startswith("bearer ")
        assert_unauthorized(get(house, authorization), token_given=is_bearer)


def test_no_token_at_all_is_refused(house: House) -> None:
    for authorization in WITHOUT_TOKEN.values():
        assert_unauthorized(get(house, authorization), token_given=False)


def test_a_made_up_key_with_a_right_checksum_is_refused(house: House) -> None:
    assert_unauthorized(get(house, f"Bearer {keys.mint(Mode.LIVE).token}"), token_given=True)


def test_a_stored_mode_that_is_not_the_prefix_s_is_refused(house: House) -> None:
    token = house.token("test")
    with house.runtime.engine.begin() as connection:
        connection.execute(update(ApiKey).values(livemode=True))
    assert_unauthorized(get(house, f"Bearer {token}"), token_given=True)


def test_a_revoked_key_is_refused_from_the_next_request_on(house: House, make_app: MakeApp) -> None:
    """In every process: here two applications stand for two."""
    token, other = house.token(), House(make_app(), house.clock)
    assert get(other, f"Bearer {token}").status_code == 200

    house.in_app(lambda: revoke_all(house))

    for process in (house, other):
        assert_unauthorized(get(process, f"Bearer {token}"), token_given=True)


def revoke_all(house: House) -> None:
    session = database.session()
    workspace = access.find_workspace(session)
    assert workspace is not None
    for key in api_keys.list_keys(session, workspace.id):
        api_keys.revoke_key(
            session, workspace.id, key.public_id, revoked_by_id=None, now=house.clock()
        )


def test_all_refusals_read_the_same(house: House) -> None:
    revoked = house.token()
    house.in_app(lambda: revoke_all(house))
    refused = [
        get(house, None),
        get(house, "Bearer nonsense"),
        get(house, f"Bearer {keys.mint(Mode.TEST).token}"),
        get(house, f"Bearer {revoked}"),
        get(house, "Basic YWRhOg=="),
    ]
    assert len({answer.data for answer in refused}) == 1


def test_the_key_comes_first_whatever_the_route(house: House) -> None:
    for path in ("/v1/context", "/v1/messages", "/v1/nothing", "/v1", "/v1/", "/v1/send"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"):
            answer = house.anonymous().call(method, path)
            assert answer.status_code == 401, (method, path)
            assert answer.mimetype == "application/json"


# -- keys in other places -----------------------------------------------------------------------


def test_a_key_in_the_query_opens_nothing(house: House) -> None:
    token = house.token()
    for name in ("api_key", "apiKey", "key", "token", "access_token", "bearer", "authorization"):
        answer = house.anonymous().get(f"/v1/messages?{name}={token}")
        assert_unauthorized(answer, token_given=False)


def test_a_key_in_the_body_opens_nothing(house: House) -> None:
    token = house.token()
    for body in ({"apiKey": token}, {"authorization": f"Bearer {token}"}):
        assert_unauthorized(house.anonymous().post("/v1/send", body), token_given=False)


def test_a_key_in_a_cookie_or_another_header_opens_nothing(house: House) -> None:
    token = house.token()
    client = house.app.test_client()
    client.set_cookie("Authorization", f"Bearer {token}")
    client.set_cookie("senderkit", token)
    elsewhere = {
        "X-Api-Key": token,
        "Proxy-Authorization": f"Bearer {token}",
        "X-Authorization": f"Bearer {token}",
        "X-Forwarded-Authorization": f"Bearer {token}",
    }
    assert_unauthorized(client.get("/v1/context", headers=elsewhere), token_given=False)


def test_a_signed_in_person_is_nobody_to_the_api(house: House) -> None:
    client = house.app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = "1"
    assert_unauthorized(client.get("/v1/context"), token_given=False)


# -- what a refusal costs -----------------------------------------------------------------------


def test_a_token_with_a_wrong_checksum_does_not_reach_the_database(house: House) -> None:
    token = house.token()
    with house.database_uses() as uses:
        for place in range(len(token)):
            changed = "B" if token[place] == "A" else "A"
            wrong = token[:place] + changed + token[place + 1 :]
            assert get(house, f"Bearer {wrong}").status_code == 401
    assert uses == []


def test_a_request_reads_its_key_once(house: House) -> None:
    token = house.token()
    with house.database_uses() as uses:
        assert get(house, f"Bearer {token}").status_code == 200
    assert len(uses) == 1


# -- what is stored -----------------------------------------------------------------------------


def test_no_stored_byte_holds_the_token(house: House) -> None:
    token = house.token("live")
    assert get(house, f"Bearer {token}").status_code == 200
    house.runtime.usage.flush()
    random_part = token[8:-6]
    stored = repr(house.rows("SELECT * FROM api_keys"))
    assert keys.hash_token(token) in stored
    windows = {random_part[i : i + 12] for i in range(len(random_part) - 11)}
    assert not [window for window in windows if window in stored]
