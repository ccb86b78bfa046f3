"""The pages of API keys: made once, shown once, listed for good, revoked at once."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest
from flask.sessions import SecureCookieSessionInterface
from werkzeug.test import TestResponse

from tests.conftest import MakeApp
from tests.make import OWNER, PASSWORD, FakeClock, House, Pages
from tests.serving import serving
from tests.web.browsing import NONCE_FIELD, Browser
from tests.web.routes import furnish, stored

TOKEN: Final = re.compile(r"sk_(?:live|test)_[0-9A-Za-z]{49}")
ALL: Final = ["read", "send", "cancel"]


def nonce_of(pages: Pages) -> str:
    found = NONCE_FIELD.search(pages.get("/keys/new").text)
    assert found
    return found[1]


def create(pages: Pages, nonce: str | None = None, **changes: Any) -> TestResponse:
    form = {"name": "Shop", "mode": "test", "scopes": ALL, "nonce": nonce or nonce_of(pages)}
    return pages.submit("/keys/new", form | changes, action="/keys")


def token_in(answer: TestResponse) -> str:
    found = set(TOKEN.findall(answer.text))
    assert len(found) == 1, answer.text
    return str(found.pop())


def code_in(answer: TestResponse, key: str) -> str:
    """The text of a block that the page offers to copy."""
    found = re.search(rf'id="code-{key}">(.*?)</code>', answer.text, re.DOTALL)
    assert found
    assert "<" not in found[1]
    return unescape(found[1])


# -- the form ---------------------------------------------------------------------------------


def test_the_form_begins_with_every_scope_and_the_mode_shown(house: House) -> None:
    pages = house.owner()
    for mode in ("test", "live"):
        pages.submit("/keys", {"mode": mode, "area": "keys"}, action="/mode")
        text = pages.get("/keys/new").text
        assert re.findall(r'type="radio" name="mode" value="(\w+)"[^>]* checked', text) == [mode]
        scopes = re.findall(r'type="checkbox" name="scopes" value="(\w+)"[^>]* checked', text)
        assert scopes == ALL
        assert "No scope chosen: this key can do everything." in text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "a\r\nb"}, "name"),
        ({"mode": "production"}, "mode"),
        ({"mode": ""}, "mode"),
        ({"scopes": ["read", "admin"]}, "scopes"),
    ],
)
def test_a_bad_form_makes_no_key_and_keeps_what_was_typed(
    house: House, changes: dict[str, Any], field: str
) -> None:
    answer = create(house.owner(), **({"name": "Shop", "scopes": ["send"]} | changes))
    assert answer.status_code == 422
    assert f'href="#f-{field}"' in answer.text
    assert f'id="f-{field}-error"' in answer.text
    if "name" not in changes:
        assert 'value="Shop"' in answer.text
    if "scopes" not in changes:
        checked = re.findall(r'name="scopes" value="(\w+)"[^>]* checked', answer.text)
        assert checked == ["send"]
    assert house.rows("SELECT 1 FROM api_keys") == []


# -- shown once -------------------------------------------------------------------------------


def test_the_answer_to_the_form_shows_a_token_that_works(house: House) -> None:
    answer = create(house.owner(), name="Shop <b>&</b>", scopes=["send", "read"])
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    token = token_in(answer)
    assert token.startswith("sk_test_")
    assert "Shop &lt;b&gt;&amp;&lt;/b&gt;" in answer.text
    [row] = house.rows("SELECT name, livemode, scopes, last_four FROM api_keys")
    assert tuple(row) == ("Shop <b>&</b>", False, "read send", token[-4:])
    context = house.anonymous().get("/v1/context", headers={"Authorization": f"Bearer {token}"})
    assert context.status_code == 200


def test_sending_the_form_again_says_so_and_makes_nothing(house: House) -> None:
    pages = house.owner()
    nonce = nonce_of(pages)
    token = token_in(create(pages, nonce))
    before = stored(house)["api_keys"]
    repeats: list[dict[str, Any]] = [{}, {"name": "Another name"}, {"scopes": []}]
    for changes in repeats:
        again = create(pages, nonce, **changes)
        assert again.status_code == 200
        assert "This form was already sent: it made the test key “Shop”" in again.text
        assert not TOKEN.search(again.text)
        assert token[8:20] not in again.text
    assert stored(house)["api_keys"] == before


def test_looking_at_the_list_again_does_not_show_it(house: House) -> None:
    pages = house.owner()
    token = token_in(create(pages))
    for path in ("/keys", "/keys/new", "/keys"):
        assert not TOKEN.search(pages.get(path).text)
    assert f"sk_test_…{token[-4:]}" in pages.get("/keys").text


def test_each_form_is_good_for_one_key_of_its_own(house: House) -> None:
    pages = house.owner()
    nonces = {nonce_of(pages) for _ in range(3)}
    assert len(nonces) == 3
    assert len({token_in(create(pages, nonce)) for nonce in nonces}) == 3


def test_a_number_from_elsewhere_makes_no_key(house: House) -> None:
    pages, other = house.owner(), house.owner()
    theirs, mine = nonce_of(other), nonce_of(pages)
    signer = house.runtime.unsubscribe_signer
    forged = (theirs, "", "x" * 43, mine[:-1], f"{mine}x", signer.sign(f"a.{'x' * 43}"))
    for nonce in forged:
        answer = create(pages, nonce or "-")
        assert answer.status_code == 422, nonce
        assert "This form was opened before you logged in. Send it again." in answer.text
        assert 'value="Shop"' in answer.text
    assert house.rows("SELECT 1 FROM api_keys") == []
    assert create(pages, mine).status_code == 200


def test_a_key_without_scopes_can_do_everything_and_the_page_says_so(house: House) -> None:
    answer = create(house.owner(), scopes=[])
    assert "No scope was chosen: this key can do everything." in answer.text
    assert "full access" in answer.text
    token = token_in(answer)
    key = {"Authorization": f"Bearer {token}"}
    api = house.anonymous()
    assert api.get("/v1/messages", headers=key).status_code == 200
    assert "this key can do everything" not in create(house.owner()).text


def test_a_key_of_the_other_mode_is_in_the_list_that_follows(house: House) -> None:
    pages = house.owner()
    answer = create(pages, mode="live", name="Live shop")
    assert token_in(answer).startswith("sk_live_")
    for text in (answer.text, pages.get("/keys").text):
        assert "Live shop" in text
        assert "nothing leaves this server" not in text


# -- what to paste ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "words"),
    [
        ([], ["/v1/context"]),
        (["read"], ["/v1/context"]),
        (["send", "cancel"], ["/v1/send-raw", "-d"]),
        (["cancel"], ["-X", "DELETE"]),
    ],
)
def test_the_line_to_paste_is_one_that_the_key_may_send(
    house: House, scopes: list[str], words: list[str]
) -> None:
    answer = create(house.owner(), scopes=scopes)
    line = shlex.split(code_in(answer, "curl"))
    assert line[0] == "curl"
    assert f"Authorization: Bearer {token_in(answer)}" in line
    assert all(any(word in part for part in line) for word in words)
    if "-d" in line:
        body = json.loads(line[line.index("-d") + 1])
        assert body["to"] == OWNER
        assert body["content"]["html"] == "<p>It works.</p>"


@pytest.mark.parametrize(
    ("public_url", "origin", "wanted"),
    [
        ("http://127.0.0.1:8025", "http://localhost", "http://localhost"),
        ("http://127.0.0.1:8025", None, "http://localhost"),
        ("http://localhost:9000", "https://localhost", "https://localhost"),
        ("https://notify.acme.example", "http://localhost", "https://notify.acme.example"),
    ],
)
def test_the_address_to_paste_is_the_one_that_people_open(
    make_app: MakeApp, clock: FakeClock, public_url: str, origin: str | None, wanted: str
) -> None:
    house = House(make_app(PUBLIC_URL=public_url), clock)
    house.set_up()
    base = {"base_url": "https://localhost"} if public_url.startswith("https") else {}
    pages = house.pages()

    def submit(page: str, action: str, form: dict[str, Any]) -> TestResponse:
        text = pages.get(page, **base).text
        fields = dict(re.findall(r'name="(csrf_token|nonce)" value="([^"]+)"', text))
        headers = {"Origin": origin} if origin else {}
        return pages.client.post(action, data=fields | form, headers=headers, **base)

    submit("/login", "/login", {"email": OWNER, "password": PASSWORD})
    answer = submit("/keys/new", "/keys", {"name": "Shop", "mode": "test"})
    assert code_in(answer, "curl").startswith(f"curl {wanted}/v1/context ")
    assert code_in(answer, "env") == (
        f"SENDERKIT_API_KEY={token_in(answer)}\nSENDERKIT_BASE_URL={wanted}"
    )


def test_the_line_works_as_it_is_pasted(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        browser = Browser(server.url)
        browser.set_up()
        page = browser.create_key()
        line = unescape(re.findall(r'id="code-curl">(.*?)</code>', page, re.DOTALL)[0])
        done = subprocess.run(
            [*shlex.split(line), "-s"], capture_output=True, text=True, check=True, timeout=30
        )
        assert json.loads(done.stdout)["mode"] == "test"


# -- the list ---------------------------------------------------------------------------------


def test_the_list_shows_the_keys_of_one_mode_with_all_there_is_to_know(
    house: House, clock: FakeClock
) -> None:
    token = house.token("live", ["read"], "Reporting")
    house.token("test", [], "CI")
    api = house.anonymous()
    api.get("/v1/context", headers={"Authorization": f"Bearer {token}"})
    house.runtime.usage.flush()
    pages = house.owner()
    assert "CI" in pages.get("/keys").text
    assert "Reporting" not in pages.get("/keys").text
    switched = pages.submit("/keys", {"mode": "live", "area": "keys"}, action="/mode")
    assert switched.location == "/keys"
    text = pages.get("/keys").text
    assert "CI" not in text
    for part in ("Reporting", f"sk_live_…{token[-4:]}", "GET /v1/context from 127.0.0.1", "1 time"):
        assert part in text


def test_the_mode_is_kept_for_the_person(house: House) -> None:
    pages = house.owner()
    assert "nothing leaves this server" in pages.get("/keys").text
    assert pages.submit("/keys", {"mode": "live"}, action="/mode").location == "/"
    assert "nothing leaves this server" not in house.owner().get("/keys").text
    for mode in ("", "production"):
        assert pages.submit("/keys", {"mode": mode}, action="/mode").status_code == 400
    for area in ("messages", "https://evil.example", "access", "static"):
        answer = pages.submit("/keys", {"mode": "test", "area": area}, action="/mode")
        assert answer.location == ("/messages" if area == "messages" else "/")


# -- revoking ---------------------------------------------------------------------------------


def test_a_key_is_refused_from_the_request_after_its_revocation(
    house: House, clock: FakeClock
) -> None:
    token = house.token("test", [], "Old laptop")
    api = house.anonymous()
    key = {"Authorization": f"Bearer {token}"}
    [(key_id,)] = house.rows("SELECT public_id FROM api_keys")
    pages = house.owner()
    asked = pages.get(f"/keys/{key_id}/revoke")
    assert "Revoke “Old laptop”?" in asked.text
    assert "It was never used." in asked.text
    assert api.get("/v1/context", headers=key).status_code == 200

    clock.advance(minutes=5)
    answer = pages.submit(f"/keys/{key_id}/revoke", {})
    assert (answer.status_code, answer.location) == (302, "/keys")
    assert api.get("/v1/context", headers=key).status_code == 401

    text = pages.get("/keys").text
    assert "The key “Old laptop” is revoked." in text
    assert "Revoked (1)" in text
    assert text.count(OWNER) > house.owner().get("/password").text.count(OWNER)
    assert "Old laptop" in text
    assert "The key “Old laptop” is revoked." not in pages.get("/keys").text


def test_revoking_twice_keeps_the_first_date(house: House, clock: FakeClock) -> None:
    house.token()
    [(key_id,)] = house.rows("SELECT public_id FROM api_keys")
    pages = house.owner()
    first, second = f"/keys/{key_id}/revoke", "/keys/new"
    pages.submit(first, {})
    before = stored(house)["api_keys"]
    clock.advance(hours=1)
    assert pages.get(first).location == "/keys"
    assert "is revoked already" in pages.get("/keys").text
    assert pages.submit(second, {}, action=first).status_code == 302
    assert stored(house)["api_keys"] == before


def test_a_key_that_is_not_there_cannot_be_revoked(house: House) -> None:
    pages = house.owner()
    for key_id in ("key_00000000000000000000000000", "x", "1", "ü", "a" * 10_000):
        assert pages.get(f"/keys/{key_id}/revoke").status_code == 404
        path = f"/keys/{key_id}/revoke"
        assert pages.submit("/keys/new", {}, action=path).status_code == 404


# -- nowhere else -----------------------------------------------------------------------------


def windows(token: str) -> Iterator[str]:
    """Every 12 characters of a token's random part."""
    random = token[len("sk_test_") :]
    return (random[start : start + 12] for start in range(len(random) - 11))


