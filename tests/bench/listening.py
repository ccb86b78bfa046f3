"""What idle listeners cost: requests a second beside a thousand open streams, memory for each."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.houses import THREADS, Grounds, Home
from tests.bench.load import Job, Result, request, run
from tests.bench.measures import Figure, Options, alternately, at_least, ratios
from tests.serving import Server, serving

_LISTENERS: Final = 1000
_HEADROOM: Final = 200
_READY: Final = b"event: ready"


def listener_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """`GET /v1/context` on two servers, one of which has a thousand idle listeners."""
    _allow_files(_LISTENERS + _HEADROOM)
    for database in options.databases:
        with contextlib.ExitStack() as stack:
            alone, crowded = (grounds.home(database) for _ in range(2))
            servers = [stack.enter_context(_serving(home)) for home in (alone, crowded)]
            _listen(servers[1], crowded, 1, stack)  # whatever starts with the first one
            before = _resident_kib(servers[1])
            _listen(servers[1], crowded, _LISTENERS - 1, stack)
            grown = _resident_kib(servers[1]) - before
            works = {
                "0": partial(_load, options, servers[0], alone),
                "1,000": partial(_load, options, servers[1], crowded),
            }
            results = alternately(works, options.rounds)
        yield from _rates(database, results)
        yield Figure(f"memory of a listener, {database}", "KiB", (grown / (_LISTENERS - 1),))


def _serving(home: Home) -> contextlib.AbstractContextManager[Server]:
    return serving(home.folder, DATABASE_URL=home.url, THREADS=str(THREADS))


def _load(options: Options, server: Server, home: Home) -> Result:
    asked = request("GET", "/v1/context", token=home.test_token)
    return run(Job(server.port, [asked], options.connections, options.seconds), expect=200)


def _listen(server: Server, home: Home, count: int, stack: contextlib.ExitStack) -> None:
    """Open streams, each until it is ready."""
    asked = request("GET", "/v1/messages?tail=1", token=home.test_token).encode("latin-1")
    for _ in range(count):
        listener = stack.enter_context(
            socket.create_connection(("127.0.0.1", server.port), timeout=60)
        )
        listener.sendall(asked)
        told = b""
        while _READY not in told:
            told += listener.recv(65536)


def _resident_kib(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1])


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _rates(database: str, results: dict[str, list[Result]]) -> Iterator[Figure]:
    rates = {name: [result.rate for result in taken] for name, taken in results.items()}
    for name, found in rates.items():
        yield Figure(f"GET /v1/context, {name} listeners, {database}", "requests/s", tuple(found))
    share = ratios(rates["1,000"], rates["0"])
    yield Figure(f"1,000 listeners over none, {database}", "× requests/s", share, at_least(0.9))
    p99 = tuple(result.p99_ms for result in results["1,000"])
    yield Figure(f"GET /v1/context, 1,000 listeners, {database}, p99", "ms", p99)
