"""Sealed credentials, signed links, passwords: what opens, what does not, and how long it takes."""

from __future__ import annotations

import base64
import re
from statistics import median
from time import perf_counter

import pytest

from senderkit import crypto
from senderkit.crypto import Signer, Vault
from senderkit.errors import SealBroken

FIELDS = {"host": "mail.acme.example", "password": "open sesame", "from": "Jürgen <j@acme.example>"}
OLD, NEW, OTHER = (crypto.new_encryption_key() for _ in range(3))
SECRET = "a secret key that is long enough for a server"


# -- sealed credentials -----------------------------------------------------------------------


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    sealed = Vault([NEW]).seal(FIELDS)

    assert Vault([NEW]).unseal(sealed) == FIELDS
    assert [text for text in FIELDS.values() if text.encode() in sealed] == []


def test_the_same_fields_are_never_sealed_alike() -> None:
    vault = Vault([NEW])

    assert len({vault.seal(FIELDS) for _ in range(100)}) == 100


def test_the_newest_key_seals_and_every_known_one_opens() -> None:
    rotated = Vault([NEW, OLD])

    assert rotated.unseal(Vault([OLD]).seal(FIELDS)) == FIELDS
    assert Vault([NEW]).unseal(rotated.seal(FIELDS)) == FIELDS
    with pytest.raises(SealBroken):
        Vault([OLD]).unseal(rotated.seal(FIELDS))


def test_an_unknown_key_opens_nothing_and_says_nothing() -> None:
    with pytest.raises(SealBroken) as raised:
        Vault([OTHER]).unseal(Vault([NEW]).seal(FIELDS))

    assert str(raised.value) == "the stored credentials do not open with any known key"


def test_no_changed_bit_is_taken() -> None:
    vault = Vault([NEW])
    # Its base64 spells the last bits in several ways, so the bytes themselves are changed.
    sealed = base64.urlsafe_b64decode(vault.seal({"password": "open sesame"}))

    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            vault.unseal(base64.urlsafe_b64encode(changed))


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, "x" * 44], [NEW[:-1]]])
def test_a_vault_has_good_keys_or_none_is_made(keys: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Vault(keys)


# -- signed links -----------------------------------------------------------------------------


def test_a_signed_value_comes_back_and_fits_a_link() -> None:
    signer = Signer(SECRET, "unsubscribe")

    signed = signer.sign("msg_1/ada@example.com?x=ü")

    assert signer.find_value(signed) == "msg_1/ada@example.com?x=ü"
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", signed)


@pytest.mark.parametrize("other", [Signer(SECRET, "key-form"), Signer(SECRET + "!", "unsubscribe")])
def test_another_kind_of_link_or_another_server_is_not_taken(other: Signer) -> None:
    assert Signer(SECRET, "unsubscribe").find_value(other.sign("msg_1")) is None


def test_no_changed_character_is_taken() -> None:
    signer = Signer(SECRET, "unsubscribe")
    signed = signer.sign("msg_1")

    for place, character in enumerate(signed):
        changed = signed[:place] + ("A" if character != "A" else "B") + signed[place + 1 :]
        found = signer.find_value(changed)
        # The last base64 character holds bits that no reader looks at.
        assert found is None or (place == len(signed) - 1 and found == "msg_1")


@pytest.mark.parametrize("text", ["", ".", "msg_1", "msg_1.", "x" * 10_000, "é.ü", "\0.\0"])
def test_no_made_up_text_is_taken(text: str) -> None:
    assert Signer(SECRET, "unsubscribe").find_value(text) is None


# -- passwords --------------------------------------------------------------------------------


def test_a_password_is_kept_as_argon2id_at_owasps_parameters() -> None:
    stored = crypto.hash_password("open sesame")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "open sesame" not in stored
    assert crypto.hash_password("open sesame") != stored


def test_only_the_password_itself_fits() -> None:
    stored = crypto.hash_password("open sesame")

    assert crypto.verify_password(stored, "open sesame")
    for wrong in ("", "open sesam", "open sesame ", "Open sesame", "open\0sesame", "é" * 1_024):
        assert not crypto.verify_password(stored, wrong)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=1,t=1,p=1$x", None])
def test_what_is_no_hash_fits_no_password(stored: str | None) -> None:
    assert not crypto.verify_password(stored, "open sesame")


def test_a_missing_account_takes_as_long_as_a_wrong_password() -> None:
    stored = crypto.hash_password("open sesame")

    def seconds(candidate: str | None) -> float:
        started = perf_counter()
        crypto.verify_password(candidate, "wrong")
        return perf_counter() - started

    pairs = [(seconds(stored), seconds(None)) for _ in range(9)]
    wrong, missing = (median(times) for times in zip(*pairs, strict=True))
    assert 0.5 < wrong / missing < 2


def test_a_hash_of_older_parameters_wants_a_new_one() -> None:
    older = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$VCXkAhP5cyZ9k7E3kSaBLQ"

    assert crypto.password_needs_rehash(older)
    assert not crypto.password_needs_rehash(crypto.hash_password("open sesame"))


# -- small ones -------------------------------------------------------------------------------


def test_new_secrets_are_long_and_never_the_same() -> None:
    made = {crypto.new_secret() for _ in range(10_000)}

    assert len(made) == 10_000
    assert {len(secret) for secret in made} == {43}


def test_secrets_are_compared_whole() -> None:
    assert crypto.is_same("ünïcode", "ünïcode")
    assert not crypto.is_same("a", "b")
    assert not crypto.is_same("a", "aa")


def test_a_secrets_hash_is_sha_256_in_hex() -> None:
    assert crypto.hash_secret("abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
