"""Every test that asks for a database runs twice: on SQLite and on Postgres.

`SENDERKIT_TEST_POSTGRES_URL` points at a server of one's own; without it a Postgres that pip
installed is started, once for each worker. `SENDERKIT_REQUIRE_POSTGRES=1` and
`SENDERKIT_REQUIRE_BROWSER=1` make what would be skipped fail.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

import pytest
import structlog
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import make_url
from werkzeug.routing import Rule

from senderkit import crypto, providers
from senderkit.providers.base import Provider
from senderkit.services import connections
from senderkit.settings import Settings, load_settings
from senderkit.web import create_app
from senderkit.web.logs import name_request
from senderkit.web.runtime import runtime_of
from senderkit.web.schema import upgrade_schema
from tests.fakes import Authority
from tests.hostile import Canary
from tests.make import FakeClock, House
from tests.postgres import LentDatabases, PostgresDatabases, running_postgres

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them each process
# that a test starts and stops by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What a test logs is shown when it fails: plainly, and without taking seconds to draw it.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        name_request,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

MakeApp = Callable[..., Flask]


class CompiledPages(BytecodeCache):
    """Page templates as code, by name and source: an application of each test's own would compile
    them anew, which took most of the time of the tests of pages."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._code.get((bucket.key, bucket.checksum)):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


_COMPILED_PAGES: Final = CompiledPages()


