"""Rounds: through which connection a message goes next, a pure decision.

In one round every connection that may deliver a message is tried at most once, one after the other;
a round that brought nothing ends, and the next begins after a delay. A message that a provider may
have taken already stays with that provider: another would send it a second time for certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from senderkit.domain import AttemptOutcome
from senderkit.services.breakers import Breakers
from senderkit.services.connections import Route

_DOUBTFUL: Final = frozenset({None, AttemptOutcome.UNKNOWN})
_REPEATED: Final = _DOUBTFUL | {AttemptOutcome.UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Try:
    """An earlier attempt. One that a crash cut off has no `outcome`."""

    number: int
    round: int
    connection_id: str | None
    outcome: AttemptOutcome | None


@dataclass(frozen=True, slots=True)
class Past:
    """A message's earlier attempts, the first first."""

    tries: tuple[Try, ...] = ()

    @property
    def cut_off(self) -> int | None:
        """The number of the attempt that a crash left without an outcome."""
        return next((each.number for each in reversed(self.tries) if each.outcome is None), None)

    @property
    def doubtful_connection_id(self) -> str | None:
        """The last connection whose provider may have taken the message."""
        doubtful = (each for each in reversed(self.tries) if each.outcome in _DOUBTFUL)
        return next((each.connection_id for each in doubtful), None)

    def with_outcome(self, number: int, outcome: AttemptOutcome) -> Past:
        """The same with another outcome of the attempt of this number."""
        tries = (replace(t, outcome=outcome) if t.number == number else t for t in self.tries)
        return Past(tuple(tries))

    def failed_rounds(self, before: int) -> int:
        """How many rounds before this one count for the table of retries."""
        earlier = (each for each in self.tries if each.round < before)
        return len({each.round for each in earlier if each.outcome in _REPEATED})

    def tried_in(self, round_: int) -> dict[str | None, AttemptOutcome | None]:
        """How the attempts of a round ended, by connection."""
        return {each.connection_id: each.outcome for each in self.tries if each.round == round_}


@dataclass(frozen=True, slots=True)
class Next:
    """Try `route` now. `others` are left of the round; `first` is where every round begins.

    `is_transient` says that another connection of this round had a transient fault.
    """

    route: Route
    first: Route
    others: tuple[Route, ...]
    is_transient: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Every connection that is left has an open breaker, the first of them until then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing can deliver the message until a person does something about this connection."""

    connection_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoundOver:
    """No connection is left to try in this round."""


Choice = Next | Wait | Hold | RoundOver


def choose(
    routes: Sequence[Route], past: Past, round_: int, breakers: Breakers, ticket: int
) -> Choice:
    """What to do with a message that these routes, at least one, can deliver, in their order."""
    routes = _possible(routes, past)
    tried = past.tried_in(round_)
    is_transient = AttemptOutcome.UNAVAILABLE in tried.values()
    untried = [route for route in routes if route.connection_id not in tried]
    working = [route for route in untried if route.broken_reason is None]
    if untried and not working and not is_transient:
        reason = next(route.broken_reason for route in routes if route.broken_reason is not None)
        return Hold(routes[0].connection_id, reason)
    for route in working:
        if breakers.admits(route.connection_id, ticket):
            others = tuple(other for other in working if other is not route)
            return Next(route, routes[0], others, is_transient)
    if not working or is_transient:
        return RoundOver()
    return Wait(min(breakers.retry_at(route.connection_id) for route in working))


def _possible(routes: Sequence[Route], past: Past) -> Sequence[Route]:
    """All of them, or the one that may have taken the message while it is among them."""
    doubtful = past.doubtful_connection_id
    return [route for route in routes if route.connection_id == doubtful] or routes
