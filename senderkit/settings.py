"""Settings from the environment: typed, frozen, and the only place that reads it.

Each `SENDERKIT_NAME` may instead be given as `SENDERKIT_NAME_FILE`, the path of a file that holds
the value. Every problem is reported at once, in one `SettingsError`. A secret key and an encryption
key are made on first start in the data folder (files 0600, folder 0700); there is no default one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from senderkit import crypto
from senderkit.data_folder import kept_secret, make_private_folder
from senderkit.errors import SettingsError
from senderkit.seed_keys import SeedKey, parse_seed_keys

T = TypeVar("T")

_SECRET_KEY_FILE: Final = "secret.key"
_ENCRYPTION_KEY_FILE: Final = "encryption.key"
_DATABASE_FILE: Final = "senderkit.sqlite3"
_MINIMUM_SECRET_LENGTH: Final = 32
_POSTGRES: Final = re.compile(r"postgres(?:ql)?(?:\+psycopg)?://")


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
        "Fernet keys that seal provider credentials, newest first, separated by commas.",
    ),
    Setting(
        "PUBLIC_URL",
        "http://127.0.0.1:8025",
        "Where people and mail links reach this server. With https, cookies are `__Host-`.",
    ),
    Setting("HOST", "127.0.0.1", "Address to listen on."),
    Setting("PORT", "8025", "Port to listen on."),
    Setting("THREADS", "16", "Request threads; at least as many as busy connections."),
    Setting(
        "SMTP_URL",
        "none",
        "Connection for live email: `smtp://user:password@host:587` (STARTTLS) or `smtps://`.",
    ),
    Setting("MAIL_FROM", "none", "Sender of that connection, such as `Acme <hello@acme.example>`."),
    Setting(
        "SEED_KEYS",
        "none",
        "API keys declared by hash: `name:live:<sha256 hex>:<last four>[:scope+scope]`, "
        "separated by commas or new lines.",
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
    Setting("WORKERS", "32", "Threads that talk to providers at the same time."),
    Setting("DISPATCHER", "on", "`off` serves pages and API only; another process delivers."),
    Setting("LOG_LEVEL", "info", "`debug`, `info`, `warning` or `error`."),
    Setting("DEBUG", "off", "`on` adds `/styleguide`; refused on an address open to the world."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. Secrets stay out of `repr`."""

    data_dir: Path
    database_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
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
    dispatcher: bool = True
    log_level: str = "info"
    debug: bool = False

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


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


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    words = {"1": True, "on": True, "true": True, "yes": True}
    words |= {"0": False, "off": False, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("must be 'on' or 'off'")
    return words[text.lower()]


def _log_level(text: str) -> str:
    if text.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError("must be 'debug', 'info', 'warning' or 'error'")
    return text.lower()


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an http or https address such as https://notify.acme.example")
    return text.rstrip("/")


def _database_url(text: str) -> str:
    if text.startswith("sqlite:///"):
        return text
    if _POSTGRES.match(text):
        return _POSTGRES.sub("postgresql+psycopg://", text, count=1)
    raise ValueError("must start with sqlite:/// or postgresql://")


def _encryption_keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.replace("\n", ",").split(",") if key.strip())
    try:
        crypto.Vault(keys)
    except ValueError as error:
        raise ValueError("must hold Fernet keys (32 bytes as URL-safe base64)") from error
    return keys


def _secret_key(text: str) -> str:
    if len(text) < _MINIMUM_SECRET_LENGTH:
        raise ValueError(f"must have at least {_MINIMUM_SECRET_LENGTH} characters")
    return text


def _check_together(settings: Settings, problems: list[str]) -> None:
    if settings.debug and settings.host not in {"127.0.0.1", "::1", "localhost"}:
        problems.append("SENDERKIT_DEBUG is on while SENDERKIT_HOST is open to the world.")
    if settings.smtp_url and not settings.mail_from:
        problems.append("SENDERKIT_SMTP_URL needs SENDERKIT_MAIL_FROM, the sender of its mail.")


def load_settings(
    environ: Mapping[str, str] | None = None, *, overrides: Mapping[str, str] | None = None
) -> Settings:
    """Read every setting; raise `SettingsError` naming all that are wrong.

    `overrides` holds values by setting name (`PORT`) that win over the environment. Makes the data
    folder and the two secrets when they are missing.
    """
    reader = _Reader(os.environ if environ is None else environ, overrides or {})
    data_dir = Path(reader.text("DATA_DIR") or "data").absolute()
    database_url = reader.parsed(
        "DATABASE_URL", f"sqlite:///{data_dir / _DATABASE_FILE}", _database_url
    )
    plain = {
        "public_url": reader.parsed("PUBLIC_URL", "", _public_url),
        "host": reader.text("HOST") or "127.0.0.1",
        "port": reader.parsed("PORT", 8025, _whole_number(1, 65535)),
        "threads": reader.parsed("THREADS", 16, _whole_number(1, 256)),
        "smtp_url": reader.text("SMTP_URL"),
        "mail_from": reader.text("MAIL_FROM"),
        "seed_keys": reader.parsed("SEED_KEYS", _NO_SEED_KEYS, parse_seed_keys),
        "rate_limit_per_minute": reader.parsed(
            "RATE_LIMIT_PER_MINUTE", 0, _whole_number(0, 1_000_000)
        ),
        "trusted_proxies": reader.parsed("TRUSTED_PROXIES", 0, _whole_number(0, 10)),
        "workers": reader.parsed("WORKERS", 32, _whole_number(1, 512)),
        "dispatcher": reader.parsed("DISPATCHER", True, _switch),
        "log_level": reader.parsed("LOG_LEVEL", "info", _log_level),
        "debug": reader.parsed("DEBUG", False, _switch),
    }
    plain["public_url"] = plain["public_url"] or f"http://127.0.0.1:{plain['port']}"
    secret_key = reader.parsed("SECRET_KEY", "", _secret_key)
    encryption_keys = reader.parsed("ENCRYPTION_KEY", _NO_TEXTS, _encryption_keys)
    settings = Settings(data_dir, database_url, secret_key, encryption_keys, **plain)  # type: ignore[arg-type]
    _check_together(settings, reader.problems)
    if reader.problems:
        raise SettingsError(reader.problems)
    return _with_kept_secrets(settings)


def _with_kept_secrets(settings: Settings) -> Settings:
    try:
        make_private_folder(settings.data_dir)
        secret_key = settings.secret_key or kept_secret(
            settings.data_dir / _SECRET_KEY_FILE, crypto.new_secret
        )
        kept = settings.encryption_keys or _encryption_keys(
            kept_secret(settings.data_dir / _ENCRYPTION_KEY_FILE, crypto.new_encryption_key)
        )
        return replace(settings, secret_key=_secret_key(secret_key), encryption_keys=kept)
    except OSError as error:
        problem = f"SENDERKIT_DATA_DIR: {settings.data_dir}: {error.strerror}."
        raise SettingsError([problem]) from error
    except ValueError as error:
        raise SettingsError([f"A key file in {settings.data_dir}: {error}."]) from error
