"""On what the figures were measured."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.bench.houses import POSTGRES, Grounds
from tests.bench.measures import Options

_SYNCS = 100
_CPU_INFO = Path("/proc/cpuinfo")


def facts(options: Options, grounds: Grounds) -> dict[str, str]:
    """Processor, disk, versions, and how busy the machine was with other things."""
    found = {
        "machine": f"{os.cpu_count()} × {_processor()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "server": ", ".join(f"{name} {version(name)}" for name in ("granian", "flask", "werkzeug")),
        "database layer": f"sqlalchemy {version('sqlalchemy')}, SQLite {sqlite3.sqlite_version}",
        "load before": "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg()),
        "fdatasync": _sync_words(),
    }
    if POSTGRES in options.databases:
        found["postgres"] = _postgres_words(grounds)
    return found


def _processor() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _sync_words() -> str:
    """What one durable write costs where the databases lie, in milliseconds."""
    with tempfile.TemporaryFile() as file:
        return ", ".join(
            f"{size // 1024} KiB {_sync_milliseconds(file.fileno(), size):.1f} ms"
            for size in (4096, 65_536)
        )


def _sync_milliseconds(descriptor: int, size: int) -> float:
    sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
    taken = []
    for _ in range(_SYNCS):
        os.pwrite(descriptor, bytes(size), 0)
        began_at = time.perf_counter()
        sync(descriptor)
        taken.append(time.perf_counter() - began_at)
    return statistics.median(taken) * 1000


def _postgres_words(grounds: Grounds) -> str:
    engine = create_engine(grounds.postgres_url())
    with engine.connect() as connection:
        shown = [
            f"{name.replace('_', ' ')} {connection.execute(text(f'SHOW {name}')).scalar_one()}"
            for name in ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        ]
    engine.dispose()
    return ", ".join(shown)
