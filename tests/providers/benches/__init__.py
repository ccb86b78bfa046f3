"""The bench of every registered provider, each in a file named like its provider."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from senderkit.providers import PROVIDERS
from tests.providers.benches.base import Bench

BENCHES: Final[dict[str, type[Bench]]] = {
    name: import_module(f"tests.providers.benches.{name}").BENCH for name in PROVIDERS
}
