"""A clock for tests in which tokens run out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tests.providers.conftest import NOON

FOUR_WEEKS_ON: Final = str(int(NOON.timestamp()) + 2_419_200)
"""When a message that is handed over at noon runs out, in Unix seconds."""


class Watch:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now
