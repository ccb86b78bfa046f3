"""Requests that wait at the same time share the read of their key, and none gets an older one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from senderkit.web.key_reads import Found, KeyReads

Scenario = Callable[[KeyReads], Awaitable[None]]


class Readings:
    """What reads a key: it notes each header, and waits in the first read until `go_on`."""

    def __init__(self) -> None:
        self.headers: list[str] = []
        self.has_begun = threading.Event()
        self.go_on = threading.Event()

    def find(self, header: str) -> Found:
        self.headers.append(header)
        self.has_begun.set()
        assert self.go_on.wait(10)
        return None


def play(readings: Readings, scenario: Scenario) -> None:
    async def run() -> None:
        keys = KeyReads(readings.find, asyncio.get_running_loop())
        await scenario(keys)
        keys.close()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_who_comes_during_a_read_shares_the_next_one() -> None:
    readings = Readings()

    async def scenario(keys: KeyReads) -> None:
        futures = [keys.read("one")]
        assert readings.has_begun.wait(10)
        futures += [keys.read(header) for header in ("one", "one", "two", "one")]
        readings.go_on.set()
        assert await asyncio.gather(*futures) == [None] * 5

    play(readings, scenario)
    assert readings.headers == ["one", "one", "two"]


def test_who_has_gone_away_does_not_disturb_the_others() -> None:
    readings = Readings()

    async def scenario(keys: KeyReads) -> None:
        gone, waiting = keys.read("one"), keys.read("one")
        gone.cancel()
        readings.go_on.set()
        assert await waiting is None

    play(readings, scenario)