def test_after_its_creation_no_page_row_cookie_or_log_holds_any_part_of_a_token(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    pages = house.owner()
    token = token_in(create(pages))
    furnished = furnish(house)
    key = {"Authorization": f"Bearer {token}"}
    api = house.anonymous()
    for path in ("/v1/context", "/v1/nowhere", f"/v1/messages?x={token}"):
        api.get(path, headers=key)
    api.get("/v1/context", headers={"Authorization": f"Bearer {token[:-1]}"})
    house.runtime.usage.flush()

    seen = [str(stored(house))]
    for route in furnished.routes():
        if route.method == "GET":
            for visitor in (pages, house.api()):
                answer = visitor.get(route.path, buffered=True)
                seen.append(answer.data.decode("latin-1"))  # some are archives
    seen.append(json.dumps(cookie_content(house, pages)))
    seen.append("".join(capfd.readouterr()))

    found = [window for window in windows(token) for text in seen if window in text]
    assert len(seen) > 30
    assert found == []


def cookie_content(house: House, pages: Pages) -> Any:
    serializer = SecureCookieSessionInterface().get_signing_serializer(house.app)
    cookie = pages.client.get_cookie("senderkit")
    assert serializer is not None
    assert cookie
    return serializer.loads(cookie.value)


def test_no_byte_that_a_server_leaves_on_its_disk_holds_any_part_of_a_token(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    with serving(folder, LOG_LEVEL="debug") as server:
        browser = Browser(server.url)
        browser.set_up()
        token = TOKEN.findall(browser.create_key())[0]
        for path in ("/v1/context", f"/v1/context?key={token}", f"/nowhere/{token}"):
            browser.ask(path, headers={"Authorization": f"Bearer {token}"})
        left_while_running = {path: path.read_bytes() for path in folder.rglob("*")}
    left = {path: path.read_bytes() for path in folder.rglob("*")}
    assert {path.name for path in left} >= {"senderkit.sqlite3", "server.log"}
    found = [
        (path.name, window)
        for files in (left_while_running, left)
        for path, content in files.items()
        for window in windows(token)
        if window.encode() in content
    ]
    assert found == []
