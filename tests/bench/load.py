"""The load generator, a process of its own: keep-alive sockets, requests built beforehand.

It does as little as it can for each request, so that it is never what is measured: one event loop,
no objects, of an answer only its status and its length. `python -m tests.bench.load` reads a `Job`
as JSON from standard input and prints a `Result`; `run` starts it and waits.
"""

from __future__ import annotations

import itertools
import json
import math
import selectors
import socket
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"
_RECEIVE_BYTES: Final = 262_144
_STALLED_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Job:
    """Requests (as on the wire, latin-1) sent in turn over `connections` for `seconds`.

    What is answered in the first `warm_up_seconds` is not counted. With `once`, every connection
    sends one request and that is all.
    """

    port: int
    requests: Sequence[str]
    connections: int = 16
    seconds: float = 2.0
    warm_up_seconds: float = 0.3
    once: bool = False


@dataclass(frozen=True)
class Result:
    """How many answers in how many seconds; latencies in milliseconds, from send to last byte."""

    count: int
    seconds: float
    statuses: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.seconds


def request(
    method: str, path: str, *, token: str = "", body: bytes = b"", headers: Sequence[str] = ()
) -> str:
    """One request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*", *headers]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + body.decode("latin-1")


def run(job: Job, *, expect: int) -> Result:
    """Do the job in a process of its own. Raises when any answer had another status."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        timeout=job.seconds + 3 * _STALLED_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load generator failed: {done.stderr}")
    result = Result(**json.loads(done.stdout))
    if set(result.statuses) != {str(expect)}:
        raise RuntimeError(f"expected only {expect}, got {dict(result.statuses)}")
    return result


# -- the process ------------------------------------------------------------------------------


@dataclass
class _Connection:
    """`missing` counts the bytes of the answer still to come; 0 while its head is incomplete."""

    sock: socket.socket
    sent_at: float = 0.0
    head: bytes = b""
    missing: int = 0


@dataclass
class _Tally:
    """What was answered from `begins_at` until `ends_at`, by the monotonic clock."""

    begins_at: float
    ends_at: float
    statuses: Counter[str] = field(default_factory=Counter)
    latencies: array[float] = field(default_factory=lambda: array("d"))

    def add(self, status: str, sent_at: float, now: float) -> None:
        if self.begins_at <= now <= self.ends_at:
            self.statuses[status] += 1
            self.latencies.append(now - sent_at)

    def result(self) -> Result:
        ordered = sorted(self.latencies)
        if not ordered:
            raise RuntimeError("nothing was answered in time")

        def at(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

        seconds = self.ends_at - self.begins_at
        return Result(len(ordered), seconds, dict(self.statuses), at(0.5), at(0.99), at(1))


def _work(job: Job) -> Result:
    requests = itertools.cycle([text.encode("latin-1") for text in job.requests])
    selector = selectors.DefaultSelector()
    open_connections = [_connect(job.port) for _ in range(job.connections)]
    for connection in open_connections:
        selector.register(connection.sock, selectors.EVENT_READ, connection)
    tally = _tally(job)
    for connection in open_connections:
        _send(connection, next(requests))
    _finish(selector, len(open_connections), tally, None if job.once else requests)
    tally.ends_at = min(tally.ends_at, time.perf_counter())
    return tally.result()


def _tally(job: Job) -> _Tally:
    now = time.perf_counter()
    if job.once:
        return _Tally(now, math.inf)
    begins_at = now + job.warm_up_seconds
    return _Tally(begins_at, begins_at + job.seconds)


def _connect(port: int) -> _Connection:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Connection(sock)


def _send(connection: _Connection, data: bytes) -> None:
    connection.sent_at = time.perf_counter()
    connection.sock.sendall(data)


def _finish(
    selector: selectors.BaseSelector, busy: int, tally: _Tally, requests: Iterator[bytes] | None
) -> None:
    """Read answers, each followed by the next request until time is up, until none is due."""
    while busy:
        ready = selector.select(_STALLED_SECONDS)
        if not ready:
            raise RuntimeError(f"{busy} answers are missing")
        for key, _ in ready:
            connection: _Connection = key.data
            status = _receive(connection)
            if status is None:
                continue
            now = time.perf_counter()
            tally.add(status, connection.sent_at, now)
            if requests is None or now >= tally.ends_at:
                busy -= 1
            else:
                _send(connection, next(requests))


def _receive(connection: _Connection) -> str | None:
    """Read what is there; the status once the answer is complete."""
    data = connection.sock.recv(_RECEIVE_BYTES)
    if not data:
        raise RuntimeError("the server closed a connection")
    if connection.missing:
        connection.missing -= len(data)
    else:
        connection.head += data
        end = connection.head.find(_HEAD_END)
        if end < 0:
            return None
        connection.missing = end + 4 + _length(connection.head[:end]) - len(connection.head)
    if connection.missing:
        return None
    status = connection.head[9:12].decode("ascii")
    connection.head = b""
    return status


def _length(head: bytes) -> int:
    start = head.lower().index(_LENGTH) + len(_LENGTH)
    end = head.find(b"\r\n", start)
    return int(head[start:end] if end >= 0 else head[start:])


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    print(json.dumps(asdict(_work(Job(**given)))))


if __name__ == "__main__":
    main()
