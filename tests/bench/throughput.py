"""Requests a second against BARE, and latencies under load: key check, durable sends, a burst."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Final

from tests.bench import bare
from tests.bench.houses import Grounds, Home, serving_bare, serving_home
from tests.bench.load import Job, Result, request, run
from tests.bench.measures import Figure, Options, Target, alternately, at_least, at_most, ratios

_BODIES: Final = 500
_IDLE_SECONDS: Final = 300
_BURST: Final = 200

Work = Callable[[], Result]


def context_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """`GET /v1/context`: the guard with its key read, and nothing else."""
    with contextlib.ExitStack() as stack:
        works = {"BARE": _bare(options, stack)}
        for database in options.databases:
            home = grounds.home(database)
            port = stack.enter_context(serving_home(home))
            asked = request("GET", "/v1/context", token=home.test_token)
            works[database] = _load(options, port, [asked], expect=200)
        results = alternately(works, options.rounds)
    yield from _rates(results, "GET /v1/context", at_least(0.5))


def send_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """`POST /v1/send`, answered after its commit; delivery follows in the same process or not."""
    targets = {"SQLite": at_least(0.45), "Postgres": at_least(0.3)}
    for database in options.databases:
        with contextlib.ExitStack() as stack:
            works = {"BARE": _bare(options, stack)}
            home = grounds.home(database)
            port = stack.enter_context(serving_home(home, DISPATCHER="off"))
            works[database] = _sends(options, port, home)
            home = grounds.home(database)
            port = stack.enter_context(serving_home(home))
            works[f"{database}, delivering"] = _sends_to_the_end(options, port, home)
            results = alternately(works, options.rounds)
        yield from _rates(results, "POST /v1/send", targets[database])
        for name, taken in results.items():
            if name != "BARE":
                p99 = tuple(result.p99_ms for result in taken)
                yield Figure(f"POST /v1/send {name}, p99", "ms", p99, at_most(15))


def burst_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """200 sends at the same instant: all accepted, and how long the last one took."""
    for database in options.databases:
        home = grounds.home(database)
        with serving_home(home) as port:
            job = Job(port, send_requests(home.test_token), connections=_BURST, once=True)
            slowest = tuple(run(job, expect=202).max_ms for _ in range(options.rounds))
        yield Figure(f"200 sends at once {database}, the last", "ms", slowest)


def send_requests(token: str) -> list[str]:
    """Raw sends of one email each, all different."""
    return [
        request("POST", "/v1/send", token=token, body=json.dumps(_send_body(number)).encode())
        for number in range(_BODIES)
    ]


def _send_body(number: int) -> dict[str, object]:
    return {
        "channel": "email",
        "to": f"ada{number}@example.com",
        "content": {
            "subject": f"Your receipt for order A-{number}",
            "html": f"<h1>Thank you</h1><p>Order A-{number} is on its way to you.</p>",
        },
        "metadata": {"order": f"A-{number}"},
    }


def _bare(options: Options, stack: contextlib.ExitStack) -> Work:
    port = stack.enter_context(serving_bare())
    return _load(options, port, [request("GET", bare.PATH)], expect=200)


def _load(options: Options, port: int, requests: list[str], *, expect: int) -> Work:
    job = Job(port, requests, options.connections, options.seconds)
    return lambda: run(job, expect=expect)


def _sends(options: Options, port: int, home: Home) -> Work:
    return _load(options, port, send_requests(home.test_token), expect=202)


def _sends_to_the_end(options: Options, port: int, home: Home) -> Work:
    """What is still to be delivered must not disturb what is measured next."""
    load = _sends(options, port, home)

    def work() -> Result:
        result = load()
        _wait_until_delivered(port, home.test_token)
        return result

    return work


def _wait_until_delivered(port: int, token: str) -> None:
    address = f"http://127.0.0.1:{port}/v1/messages?status=queued&limit=1"
    asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    deadline = time.monotonic() + _IDLE_SECONDS
    while time.monotonic() < deadline:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            if not json.load(answer)["data"]:
                return
        time.sleep(0.1)
    raise RuntimeError("the backlog is not delivered in time")


def _rates(results: dict[str, list[Result]], what: str, target: Target) -> Iterator[Figure]:
    bases = [result.rate for result in results["BARE"]]
    yield Figure("BARE", "requests/s", tuple(bases))
    for name, taken in results.items():
        if name == "BARE":
            continue
        rates = tuple(result.rate for result in taken)
        yield Figure(f"{what} {name}", "× BARE", ratios(rates, bases), target)
        yield Figure(f"{what} {name}", "requests/s", rates)
