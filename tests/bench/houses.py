"""Databases with a workspace and a key, and the processes that serve them."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from senderkit.domain import Mode, utc_now
from senderkit.settings import Settings
from senderkit.web import create_app
from senderkit.web.runtime import runtime_of
from senderkit.web.schema import upgrade_schema
from tests.bench import bare
from tests.bench.filling import fill
from tests.conftest import make_settings
from tests.fakes import free_port
from tests.make import FakeClock, House
from tests.postgres import PostgresDatabases, running_postgres
from tests.serving import TOP, serving

THREADS: Final = 16
_START_SECONDS: Final = 60

SQLITE: Final = "SQLite"
POSTGRES: Final = "Postgres"


@dataclass(frozen=True)
class Home:
    """A migrated database whose workspace exists, with a token of each mode."""

    database: str
    url: str
    folder: Path
    live_token: str
    test_token: str

    def settings(self, **more: str) -> Settings:
        return make_settings(self.url, self.folder, **more)

    def token(self, mode: Mode) -> str:
        return self.live_token if mode is Mode.LIVE else self.test_token


class Grounds:
    """Makes homes in one temporary folder and on one Postgres server; `close` removes them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._stack = contextlib.ExitStack()
        self._server: str | None = None
        self._databases: PostgresDatabases | None = None

    def close(self) -> None:
        self._stack.close()

    def home(self, database: str, messages: int = 0) -> Home:
        """A new home on SQLite or Postgres with that many messages in live mode."""
        folder = self._folder / f"home{next(self._numbers)}"
        url = self._url(database, folder)
        app = create_app(make_settings(url, folder))
        try:
            upgrade_schema(app)
            house = House(app, FakeClock(utc_now()))
            house.set_up()
            home = Home(database, url, folder, house.token("live"), house.token("test"))
        finally:
            runtime_of(app).close()
        if messages:
            fill(url, 1, messages)
        return home

    def _url(self, database: str, folder: Path) -> str:
        if database == SQLITE:
            return f"sqlite:///{folder / 'senderkit.sqlite3'}"
        if self._databases is None:
            name = f"senderkit_bench_{os.getpid()}"
            self._databases = PostgresDatabases(self.postgres_url(), name)
            self._stack.callback(self._databases.close)
        return self._databases.url_of(self._databases.make())

    def postgres_url(self) -> str:
        """The server's own database."""
        if self._server is None:
            self._server = self._stack.enter_context(running_postgres())
        return self._server


@contextlib.contextmanager
def serving_home(home: Home, **settings: str) -> Iterator[int]:
    """`senderkit serve` on that home, at the port that this yields; settings by name."""
    given = {"DATABASE_URL": home.url, "THREADS": str(THREADS)} | settings
    with serving(home.folder, **given) as server:
        yield server.port


@contextlib.contextmanager
def serving_bare() -> Iterator[int]:
    """BARE on the same front, at the port that this yields."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", bare.__name__, str(port), str(THREADS)], cwd=TOP
    )
    try:
        _wait_until_up(f"http://127.0.0.1:{port}{bare.PATH}")
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
