from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from senderkit.errors import Unavailable
from senderkit.providers import get_provider
from senderkit.providers.over_http import Credentials
from senderkit.providers.signing import BadKey, CachedToken, Token, read_p256_key, read_rsa_key
from tests.providers.conftest import NOON

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

HOUR = timedelta(hours=1)


def pem_of(key: PrivateKey, seal: KeySerializationEncryption | None = None) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, seal or NoEncryption()).decode()


P256 = pem_of(ec.generate_private_key(ec.SECP256R1()))
RSA = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
SHORT_RSA = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505


def test_a_key_is_read_whatever_its_line_breaks() -> None:
    for pem in (P256, P256.strip(), P256.replace("\n", "\r\n"), f"\n\n{P256}\n"):
        assert isinstance(read_p256_key(pem), ec.EllipticCurvePrivateKey)
    assert read_rsa_key(RSA).key_size == 2048


@pytest.mark.parametrize(
    ("read", "pem", "why"),
    [
        (read_p256_key, RSA, "another kind than P-256"),
        (read_p256_key, pem_of(ec.generate_private_key(ec.SECP384R1())), "another kind"),
        (read_p256_key, P256[:120], "cut off or damaged"),
        (read_p256_key, P256.replace("M", "!"), "cut off or damaged"),
        (
            read_p256_key,
            pem_of(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x")),
            "protected by a password",
        ),
        (read_p256_key, "hello", "must begin with"),
        (read_rsa_key, P256, "no RSA private key"),
        (read_rsa_key, SHORT_RSA, "of 2048 bits or more"),
        (read_rsa_key, "", "must begin with"),
    ],
)
def test_what_is_no_usable_key_is_named(read: Callable[[str], object], pem: str, why: str) -> None:
    with pytest.raises(BadKey, match=why) as raised:
        read(pem)
    assert "MI" not in str(raised.value)


class Mint:
    """Makes `token-1`, `token-2` and so on, each good for an hour."""

    def __init__(self) -> None:
        self.now = NOON
        self.count = 0
        self.fails = False
        provider = get_provider("postmark")
        self.credentials = Credentials(provider, {field.name: "" for field in provider.fields})
        self.cached = CachedToken(self.make, self.clock, self.credentials)

    def clock(self) -> datetime:
        return self.now

    def make(self) -> Token:
        if self.fails:
            raise Unavailable("Not now.")
        self.count += 1
        return Token(f"token-{self.count}", self.now + HOUR)


def test_a_token_is_kept_until_it_is_time_for_another() -> None:
    mint = Mint()
    assert [mint.cached.get() for _ in range(3)] == ["token-1"] * 3
    mint.now += HOUR - timedelta(seconds=1)
    assert mint.cached.get() == "token-1"
    mint.now += timedelta(seconds=1)
    assert mint.cached.get() == "token-2"


def test_many_threads_mint_one_token() -> None:
    mint = Mint()
    with ThreadPoolExecutor(16) as threads:
        first = set(threads.map(lambda _: mint.cached.get(), range(64)))
        second = set(threads.map(lambda _: mint.cached.renew("token-1"), range(64)))
    assert (first, second) == ({"token-1"}, {"token-2"})


def test_a_token_that_could_not_be_minted_is_tried_for_again() -> None:
    mint = Mint()
    mint.fails = True
    with pytest.raises(Unavailable):
        mint.cached.get()
    mint.fails = False
    assert mint.cached.get() == "token-1"


def test_the_last_two_tokens_are_kept_out_of_every_text_and_older_ones_forgotten() -> None:
    mint = Mint()
    for _ in range(3):
        token = mint.cached.get()
        mint.now += HOUR
    assert token == "token-3"
    shown = mint.credentials.readable("token-1 token-2 token-3")
    assert shown == "token-1 [hidden] [hidden]"
    assert "token-3" not in f"{mint.cached!r} {Token(token, NOON)!r}"
