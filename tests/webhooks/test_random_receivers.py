"""Four simulated days with receivers that answer at random: nothing is lost or comes twice."""

from __future__ import annotations

import itertools
import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import pytest

from senderkit.domain import EventKind
from senderkit.services.connections import Source
from tests.fakes_http import Answer, Recorded, Trouble
from tests.fakes_http import FakeProvider as Receiver
from tests.make import Api, House
from tests.webhooks.conftest import believed, is_standard, listen, report, tell

MESSAGES: Final = 20
DAYS: Final = 4
CHANCES: Final = {"/well": 1.0, "/flaky": 0.3, "/bad": 0.1, "/dead": 0.0}
"""How likely each endpoint is to take what it is told."""

SUCCESSES: Final = (Answer(200), Answer(204), Answer(202, body=b"thanks", cut_at=2))
FAILURES: Final = (
    *(Answer(500), Answer(503, headers={"Retry-After": "1"}), Answer(404), Answer(301)),
    *(Trouble.LOSE_REPLY, Trouble.RESET, Trouble.RESET_BEFORE_BODY),
)


@dataclass
class Witness:
    """Answers at random, and keeps what each delivery was and whether it was taken."""

    house: House
    secrets: dict[str, str] = field(default_factory=dict)
    seen: dict[str, list[tuple[str, str, bytes]]] = field(default_factory=lambda: defaultdict(list))
    taken: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Recorded) -> Answer | Trouble:
        with self.lock:
            delivery_id = request.headers["x-senderkit-delivery"]
            event_id = request.headers["webhook-id"]
            self._check(request, delivery_id, event_id)
            if self.chance.random() < CHANCES[request.path]:
                self.taken.add(delivery_id)
                return self.chance.choice(SUCCESSES)
            return self.chance.choice(FAILURES)

    def _check(self, request: Recorded, delivery_id: str, event_id: str) -> None:
        now, secret = self.house.clock(), self.secrets[request.path]
        if delivery_id in self.taken:
            self.complaints.append(f"{delivery_id} came again after a 2xx")
        if believed(request, secret, now).id != event_id or not is_standard(request, secret, now):
            self.complaints.append(f"{delivery_id} is not signed as it should be")
        self.seen[delivery_id].append((request.path, event_id, request.body))


@pytest.fixture
def witness(house: House, receiver: Receiver) -> Witness:
    witness = Witness(house)
    for path in CHANCES:
        receiver.answer(f"POST {path}", witness.answer)
        witness.secrets[path] = listen(house, receiver.url + path).secret
    return witness


def next_due(house: House) -> datetime | None:
    [[moment]] = house.rows("SELECT min(due_at) FROM webhook_deliveries")
    if isinstance(moment, int):
        return datetime.fromtimestamp(moment / 1e6, tz=house.clock().tzinfo)
    found: datetime | None = moment
    return found


def turn_to(house: House, moment: datetime) -> None:
    """Turn the clock, and make every call that comes due on the way."""
    while (due := next_due(house)) is not None and due <= moment:
        house.clock.now = max(house.clock(), due + timedelta(milliseconds=1))
        tell(house)
    house.clock.now = max(house.clock(), moment)


@pytest.mark.timeout(300)
def test_every_event_is_delivered_or_visibly_given_up_and_none_comes_after_a_2xx(
    house: House, api: Api, source: Source, witness: Witness
) -> None:
    began = house.clock()
    step = timedelta(days=DAYS) / MESSAGES
    for number in range(MESSAGES):
        message_id = api.send()
        house.deliver()
        if number % 2:
            report(house, source, message_id, EventKind.DELIVERED)
        turn_to(house, began + (number + 1) * step)
    turn_to(house, house.clock() + timedelta(days=DAYS))

    events = MESSAGES + MESSAGES // 2
    rows = house.rows(
        "SELECT d.public_id, d.state, d.attempts, d.reason, e.public_id "
        "FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id"
    )
    assert witness.complaints == []
    assert len(rows) == events * len(CHANCES)
    outcomes = {row[0]: row[1] for row in rows}
    assert {id_ for id_, state in outcomes.items() if state == "delivered"} == witness.taken
    assert set(outcomes.values()) == {"delivered", "given_up"}
    assert all(row[3] for row in rows if row[1] == "given_up")
    assert all(row[2] <= 10 for row in rows)
    _check_ids(witness, {row[0]: row[4] for row in rows})


def _check_ids(witness: Witness, event_of: dict[str, str]) -> None:
    """The same event, address and body with every try of a delivery, and no two alike."""
    for delivery_id, tries in witness.seen.items():
        assert len(set(tries)) == 1, delivery_id
        assert tries[0][1] == event_of[delivery_id]
    told = [tries[0][:2] for tries in witness.seen.values()]
    assert len(told) == len(set(told))
    bodies = defaultdict(set)
    for _, event_id, body in itertools.chain.from_iterable(witness.seen.values()):
        bodies[event_id].add(body)
    assert {len(each) for each in bodies.values()} == {1}
