"""How request bodies are taken in: what is slow, cut or too much at once. No socket is needed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from senderkit.errors import InvalidRequest, ServiceUnavailable
from senderkit.web.intake import Intake, Taken

MIB: Final = 1024 * 1024
Scenario = Callable[[Intake], Awaitable[None]]


@dataclass
class Scope:
    """What granian tells of a request before its body."""

    headers: dict[str, str]
    path: str = "/v1/send"


@dataclass
class Body:
    """A body as granian hands it out: parts, then an empty one; `fault` puts one in between."""

    parts: Iterable[bytes] = ()
    pause_seconds: float = 0.0
    fault: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            await asyncio.sleep(self.pause_seconds)
            yield part
        for _ in range(2 if self.fault else 1):
            yield b""


class NeverComes:
    def __aiter__(self) -> NeverComes:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError


def of_length(size: int, path: str = "/v1/send") -> Scope:
    return Scope({"content-length": str(size)}, path)


def run(scenario: Scenario, *, is_known: bool = True, **bounds: Any) -> None:
    async def knows_key(_authorization: str) -> bool:
        return is_known

    async def main() -> None:
        await scenario(Intake(asyncio.get_running_loop(), knows_key, **bounds))

    asyncio.run(main())


def test_a_body_is_put_together() -> None:
    async def scenario(intake: Intake) -> None:
        assert await intake.take(of_length(3), Body([b"a", b"bc"])) == Taken(b"abc")
        assert await intake.take(Scope({}), Body()) == Taken(b"")
        chunked = await intake.take(Scope({"transfer-encoding": "chunked"}), Body([b"a", b"bc"]))
        assert chunked.body == b"abc"

    run(scenario)


def test_a_body_that_ends_early_is_a_fault() -> None:
    async def scenario(intake: Intake) -> None:
        for scope, body in (
            (of_length(3), Body([b"ab"])),
            (of_length(2), Body([b"ab"], fault=True)),
            (Scope({"transfer-encoding": "chunked"}), Body([b"{}"], fault=True)),
        ):
            taken = await intake.take(scope, body)
            assert isinstance(taken.fault, InvalidRequest)
            assert taken.body == b""

    run(scenario)


def test_a_body_that_never_comes_is_given_up() -> None:
    async def scenario(intake: Intake) -> None:
        taken = await asyncio.wait_for(intake.take(of_length(3), NeverComes()), timeout=10)
        assert isinstance(taken.fault, InvalidRequest)
        assert "in time" in taken.fault.message
        # The task goes on as if nothing had been.
        await asyncio.sleep(0)
        assert (await intake.take(of_length(1), Body([b"a"]))).body == b"a"

    run(scenario, grace_seconds=0.02, sweep_seconds=0.01)


def test_a_body_that_drips_is_given_up_and_one_that_flows_is_not() -> None:
    async def scenario(intake: Intake) -> None:
        dripping = Body([b"x"] * 1000, pause_seconds=0.005)
        flowing = Body([b"x" * 16 * 1024] * 20, pause_seconds=0.005)
        drip, flow = await asyncio.gather(
            intake.take(of_length(1000), dripping),
            intake.take(of_length(20 * 16 * 1024), flowing),
        )
        assert isinstance(drip.fault, InvalidRequest)
        assert len(flow.body) == 20 * 16 * 1024

    run(scenario, grace_seconds=0.05, sweep_seconds=0.01)


def test_large_bodies_wait_for_room_in_turn_and_small_ones_do_not() -> None:
    async def scenario(intake: Intake) -> None:
        order: list[str] = []

        async def take(name: str, size: int) -> Taken:
            taken = await intake.take(of_length(size), Body([b"x" * size]))
            order.append(name)
            return taken

        first = await take("first", MIB)
        second = asyncio.create_task(take("second", MIB))
        third = asyncio.create_task(take("third", 100_000))
        await take("small", 1000)
        assert not second.done()
        assert not third.done()
        intake.give_back(first)
        intake.give_back(await second)
        intake.give_back(await third)
        assert order == ["first", "small", "second", "third"]

    run(scenario, room_bytes=MIB)


def test_who_waits_too_long_for_room_is_told_to_come_again() -> None:
    async def scenario(intake: Intake) -> None:
        first = await intake.take(of_length(MIB), Body([b"x" * MIB]))
        taken = await intake.take(of_length(MIB), Body([b"x" * MIB]))
        assert isinstance(taken.fault, ServiceUnavailable)
        intake.give_back(taken)
        intake.give_back(first)
        again = await intake.take(of_length(MIB), Body([b"x" * MIB]))
        assert len(again.body) == MIB

    run(scenario, room_bytes=MIB, wait_seconds=0.02)


def test_a_large_body_without_a_key_takes_no_room() -> None:
    async def scenario(intake: Intake) -> None:
        taken = await intake.take(of_length(MIB), NeverComes())
        assert taken.fault is not None
        assert taken.reserved == 0
        form = await intake.take(of_length(MIB, "/login"), Body([b"x" * MIB]))
        assert len(form.body) == MIB

    run(scenario, is_known=False)


def test_a_refused_body_is_read_to_its_end_and_dropped() -> None:
    async def scenario(intake: Intake) -> None:
        left = iter([b"x" * 1000] * 100)
        taken = await intake.take(of_length(100_000), Body(left))
        assert (taken.fault is not None, taken.body, list(left)) == (True, b"", [])

    run(scenario, is_known=False)


def test_a_refused_body_is_not_read_for_ever() -> None:
    async def scenario(intake: Intake) -> None:
        dripping = Body(iter([b"x"] * 100_000), pause_seconds=0.005)
        endless = Body(itertools.repeat(b"x" * MIB))
        await asyncio.wait_for(intake.take(of_length(100_000), dripping), timeout=10)
        await asyncio.wait_for(intake.take(of_length(100_000), endless), timeout=10)

    run(scenario, is_known=False, discard_seconds=0.05)


def test_who_asks_before_sending_is_answered_at_once() -> None:
    async def scenario(intake: Intake) -> None:
        scope = of_length(100_000)
        scope.headers["expect"] = "100-continue"
        left = iter([b"x"])
        taken = await intake.take(scope, Body(left))
        assert (taken.fault is not None, list(left)) == (True, [b"x"])

    run(scenario, is_known=False)


def test_a_chunked_body_is_small_until_it_is_not() -> None:
    async def scenario(intake: Intake) -> None:
        scope = Scope({"transfer-encoding": "chunked"})
        small = await intake.take(scope, Body([b"x" * 1000] * 60))
        assert (len(small.body), small.reserved) == (60_000, 0)
        large = await intake.take(scope, Body([b"x" * 1000] * 70))
        assert (large.body, large.reserved) == (b"", 0)
        assert large.fault is not None

    run(scenario, is_known=False)


def test_a_large_chunked_body_reserves_all_it_may_become() -> None:
    async def scenario(intake: Intake) -> None:
        scope = Scope({"transfer-encoding": "chunked"})
        taken = await intake.take(scope, Body([b"x" * 1000] * 70))
        assert (len(taken.body), taken.reserved) == (70_000, 25 * MIB)

    run(scenario)
