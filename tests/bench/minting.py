"""Keys: none may ever come twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from senderkit import keys
from senderkit.domain import Mode
from tests.bench.houses import Grounds
from tests.bench.measures import Figure, Options, seconds_of

_KEYS: Final = 1_000_000


def mint_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """A million keys of one mode, all different. Raises when two are equal."""
    del options, grounds
    minted: set[str] = set()
    seconds = seconds_of(lambda: minted.update(keys.mint(Mode.LIVE).token for _ in range(_KEYS)))
    if len(minted) != _KEYS:
        raise RuntimeError(f"{_KEYS - len(minted)} keys came twice")
    yield Figure(f"{_KEYS:,} keys minted, all different", "keys/s", (_KEYS / seconds,))
