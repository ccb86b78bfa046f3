"""The dispatcher: claim -> render -> send -> record.

One thread turns: in one transaction it records what finished, begins what is prepared and claims
what there is room for; then it prepares what it claimed. The lanes' threads do nothing but talk to
providers. A test message is simulated in the one thread and never becomes work for a provider.

Whatever one message stirs up ends that message alone. What goes wrong with the database is tried
again: a result stays in memory until it is recorded, a message that was claimed and not begun is
given back. `run_once` does all that is due now without the loop.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import Connection, Engine

from senderkit import outbox
from senderkit.calls import Calls, Result
from senderkit.database import is_outage, single_reads
from senderkit.domain import Channel, Clock, MessageStatus
from senderkit.errors import AccountBroken
from senderkit.metrics import Metrics
from senderkit.outbox import Claim, Place
from senderkit.services import connections as connection_service
from senderkit.services import delivery, steps
from senderkit.services.breakers import Breakers
from senderkit.services.connections import Route
from senderkit.services.preparing import Call, Preparing
from senderkit.services.rounds import Past, RoundOver
from senderkit.services.steps import Change
from senderkit.services.verdicts import (
    Policy,
    find_end_by_crash,
    is_answer,
    is_fault,
    not_understood,
    round_over,
    verdict,
)

_log = structlog.get_logger(__name__)

RETRY_DELAYS_SECONDS: Final = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
_JITTER: Final = 0.2
_LONGEST_HINT_SECONDS: Final = 24 * 3600
_BATCH: Final = 100
_LEASE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 1.0
_SHORTEST_WAIT_SECONDS: Final = 0.01
_PREPARING_SECONDS: Final = 2.0
_STALLED_SECONDS: Final = 20.0
_DRAIN_SECONDS: Final = 25.0


def retry_delay(
    tries: int, hint_seconds: float | None, uniform: Callable[[float, float], float]
) -> float | None:
    """Seconds until the next round after `tries` of them failed, or None to give up.

    The provider's hint wins over the table; without one, a jitter of 20 % spreads the retries.
    """
    if tries > len(RETRY_DELAYS_SECONDS):
        return None
    if hint_seconds is not None:
        return min(max(1.0, hint_seconds), float(_LONGEST_HINT_SECONDS))
    delay = RETRY_DELAYS_SECONDS[tries - 1]
    return delay * uniform(1 - _JITTER, 1 + _JITTER)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to be committed about a claimed message: its end, or that its call begins."""

    claim: Claim
    change: Change
    call: Call | None = None


