"""Lanes: the threads that talk to providers, some for each connection and none shared.

A provider that hangs takes the threads of its own lane and no others. Threads are started when
there is work for them, and none of them keeps the process from ending.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

Job = Callable[[], None]


class Lanes:
    """Runs jobs by lane, at most `threads` of each lane at a time. A job must not raise."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lanes: dict[str, _Lane] = {}

    def submit(self, name: str, job: Job) -> None:
        """Run `job` in the lane as soon as one of its threads is free. For one caller only."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(name, self._threads)
        lane.submit(job)

    def close(self) -> None:
        """End the threads once what was submitted is done; nothing waits for them here."""
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()


class _Lane:
    def __init__(self, name: str, most_threads: int) -> None:
        self._name = name
        self._most_threads = most_threads
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, job: Job) -> None:
        self._jobs.put(job)
        # A thread counts as idle once for each time it has waited; whoever takes that may rely
        # on it to come for the job.
        if self._idle.acquire(blocking=False) or self._started == self._most_threads:
            return
        self._started += 1
        name = f"lane-{self._name[:8]}-{self._started}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def close(self) -> None:
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            self._idle.release()


class ByteBudget:
    """Lets holders of bytes in while they hold no more than `limit` together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait for room, then hold it. One that is larger than the limit is let in alone."""
        with self._changed:
            while self._held and self._held + size > self._limit:
                self._changed.wait()
            self._held += size
        try:
            yield
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()
