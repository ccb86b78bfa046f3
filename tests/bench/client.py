"""What the Python client costs over the HTTP library it is made of.

    python -m tests.bench.client [--sends 10000] [--rounds 5] [--concurrency 32]

Two figures, each a ratio of medians of alternated runs on one machine:

- `send_batch` against a bare loop of HTTPX 2 that makes the same posts to the same server from as
  many threads (or tasks): same headers, same bodies, same connection limits. The loop looks at
  nothing but the status. Reach: under 1.10 x the time.
- `import senderkit.client` against `import httpx2`, in fresh interpreters with warm bytecode.
  Reach: under 1.30 x.

The server is `senderkit serve` on SQLite with its dispatcher off, so that no run pays for the
messages of the one before. Ends with 1 when a figure is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from senderkit.client import AsyncSenderKit, SenderKit, SmsContent
from senderkit.client.sends import RawSend
from senderkit.client.transport import LIMITS
from senderkit.domain import Mode
from senderkit.keys import mint
from tests.serving import TOP, serving

MOST_BATCH: Final = 1.10
MOST_IMPORT: Final = 1.30
IMPORTS: Final = 15
NUMBER: Final = "+15551234567"

Run = Callable[[str, str, int, int], None]
"""Sends so many messages, so many at a time: `run(url, key, sends, concurrency)`."""


# -- the four ways to send ----------------------------------------------------------------------


def bodies(sends: int) -> Iterator[dict[str, Any]]:
    return (
        {"channel": "sms", "to": NUMBER, "content": {"body": f"Your code is {number}"}}
        for number in range(sends)
    )


def requests(sends: int) -> Iterator[RawSend]:
    return (RawSend(NUMBER, SmsContent(f"Your code is {number}")) for number in range(sends))


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Idempotency-Key": secrets.token_hex(16)}


def bare_threads(url: str, key: str, sends: int, concurrency: int) -> None:
    source, lock = bodies(sends), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                body = next(source, None)
            if body is None:
                return
            answer = client.post(f"{url}/v1/send-raw", json=body, headers=headers(key))
            assert answer.status_code == 202, answer.text

    with httpx2.Client(timeout=30, limits=LIMITS) as client:
        threads = [threading.Thread(target=work) for _ in range(concurrency)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def batch_threads(url: str, key: str, sends: int, concurrency: int) -> None:
    with SenderKit(key, base_url=url) as sk:
        results = sk.send_batch(requests(sends), concurrency=concurrency)
    assert all(result.ok for result in results)
    assert len(results) == sends


def bare_tasks(url: str, key: str, sends: int, concurrency: int) -> None:
    source = bodies(sends)

    async def work(client: httpx2.AsyncClient) -> None:
        for body in source:
            answer = await client.post(f"{url}/v1/send-raw", json=body, headers=headers(key))
            assert answer.status_code == 202, answer.text

    async def main() -> None:
        async with httpx2.AsyncClient(timeout=30, limits=LIMITS) as client:
            await asyncio.gather(*(work(client) for _ in range(concurrency)))

    asyncio.run(main())


def batch_tasks(url: str, key: str, sends: int, concurrency: int) -> None:
    async def main() -> None:
        async with AsyncSenderKit(key, base_url=url) as sk:
            results = await sk.send_batch(requests(sends), concurrency=concurrency)
        assert all(result.ok for result in results)
        assert len(results) == sends

    asyncio.run(main())


# -- measuring ----------------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """The address of a fresh server and a test key."""
    key = mint(Mode.TEST)
    seed = f"bench:test:{key.token_hash}:{key.last_four}"
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), SEED_KEYS=seed, DISPATCHER="off", THREADS="32") as running,
    ):
        yield running.url, key.token


def seconds_of(run: Run, url: str, key: str, sends: int, concurrency: int) -> tuple[float, float]:
    """Seconds on the clock and of this process's own computing."""
    clock, own = time.perf_counter(), time.process_time()
    run(url, key, sends, concurrency)
    return time.perf_counter() - clock, time.process_time() - own


def alternate(
    one: Run, other: Run, *where: Any, rounds: int
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Both runs in turn, each round in the other order than the one before."""
    ones: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    for number in range(rounds):
        pair = [(one, ones), (other, others)]
        for run, times in pair if number % 2 else reversed(pair):
            times.append(seconds_of(run, *where))
    return ones, others


def compare(name: str, bare: Run, batch: Run, url: str, key: str, options: Any) -> float:
    where = (url, key, options.sends, options.concurrency)
    seconds_of(bare, url, key, options.concurrency * 4, options.concurrency)  # warm the server
    bares, batches = alternate(bare, batch, *where, rounds=options.rounds)
    ratio = median_ratio(batches, bares, 0)
    print(
        f"{name:<22} {options.sends / median_of(bares, 0):>9,.0f}/s bare "
        f"{options.sends / median_of(batches, 0):>9,.0f}/s client   "
        f"time x {ratio:.3f}   own computing x {median_ratio(batches, bares, 1):.3f}"
    )
    return ratio


def median_of(times: list[tuple[float, float]], which: int) -> float:
    return statistics.median(pair[which] for pair in times)


def median_ratio(
    ones: list[tuple[float, float]], others: list[tuple[float, float]], which: int
) -> float:
    """The median over the rounds, so that a machine that slows down meets both sides alike."""
    return statistics.median(a[which] / b[which] for a, b in zip(ones, others, strict=True))


def import_seconds(module: str, cache: str) -> float:
    """Of one import in a fresh interpreter, the interpreter's own start not counted."""
    script = (
        f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    )
    environ = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=TOP,
        env=environ | {"PYTHONPYCACHEPREFIX": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def compare_imports() -> float:
    modules = ("httpx2", "senderkit.client")
    with tempfile.TemporaryDirectory() as cache:
        for module in modules:
            import_seconds(module, cache)  # writes the bytecode
        pairs = [[import_seconds(module, cache) for module in modules] for _ in range(IMPORTS)]
    bare, ours = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    ratio = statistics.median(ours / bare for bare, ours in pairs)
    print(f"{'import':<22} {bare:>9.1f} ms httpx2 {ours:>7.1f} ms senderkit.client   x {ratio:.3f}")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description="What the Python client costs.")
    parser.add_argument("--sends", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=32)
    options = parser.parse_args()

    missed = []
    if (ratio := compare_imports()) >= MOST_IMPORT:
        missed.append(f"import: x {ratio:.3f}, to reach: under x {MOST_IMPORT}")
    pairs = {
        "send_batch, threads": (bare_threads, batch_threads),
        "send_batch, asyncio": (bare_tasks, batch_tasks),
    }
    for name, (bare, batch) in pairs.items():
        with server() as (url, key):
            ratio = compare(name, bare, batch, url, key, options)
        if ratio >= MOST_BATCH:
            missed.append(f"{name}: x {ratio:.3f}, to reach: under x {MOST_BATCH}")
    for words in missed:
        print(f"MISSED {words}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
