"""Settings from the environment: typed, frozen, and the only place that reads it.

Each `SENDERKIT_NAME` may instead be given as `SENDERKIT_NAME_FILE`, the path of a file that holds
the value. Every problem is reported at once, in one `SettingsError`. A secret key and an encryption
key are made on first start in the data folder (files 0600, folder 0700); there is no default one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from senderkit import crypto
from senderkit import setting_values as values
from senderkit.data_folder import (
    FolderShared,
    kept_secret,
    make_private_folder,
    replace_secret,
)
from senderkit.domain import Channel
from senderkit.errors import SettingsError
from senderkit.seed_keys import SeedKey, parse_seed_keys

T = TypeVar("T")

_SECRET_KEY_FILE: Final = "secret.key"
_ENCRYPTION_KEY_FILE: Final = "encryption.key"
_DATABASE_FILE: Final = "senderkit.sqlite3"
_TRACE_ENDPOINTS: Final = (
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)
_TRACE_PROTOCOLS: Final = (
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
)
_TRACE_PROTOCOL: Final = "http/protobuf"

_NO_SEED_KEYS: Final[tuple[SeedKey, ...]] = ()
_NO_TEXTS: Final[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """One documented setting, for `docs/configuration.md` and for `--help`."""

    name: str
    default: str
    help: str


DOCUMENTED: Final = (
    Setting("DATA_DIR", "./data", "Folder of the database and the keys; made with mode 0700."),
    Setting(
        "DATABASE_URL",
        "SQLite in the data folder",
        "`sqlite:///path` or `postgresql://user:password@host/name` (Postgres 15 or newer).",
    ),
    Setting(
        "SECRET_KEY",
        "made on first start",
        "Signs sessions and unsubscribe links; at least 32 characters.",
    ),
    Setting(
        "ENCRYPTION_KEY",
        "made on first start",
        "Fernet keys that seal provider credentials and webhook secrets, newest first, separated "
        "by commas.",
    ),
    Setting(
        "PUBLIC_URL",
        "http://127.0.0.1:8025",
        "Where people and mail links reach this server; follows `HOST` and `PORT` unless given. "
        "With https, cookies are `Secure` and `__Host-`.",
    ),
    Setting("HOST", "127.0.0.1", "Address or name to listen on; `0.0.0.0` or `::` for all."),
    Setting("PORT", "8025", "Port to listen on."),
    Setting("THREADS", "16", "Request threads; at least as many as busy connections."),
    Setting(
        "SMTP_URL",
        "none",
        "Connection for live email and for mail to the team: `smtp://user:password@host:587` "
        "(STARTTLS) or `smtps://`.",
    ),
    Setting("MAIL_FROM", "none", "Sender of that connection, such as `Acme <hello@acme.example>`."),
    Setting(
        "SEED_KEYS",
        "none",
        "API keys declared by hash: `name:live:<sha256 hex>:<last four>[:scope+scope]`, "
        "separated by commas or new lines. `senderkit admin keys mint` makes such a line.",
    ),
    Setting(
        "RATE_LIMIT_PER_MINUTE",
        "0 (off)",
        "Requests a minute that one API key may make; at least 10 at once are always free.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        "0",
        "How many proxies in front set X-Forwarded-For, -Proto and -Host; 0 ignores them.",
    ),
    Setting("WORKERS", "32", "Threads that talk to one connection's provider at the same time."),
    Setting(
        "REPEAT_IN_DOUBT",
        "email,sms,push,web-push",
        "Channels on which a message is sent again when a lost reply leaves in doubt whether the "
        "provider took it; `none` for no channel. On the others it fails.",
    ),
    Setting("DISPATCHER", "on", "`off` serves pages and API only; another process delivers."),
    Setting(
        "ALLOW_PRIVATE_ADDRESSES",
        "off",
        "`on` lets webhooks and provider base URLs lead to this machine and its private network, "
        "and be plain http.",
    ),
    Setting("LOG_LEVEL", "info", "`debug`, `info`, `warning` or `error`."),
    Setting("ACCESS_LOG", "off", "`on` writes a line about each request to the log."),
    Setting(
        "METRICS_TOKEN",
        "none",
        "What Prometheus sends as `Authorization: Bearer` to read `/metrics`; at least 16 "
        "characters. Without it only this machine may read there.",
    ),
    Setting("DEBUG", "off", "`on` adds `/styleguide`; refused where others reach the server."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. Secrets stay out of `repr`.

    `keeps_encryption_keys`: they are kept in the data folder, not given. `exports_traces`: the
    variables of OpenTelemetry say where to.
    """

    data_dir: Path
    database_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    keeps_encryption_keys: bool = False
    public_url: str = "http://127.0.0.1:8025"
    host: str = "127.0.0.1"
    port: int = 8025
    threads: int = 16
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    seed_keys: tuple[SeedKey, ...] = field(default=(), repr=False)
    rate_limit_per_minute: int = 0
    trusted_proxies: int = 0
    workers: int = 32
    repeat_in_doubt: frozenset[Channel] = frozenset(Channel)
    dispatcher: bool = True
    allow_private_addresses: bool = False
    log_level: str = "info"
    access_log: bool = False
    metrics_token: str | None = field(default=None, repr=False)
    exports_traces: bool = False
    debug: bool = False

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def listening_url(self) -> str:
        """Where the server itself listens; proxies may stand before it."""
        return values.url_on(self.host, self.port)

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


