"""Where a client gets its key, its server and its limits; what it refuses at construction."""

from __future__ import annotations

import itertools
import random
import string
from typing import Any

import pytest

from senderkit.client import AsyncSenderKit, SenderKit
from senderkit.client.configuration import DEFAULT_BASE_URL, configure
from senderkit.client.keys import is_well_formed, mode_of
from senderkit.domain import Mode
from senderkit.keys import mint
from senderkit.keys import mode_of as server_mode_of

KEY = mint(Mode.TEST).token
OTHER_KEY = mint(Mode.LIVE).token

WRONG_VALUES: dict[str, list[Any]] = {
    "base_url": [
        "notify.acme.example",
        "ftp://host",
        "http://",
        "http://user:pass@host",
        "http://h:x",
    ],
    "timeout": [0, -1, float("inf"), float("nan"), "soon"],
    "max_retries": [-1, 1.5, "many"],
}


def test_arguments_win_over_the_environment_and_that_over_the_defaults() -> None:
    environ = {
        "SENDERKIT_API_KEY": f" {OTHER_KEY}\n",
        "SENDERKIT_BASE_URL": "https://notify.acme.example/",
        "SENDERKIT_TIMEOUT": "2.5",
        "SENDERKIT_MAX_RETRIES": "0",
        "SENDERKIT_WEBHOOK_SECRET": "whsec_1",
    }
    bare = configure(KEY, environ={})
    read = configure(environ=environ)
    given = configure(
        KEY,
        base_url="http://here:1/x/",
        timeout=7,
        max_retries=9,
        webhook_secret="whsec_2",
        environ=environ,
    )

    assert (bare.base_url, bare.timeout, bare.max_retries) == (DEFAULT_BASE_URL, 30.0, 2)
    assert bare.webhook_secret is None
    assert (read.api_key, read.base_url) == (OTHER_KEY, "https://notify.acme.example")
    assert (read.timeout, read.max_retries, read.webhook_secret) == (2.5, 0, "whsec_1")
    assert (given.api_key, given.base_url, given.timeout) == (KEY, "http://here:1/x", 7.0)
    assert (given.max_retries, given.webhook_secret) == (9, "whsec_2")


def test_the_default_server_is_this_machine() -> None:
    assert DEFAULT_BASE_URL == "http://127.0.0.1:8025"


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG_VALUES.items() for value in values]
)
def test_a_value_that_makes_no_sense_is_refused_wherever_it_comes_from(
    name: str, value: Any
) -> None:
    variable = f"SENDERKIT_{name.upper()}"

    with pytest.raises(ValueError, match=f"^{name} must be"):
        configure(KEY, environ={}, **{name: value})
    with pytest.raises(ValueError, match=f"^{variable} must be"):
        configure(KEY, environ={variable: str(value)})


@pytest.mark.parametrize("make", [SenderKit, AsyncSenderKit])
def test_a_missing_or_malformed_key_is_refused_at_construction(
    make: type[SenderKit | AsyncSenderKit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SENDERKIT_API_KEY", raising=False)
    with pytest.raises(ValueError, match="SENDERKIT_API_KEY"):
        make()
    monkeypatch.setenv("SENDERKIT_API_KEY", KEY)
    with pytest.raises(ValueError, match="required"):
        make("")
    with pytest.raises(ValueError, match="malformed") as refused:
        make(KEY[:-1] + "!")
    assert KEY[:20] not in str(refused.value)


def test_every_key_that_the_server_mints_is_taken_and_its_mode_is_known() -> None:
    for mode in (*Mode, *Mode):
        token = mint(mode).token
        assert is_well_formed(token)
        assert mode_of(token) == mode.value == server_mode_of(token).value


def test_every_edit_of_one_character_is_refused() -> None:
    letters = string.ascii_letters + string.digits + "_-! "
    edits = [
        KEY[:place] + letter + KEY[place + 1 :]
        for place, letter in itertools.product(range(len(KEY)), letters)
        if letter != KEY[place]
    ]

    assert [edit for edit in edits if is_well_formed(edit)] == []
    assert len(edits) == len(KEY) * (len(letters) - 1)


def test_what_only_looks_like_a_key_is_refused() -> None:
    letters = string.ascii_letters + string.digits
    made_up = ["sk_test_" + "".join(random.choices(letters, k=49)) for _ in range(1000)]  # noqa: S311

    wrong = [*made_up, "", "sk_test_", KEY + "0", KEY[:-1], " " + KEY, KEY + "\n", KEY.lower()]
    assert [key for key in wrong if is_well_formed(key)] == []


def test_a_client_never_shows_its_key() -> None:
    with SenderKit(KEY, base_url="https://notify.acme.example") as client:
        assert repr(client) == "<SenderKit test https://notify.acme.example>"
        assert KEY[8:] not in repr(vars(client))
