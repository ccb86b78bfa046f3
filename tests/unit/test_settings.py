"""Settings: each one's default, value, file and mistakes, and the secrets that are made."""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from senderkit.domain import Channel, Mode
from senderkit.errors import SettingsError
from senderkit.seed_keys import SeedKey
from senderkit.settings import DOCUMENTED, Settings, load_settings

HASH: Final = hashlib.sha256(b"a token").hexdigest()
SECRET: Final = "a secret key that is long enough for a server"
KEYS: Final = tuple(base64.urlsafe_b64encode(digit * 32).decode() for digit in (b"1", b"2"))
NAMES: Final = [setting.name for setting in DOCUMENTED]

GOOD: Final[dict[str, list[tuple[str, str, Any]]]] = {
    "DATA_DIR": [],  # see the tests of the folder
    "DATABASE_URL": [
        ("sqlite:////srv/senderkit.sqlite3", "database_url", "sqlite:////srv/senderkit.sqlite3"),
        ("postgresql://u:p@h/d", "database_url", "postgresql+psycopg://u:p@h/d"),
        ("postgres://u:p@h:6432/d", "database_url", "postgresql+psycopg://u:p@h:6432/d"),
        ("postgresql+psycopg://h/d", "database_url", "postgresql+psycopg://h/d"),
        (
            "postgresql:///d?host=/run/postgresql",
            "database_url",
            "postgresql+psycopg:///d?host=/run/postgresql",
        ),
    ],
    "SECRET_KEY": [(SECRET, "secret_key", SECRET)],
    "ENCRYPTION_KEY": [
        (KEYS[0], "encryption_keys", KEYS[:1]),
        (f"{KEYS[0]}, {KEYS[1]}", "encryption_keys", KEYS),
        (f"{KEYS[0]}\n{KEYS[1]}\n", "encryption_keys", KEYS),
    ],
    "PUBLIC_URL": [
        ("https://notify.acme.example", "public_url", "https://notify.acme.example"),
        ("http://10.0.0.5:8080/", "public_url", "http://10.0.0.5:8080"),
        ("http://[::1]:8025", "public_url", "http://[::1]:8025"),
        ("HTTPS://Notify.Acme.Example", "public_url", "https://notify.acme.example"),
    ],
    "HOST": [("::", "host", "::"), ("0.0.0.0", "host", "0.0.0.0")],  # noqa: S104
    "PORT": [("1", "port", 1), ("65535", "port", 65535)],
    "THREADS": [("1", "threads", 1), ("256", "threads", 256)],
    "SMTP_URL": [],  # needs MAIL_FROM beside it: see below
    "MAIL_FROM": [("Acme <hello@acme.example>", "mail_from", "Acme <hello@acme.example>")],
    "SEED_KEYS": [
        (f"ci:test:{HASH}:aB3z", "seed_keys", (SeedKey("ci", Mode.TEST, HASH, "aB3z", ()),)),
        (
            f"shop: live :{HASH.upper()}: 0000 :cancel+send,\n ci:test:{'0' * 64}:zzzz\n",
            "seed_keys",
            (
                SeedKey("shop", Mode.LIVE, HASH, "0000", ("cancel", "send")),
                SeedKey("ci", Mode.TEST, "0" * 64, "zzzz", ()),
            ),
        ),
    ],
    "RATE_LIMIT_PER_MINUTE": [("600", "rate_limit_per_minute", 600)],
    "TRUSTED_PROXIES": [("2", "trusted_proxies", 2)],
    "WORKERS": [("1", "workers", 1), ("512", "workers", 512)],
    "REPEAT_IN_DOUBT": [
        ("email, Push", "repeat_in_doubt", frozenset({Channel.EMAIL, Channel.PUSH})),
        ("none", "repeat_in_doubt", frozenset()),
    ],
    "DISPATCHER": [("off", "dispatcher", False), ("Yes", "dispatcher", True)],
    "ALLOW_PRIVATE_ADDRESSES": [("1", "allow_private_addresses", True)],
    "LOG_LEVEL": [("DEBUG", "log_level", "debug"), ("error", "log_level", "error")],
    "ACCESS_LOG": [("on", "access_log", True)],
    "METRICS_TOKEN": [("a-token-of-16-ch", "metrics_token", "a-token-of-16-ch")],
    "DEBUG": [("on", "debug", True), ("0", "debug", False)],
}
"""Beside each setting texts, the field they fill and what it then holds."""

