"""`/metrics`: what the process counts and what waits in the database, for Prometheus.

Whoever knows `SENDERKIT_METRICS_TOKEN` may read it. Where none is set, only this machine may; to
all others there is nothing here.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from flask import Flask, Request, Response
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Pool, QueuePool
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import NotFound

from senderkit import __version__
from senderkit.crypto import is_same
from senderkit.metrics import CONTENT_TYPE
from senderkit.services.backlog import Backlog, Room, Waiting, read_backlog
from senderkit.web.dashboard.visitors import is_from_this_machine
from senderkit.web.extensions import current_request
from senderkit.web.runtime import Runtime, runtime

_log = structlog.get_logger(__name__)

_KEPT: Final = timedelta(seconds=1)
"""How long a look at the database serves whoever else asks."""
_REFUSAL: Final = "Send SENDERKIT_METRICS_TOKEN as 'Authorization: Bearer <token>'.\n"


def add_metrics_route(app: Flask, at_hand: Runtime) -> None:
    at_hand.metrics.add(StateCollector(at_hand))

    @app.get("/metrics")
    def metrics() -> Response:
        """Figures of this process and of what waits, in Prometheus's text format."""
        if not _may_read(current_request(), runtime().settings.metrics_token):
            return Response(_REFUSAL, 401, {"WWW-Authenticate": "Bearer"}, mimetype="text/plain")
        return Response(runtime().metrics.text(), content_type=CONTENT_TYPE)


def _may_read(asked: Request, token: str | None) -> bool:
    """Raises `NotFound` where there is no token to ask for."""
    if token is None:
        if not is_from_this_machine(asked):
            raise NotFound
        return True
    scheme, _, given = asked.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and is_same(given.strip(), token)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the database said at a moment; nothing when it could not be asked."""

    at: datetime
    backlog: Backlog | None
    lags: Mapping[str, int]


class StateCollector(Collector):
    """What is found out when somebody asks. The database is asked once a second at most."""

    def __init__(self, at_hand: Runtime) -> None:
        self._at_hand = at_hand
        self._looking = threading.Lock()
        self._look: _Look | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: to register is not to look."""
        return ()

    def collect(self) -> Iterator[Metric]:
        look = self._newest()
        yield _single(
            "database_up", "Whether the database could be read.", look.backlog is not None
        )
        if look.backlog is not None:
            yield from _backlog(look.backlog, look.at)
        yield _family(
            "follower_lag_changes",
            "Changes that are still to be taken in by what is worked out of them.",
            ("follower",),
            {(name,): lag for name, lag in look.lags.items()},
        )
        yield from self._process()

    def _newest(self) -> _Look:
        with self._looking:
            now = self._at_hand.clock()
            if self._look is None or abs(now - self._look.at) >= _KEPT:
                self._look = self._read(now)
            return self._look

    def _read(self, now: datetime) -> _Look:
        try:
            with self._at_hand.reader.connect() as connection:
                return _Look(now, read_backlog(connection, now=now), self._at_hand.followers.lags())
        except SQLAlchemyError as error:
            _log.warning("backlog_not_read", error=type(error).__name__)
            return _Look(now, None, {})

    def _process(self) -> Iterator[Metric]:
        at_hand = self._at_hand
        yield _family(
            "build_info",
            "The release that runs.",
            ("version", "python", "database"),
            {(__version__, platform.python_version(), at_hand.engine.dialect.name): 1},
        )
        yield from _pool(at_hand.engine.pool)
        yield _single("streams_open", "Streams of messages that are open now.", len(at_hand.hub))
        if at_hand.settings.dispatcher:
            yield _family(
                "loop_alive",
                "Whether a loop that delivers has come round lately.",
                ("loop",),
                {
                    ("dispatcher",): at_hand.dispatcher.is_alive(),
                    ("webhooks",): at_hand.webhooks.is_alive(),
                },
            )


def _backlog(found: Backlog, now: datetime) -> Iterator[Metric]:
    room = ("mode", "channel")
    yield _family(
        "messages_due",
        "Messages that are due and not under way; each connection's are counted to 10,000.",
        room,
        _by_room({key: waiting.count for key, waiting in found.due.items()}),
    )
    yield _family(
        "messages_due_oldest_seconds",
        "For how long the longest waiting of them has been due.",
        room,
        _by_room({key: _age(waiting, now) for key, waiting in found.due.items()}),
    )
    yield _family(
        "messages_scheduled",
        "Messages that are to go out later; counted to 10,000 a mode.",
        room,
        _by_room(found.scheduled),
    )
    yield _family(
        "messages_held",
        "Messages that wait for a connection to be repaired; counted to 10,000 a mode.",
        room,
        _by_room(found.held),
    )
    yield _family(
        "connections",
        "Provider connections by state: ok, or broken while their credentials are refused.",
        ("channel", "provider", "state"),
        {
            (channel, provider, "broken" if is_broken else "ok"): count
            for (channel, provider, is_broken), count in found.connections.items()
        },
    )
    yield _family(
        "webhook_endpoints",
        "Webhook endpoints by state: on, off by a person, or switched_off by this server.",
        ("state",),
        {(state,): found.endpoints[state] for state in ("on", "off", "switched_off")},
    )
    yield _single("webhooks_due", "Webhooks that are due and not under way.", found.webhooks.count)
    yield _single(
        "webhooks_due_oldest_seconds",
        "For how long the longest waiting webhook has been due.",
        _age(found.webhooks, now),
    )


def _by_room(values: Mapping[Room, float]) -> dict[tuple[str, ...], float]:
    return {(mode.value, channel): value for (mode, channel), value in values.items()}


def _age(waiting: Waiting, now: datetime) -> float:
    return 0.0 if waiting.since is None else max(0.0, (now - waiting.since).total_seconds())


def _pool(pool: Pool) -> Iterator[Metric]:
    if isinstance(pool, QueuePool):
        yield _single("database_pool_size", "Most connections at a time.", pool.size())
        yield _single("database_pool_in_use", "Connections in use now.", pool.checkedout())


def _single(name: str, help_: str, value: float) -> Metric:
    return _family(name, help_, (), {(): value})


def _family(
    name: str, help_: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> Metric:
    family = GaugeMetricFamily(f"senderkit_{name}", help_, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family
