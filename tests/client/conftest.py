"""A real server in a process of its own, with keys, for everything that the client is shown by."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from senderkit.client import SenderKit
from senderkit.domain import utc_now
from senderkit.settings import load_settings
from senderkit.web import create_app
from senderkit.web.runtime import runtime_of
from tests.make import FakeClock, House
from tests.serving import Server, serving


@dataclass(frozen=True)
class Home:
    """A server that is set up, and keys to it. The template `welcome` is published."""

    server: Server
    test_key: str
    live_key: str
    scoped_keys: dict[str, str]

    @property
    def url(self) -> str:
        return self.server.url

    def client(self, **more: Any) -> SenderKit:
        """A client with the test key."""
        return SenderKit(self.test_key, base_url=self.url, **more)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Home]:
    data_dir = tmp_path_factory.mktemp("home")
    shutil.copy(migrated_file, data_dir / "senderkit.sqlite3")
    app = create_app(load_settings({"SENDERKIT_DATA_DIR": str(data_dir)}))
    house = House(app, FakeClock(utc_now()))
    house.set_up()
    house.template("welcome", description="Greets a new user")
    content = {"body": "Your code is {{code}}."}
    house.template("login-code", publish=False, channel="sms", content=content)
    scoped = {scope: house.token(scopes=[scope]) for scope in ("read", "send", "cancel")}
    test_key, live_key = house.token("test"), house.token("live")
    runtime_of(app).close()
    with serving(data_dir) as server:
        yield Home(server, test_key, live_key, scoped)


@pytest.fixture
def sk(home: Home) -> Iterator[SenderKit]:
    """A client of the real server, with the test key."""
    with home.client() as client:
        yield client


@pytest.fixture
def client_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a program that uses the client."""
    monkeypatch.setenv("SENDERKIT_API_KEY", home.test_key)
    monkeypatch.setenv("SENDERKIT_BASE_URL", home.url)
    for name in ("TIMEOUT", "MAX_RETRIES", "WEBHOOK_SECRET"):
        monkeypatch.delenv(f"SENDERKIT_{name}", raising=False)