Check = Callable[[Settings], Iterable[str]]
"""Says what is wrong with settings that were read: one sentence for each problem."""


def _nothing_else(_settings: Settings) -> Iterable[str]:
    return ()


_OTHERS: Final = frozenset(
    {"API_KEY", "BASE_URL", "TIMEOUT", "MAX_RETRIES", "WEBHOOK_SECRET"}
    | {"TEST_POSTGRES_URL", "REQUIRE_POSTGRES", "REQUIRE_BROWSER"}
)
"""Read by the client and by the tests, which may share this environment."""


def misspelt_names(
    environ: Mapping[str, str] | None = None,
) -> tuple[tuple[str, str | None], ...]:
    """Variables named like a setting that are none, each with the name that comes close."""
    known = {f"SENDERKIT_{setting.name}{end}" for setting in DOCUMENTED for end in ("", "_FILE")}
    others = {f"SENDERKIT_{name}" for name in _OTHERS}
    return tuple(
        (name, next(iter(get_close_matches(name, known, n=1)), None))
        for name in sorted(os.environ if environ is None else environ)
        if name.startswith("SENDERKIT_") and name not in known | others
    )


class _Reader:
    """Reads values one by one and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str], overrides: Mapping[str, str]) -> None:
        self._environ = environ
        self._overrides = overrides
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        if name in self._overrides:
            return self._overrides[name]
        variable = f"SENDERKIT_{name}"
        given, path = self._environ.get(variable), self._environ.get(f"{variable}_FILE")
        if given and path:
            self.problems.append(f"{variable} and {variable}_FILE are both set: keep one of them.")
        if path and not given:
            return self._from_file(f"{variable}_FILE", path)
        return given.strip() or None if given else None

    def _from_file(self, variable: str, path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self.problems.append(f"{variable}: cannot read the file ({reason}).")
            return None

    def parsed(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        text = self.text(name)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"SENDERKIT_{name}: {error}.")
            return default

    def exports_traces(self) -> bool:
        """Whether OpenTelemetry's own variables name a collector. Its library reads the others."""
        given = {name: text.strip() for name, text in self._environ.items() if "OTEL_" in name}
        is_off = given.get("OTEL_SDK_DISABLED", "").lower() == "true"
        if is_off or given.get("OTEL_TRACES_EXPORTER", "otlp") not in {"", "otlp"}:
            return False
        if not any(given.get(name) for name in _TRACE_ENDPOINTS):
            return False
        protocols = {given[name] for name in _TRACE_PROTOCOLS if given.get(name)}
        if protocols - {_TRACE_PROTOCOL}:
            self.problems.append(f"OTEL_EXPORTER_OTLP_PROTOCOL: must be {_TRACE_PROTOCOL}.")
        return True


def _problems_together(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    if settings.debug and not _is_for_this_machine_only(settings):
        yield (
            "SENDERKIT_DEBUG is on for a server that others reach: it is for 127.0.0.1 as "
            "SENDERKIT_HOST and in SENDERKIT_PUBLIC_URL, with no SENDERKIT_TRUSTED_PROXIES."
        )
    if environ.get("FLASK_DEBUG", "").lower() not in {"", "0", "false", "no"}:
        yield "FLASK_DEBUG is set: it would let visitors run code. Unset it."
    if settings.smtp_url and not settings.mail_from:
        yield "SENDERKIT_SMTP_URL needs SENDERKIT_MAIL_FROM, the sender of its mail."


def _is_for_this_machine_only(settings: Settings) -> bool:
    hosts = (settings.host, urlsplit(settings.public_url).hostname or "")
    return all(map(values.is_loopback, hosts)) and not settings.trusted_proxies


def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    overrides: Mapping[str, str] | None = None,
    check: Check = _nothing_else,
) -> Settings:
    """Read every setting; raise `SettingsError` naming all that are wrong.

    `overrides` holds values by setting name (`PORT`) that win over the environment. `check` adds
    what only later rooms can see, such as a mail server's address that no adapter understands.
    Makes the data folder and the two secrets when they are missing.
    """
    environ = os.environ if environ is None else environ
    reader = _Reader(environ, overrides or {})
    settings = _read(reader)
    problems = [
        *reader.problems,
        *_problems_together(settings, environ),
        *check(settings),
    ]
    if problems:
        raise SettingsError(problems)
    return _with_kept_secrets(settings)


