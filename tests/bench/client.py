"""What the Python client costs over the HTTP library it is made of, as ratios round by round.

- `send_batch` of 10,000 test sends, 32 at a time, against a bare loop of HTTPX 2 making the same
  posts to the same server from as many threads (or tasks): same headers, same bodies, same
  connection limits. The loop looks at nothing but the status.
- `import senderkit.client` against `import httpx2`, in fresh interpreters with warm bytecode.

The server is `senderkit serve` on SQLite with its dispatcher off, so that no run pays for the
messages of the one before.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2

from senderkit.client import AsyncSenderKit, SenderKit, SmsContent
from senderkit.client.sends import RawSend
from senderkit.client.transport import LIMITS
from senderkit.domain import Mode
from senderkit.keys import mint
from tests.bench.houses import Grounds
from tests.bench.measures import Figure, Options, alternately, at_most, ratios, seconds_of
from tests.serving import TOP, serving

SENDS: Final = 10_000
CONCURRENCY: Final = 32
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


def client_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    del grounds
    yield import_figure()
    yield from batch_figures("threads", bare_threads, batch_threads, options.rounds)
    yield from batch_figures("asyncio", bare_tasks, batch_tasks, options.rounds)


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


def batch_figures(name: str, bare: Run, batch: Run, rounds: int) -> Iterator[Figure]:
    with server() as (url, key):
        bare(url, key, CONCURRENCY * 4, CONCURRENCY)  # warms the server
        works = {
            "bare": partial(spent_by, bare, url, key),
            "ours": partial(spent_by, batch, url, key),
        }
        spent = alternately(works, rounds)
    what = f"of {SENDS:,} sends, {CONCURRENCY} at a time, {name}"
    for side, words in (("bare", "bare loop"), ("ours", "send_batch")):
        rates = tuple(SENDS / clock for clock, _ in spent[side])
        yield Figure(f"{words} {what}", "sends/s", rates)
    clocks, own = (
        ratios([pair[which] for pair in spent["ours"]], [pair[which] for pair in spent["bare"]])
        for which in (0, 1)
    )
    yield Figure(f"send_batch over the bare loop, {name}", "x time", clocks, at_most(1.1))
    yield Figure(f"the same in this process's own computing, {name}", "x time", own)


def spent_by(run: Run, url: str, key: str) -> tuple[float, float]:
    """Seconds on the clock, and of this process's own computing, which a busy machine leaves be."""
    computed = time.process_time()
    clock = seconds_of(lambda: run(url, key, SENDS, CONCURRENCY))
    return clock, time.process_time() - computed


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


def import_figure() -> Figure:
    modules = ("httpx2", "senderkit.client")
    with tempfile.TemporaryDirectory() as cache:
        for module in modules:
            import_seconds(module, cache)  # writes the bytecode
        works = {name: partial(import_seconds, name, cache) for name in modules}
        seconds = alternately(works, IMPORTS)
    ratio = ratios(seconds["senderkit.client"], seconds["httpx2"])
    return Figure("import of the client over that of HTTPX 2", "x time", ratio, at_most(1.3))
