"""Followers of the change sequence: each change once, whatever fails and whoever else follows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from sqlalchemy import Connection, insert, select, text

from senderkit.database import open_engine
from senderkit.followers import Followers, Span, Write
from senderkit.metrics import Metrics
from senderkit.models import ChangeFollower
from senderkit.web.metrics import StateCollector
from senderkit.web.runtime import attach
from tests.figures import figures
from tests.make import House, wait_until


class Reader:
    """A follower that remembers what it was given, unless it is told to fail."""

    def __init__(self, name: str = "reader") -> None:
        self.name = name
        self.spans: list[Span] = []
        self.fails = False

    def follow(self, reader: Connection, span: Span) -> Write:
        def write(connection: Connection) -> None:
            if self.fails:
                connection.execute(insert(ChangeFollower), {"name": "half-done", "position": 1})
                raise RuntimeError("no")
            self.spans.append(span)

        return write

    @property
    def numbers(self) -> list[int]:
        return [number for span in self.spans for number in range(span.after + 1, span.last + 1)]


def newest(house: House) -> int:
    number: int = house.rows("SELECT value FROM change_counter")[0][0]
    return number


def test_it_takes_in_each_change_once_from_the_first_on(house: House) -> None:
    api = house.api()
    for _ in range(5):
        api.send()
    house.deliver()
    reader = Reader()
    followers = Followers(house.runtime.engine, [reader], span=3)

    followers.catch_up()
    api.send()
    followers.catch_up()
    followers.catch_up()

    assert reader.numbers == list(range(1, newest(house) + 1))
    assert max(span.last - span.after for span in reader.spans) == 3


def test_a_follower_that_fails_keeps_its_place_and_leaves_nothing(house: House) -> None:
    house.api().send()
    reader = Reader()
    followers = Followers(house.runtime.engine, [reader])
    reader.fails = True
    with pytest.raises(RuntimeError):
        followers.catch_up()
    assert house.rows("SELECT name FROM change_followers") == []

    reader.fails = False
    followers.catch_up()

    assert reader.numbers == list(range(1, newest(house) + 1))


def test_one_that_fails_does_not_keep_the_others(house: House) -> None:
    house.api().send()
    broken, sound = Reader("broken"), Reader("sound")
    broken.fails = True
    followers = Followers(house.runtime.engine, [broken, sound])

    followers.start()
    wait_until(lambda: sound.numbers)
    followers.close()

    assert followers.lags() == {"broken": newest(house), "sound": 0}


def test_one_that_is_behind_is_told_and_leaves_readyz_green(house: House) -> None:
    broken, metrics = Reader("broken"), Metrics()
    broken.fails = True
    followers = Followers(house.runtime.engine, [broken])
    at_hand = replace(house.runtime, followers=followers, metrics=metrics)
    metrics.add(StateCollector(at_hand))
    attach(house.app, at_hand)
    at_hand.start()
    house.api().send()

    def is_told() -> bool:  # the message is being delivered meanwhile
        house.clock.advance(seconds=1)  # so that the database is asked again
        told = figures(house).value("follower_lag_changes", follower="broken")
        return told == newest(house) > 0

    wait_until(is_told)
    assert house.anonymous().get("/readyz").status_code == 200
    followers.close()


class Halting(Reader):
    """One that takes in its first span only."""

    def follow(self, reader: Connection, span: Span) -> Write:
        self.fails = bool(self.spans)
        return super().follow(reader, span)


class Overtaken(Reader):
    """One that another process overtakes while it reads."""

    def __init__(self, other: Followers) -> None:
        super().__init__()
        self._other = other

    def follow(self, reader: Connection, span: Span) -> Write:
        with suppress(RuntimeError):
            self._other.catch_up()
        return super().follow(reader, span)


def test_one_that_is_overtaken_while_it_reads_writes_nothing(house: House) -> None:
    house.api().send()
    faster = Reader()
    slower = Overtaken(Followers(house.runtime.engine, [faster]))

    Followers(house.runtime.engine, [slower]).catch_up()

    assert slower.spans == []
    assert faster.numbers == list(range(1, newest(house) + 1))


def test_what_an_overtaker_left_is_taken_in_as_well(house: House) -> None:
    house.api().send()
    house.deliver()
    faster = Halting()
    slower = Overtaken(Followers(house.runtime.engine, [faster], span=1))

    Followers(house.runtime.engine, [slower]).catch_up()

    assert faster.numbers == [1]
    assert slower.numbers == list(range(2, newest(house) + 1))


def test_two_processes_take_in_each_change_once(house: House, database_url: str) -> None:
    api = house.api()
    for _ in range(30):
        api.send()
    engines = [open_engine(database_url) for _ in range(2)]
    readers, start = [Reader(), Reader()], Barrier(2)

    def follow(place: int) -> None:
        followers = Followers(engines[place], [readers[place]], span=4)
        with engines[place].connect() as connection:
            connection.execute(select(text("1")))
        start.wait()
        followers.catch_up()

    threads = [Thread(target=follow, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()

    taken = sorted(readers[0].numbers + readers[1].numbers)
    assert taken == list(range(1, newest(house) + 1))