def _read(reader: _Reader) -> Settings:
    data_dir = Path(reader.text("DATA_DIR") or "data").expanduser().absolute()
    host = reader.text("HOST") or "127.0.0.1"
    port = reader.parsed("PORT", 8025, values.whole_number(1, 65535))
    return Settings(
        data_dir=data_dir,
        database_url=reader.parsed(
            "DATABASE_URL", f"sqlite:///{data_dir / _DATABASE_FILE}", values.database_url
        ),
        secret_key=reader.parsed("SECRET_KEY", "", values.secret_key),
        encryption_keys=reader.parsed("ENCRYPTION_KEY", _NO_TEXTS, values.encryption_keys),
        public_url=reader.parsed("PUBLIC_URL", values.url_on(host, port), values.public_url),
        host=host,
        port=port,
        threads=reader.parsed("THREADS", 16, values.whole_number(1, 256)),
        smtp_url=reader.text("SMTP_URL"),
        mail_from=reader.text("MAIL_FROM"),
        seed_keys=reader.parsed("SEED_KEYS", _NO_SEED_KEYS, parse_seed_keys),
        rate_limit_per_minute=reader.parsed(
            "RATE_LIMIT_PER_MINUTE", 0, values.whole_number(0, 1_000_000)
        ),
        trusted_proxies=reader.parsed("TRUSTED_PROXIES", 0, values.whole_number(0, 10)),
        workers=reader.parsed("WORKERS", 32, values.whole_number(1, 512)),
        repeat_in_doubt=reader.parsed("REPEAT_IN_DOUBT", frozenset(Channel), values.channels),
        dispatcher=reader.parsed("DISPATCHER", True, values.switch),
        allow_private_addresses=reader.parsed("ALLOW_PRIVATE_ADDRESSES", False, values.switch),
        log_level=reader.parsed("LOG_LEVEL", "info", values.log_level),
        access_log=reader.parsed("ACCESS_LOG", False, values.switch),
        metrics_token=reader.parsed("METRICS_TOKEN", None, values.metrics_token),
        exports_traces=reader.exports_traces(),
        debug=reader.parsed("DEBUG", False, values.switch),
    )


def _with_kept_secrets(settings: Settings) -> Settings:
    folder = settings.data_dir
    try:
        make_private_folder(folder)
        return replace(
            settings,
            keeps_encryption_keys=not settings.encryption_keys,
            secret_key=settings.secret_key
            or _kept(folder / _SECRET_KEY_FILE, crypto.new_secret, values.secret_key),
            encryption_keys=settings.encryption_keys
            or _kept(
                folder / _ENCRYPTION_KEY_FILE, crypto.new_encryption_key, values.encryption_keys
            ),
        )
    except FolderShared as error:
        raise SettingsError([f"SENDERKIT_DATA_DIR: {error}"]) from error
    except OSError as error:
        raise SettingsError([f"SENDERKIT_DATA_DIR: {folder}: {error.strerror}."]) from error


def _kept(path: Path, make: Callable[[], str], parse: Callable[[str], T]) -> T:
    try:
        return parse(kept_secret(path, make))
    except ValueError as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        problem = f"{path}: {reason}. Restore it from a backup: what it sealed or signed needs it."
        raise SettingsError([problem]) from error


def kept_encryption_keys(settings: Settings) -> tuple[str, ...]:
    """The encryption keys as they are now: those of the data folder may change while we run.

    A file that cannot be read at the moment changes nothing.
    """
    if not settings.keeps_encryption_keys:
        return settings.encryption_keys
    try:
        return values.encryption_keys(_encryption_key_path(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()


def keep_encryption_keys(settings: Settings, keys: Iterable[str]) -> None:
    """Write the keys of the data folder, newest first. Raises `SettingsError`."""
    path = _encryption_key_path(settings)
    try:
        replace_secret(path, "".join(f"{key}\n" for key in keys))
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}."]) from error


def _encryption_key_path(settings: Settings) -> Path:
    return settings.data_dir / _ENCRYPTION_KEY_FILE