BAD: Final[dict[str, list[str]]] = {
    "DATA_DIR": [],
    "DATABASE_URL": [
        "mysql://u:p@h/d",
        "senderkit.sqlite3",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:memory?uri=true",
        "postgresql://",
        "postgresql://u:p@h",
        "postgresql://u:p@h/",
        "postgresql://u:p@h:port/d",
        "postgresql://u:p@[::1/d",
        "postgresql+asyncpg://u:p@h/d",
    ],
    "SECRET_KEY": ["short", "x" * 31, "secret"],
    "ENCRYPTION_KEY": ["short", f"{KEYS[0]},short", ","],
    "PUBLIC_URL": [
        "notify.acme.example",
        "ftp://notify.acme.example",
        "https://",
        "https://[::1",
        "https://notify.acme.example:99999",
        "https://notify.acme.example/prefix",
        "https://notify.acme.example?x",
        "https://notify.acme.example#x",
        "https://ann:word@notify.acme.example",
        "https://notify acme.example",
        "https://notify.acme.example:",
    ],
    "HOST": [],  # said when it is listened on
    "PORT": ["0", "65536", "80 80", "eighty", "-1", "8025.0", "٨٠", "9" * 5_000],
    "THREADS": ["0", "257", "many"],
    "SMTP_URL": [],
    "MAIL_FROM": [],
    "SEED_KEYS": [
        "ci",
        f":test:{HASH}:aB3z",
        f"ci:prod:{HASH}:aB3z",
        "ci:test:sk_test_the_token_itself:aB3z",
        f"ci:test:{HASH[:-1]}:aB3z",
        f"ci:test:{HASH}:aB3",
        f"ci:test:{HASH}:aB-z",
        f"ci:test:{HASH}:éééé",
        f"ci:test:{HASH}:aB3z:write",
        f"ci:test:{HASH}:aB3z:read:send",
        f"{'n' * 101}:test:{HASH}:aB3z",
        f"c\ti:test:{HASH}:aB3z",
        f"ci:test:{HASH}:aB3z,shop:live:{HASH}:aB3z",
    ],
    "RATE_LIMIT_PER_MINUTE": ["-1", "1000001"],
    "TRUSTED_PROXIES": ["-1", "11", "on"],
    "WORKERS": ["0", "513"],
    "REPEAT_IN_DOUBT": ["mail", "email push", "email,none"],
    "DISPATCHER": ["maybe", "2"],
    "ALLOW_PRIVATE_ADDRESSES": ["maybe", "2"],
    "LOG_LEVEL": ["verbose", "20"],
    "ACCESS_LOG": ["maybe"],
    "METRICS_TOKEN": ["fifteen-letters", "sixteen letters!", "sechzehn-Zeichen-ü"],
    "DEBUG": ["maybe"],
}
"""Beside each setting texts that must be refused."""


def load(data_dir: Path, /, **given: str) -> Settings:
    """Settings by name (`PORT`), and nothing of this process's environment."""
    named = {f"SENDERKIT_{name}": value for name, value in given.items()}
    return load_settings({"SENDERKIT_DATA_DIR": str(data_dir)} | named)


