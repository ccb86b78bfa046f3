from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import pytest

from senderkit.providers import get_provider
from senderkit.providers.over_http import Credentials, basic_auth
from tests.providers.benches.base import SECRET

KEY = "-----BEGIN PRIVATE KEY-----\nMIGTAgEAMBMG+/=\nByqGSM49AgEG\n-----END PRIVATE KEY-----\n"


def credentials(**values: str) -> Credentials:
    provider = get_provider("postmark")
    empty = {field.name: "" for field in provider.fields}
    return Credentials(provider, empty | {"server_token": SECRET} | values)


def test_credentials_are_read_by_name_and_show_only_names() -> None:
    given = credentials()
    assert given["server_token"] == SECRET
    assert len(given) == len(dict(given))
    assert SECRET not in f"{given!r} {given!s}"


@pytest.mark.parametrize("secret", ["p/ss w+rd=", "ünïcode", "a", SECRET, KEY])
def test_a_secret_is_hidden_in_every_shape_a_server_may_repeat_it(secret: str) -> None:
    given = credentials(server_token=secret)
    shapes = [secret, quote(secret, safe=""), b64encode(secret.encode()).decode("ascii")]
    for shape in shapes:
        shown = given.readable(f"<{shape}>")
        assert shown == "<[hidden]>"


def test_each_line_of_a_key_file_is_hidden() -> None:
    given = credentials(server_token=KEY)
    for line in KEY.splitlines():
        assert line not in given.readable(f"the line {line} is not a key")


def test_a_line_that_is_no_secret_is_left_alone() -> None:
    given = credentials(server_token='{\n  "private_key": "MIGTAgEA"\n}')
    assert given.readable('{"error": {"private_key": "MIGTAgEA"}}') == (
        '{"error": {"private_key": "MIGTAgEA"}}'
    )
    assert given.readable('got   "private_key": "MIGTAgEA"!') == "got [hidden]!"


def test_a_token_is_hidden_until_it_has_run_out() -> None:
    given = credentials()
    given.hide("token-1", "token-2")
    assert given.readable("token-1 token-2") == "[hidden] [hidden]"
    given.stop_hiding("token-1")
    assert given.readable(f"token-1 token-2 {SECRET}") == "token-1 [hidden] [hidden]"


def test_a_secret_that_holds_another_one_is_hidden_whole() -> None:
    given = credentials(server_token="abc", callback_password="abcdef")
    assert given.readable("it is abcdef") == "it is [hidden]"


def test_a_login_is_hidden_too() -> None:
    given = credentials()
    header = basic_auth(given, "user", SECRET)
    assert header == "Basic " + b64encode(f"user:{SECRET}".encode()).decode("ascii")
    assert given.readable(f"got {header}") == "got Basic [hidden]"
