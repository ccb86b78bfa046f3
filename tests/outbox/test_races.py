"""Many at once, in threads: cancel against claim, and the order of changes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import pytest

from senderkit.errors import NotCancelable
from senderkit.services import delivery
from tests.conftest import MakeApp
from tests.make import Api, FakeClock, House, wait_until
from tests.outbox.conftest import FakeProvider, connect, text_message

RACES: Final = 1_000
AT_ONCE: Final = 20


def run_together(*jobs: Callable[[], object]) -> None:
    """Run each in a thread of its own, all started at the same moment."""
    barrier = threading.Barrier(len(jobs))
    faults: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        barrier.wait()
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - raised again in the test
            faults.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def send_together(house: House, token: str, count: int) -> list[str]:
    """Send SMS from as many threads, so that they are committed together; in the order of ids."""
    with ThreadPoolExecutor(count) as threads:
        apis = [Api(house.app.test_client(), token) for _ in range(count)]
        return sorted(threads.map(lambda api: api.send(**text_message()), apis))


@pytest.mark.timeout(600)
def test_nothing_that_was_answered_canceled_is_seen_by_a_provider(
    house: House, sms: FakeProvider
) -> None:
    """0 in 1,000: fewer than 3 in 1,000, with 95 % confidence."""
    connect(house, sms.name)
    token = house.token("live")
    outcomes: Counter[str] = Counter()
    canceled: set[str] = set()

    def cancel(message_id: str) -> None:
        try:
            delivery.cancel(
                house.runtime.engine, 1, True, message_id, now=house.clock(), by="key_1"
            )
        except NotCancelable:
            outcomes["sent"] += 1
        else:
            outcomes["canceled"] += 1
            canceled.add(message_id)

    def cancel_all(message_ids: list[str]) -> None:
        for message_id in message_ids:
            cancel(message_id)

    for _ in range(RACES // AT_ONCE):
        sent = send_together(house, token, AT_ONCE)
        halves = (sent[: AT_ONCE // 2], sent[AT_ONCE // 2 :])
        run_together(house.deliver, *(partial(cancel_all, half) for half in halves))

    seen = [outgoing.message_id for outgoing in sms.seen]
    assert canceled.isdisjoint(seen)
    assert len(seen) == len(set(seen)) == RACES - len(canceled)
    assert min(outcomes["sent"], outcomes["canceled"]) > 20, f"no race to speak of: {outcomes}"
    statuses = dict(house.rows("SELECT status, count(*) FROM messages GROUP BY status"))
    assert statuses == {"canceled": len(canceled), "sent": len(seen)}


def test_a_follower_of_the_change_sequence_misses_nothing(
    house: House, make_app: MakeApp, clock: FakeClock
) -> None:
    """Writers of two processes at once; whoever reads up to n never meets a smaller one later."""
    houses = [house, House(make_app(), clock)]
    are_done = threading.Event()
    followed: list[int] = []

    def follow() -> None:
        while True:
            is_last = are_done.is_set()
            last = followed[-1] if followed else 0
            rows = house.rows(
                "SELECT change_seq FROM timeline_entries WHERE change_seq > :last "
                "ORDER BY change_seq",
                last=last,
            )
            followed.extend(row[0] for row in rows)
            if is_last:
                return

    def send(one: House) -> None:
        api = one.api()
        for _ in range(30):
            api.send()

    def deliver(one: House) -> None:
        for _ in range(10):
            one.deliver()

    follower = threading.Thread(target=follow)
    follower.start()
    jobs = [partial(work, one) for one in houses for work in (send, send, deliver)]
    run_together(*jobs)
    house.deliver()
    are_done.set()
    follower.join()

    rows = house.rows("SELECT change_seq FROM timeline_entries ORDER BY change_seq")
    assert followed == [row[0] for row in rows]
    assert len(followed) == 4 * 30 * 4


def test_two_processes_share_the_work_and_send_each_message_once(
    house: House, sms: FakeProvider, make_app: MakeApp, clock: FakeClock
) -> None:
    connect(house, sms.name)
    other = House(make_app(), clock)
    api = house.api("live")
    sent = [api.send(**text_message()) for _ in range(100)]
    for one in (house, other):
        one.runtime.dispatcher.start()
    wait_until(
        lambda: house.rows("SELECT count(*) FROM messages WHERE status = 'sent'") == [(100,)]
    )

    assert sorted(outgoing.message_id for outgoing in sms.seen) == sorted(sent)
