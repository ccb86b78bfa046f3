"""`senderkit admin keys mint`: a key for a server that does not exist yet."""

from __future__ import annotations

import re

import pytest

from senderkit.domain import Mode
from senderkit.keys import hash_token, is_well_formed, mode_of
from senderkit.seed_keys import SeedKey, declaration_of, parse_seed_keys
from tests.cli.conftest import Shell

LINES = re.compile(r"SENDERKIT_API_KEY=(\S+)\nSENDERKIT_SEED_KEYS=(.+)\n")


def test_mint_prints_the_token_and_its_declaration_and_keeps_neither(new_shell: Shell) -> None:
    more = ("--scope", "send", "--scope", "read")

    printed = new_shell.does("admin", "keys", "mint", "--name", "ci", "--mode", "test", *more)

    found = LINES.fullmatch(printed)
    assert found
    token, declaration = found.groups()
    assert is_well_formed(token)
    assert mode_of(token) is Mode.TEST
    expected = SeedKey("ci", Mode.TEST, hash_token(token), token[-4:], ("read", "send"))
    assert parse_seed_keys(declaration) == (expected,)
    assert not new_shell.data_dir.exists()


@pytest.mark.parametrize("name", ["a:b", "a,b", "a#b", "$HOME", "'a'", "a=b"])
def test_a_name_that_a_declaration_cannot_hold_is_refused(new_shell: Shell, name: str) -> None:
    seed = SeedKey(name, Mode.TEST, "0" * 64, "aB3z", ())

    with pytest.raises(ValueError, match="letters, digits, spaces"):
        declaration_of(seed)


def test_a_refused_name_is_said(new_shell: Shell) -> None:
    words = new_shell.fails("admin", "keys", "mint", "--name", "a:b", "--mode", "live")

    assert words == "name: may hold letters, digits, spaces and . _ - only."


@pytest.mark.parametrize("scopes", [(), ("read",), ("read", "send", "cancel")])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_declaration_is_read_back_as_it_was(mode: Mode, scopes: tuple[str, ...]) -> None:
    seed = SeedKey("Shop backend 2", mode, "0af" * 21 + "0", "aB3z", scopes)

    assert parse_seed_keys(declaration_of(seed)) == (seed,)