def problems_of(data_dir: Path, /, **given: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(data_dir, **given)
    return list(raised.value.problems)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


# -- each setting -----------------------------------------------------------------------------


def test_every_documented_setting_stands_in_both_tables() -> None:
    assert list(GOOD) == NAMES
    assert list(BAD) == NAMES


class Noting(dict[str, str]):
    """An environment that notes which names are asked for."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def test_the_documented_settings_are_those_that_are_read(tmp_path: Path) -> None:
    environ = Noting({"SENDERKIT_DATA_DIR": str(tmp_path / "data")})

    load_settings(environ)

    ours = {name for name in environ.asked if name.startswith("SENDERKIT_")}
    assert ours == {f"SENDERKIT_{name}{end}" for name in NAMES for end in ("", "_FILE")}


DEFAULTS: Final = {
    "public_url": "http://127.0.0.1:8025",
    "host": "127.0.0.1",
    "port": 8025,
    "threads": 16,
    "smtp_url": None,
    "mail_from": None,
    "seed_keys": (),
    "rate_limit_per_minute": 0,
    "trusted_proxies": 0,
    "workers": 32,
    "repeat_in_doubt": frozenset(Channel),
    "dispatcher": True,
    "allow_private_addresses": False,
    "log_level": "info",
    "debug": False,
}


def test_without_settings_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(tmp_path / "data")

    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS
    assert settings.database_url == f"sqlite:///{tmp_path}/data/senderkit.sqlite3"


def test_the_data_folder_is_data_where_the_server_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert load_settings({}).data_dir == tmp_path / "data"


def test_the_data_folder_may_be_named_from_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert load(Path("~/senderkit")).data_dir == tmp_path / "senderkit"


def test_the_documentation_tells_the_defaults_as_they_are(tmp_path: Path) -> None:
    settings = load(tmp_path / "data")
    told = {setting.name.lower(): setting.default for setting in DOCUMENTED}

    found = {name: told[name].split(" ")[0] for name in DEFAULTS}

    assert found == {name: as_told(getattr(settings, name)) for name in DEFAULTS}


def as_told(value: object) -> str:
    """A default as the documentation writes it."""
    if value == frozenset(Channel):
        return ",".join(Channel)
    words = {"True": "on", "False": "off", "None": "none", "()": "none"}
    return words.get(str(value), str(value))


CASES = [(name, *case) for name, cases in GOOD.items() for case in cases]


@pytest.mark.parametrize(("name", "text", "field", "expected"), CASES)
def test_a_setting_is_taken_from_the_environment(
    tmp_path: Path, name: str, text: str, field: str, expected: object
) -> None:
    assert getattr(load(tmp_path / "data", **{name: text}), field) == expected


@pytest.mark.parametrize(("name", "text", "field", "expected"), CASES)
def test_a_setting_is_taken_from_a_file(
    tmp_path: Path, name: str, text: str, field: str, expected: object
) -> None:
    (tmp_path / "value").write_text(f"{text}\n", encoding="utf-8")

    settings = load(tmp_path / "data", **{f"{name}_FILE": str(tmp_path / "value")})

    assert getattr(settings, field) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_given_twice_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "value").write_text("value", encoding="utf-8")
    text = GOOD[name][0][0] if GOOD[name] else str(tmp_path / "data")

    found = problems_of(tmp_path / "data", **{name: text, f"{name}_FILE": str(tmp_path / "value")})

    assert f"SENDERKIT_{name} and SENDERKIT_{name}_FILE are both set: keep one of them." in found


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_said(tmp_path: Path, name: str) -> None:
    environ = {} if name == "DATA_DIR" else {"SENDERKIT_DATA_DIR": str(tmp_path / "data")}

    with pytest.raises(SettingsError) as raised:
        load_settings(environ | {f"SENDERKIT_{name}_FILE": str(tmp_path / "nothing")})

    assert raised.value.problems == (
        f"SENDERKIT_{name}_FILE: cannot read the file (No such file or directory).",
    )


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"\xff\xfe")

    assert problems_of(tmp_path / "data", SECRET_KEY_FILE=str(tmp_path / "value")) == [
        "SENDERKIT_SECRET_KEY_FILE: cannot read the file (not UTF-8 text)."
    ]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "DATA_DIR"])
def test_an_empty_setting_counts_as_not_given(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    plain = load(tmp_path / "data")

    assert load(tmp_path / "data", **{name: ""}) == plain
    assert load(tmp_path / "data", **{name: "  "}) == plain
    assert load(tmp_path / "data", **{f"{name}_FILE": str(tmp_path / "empty")}) == plain


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts]
)
def test_a_bad_value_is_named_and_not_repeated(tmp_path: Path, name: str, text: str) -> None:
    found = problems_of(tmp_path / "data", **{name: text})

    assert len(found) == 1
    assert found[0].startswith(f"SENDERKIT_{name}: ")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "postgresql://user:opensesame@host:port/name"),
        ("DATABASE_URL", "mysql://user:opensesame@host/name"),
        ("SECRET_KEY", "opensesame"),
        ("ENCRYPTION_KEY", "opensesame"),
        ("PUBLIC_URL", "https://ann:opensesame@notify.acme.example"),
        ("SEED_KEYS", "opensesame"),
        ("SEED_KEYS", "ci:test:opensesame:aB3z"),
        ("SEED_KEYS", f"ci:test:{HASH}:opensesame"),
    ],
)
def test_no_problem_repeats_a_secret(tmp_path: Path, name: str, text: str) -> None:
    assert "opensesame" not in "".join(problems_of(tmp_path / "data", **{name: text}))


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    names = [name for name in NAMES if BAD[name]]

    found = problems_of(tmp_path / "data", **{name: BAD[name][0] for name in names})

    assert sorted(problem.partition(":")[0] for problem in found) == sorted(
        f"SENDERKIT_{name}" for name in names
    )


def test_all_bad_keys_of_a_declaration_are_told_at_once(tmp_path: Path) -> None:
    [problem] = problems_of(
        tmp_path / "data", SEED_KEYS=f"ci:prod:{HASH}:aB3z,shop:live:{HASH}:aB3z:write"
    )

    assert "'ci'" in problem
    assert "'shop'" in problem


def test_what_is_wrong_elsewhere_is_told_with_the_rest(tmp_path: Path) -> None:
    environ = {"SENDERKIT_DATA_DIR": str(tmp_path / "data"), "SENDERKIT_PORT": "eighty"}

    with pytest.raises(SettingsError) as raised:
        load_settings(environ, check=lambda settings: [f"{settings.host} is wrong."])

    assert raised.value.problems == (
        "SENDERKIT_PORT: must be a whole number from 1 to 65535.",
        "127.0.0.1 is wrong.",
    )


def test_an_option_wins_over_the_environment(tmp_path: Path) -> None:
    environ = {"SENDERKIT_DATA_DIR": str(tmp_path), "SENDERKIT_PORT": "eighty"}

    assert load_settings(environ, overrides={"PORT": "9000"}).port == 9000


def test_the_smtp_url_needs_a_sender(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "data", SMTP_URL="smtp://localhost") == [
        "SENDERKIT_SMTP_URL needs SENDERKIT_MAIL_FROM, the sender of its mail."
    ]


# -- where people reach the server ------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("localhost", "http://localhost:9000"),
        ("10.0.0.5", "http://10.0.0.5:9000"),
        ("::1", "http://[::1]:9000"),
        ("0.0.0.0", "http://127.0.0.1:9000"),  # noqa: S104
        ("::", "http://127.0.0.1:9000"),
    ],
)
def test_the_public_url_follows_the_address_listened_on(
    tmp_path: Path, host: str, expected: str
) -> None:
    assert load(tmp_path / "data", HOST=host, PORT="9000").public_url == expected


def test_https_is_seen_in_the_public_url(tmp_path: Path) -> None:
    assert load(tmp_path, PUBLIC_URL="https://notify.acme.example").is_https
    assert not load(tmp_path).is_https


# -- debug ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "is_open"),
    [
        ({}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": "127.0.0.8"}, False),
        ({"HOST": "localhost"}, False),
        ({"HOST": "0.0.0.0"}, True),  # noqa: S104
        ({"HOST": "::"}, True),
        ({"HOST": "10.0.0.5"}, True),
        ({"HOST": "notify.acme.example"}, True),
        ({"PUBLIC_URL": "https://notify.acme.example"}, True),
        ({"PUBLIC_URL": "http://localhost:8025"}, False),
        ({"TRUSTED_PROXIES": "1"}, True),
    ],
)
def test_debug_is_refused_on_a_server_open_to_the_world(
    tmp_path: Path, more: dict[str, str], is_open: bool
) -> None:
    load(tmp_path / "data", **more)
    if not is_open:
        assert load(tmp_path / "data", DEBUG="on", **more).debug
        return

    [problem] = problems_of(tmp_path / "data", DEBUG="on", **more)

    assert problem.startswith("SENDERKIT_DEBUG is on")


def test_flasks_own_debug_switch_is_refused(tmp_path: Path) -> None:
    environ = {"SENDERKIT_DATA_DIR": str(tmp_path / "data")}

    with pytest.raises(SettingsError, match="FLASK_DEBUG is set"):
        load_settings(environ | {"FLASK_DEBUG": "1"})

    assert not load_settings(environ | {"FLASK_DEBUG": "0"}).debug


# -- secrets ----------------------------------------------------------------------------------


def test_secrets_are_made_on_first_start_and_kept(tmp_path: Path) -> None:
    first, second = load(tmp_path / "data"), load(tmp_path / "data")
    elsewhere = load(tmp_path / "other")

    assert first == second
    assert len(first.secret_key) >= 32
    assert first.secret_key != elsewhere.secret_key
    assert first.encryption_keys != elsewhere.encryption_keys
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "encryption.key",
        "secret.key",
    ]


@pytest.mark.usefixtures("open_umask")
def test_folder_and_secrets_are_private_whatever_the_umask(tmp_path: Path) -> None:
    load(tmp_path / "above" / "data")

    assert mode_of(tmp_path / "above/data") == 0o700
    assert mode_of(tmp_path / "above") == 0o700
    assert mode_of(tmp_path / "above/data/secret.key") == 0o600
    assert mode_of(tmp_path / "above/data/encryption.key") == 0o600


def test_what_was_opened_to_others_is_closed_again(tmp_path: Path) -> None:
    load(tmp_path / "data")
    for path in (tmp_path / "data", *(tmp_path / "data").iterdir()):
        path.chmod(0o777)

    load(tmp_path / "data")

    assert mode_of(tmp_path / "data") == 0o700
    assert {mode_of(path) for path in (tmp_path / "data").iterdir()} == {0o600}


def test_a_folder_of_other_things_is_never_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    (tmp_path / "shared/notes.txt").touch()

    [problem] = problems_of(tmp_path / "shared")

    assert problem == (
        f"SENDERKIT_DATA_DIR: {tmp_path}/shared holds other files and is open to other users: "
        "choose a folder of its own, or close this one with chmod 700."
    )
    assert mode_of(tmp_path / "shared") == 0o755
    (tmp_path / "shared").chmod(0o700)
    assert load(tmp_path / "shared").data_dir == tmp_path / "shared"


@pytest.mark.parametrize("name", [[], ["lost+found"]])
def test_an_empty_folder_is_taken(tmp_path: Path, name: list[str]) -> None:
    (tmp_path / "volume").mkdir()
    for entry in name:
        (tmp_path / "volume" / entry).mkdir()
    (tmp_path / "volume").chmod(0o755)

    load(tmp_path / "volume")

    assert mode_of(tmp_path / "volume") == 0o700


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    [problem] = problems_of(tmp_path / "file" / "data")

    assert problem == f"SENDERKIT_DATA_DIR: {tmp_path}/file/data: Not a directory."


@pytest.mark.parametrize(
    ("filename", "text"),
    [("secret.key", ""), ("secret.key", "short"), ("encryption.key", ""), ("encryption.key", "x")],
)
def test_a_spoilt_key_file_is_refused(tmp_path: Path, filename: str, text: str) -> None:
    load(tmp_path / "data")
    (tmp_path / "data" / filename).write_text(text, encoding="utf-8")

    [problem] = problems_of(tmp_path / "data")

    assert problem.startswith(f"{tmp_path}/data/{filename}: ")


def test_given_secrets_leave_no_key_file(tmp_path: Path) -> None:
    load(tmp_path / "data", SECRET_KEY=SECRET, ENCRYPTION_KEY=KEYS[0])

    assert list((tmp_path / "data").iterdir()) == []


def test_the_text_of_settings_holds_no_secret(tmp_path: Path) -> None:
    settings = load(
        tmp_path / "data",
        DATABASE_URL="postgresql://user:opensesame@host/name",
        SECRET_KEY=SECRET,
        ENCRYPTION_KEY=KEYS[0],
        SMTP_URL="smtp://user:openbarley@mail.acme.example",
        MAIL_FROM="hello@acme.example",
        SEED_KEYS=f"ci:test:{HASH}:aB3z",
    )

    text = repr(settings)

    found = [
        secret for secret in ("opensesame", SECRET, KEYS[0], "openbarley", HASH) if secret in text
    ]
    assert found == []


def _load_and_hand_back(data_dir: Path, answers: Any, barrier: Any) -> None:
    barrier.wait(30)
    settings = load(data_dir)
    answers.put((settings.secret_key, settings.encryption_keys))


def test_processes_that_start_together_agree_on_the_secrets(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers, barrier = context.Queue(), context.Barrier(4)
    started = [
        context.Process(target=_load_and_hand_back, args=(tmp_path / "data", answers, barrier))
        for _ in range(4)
    ]
    for process in started:
        process.start()
    found = {answers.get(timeout=60) for _ in started}
    for process in started:
        process.join(timeout=60)

    assert len(found) == 1
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"secret.key", "encryption.key"}


# -- traces -----------------------------------------------------------------------------------

COLLECTOR: Final = "http://127.0.0.1:4318"


def load_beside(data_dir: Path, **variables: str) -> Settings:
    """Settings beside variables that are not ours."""
    return load_settings({"SENDERKIT_DATA_DIR": str(data_dir)} | variables)


@pytest.mark.parametrize(
    ("variables", "exports"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "mail"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{COLLECTOR}/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": COLLECTOR}, False),
    ],
)
def test_traces_are_exported_where_a_collector_is_named(
    tmp_path: Path, variables: dict[str, str], exports: bool
) -> None:
    assert load_beside(tmp_path / "data", **variables).exports_traces is exports


def test_a_protocol_for_traces_that_is_not_spoken_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="http/protobuf"):
        load_beside(
            tmp_path / "data",
            OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        )
