"""Rollups against a recount of the messages: whatever happens, and however its changes are cut."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import select

from senderkit.domain import (
    Channel,
    EventKind,
    Facet,
    Grain,
    MessageStatus,
    Outgoing,
    ProviderEvent,
    Receipt,
)
from senderkit.errors import (
    AccountBroken,
    NotCancelable,
    OutcomeUnknown,
    Refused,
    Suppressed,
    Unavailable,
)
from senderkit.followers import Followers
from senderkit.models import (
    FailureReason,
    FailureRollup,
    Message,
    MessageFailure,
    Rollup,
    RollupCell,
    TimelineEntry,
)
from senderkit.services import delivery, histograms, suppressions
from senderkit.services import events as event_service
from senderkit.services.connections import Source
from senderkit.services.histograms import bucket_of
from senderkit.services.reasons import reason_of
from senderkit.services.rollup_folds import Step, fold
from senderkit.services.rollups import Rollups
from tests.conftest import RegisterProvider
from tests.make import START, Api, House
from tests.outbox.conftest import connect, fake_provider, in_turn

SIMULATOR: Final = "simulator.senderkit.test"
WORDS: Final = ("ada", "failed", "opted-out", "suppressed", "delayed")
_TAKEN: Final = {"sent", "delivered"}

Count = tuple[Any, ...]
"""Workspace, live or not, facet, its traits, grain, when it starts, what is counted."""


def read(house: House, statement: Any) -> list[Any]:
    with house.runtime.reader.connect() as connection:
        return list(connection.execute(statement))


# -- the recount ------------------------------------------------------------------------------


def facets(row: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
    traits = (row.channel, row.template_slug, row.provider, row.api_key_id)
    yield Facet.ALL.value, (None, None, None, None)
    for place, facet in enumerate((Facet.CHANNEL, Facet.TEMPLATE, Facet.PROVIDER, Facet.KEY)):
        alone: list[Any] = [None] * 4
        alone[place] = traits[place]
        yield facet.value, tuple(alone)
    yield Facet.FULL.value, traits


def places(row: Any) -> Iterator[Count]:
    hour = row.created_at.replace(minute=0, second=0, microsecond=0)
    for facet, traits in facets(row):
        room = (row.workspace_id, row.livemode, facet, *traits)
        yield (*room, Grain.HOUR.value, hour)
        yield (*room, Grain.DAY.value, hour.replace(hour=0))


def counted_as(row: Any, delivered: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """What one message adds to the counts, by its own columns."""
    yield "status", row.status
    if row.scheduled_at is None and row.status in _TAKEN:
        yield "handed_over", bucket_of(row.latency_ms)
    if row.scheduled_at is None and row.status == "delivered":
        took = (delivered[row.id] - row.created_at) // timedelta(milliseconds=1)
        yield "arrived", bucket_of(max(0, took))
    if row.status == "failed":
        yield "reason", reason_of(row.error).key


def recount(house: House) -> Counter[Count]:
    """Straight from the messages; only when one arrived is told by its timeline alone."""
    arrivals = select(TimelineEntry.message_id, TimelineEntry.at).where(
        TimelineEntry.event == "delivered"
    )
    delivered: dict[int, Any] = {}
    for message_id, at in read(house, arrivals.order_by(TimelineEntry.change_seq)):
        delivered.setdefault(message_id, at)
    return Counter(
        (*place, *what)
        for row in read(house, select(Message.__table__))
        for place in places(row)
        for what in counted_as(row, delivered)
    )


def stored(house: House) -> Counter[Count]:
    """The same from the rollups; what is nought is left out."""
    cells = {row.id: _cell(row) for row in read(house, select(RollupCell.__table__))}
    found: Counter[Count] = Counter()
    for row in read(house, select(Rollup.__table__)):
        place = (*cells[row.cell_id], row.grain, row.starts_at)
        for status in MessageStatus:
            found[(*place, "status", status.value)] = getattr(row, status.value)
        for name in ("handed_over", "arrived"):
            for bucket, number in histograms.loaded([getattr(row, name)]).items():
                found[(*place, name, bucket)] = number
    for row in read(house, select(FailureRollup.__table__)):
        place = (*cells[row.cell_id], row.grain, row.starts_at)
        found[(*place, "reason", row.reason_key)] = row.failed
    assert min(found.values(), default=0) >= 0
    return +found


def _cell(row: Any) -> tuple[Any, ...]:
    traits = (row.channel, row.template_slug, row.provider, row.api_key_id)
    return (row.workspace_id, row.livemode, row.facet, *traits)


def take_in(house: House, *, span: int = 1000) -> None:
    Followers(house.runtime.engine, [Rollups()], span=span).catch_up()


# -- random lives -----------------------------------------------------------------------------


@dataclass
class Traffic:
    """Random sends, faults, reports and interventions, from one seed."""

    house: House
    chance: random.Random
    sources: list[Source] = field(default_factory=list)
    live: list[tuple[Api, str]] = field(default_factory=list)

    def react(self, outgoing: Outgoing) -> Receipt:
        number = self.chance.randrange(1_000_000)
        faults: list[Exception] = [
            Unavailable(f"421 try again, {number}"),
            Refused(f"550 5.1.1 <{number}@example.com>: no such user"),
            Suppressed("On the provider's own list."),
            OutcomeUnknown("The connection was lost."),
            AccountBroken("535 5.7.8 wrong password"),
        ]
        if self.chance.random() < 0.5:
            return Receipt(f"their-{outgoing.message_id}")
        raise self.chance.choices(faults, (8, 4, 2, 4, 1))[0]

    def step(self, apis: dict[str, Api]) -> None:
        """One thing that may happen."""
        self.house.clock.advance(milliseconds=self.chance.choice([1, 30, 900, 70_000, 2_400_000]))
        choices = {
            self.send: 6,
            self.send_in_test_mode: 3,
            self.deliver: 8,
            self.report: 8,
            self.cancel: 2,
            self.unsubscribe: 1,
            self.release: 2,
        }
        self.chance.choices(list(choices), list(choices.values()))[0](apis)

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"template": "welcome"} if self.chance.random() < 0.5 else {}
        if self.chance.random() < 0.3:
            later = self.house.clock() + timedelta(minutes=self.chance.randrange(1, 90))
            body["scheduledAt"] = later.isoformat()
        return body

    def send(self, apis: dict[str, Api]) -> None:
        api = apis[self.chance.choice(["live", "other"])]
        to = f"ada{self.chance.randrange(8)}@example.com"
        self.live.append((api, api.send(to=to, **self._body())))

    def send_in_test_mode(self, apis: dict[str, Api]) -> None:
        apis["test"].send(to=f"{self.chance.choice(WORDS)}@{SIMULATOR}", **self._body())

    def deliver(self, _apis: dict[str, Api]) -> None:
        self.house.deliver()

    def report(self, _apis: dict[str, Api]) -> None:
        """Some events at once, by either provider, about anything, in any order."""
        if not self.live:
            return
        events = []
        for _ in range(self.chance.randrange(1, 5)):
            message_id = self.chance.choice(self.live)[1]
            at = self.house.clock() - timedelta(seconds=self.chance.randrange(-5, 4000))
            kind = self.chance.choices(list(EventKind), (8, 4, 1, 1, 2, 2))[0]
            said = f"5.1.1 {message_id} is not here" if kind is EventKind.FAILED else None
            events.append(ProviderEvent(kind, at, f"their-{message_id}", message_id, detail=said))
        source, now = self.chance.choice(self.sources), self.house.clock()
        event_service.apply_events(self.house.runtime.engine, source, events, now)

    def cancel(self, _apis: dict[str, Api]) -> None:
        if not self.live:
            return
        engine, now = self.house.runtime.engine, self.house.clock()
        _, message_id = self.chance.choice(self.live[-6:])
        try:
            delivery.cancel(engine, 1, True, message_id, now=now, by="mem_1")
        except NotCancelable:
            return

    def unsubscribe(self, _apis: dict[str, Api]) -> None:
        if self.live:
            engine, now = self.house.runtime.engine, self.house.clock()
            suppressions.unsubscribe(engine, self.chance.choice(self.live)[1], now=now)

    def release(self, _apis: dict[str, Api]) -> None:
        """Everything that is held, and nobody is suppressed any more."""
        engine, now = self.house.runtime.engine, self.house.clock()
        delivery.release_held(engine, 1, now=now, by="mem_1")
        self.house.write("DELETE FROM suppressions")


def traffic(house: House, register: RegisterProvider, seed: int) -> Traffic:
    made = Traffic(house, random.Random(seed))  # noqa: S311 - no secret
    for name in ("fake-one", "fake-two"):
        provider = register(fake_provider(name, made.react, channel=Channel.EMAIL))
        connection_id = connect(house, provider.name, name=name, is_default=name == "fake-one")
        made.sources.append(Source(1, Channel.EMAIL, connection_id, provider.name))
    house.template("welcome")
    return made


@pytest.mark.parametrize("seed", range(3))
def test_rollups_are_what_a_recount_says_whatever_happens(
    house: House, register: RegisterProvider, seed: int
) -> None:
    made = traffic(house, register, seed)
    apis = {"live": house.api("live"), "other": house.api("live"), "test": house.api()}
    for _ in range(3):
        for _ in range(30):
            made.step(apis)
        take_in(house, span=made.chance.choice([1, 2, 7, 1000]))
        assert stored(house) == recount(house)
    statuses = {row[0] for row in house.rows("SELECT DISTINCT status FROM messages")}
    assert statuses >= {"delivered", "failed", "sent"}


def test_what_came_before_the_follower_is_counted_too(house: House) -> None:
    api = house.api()
    for word in WORDS:
        api.send(to=f"{word}@{SIMULATOR}")
    house.clock.advance(seconds=1)
    house.deliver()
    take_in(house)
    assert stored(house) == recount(house)
    assert sum(recount(house).values()) > 0


def test_a_hundred_cuts_make_no_difference(house: House, register: RegisterProvider) -> None:
    made = traffic(house, register, 99)
    apis = {"live": house.api("live"), "other": house.api("live"), "test": house.api()}
    for _ in range(60):
        made.step(apis)
    take_in(house, span=1)
    once = stored(house)
    for table in ("message_failures", "failure_rollups", "rollups", "rollup_cells"):
        house.write(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    house.write("DELETE FROM change_followers")
    take_in(house)
    assert stored(house) == once == recount(house)


# -- one message ------------------------------------------------------------------------------


def steps(*words: str, **detail: Any) -> list[Step]:
    """One a second from `START`; `detail` belongs to the last."""
    return [
        Step(number, START + timedelta(seconds=number), word, detail if word == words[-1] else {})
        for number, word in enumerate(words, 1)
    ]


def standing(*words: str, **detail: Any) -> tuple[str | None, str | None]:
    """The status before and after the last step."""
    before, now = fold(START, steps(*words, **detail), after=len(words) - 1)
    return (before and before.status, now and now.status)


def test_a_message_is_not_there_before_its_first_step() -> None:
    assert standing("queued") == (None, "queued")


def test_what_arrives_after_it_was_given_up_stays_failed() -> None:
    assert standing("queued", "rendered", "in_doubt", "failed", "delivered") == ("failed", "failed")


def test_a_bounce_after_the_delivery_is_a_failure() -> None:
    assert standing("queued", "rendered", "sent", "delivered", "failed") == ("delivered", "failed")


def test_opting_out_ends_a_message_only_when_it_was_stopped_for_it() -> None:
    assert standing("queued", "rendered", "opted_out", by="recipient")[1] == "rendered"
    assert standing("queued", "opted_out", reason="The recipient has opted out.")[1] == "opted_out"


def test_steps_that_are_no_status_change_nothing() -> None:
    for word in ("retry", "failover", "in_doubt", "held", "opened", "clicked", "duplicate"):
        assert standing("queued", "rendered", word) == ("rendered", "rendered")


def test_the_provider_is_the_one_that_it_was_handed_to_last() -> None:
    begun = [Step(1, START, "queued", {}), Step(2, START, "dispatched", {"provider": "one"})]
    passed_on = Step(3, START, "failover", {"provider": "two"})
    again = Step(4, START, "dispatched", {"provider": "two"})
    before, now = fold(START, [*begun, passed_on, again], after=3)
    assert (before and before.provider, now and now.provider) == ("one", "two")


# -- failures ---------------------------------------------------------------------------------


def test_failures_are_kept_by_reason_with_the_newest_of_each(
    house: House, register: RegisterProvider
) -> None:
    """Whom a provider names makes no reason of its own."""

    def refuse(outgoing: Outgoing) -> Receipt:
        raise Refused(f"550 5.1.1 <{outgoing.recipient}>: no such user")

    provider = register(fake_provider("fake-mail", refuse, channel=Channel.EMAIL))
    connect(house, provider.name)
    api = house.api("live")
    for number in range(3):
        api.send(to=f"ada{number}@example.com")
        house.clock.advance(seconds=7)
        house.deliver()
        take_in(house)

    [words] = [row.words for row in read(house, select(FailureReason.__table__))]
    assert words == "550 5.1.1 <…>: no such user"
    newest = max(row.created_at for row in read(house, select(Message.__table__)))
    rows = read(house, select(FailureRollup.__table__))
    assert {(row.failed, row.newest_at) for row in rows} == {(3, newest)}
    kept = read(house, select(MessageFailure.message_id))
    assert len(kept) == 3


def test_the_newest_of_a_reason_stays_when_an_older_one_fails_later(
    house: House, register: RegisterProvider
) -> None:
    refused = Refused("550 5.1.1 no such user")
    react = in_turn(Unavailable("421 try again"), refused)
    connect(house, register(fake_provider("fake-mail", react, channel=Channel.EMAIL)).name)
    api = house.api("live")
    for _ in range(2):
        api.send()
        house.clock.advance(seconds=1)
        house.deliver()
    take_in(house)
    house.clock.advance(hours=1)
    house.deliver()
    take_in(house)

    newest = max(row.created_at for row in read(house, select(Message.__table__)))
    rows = read(house, select(FailureRollup.__table__))
    assert {(row.failed, row.newest_at) for row in rows} == {(2, newest)}


def reasons(texts: Iterable[str | None]) -> set[str]:
    return {reason_of(text).words for text in texts}


def test_what_differs_from_message_to_message_is_no_part_of_a_reason() -> None:
    assert reasons(
        f"550-5.1.1 <user{number}@mail{number}.example>: gone at 2026-11-2{number} 10:00:0{number},"
        f" queued as a1b2c3d4e5f{number}-20 from 203.0.113.{number}, https://x.example/{number}"
        f" (+1500555000{number})"
        for number in range(9)
    ) == {"550-5.1.1 <…>: gone at …, queued as … from … (…)"}


def test_codes_and_words_stay_in_a_reason() -> None:
    for text in (
        "550 5.1.1 User unknown in virtual-mailbox-table",
        "Twilio refused the number (21211).",
        "The template cannot be rendered: variable1 is missing",
    ):
        assert reason_of(text).words == text


def test_a_reason_is_short_and_never_missing() -> None:
    assert reason_of(None) == reason_of("")
    assert len(reason_of("no " * 1000).words) == 301
    assert len({reason_of(text).key for text in ("a", "b", None)}) == 3