class Dispatcher:
    """Delivers what is due, by `calls`, which nobody else begins.

    `on_changes` is called after each commit of changes: webhooks may have something to tell.
    """

    def __init__(
        self,
        engine: Engine,
        preparing: Preparing,
        calls: Calls,
        breakers: Breakers,
        clock: Clock,
        metrics: Metrics,
        *,
        repeats_in_doubt: Set[Channel] = frozenset(Channel),
        on_changes: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._reader = single_reads(engine)
        self._preparing = preparing
        self._breakers = breakers
        self._clock = clock
        self._room = 2 * calls.workers
        self._metrics = metrics
        self._calls = calls
        self._finished: list[Result] = []
        self._prepared: list[_Step] = []
        self._unprepared: dict[int, str] = {}
        self._is_passed_on = False
        self._renewed_at = clock()
        self._alive_at = clock()
        self._is_stopping = False
        self._on_changes = on_changes
        self._thread: threading.Thread | None = None
        self._uniform = random.SystemRandom().uniform
        self._policy = Policy(self._delay_after, repeats_in_doubt)

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Deliver in the background until `close`."""
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do: called after commits."""
        self._calls.wake()

    def close(self) -> None:
        """Stop claiming, finish what is under way, record it.

        A call that takes too long is left behind: it is in doubt once its lease has ended.
        """
        self._is_stopping = True
        self.wake()
        if self._thread is not None:
            self._thread.join(_DRAIN_SECONDS)
            if self._thread.is_alive():
                _log.error("calls_left_behind", messages=len(self._calls))
        self._calls.close()

    def is_alive(self) -> bool:
        """Whether a turn of the loop succeeded lately; a stalled one must turn /readyz red."""
        age = self._clock() - self._alive_at
        return age < timedelta(seconds=_STALLED_SECONDS)

    def run_once(self) -> int:
        """Do everything that is due now, to its end; return how many messages were taken up."""
        count = 0
        while True:
            self._give_back()
            claims = self._store(self._find_rooms()[0])
            if not claims and not self._calls and not self._is_passed_on:
                return count
            count += self._prepare(claims)
            if self._calls and not self._prepared:
                self._collect(_POLL_SECONDS)

    def _run(self) -> None:
        turn = self._first_turn
        while not self._is_stopping or self._calls or self._prepared or self._unprepared:
            try:
                turn()
            except Exception as error:  # noqa: BLE001 - the loop must go on
                _log_failed_turn(error)
                time.sleep(_POLL_SECONDS)
            else:
                turn = self._turn
                self._alive_at = self._clock()

    def _first_turn(self) -> None:
        """The environment may name another connection now: try again what waits for one."""
        delivery.release_unconnected(self._engine, now=self._clock(), by="start")

    def _turn(self) -> None:
        """One round: store, prepare what was claimed, wait for a result or the next due moment."""
        if self._is_stopping:
            self._take_back_prepared()
        self._give_back()
        self._renew_leases()
        rooms, wait_seconds = ({}, _POLL_SECONDS) if self._is_stopping else self._find_rooms()
        self._prepare(self._store(rooms))
        has_more = bool(self._prepared) or self._is_passed_on
        has_to_wait = bool(self._calls) if self._is_stopping else not has_more
        self._collect(wait_seconds if has_to_wait else 0.0)

    # -- the database's half of a turn ----------------------------------------------------------

    def _find_rooms(self) -> tuple[dict[str, int], float]:
        """How many messages of each lane may be claimed now, and seconds until there are more."""
        now = self._clock()
        with self._reader.connect() as connection:
            due = outbox.find_due(connection, now=now)
        taken = self._calls.by_lane()
        taken.update(step.claim.lane for step in self._prepared if step.call is not None)
        taken.subtract(result.claim.lane for result in self._finished)
        rooms = {lane: self._room - taken[lane] if lane else _BATCH for lane in due}
        open_lanes = [lane for lane, room in rooms.items() if room > 0]
        waits = [(due[lane] - now).total_seconds() for lane in open_lanes]
        wait_seconds = max(_SHORTEST_WAIT_SECONDS, min([_POLL_SECONDS, *waits]))
        return {lane: rooms[lane] for lane in open_lanes if due[lane] <= now}, wait_seconds

    def _store(self, rooms: Mapping[str, int]) -> list[tuple[Claim, Past]]:
        """One transaction: what finished is recorded, what is prepared begins, what fits is
        claimed. Raises when the database cannot be used, and then nothing of it has happened.
        """
        changes = [self._change_of(result) for result in self._finished]
        changes += [step.change for step in self._prepared]
        self._is_passed_on = any(change.is_passed_on for change in changes)
        if not changes and not rooms:
            return []
        self._mark_broken_connections()
        try:
            with self._engine.begin() as connection:
                claims = self._claim(connection, rooms)
                applied = self._apply(connection, [*self._doubts(claims), *changes])
        except Exception as error:
            if is_outage(error):
                raise
            _log.error("turn_not_stored", exc_info=error)
            claims, applied = [], self._store_one_by_one(changes)
        self._count(change for change in changes if change.message_id in applied)
        self._settle(applied)
        return claims

    def _apply(self, connection: Connection, changes: Sequence[Change]) -> set[int]:
        return delivery.apply_changes(connection, changes, now=self._clock())

    def _claim(self, connection: Connection, rooms: Mapping[str, int]) -> list[tuple[Claim, Past]]:
        now = self._clock()
        claims = [
            claim
            for lane, room in rooms.items()
            for claim in outbox.claim(
                connection, lane=lane, now=now, limit=room, lease_seconds=_LEASE_SECONDS
            )
        ]
        pasts = delivery.past_attempts(connection, [claim.id for claim in claims if claim.attempts])
        return [_in_its_round(claim, pasts.get(claim.id, Past())) for claim in claims]

    def _doubts(self, claims: Sequence[tuple[Claim, Past]]) -> list[Change]:
        """What a crash left without an outcome."""
        now = self._clock()
        return [
            steps.cut_off(claim, past.cut_off, now)
            for claim, past in claims
            if past.cut_off is not None
        ]

    def _store_one_by_one(self, changes: Sequence[Change]) -> set[int]:
        """One change kept the others from being stored: that message alone must suffer for it."""
        applied: set[int] = set()
        for change in changes:
            try:
                with self._engine.begin() as connection:
                    applied |= self._apply(connection, [change])
            except Exception as error:
                if is_outage(error):
                    raise
                self._give_up_storing(change, error)
        return applied

    def _give_up_storing(self, change: Change, error: Exception) -> None:
        """The message fails; if even that cannot be stored, it is tried again after its lease."""
        message_id = self._claims()[change.message_id].public_id
        _log.error("change_not_stored", message_id=message_id, exc_info=error)
        try:
            with self._engine.begin() as connection:
                self._apply(connection, [steps.unstorable(change, self._clock())])
        except Exception as second:
            if is_outage(second):
                raise
            _log.error("failure_not_stored", message_id=message_id, exc_info=second)

    def _claims(self) -> dict[int, Claim]:
        """What is to be stored, by message id."""
        results = {result.claim.id: result.claim for result in self._finished}
        return results | {step.claim.id: step.claim for step in self._prepared}

    def _count(self, applied: Iterable[Change]) -> None:
        """After the commit, for the figures."""
        claims = self._claims()
        for change in applied:
            claim = claims[change.message_id]
            if change.status is not None and change.status is not MessageStatus.RENDERED:
                self._metrics.became(claim.mode, claim.channel, change.status)
            if (latency_ms := change.values.get("latency_ms")) is not None:
                early = (claim.scheduled_at or claim.created_at) - claim.created_at
                seconds = max(0.0, latency_ms / 1000 - early.total_seconds())
                self._metrics.handed_over(claim.mode, claim.channel, seconds)

    def _settle(self, applied: Set[int]) -> None:
        """After the commit: forget what is recorded, make the calls that have begun."""
        for result in self._finished:
            if result.claim.id not in applied:
                _log.warning("late_result_dropped", message_id=result.claim.public_id)
            self._calls.forget(result.claim)
        begun = [step for step in self._prepared if step.claim.id in applied]
        self._finished.clear()
        self._prepared.clear()
        for step in begun:
            if step.call is not None:
                self._calls.begin(step.call, step.change.values["lease_until"])
        if applied:
            self._on_changes()

    def _renew_leases(self) -> None:
        now = self._clock()
        if now - self._renewed_at < timedelta(seconds=_LEASE_SECONDS / 3):
            return
        tokens, until = self._calls.tokens(), now + timedelta(seconds=_LEASE_SECONDS)
        if tokens:
            with self._engine.begin() as connection:
                kept = outbox.renew(connection, tokens, until=until)
            self._calls.extend(kept, until)
        self._renewed_at = now

    def _give_back(self) -> None:
        """Release what was claimed and not prepared, since something came in between."""
        if not self._unprepared:
            return
        with self._engine.begin() as connection:
            outbox.release(connection, self._unprepared)
        self._unprepared.clear()

    def _take_back_prepared(self) -> None:
        self._unprepared.update({step.claim.id: step.claim.lease_token for step in self._prepared})
        self._prepared.clear()

    # -- prepare ------------------------------------------------------------------------------

    def _prepare(self, claims: Sequence[tuple[Claim, Past]]) -> int:
        """Find what is to be done about claimed messages; return how many it is for.

        It stops after a while, so that no turn is long: `_give_back` releases the rest.
        """
        self._unprepared.update({claim.id: claim.lease_token for claim, _ in claims})
        ends = [self._find_end(claim, past) for claim, past in claims]
        found = [end for end in ends if end is not None]
        others = [pair for pair, end in zip(claims, ends, strict=True) if end is None]
        pasts = {claim.id: past for claim, past in others}
        places: dict[int, Place] = {}
        until = time.monotonic() + _PREPARING_SECONDS
        for claim, prepared in self._preparing.prepare(others):
            if isinstance(prepared, Place):
                places[claim.id] = prepared
            else:
                found.append(self._step(claim, pasts[claim.id], prepared))
            if time.monotonic() > until:
                break
        self._move(places)
        for message_id in (*places, *(step.claim.id for step in found)):
            del self._unprepared[message_id]
        self._prepared += found
        return len(found)

    def _find_end(self, claim: Claim, past: Past) -> _Step | None:
        end = find_end_by_crash(claim, past, self._clock(), self._policy)
        return None if end is None else _Step(claim, end)

    def _step(self, claim: Claim, past: Past, prepared: Call | Change | RoundOver) -> _Step:
        if isinstance(prepared, Call):
            return _Step(claim, self._begun(prepared), prepared)
        if isinstance(prepared, RoundOver):
            return _Step(claim, round_over(claim, past, self._clock(), self._policy))
        return _Step(claim, prepared)

    def _begun(self, call: Call) -> Change:
        now = self._clock()
        until = now + timedelta(seconds=_LEASE_SECONDS)
        return steps.begun(call.beginning, now, lease_until=until)

    def _move(self, places: Mapping[int, Place]) -> None:
        """Give messages back to wait where they belong, by message id."""
        if not places:
            return
        tokens = {message_id: self._unprepared[message_id] for message_id in places}
        with self._engine.begin() as connection:
            outbox.move(connection, tokens, places)

    # -- what a call came to ------------------------------------------------------------------

    def _collect(self, timeout: float) -> None:
        """Take in what has finished, and tell the breakers."""
        results = self._calls.collect(timeout)
        for result in results:
            connection_id, ticket = result.call.route.connection_id, result.claim.id
            if is_fault(result.error):
                self._breakers.failed(connection_id, ticket)
            elif is_answer(result.error):
                self._breakers.answered(connection_id)
            else:
                self._breakers.abandoned(connection_id, ticket)
        self._finished += results

    def _find_following(self, result: Result) -> Route | None:
        """The connection whose turn it is if this one cannot take the message.

        One with an open breaker is worth waiting for where nothing else is left but to hold.
        """
        others = result.call.choice.others
        closed = (each for each in others if not self._breakers.is_open(each.connection_id))
        is_broken = isinstance(result.error, AccountBroken)
        return next(closed, others[0] if others and is_broken else None)

    def _mark_broken_connections(self) -> None:
        broken = {
            result.call.route.connection_id: result
            for result in self._finished
            if isinstance(result.error, AccountBroken)
        }
        for connection_id, result in broken.items():
            _log.error("connection_broken", connection_id=connection_id)
            connection_service.mark_broken(self._engine, result.call.route, str(result.error))

    def _change_of(self, result: Result) -> Change:
        """What becomes of the message; of one that this cannot be said of, that it failed."""
        try:
            return verdict(
                result.call,
                result.receipt,
                result.error,
                result.finished_at,
                self._policy,
                self._find_following(result),
            )
        except Exception:  # noqa: BLE001 - the guard around one message
            _log.exception("result_not_understood", message_id=result.claim.public_id)
            return not_understood(result.call, result.finished_at)

    def _delay_after(self, tries: int, hint_seconds: float | None) -> float | None:
        return retry_delay(tries, hint_seconds, self._uniform)


def _in_its_round(claim: Claim, past: Past) -> tuple[Claim, Past]:
    """An attempt that was cut off ended its round: the claim is in the next one."""
    return (claim if past.cut_off is None else replace(claim, round=claim.round + 1)), past


def _log_failed_turn(error: Exception) -> None:
    if is_outage(error):
        # The database is busy or gone: the next turn tries again.
        _log.error("dispatcher_database_error", error=type(error).__name__)
    else:
        _log.error("dispatcher_turn_failed", exc_info=error)
