"""API keys: how they are minted and what they look like.

`SENDERKIT_TEST_THOROUGH=1` mints a million of them.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import string
import zlib
from collections import Counter
from typing import Final

import pytest

from senderkit import keys
from senderkit.domain import Mode
from tests.make import one_character_edits

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
MINTED: Final = 1_000_000 if os.environ.get("SENDERKIT_TEST_THOROUGH") else 100_000
EDITS: Final = 100_000


def base62(number: int, width: int) -> str:
    """Written once more, by another way than the code's."""
    return "".join(ALPHABET[number // 62**place % 62] for place in reversed(range(width)))


def test_a_token_is_prefix_random_and_checksum() -> None:
    for mode, prefix in ((Mode.LIVE, "sk_live_"), (Mode.TEST, "sk_test_")):
        minted = keys.mint(mode)
        body, checksum = minted.token[:-6], minted.token[-6:]
        assert len(minted.token) == 57
        assert body.startswith(prefix)
        assert set(body[8:]) <= set(ALPHABET)
        assert checksum == base62(zlib.crc32(body.encode()), 6)
        assert (minted.prefix, minted.last_four) == (prefix, minted.token[-4:])
        assert minted.token_hash == hashlib.sha256(minted.token.encode()).hexdigest()
        assert keys.mode_of(minted.token) is mode
        assert keys.prefix_of(mode) == prefix


def test_the_widest_checksum_and_random_part_fit() -> None:
    assert 62**6 > 2**32
    assert 62**43 > 2**256 > 62**42


def test_a_minted_key_does_not_show_its_token() -> None:
    minted = keys.mint(Mode.TEST)
    assert minted.token not in repr(minted)
    assert minted.token[8:20] not in repr(minted)


def test_tokens_never_repeat_and_use_the_whole_alphabet_evenly() -> None:
    """0 repeats in n: with 256 random bits the chance of one is below n² / 2²⁵⁷."""
    tokens = {keys.mint(Mode.TEST).token for _ in range(MINTED)}
    assert len(tokens) == MINTED
    # The last 42 characters of the random part are uniform to within 62^42 / 2^256 < 1 in 2^5.
    counts = Counter(itertools.chain.from_iterable(token[9:51] for token in tokens))
    assert set(counts) == set(ALPHABET)
    mean = MINTED * 42 / 62
    assert max(abs(count - mean) for count in counts.values()) < 0.02 * mean


def test_every_bit_of_the_random_part_is_random() -> None:
    """Each of the 256 bits is 1 in about half of the tokens (6 sigma)."""
    sample = 4_000
    ones = [0] * 256
    for _ in range(sample):
        number = 0
        for character in keys.mint(Mode.LIVE).token[8:51]:
            number = number * 62 + ALPHABET.index(character)
        assert number < 2**256
        for bit in range(256):
            ones[bit] += number >> bit & 1
    assert all(abs(count - sample / 2) < 6 * (sample / 4) ** 0.5 for count in ones)


def test_every_one_character_edit_is_refused_by_the_checksum() -> None:
    """Replaced, left out, put in, swapped: a CRC-32 finds each change of up to 32 bits in a row."""
    edits = 0
    while edits < EDITS:
        token = keys.mint(Mode.TEST if edits % 2 else Mode.LIVE).token
        for edited in one_character_edits(token):
            edits += 1
            assert not keys.is_well_formed(edited), edited
    assert edits >= EDITS


@pytest.mark.parametrize(
    "change",
    [
        *("", " {}", "{} ", "{}\n", "\n{}", "{}\0", "Bearer {}", "{}{}", '"{}"', "{}\u00e9"),
        *("{}\u0660", "\uff33{}"),
    ],
)
def test_anything_around_a_token_makes_it_another_text(change: str) -> None:
    token = keys.mint(Mode.TEST).token
    assert keys.is_well_formed(token)
    assert not keys.is_well_formed(change.replace("{}", token))


def test_the_other_mode_s_prefix_breaks_the_checksum() -> None:
    token = keys.mint(Mode.TEST).token
    assert not keys.is_well_formed(token.replace("sk_test_", "sk_live_"))


def test_the_published_pattern_finds_planted_keys_and_the_checksum_confirms_them() -> None:
    planted = [keys.mint(mode).token for mode in Mode for _ in range(500)]
    around = ("export KEY='{}'\n", '{{"key":"{}"}}', "Authorization: Bearer {}\r\n", "# {}, old\n")
    text = "".join(
        template.format(token)
        for template, token in zip(itertools.cycle(around), planted, strict=False)
    )
    found = re.findall(keys.TOKEN_PATTERN, text)
    assert found == planted
    assert all(map(keys.is_well_formed, found))