def _keep_builders() -> None:
    """Werkzeug compiles two functions for each route, which takes 60 ms for an application. They
    hang on the words of the route alone, so the same ones serve the applications of all tests."""
    compile_builder = Rule._compile_builder
    kept: dict[tuple[Any, ...], Any] = {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        words = (rule.rule, tuple(rule._trace), append_unknown)
        return kept.get(words) or kept.setdefault(words, compile_builder(rule, append_unknown))

    setattr(Rule, "_compile_builder", compile_once)  # noqa: B010 - mypy knows it as a method


_keep_builders()

_SECRET_KEY: Final = "a secret key of the tests, not of any server"
_ENCRYPTION_KEY: Final = crypto.new_encryption_key()


def make_settings(database_url: str, data_dir: Path, **more: str) -> Settings:
    """Settings as a server would read them; `more` by name (`PUBLIC_URL`)."""
    environ = {
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url,
        "SECRET_KEY": _SECRET_KEY,
        "ENCRYPTION_KEY": _ENCRYPTION_KEY,
        "THREADS": "4",
        "WORKERS": "4",
    } | more
    return load_settings({f"SENDERKIT_{name}": value for name, value in environ.items()})


def _migrate(url: str, folder: Path) -> None:
    app = create_app(make_settings(url, folder))
    upgrade_schema(app)
    runtime_of(app).close()


# By the database's kind: the cookie of the session that the owner of a set-up database has.
_OWNER_COOKIES: Final[dict[str, tuple[str, str]]] = {}


def _set_up(url: str, folder: Path) -> None:
    """What `House.set_up` and a login do, once for all tests: to hash a password takes its time."""
    clock = FakeClock()
    app = create_app(make_settings(url, folder), clock)
    house = House(app, clock)
    house.set_up()
    name = app.config["SESSION_COOKIE_NAME"]
    cookie = house.owner().client.get_cookie(name)
    assert cookie is not None
    _OWNER_COOKIES[make_url(url).get_backend_name()] = name, cookie.value
    runtime_of(app).close()


def _truncate_journal(path: Path) -> None:
    """So that the file alone is the database."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# -- SQLite -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    path = folder / "empty.sqlite3"
    _migrate(f"sqlite:///{path}", folder)
    _truncate_journal(path)
    return path


@pytest.fixture(scope="session")
def set_up_file(migrated_file: Path) -> Path:
    path = migrated_file.with_name("set_up.sqlite3")
    shutil.copy(migrated_file, path)
    _set_up(f"sqlite:///{path}", path.parent)
    _truncate_journal(path)
    return path


# -- Postgres ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of the Postgres server that the tests use."""
    is_given = bool(os.environ.get("SENDERKIT_TEST_POSTGRES_URL"))
    if os.environ.get("SENDERKIT_REQUIRE_POSTGRES") and not is_given:
        pytest.fail("SENDERKIT_REQUIRE_POSTGRES is set, but SENDERKIT_TEST_POSTGRES_URL is not")
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def postgres(postgres_url: str) -> Iterator[PostgresDatabases]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    databases = PostgresDatabases(postgres_url, f"senderkit_test_{worker}_{os.getpid()}")
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def migrated_databases(
    postgres: PostgresDatabases, tmp_path_factory: pytest.TempPathFactory
) -> LentDatabases:
    folder = tmp_path_factory.mktemp("data")
    return LentDatabases(postgres, lambda url: _migrate(url, folder))


@pytest.fixture(scope="session")
def set_up_databases(
    postgres: PostgresDatabases,
    migrated_databases: LentDatabases,
    tmp_path_factory: pytest.TempPathFactory,
) -> LentDatabases:
    folder = tmp_path_factory.mktemp("data")
    return LentDatabases(
        postgres, lambda url: _set_up(url, folder), template=migrated_databases.original
    )


# -- both -------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database: empty, or set up already for a test that has a `house`."""
    is_set_up = "house" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "data" / "senderkit.sqlite3"
        path.parent.mkdir(mode=0o700)
        source = request.getfixturevalue("set_up_file" if is_set_up else "migrated_file")
        shutil.copy(source, path)
        yield f"sqlite:///{path}"
        return
    databases = "set_up_databases" if is_set_up else "migrated_databases"
    with request.getfixturevalue(databases).lent() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def unmigrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/data/senderkit.sqlite3"
        return
    databases: PostgresDatabases = request.getfixturevalue("postgres")
    name = databases.make()
    yield databases.url_of(name)
    databases.drop(name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_app(database_url: str, clock: FakeClock, tmp_path: Path) -> Iterator[MakeApp]:
    """Makes applications on the test's database, as processes of one server would be.

    Settings are given by name: `make_app(PUBLIC_URL="https://notify.acme.example")`.
    """
    made: list[Flask] = []

    def make(**settings: Any) -> Flask:
        app = create_app(make_settings(database_url, tmp_path / "data", **settings), clock)
        app.testing = False  # errors are answered as they are in production
        app.jinja_env.bytecode_cache = _COMPILED_PAGES
        made.append(app)
        return app

    yield make
    for app in made:
        runtime_of(app).close()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def empty_house(app: Flask, clock: FakeClock) -> House:
    """A house that nobody has set up."""
    return House(app, clock)


@pytest.fixture
def house(app: Flask, clock: FakeClock, database_url: str) -> House:
    """A house whose workspace and owner exist: `database_url` sees to that."""
    cookie = _OWNER_COOKIES[make_url(database_url).get_backend_name()]
    is_usual = app.config["SESSION_COOKIE_NAME"] == cookie[0]
    return House(app, clock, owner_cookies=[cookie] if is_usual else [])


# -- providers ----------------------------------------------------------------------------------

Registered = TypeVar("Registered", bound=Provider)


class RegisterProvider(Protocol):
    """Adds a provider to the registry for the time of a test."""

    def __call__(self, provider: Registered, /) -> Registered: ...


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> RegisterProvider:
    def add(provider: Registered, /) -> Registered:
        extended = MappingProxyType({**providers.PROVIDERS, provider.name: provider})
        monkeypatch.setattr(providers, "PROVIDERS", extended)
        monkeypatch.setattr(connections, "PROVIDERS", extended)
        return provider

    return add


# -- certificates -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The authority, trusted by every client that asks the system."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


# -- calls to the outside ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def canary() -> Iterator[Canary]:
    with Canary() as canary:
        yield canary
