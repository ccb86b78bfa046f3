from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from senderkit.errors import CallbackRefused
from senderkit.providers.callback_tokens import ALGORITHMS, check_period, is_hash_of, read_claims
from tests.providers.tokens import encoded, token_of

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
NOW = int(NOON.timestamp())
LONG = "a secret that is as long as any hash that is used, which is 64 bytes"
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_what_another_library_signs_is_read(algorithm: str) -> None:
    token = jwt.encode({"iss": "Grüße"}, LONG, algorithm=algorithm)
    assert read_claims(token, LONG, ALGORITHMS) == {"iss": "Grüße"}


def test_a_short_secret_is_as_good() -> None:
    assert read_claims(token_of({"a": 1}, "x"), "x") == {"a": 1}


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", "x", "é.é.é", "a" * 100_000),
        token_of({"a": 1}, "other"),
        token_of({"a": 1}, LONG, "HS512"),
        token_of({"a": 1}, LONG, alg="none"),
        token_of({"a": 1}, LONG, alg=["HS256"]),
        token_of({"a": 1}, LONG).rpartition(".")[0] + ".",
        token_of({"a": 1}, LONG) + "=",
        token_of({"a": 1}, LONG) + " ",
        encoded(b'{"alg":"none"}') + "." + encoded(b'{"a":1}') + ".",
        encoded(b"[" * 50_000) + "." + encoded(b"{}") + ".x",
    ],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(CallbackRefused):
        read_claims(token, LONG)


def test_without_a_secret_nothing_is_taken() -> None:
    with pytest.raises(CallbackRefused, match="no secret"):
        read_claims(token_of({"a": 1}, ""), "")


def test_claims_that_are_no_object_are_none() -> None:
    assert read_claims(token_of(["a"], LONG), LONG) == {}


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [(NOW, NOW), (NOW - 60, NOW - 60), (NOW + 60, NOW + 60), (0, 10**400), (NOW - 0.5, NOW + 0.5)],
)
def test_a_token_of_now_is_taken(starts_at: float, ends_at: float) -> None:
    check_period(NOON, starts_at, ends_at, MINUTE)


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [
        *((NOW - 100, NOW - 61), (NOW + 61, NOW + 100), (None, NOW), (NOW, None), (True, NOW)),
        *((str(NOW), NOW), (NOW, [NOW]), (float("nan"), NOW), (NOW, float("nan"))),
    ],
)
def test_a_token_of_another_time_is_refused(starts_at: Any, ends_at: Any) -> None:
    with pytest.raises(CallbackRefused):
        check_period(NOON, starts_at, ends_at, MINUTE)


def test_a_hash_is_compared_in_any_case() -> None:
    digest = "0f115db062b7c0dd030b16878c99dea5c354b49dc37b38eb8846179c7783e9d7"
    assert is_hash_of(digest, b"https://example.com/")
    assert is_hash_of(digest.upper(), b"https://example.com/")
    for other in (digest[:-1], "", None, 5, digest.encode()):
        assert not is_hash_of(other, b"https://example.com/")
