from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from senderkit.errors import CallbackRefused
from senderkit.providers.base import Callback
from senderkit.providers.callbacks import (
    check_basic_auth,
    is_same_secret,
    is_within,
    json_objects,
    moment_of,
)

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


def with_login(header: str) -> Callback:
    return Callback("https://notify.acme.example/hooks/x/1", {"authorization": header})


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode('ascii')}"


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_right_login_is_taken(scheme: str) -> None:
    check_basic_auth(
        with_login(basic("robot:pâss:word").replace("Basic", scheme)), "robot", "pâss:word"
    )


@pytest.mark.parametrize(
    "header",
    [
        *("", "Basic", "Basic ", "Basic !!!", "Basic /w==", "Bearer x", basic(""), basic(":")),
        *(basic("robot"), basic("robot:"), basic(":secret"), basic("robot:secrets")),
        *(basic("Robot:secret"), basic(" robot:secret"), basic("robot:secret\n"), "robot:secret"),
    ],
)
def test_any_other_login_is_refused(header: str) -> None:
    with pytest.raises(CallbackRefused):
        check_basic_auth(with_login(header), "robot", "secret")


@pytest.mark.parametrize(("user", "password"), [("", ""), ("robot", ""), ("", "secret")])
def test_without_a_secret_nothing_is_taken(user: str, password: str) -> None:
    with pytest.raises(CallbackRefused, match="no secret"):
        check_basic_auth(with_login(basic(f"{user}:{password}")), user, password)


def test_an_empty_secret_equals_nothing() -> None:
    assert is_same_secret("a", "a")
    assert is_same_secret("é", "é")
    assert not is_same_secret("", "")
    assert not is_same_secret("a", "b")
    assert not is_same_secret("\ud800", "?x")


@pytest.mark.parametrize(
    ("body", "objects"),
    [
        (b'[{"a": 1}, 5, null, {"b": 2}]', [{"a": 1}, {"b": 2}]),
        (b'{"a": 1}', []),
        (b"[", []),
        (b"[" * 100_000, []),
        (b"", []),
    ],
)
def test_a_batch_is_the_objects_in_it(body: bytes, objects: list[Any]) -> None:
    assert json_objects(body) == objects


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-03-02T12:00:00Z", NOON),
        ("2026-03-02T12:00:00.0000000Z", NOON),
        ("2026-03-02T13:00:00+01:00", NOON),
        ("2026-03-02T12:00:00", NOON),
        (1772452800, NOON),
        (1772452800.0, NOON),
        ("1772452800", NOON),
    ],
)
def test_a_time_is_understood_in_each_spelling(value: object, moment: datetime) -> None:
    assert moment_of(value, datetime(2000, 1, 1, tzinfo=UTC)) == moment


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", "soon", [], {}, 10**30, -(10**30), float("nan"), float("inf"), "9" * 400),
        *("0001-01-01T00:00:00+23:59", "2026-13-01", "٣"),
    ],
)
def test_what_is_no_time_is_the_time_given_instead(value: object) -> None:
    assert moment_of(value, NOON) == NOON


@pytest.mark.parametrize(
    ("seconds", "is_taken"),
    [
        (0, True),
        (-3_600, True),
        (-3_601, False),
        (300, True),
        (301, False),
        (-(10**9), False),
    ],
)
def test_a_time_counts_for_a_while(seconds: int, is_taken: bool) -> None:
    said = str(int(NOON.timestamp()) + seconds)
    assert is_within(said, NOON, timedelta(hours=1)) is is_taken


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "9" * 400, "٣", " 1772452800"])
def test_what_is_no_time_is_never_within(text: str) -> None:
    assert not is_within(text, NOON, timedelta(hours=1))
