"""The rules of the house, read from the source: each rule is a function from a tree to complaints.

Every rule runs over this repository, and over a small tree that breaks it on purpose.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

Rule = Callable[[Path], list[str]]

HOUSE: Final = Path(__file__).resolve().parents[1]

VOCABULARY: Final = frozenset({"errors", "domain"})
TOOLS: Final = VOCABULARY | {
    "resources",
    "data_folder",
    "seed_keys",
    "setting_values",
    "settings",
    "keys",
    "crypto",
    "commands",
    "mjml",
    "themes",
    "mustache",
    "html_mail",
    "rendering",
    "http_client",
    "rate_limits",
    "sms_segments",
    "template_checks",
    "template_folders",
    "template_samples",
    "template_uses",
    "template_variables",
    "webhook_signing",
}
STORE: Final = TOOLS | {"models", "database", "changes"}
PRODUCT: Final = STORE | {
    "acceptance",
    "outbox",
    "webhook_outbox",
    "followers",
    "lanes",
    "metrics",
    "tracing",
    "providers",
    "simulator",
    "services",
}
DISPATCHERS: Final = frozenset({"calls", "dispatcher", "webhook_calls", "webhook_dispatcher"})

MAY_IMPORT: Final[dict[str, frozenset[str]]] = {
    "errors": frozenset(),
    "domain": frozenset({"errors"}),
    "resources": frozenset(),
    "data_folder": VOCABULARY,
    "seed_keys": VOCABULARY,
    "setting_values": VOCABULARY | {"crypto"},
    "settings": VOCABULARY | {"crypto", "data_folder", "seed_keys", "setting_values"},
    "keys": VOCABULARY,
    "crypto": VOCABULARY,
    "commands": VOCABULARY | {"themes"},
    "mustache": VOCABULARY,
    "mjml": VOCABULARY,
    "themes": VOCABULARY | {"mjml"},
    "html_mail": frozenset(),
    "rendering": VOCABULARY | {"mustache", "themes", "html_mail"},
    "http_client": VOCABULARY,
    "rate_limits": VOCABULARY,
    "sms_segments": frozenset(),
    "template_uses": VOCABULARY | {"commands", "mustache"},
    "template_samples": VOCABULARY,
    "template_variables": VOCABULARY
    | {"commands", "mustache", "template_samples", "template_uses"},
    "template_checks": VOCABULARY
    | {
        "commands",
        "mustache",
        "sms_segments",
        "template_samples",
        "template_uses",
        "template_variables",
        "themes",
    },
    "template_folders": frozenset(),
    "webhook_signing": VOCABULARY,
    "metrics": VOCABULARY,
    "tracing": frozenset(),
    "providers": VOCABULARY | {"http_client"},
    # A test message cannot reach a provider: what synthesizes its life sees no way out.
    "simulator": VOCABULARY,
    "database": TOOLS,
    "models": TOOLS,
    "changes": TOOLS | {"models"},
    "acceptance": STORE | {"metrics"},
    "outbox": STORE,
    "webhook_outbox": STORE,
    "followers": STORE,
    "lanes": frozenset(),
    "services": PRODUCT,
    "calls": PRODUCT,
    "dispatcher": PRODUCT | {"calls"},
    "webhook_calls": PRODUCT,
    "webhook_dispatcher": PRODUCT | {"webhook_calls"},
    "web": PRODUCT | DISPATCHERS,
    "client": frozenset(),
    "cli": PRODUCT | DISPATCHERS | {"web", "client"},
    "app": PRODUCT | DISPATCHERS | {"web"},
    "__main__": frozenset({"cli"}),
}
"""What each room may import of the others; a module that stands in no room is a complaint."""

KNOW_FLASK: Final = frozenset({"web", "cli", "app"})
WEB_LIBRARIES: Final = frozenset({"flask", "click", "werkzeug", "wtforms"})
CALL_OUT: Final = frozenset({"http_client", "client"})
HTTP_LIBRARIES: Final = re.compile(
    r"(httpx2?|httpcore2?|h2|h11|requests|urllib3|aiohttp|boto3|urllib\.request|http\.client"
    r"|botocore\.httpsession)(\..*)?"
)
# The client runs in other people's programs and imports nothing of ours, so it has its own doors.
CLIENT_FOR_FLASK: Final = "senderkit.client.integrations.flask"
CLIENT_SETTINGS: Final = "senderkit.client.configuration"
CLOCKS: Final = {"senderkit.domain": "utc_now", "senderkit.client.webhooks": "unix_now"}
"""The functions that read the clock on the wall, by module."""

MAX_LINES: Final = 600
MAX_TEXT_BYTES: Final = 2_000_000
NOT_OURS: Final = frozenset({"__pycache__", "build", "data", "dist", "node_modules", "vendor"})
REGISTRIES: Final = re.compile(r"pypi[.]org|python[h]osted|registry[.]npmjs|deb[.]debian[.]org")
MACHINE_PATHS: Final = re.compile(r"(?<![\w.~$}/-])/(?:root|work|(?:home|Users)/[\w.-]+)/")


@dataclass(frozen=True)
class Source:
    """One Python file: `name` is its path from the top, `module` its dotted name."""

    name: str
    module: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str | None:
        return room_of(self.module)

    @property
    def package(self) -> str:
        is_package = self.name.endswith("__init__.py")
        return self.module if is_package else self.module.rpartition(".")[0]


def room_of(name: str) -> str | None:
    """The part of the house a name belongs to: `web` for `senderkit.web.api.keys`."""
    first, *rest = name.split(".")
    if first == "senderkit" and rest:
        return rest[0]
    return first if first == "app" else None


@cache
def sources(top: Path) -> tuple[Source, ...]:
    """The product's own Python: `senderkit/` and `app.py`."""
    paths = [*sorted((top / "senderkit").rglob("*.py")), *top.glob("app.py")]
    return tuple(_source(top, path) for path in paths)


def _source(top: Path, path: Path) -> Source:
    relative = path.relative_to(top)
    module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
    text = path.read_text(encoding="utf-8")
    return Source(relative.as_posix(), module, text, ast.parse(text))


def imports(source: Source) -> Iterator[str]:
    """Every name it imports, dotted and absolute: `senderkit.domain.Channel`, `os`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            absolute = importlib.util.resolve_name(origin, source.package)
            yield from (f"{absolute}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    """`os.environ` of the expression `os.environ`; empty for anything but names and dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


# -- the rules --------------------------------------------------------------------------------


def imports_go_one_way(top: Path) -> list[str]:
    rooms = {source.room for source in sources(top) if source.room} | set(MAY_IMPORT)
    return [
        f"{source.name} may not import {name}"
        for source in sources(top)
        if source.room in MAY_IMPORT
        for name in imports(source)
        if room_of(name) in rooms - {source.room} - MAY_IMPORT[source.room]
    ]


def every_module_stands_in_a_room(top: Path) -> list[str]:
    return [
        f"{source.name} stands in no room of MAY_IMPORT"
        for source in sources(top)
        if source.module != "senderkit" and source.room not in MAY_IMPORT
    ]


def the_package_itself_imports_nothing(top: Path) -> list[str]:
    return [
        f"{source.name} imports {name}"
        for source in sources(top)
        if source.module == "senderkit"
        for name in imports(source)
    ]


def no_modules_import_each_other(top: Path) -> list[str]:
    modules = {source.module for source in sources(top)}
    graph = {
        source.module: {
            name if name in modules else name.rpartition(".")[0] for name in imports(source)
        }
        for source in sources(top)
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def only_the_edge_knows_flask(top: Path) -> list[str]:
    return [
        f"{source.name} imports {name}"
        for source in sources(top)
        if source.room not in KNOW_FLASK and source.module != CLIENT_FOR_FLASK
        for name in imports(source)
        if (library := name.partition(".")[0]) in WEB_LIBRARIES or library.startswith("flask_")
    ]


def only_one_room_calls_out_by_http(top: Path) -> list[str]:
    return [
        f"{source.name} imports {name}"
        for source in sources(top)
        if source.room not in CALL_OUT
        for name in imports(source)
        if HTTP_LIBRARIES.fullmatch(name)
    ]


def only_settings_read_the_environment(top: Path) -> list[str]:
    doors = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
    return [
        f"{source.name} uses {name}"
        for source in sources(top)
        if source.room != "settings" and source.module != CLIENT_SETTINGS
        for name in (*imports(source), *map(dotted, ast.walk(source.tree)))
        if name in doors
    ]


def only_one_function_reads_the_clock(top: Path) -> list[str]:
    clock = re.compile(r"(?:.*\.)?(?:(?:datetime|date)\.(?:now|utcnow|today)|time\.time(?:_ns)?)")
    return [
        f"{source.name}:{node.lineno} reads the clock: {dotted(node)}"
        for source in sources(top)
        for node in _outside_the_clock(source)
        if clock.fullmatch(dotted(node))
    ]


def _outside_the_clock(source: Source) -> Iterator[ast.Attribute]:
    clock = CLOCKS.get(source.module)
    for part in source.tree.body:
        if not (isinstance(part, ast.FunctionDef) and part.name == clock):
            yield from (node for node in ast.walk(part) if isinstance(node, ast.Attribute))


def keys_come_from_a_safe_source(top: Path) -> list[str]:
    return [
        f"{source.name} imports {name}"
        for source in sources(top)
        if source.room == "keys"
        for name in imports(source)
        if name.partition(".")[0] in {"random", "uuid"}
    ]


def modules_stay_short(top: Path) -> list[str]:
    return [
        f"{source.name} has {lines} lines"
        for source in sources(top)
        if (lines := len(source.text.splitlines())) > MAX_LINES
    ]


def no_file_names_a_registry_or_a_machine(top: Path) -> list[str]:
    return [
        f"{path.relative_to(top)} holds {found.group()}"
        for path in _own_files(top)
        for pattern in (REGISTRIES, MACHINE_PATHS)
        if (found := pattern.search(path.read_text(encoding="utf-8", errors="ignore")))
    ]


def _own_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        is_hidden = path.name.startswith(".") and path.name not in {".ci", ".github"}
        if is_hidden or path.name in NOT_OURS or path.suffix == ".egg-info":
            continue
        if path.is_dir():
            yield from _own_files(path)
        elif path.stat().st_size <= MAX_TEXT_BYTES:
            yield path


PLANTED: Final[dict[Rule, dict[str, str]]] = {
    imports_go_one_way: {
        "senderkit/domain.py": "from senderkit import models",
        "senderkit/providers/ses.py": "from ..models import Message",
        "senderkit/providers/sns.py": "import senderkit.settings",
        "senderkit/simulator.py": "from senderkit.providers import PROVIDERS",
        "senderkit/services/sending.py": "def f():\n    from senderkit.web import wire",
        "senderkit/client/api.py": "from senderkit.domain import Channel",
        "senderkit/web/wire.py": "from app import application",
        "app.py": "from senderkit.cli import main",
    },
    every_module_stands_in_a_room: {
        "senderkit/helpers.py": "",
        "senderkit/common/text.py": "",
    },
    the_package_itself_imports_nothing: {"senderkit/__init__.py": "import json"},
    no_modules_import_each_other: {
        "senderkit/services/sending.py": "from senderkit.services import delivery",
        "senderkit/services/delivery.py": "from senderkit.services.sending import accept",
    },
    only_the_edge_knows_flask: {
        "senderkit/services/access.py": "from flask_login import current_user",
        "senderkit/models.py": "import flask.json",
        "senderkit/dispatcher.py": "import click",
        "senderkit/client/integrations/django.py": "import flask",
    },
    only_one_room_calls_out_by_http: {
        "senderkit/providers/ses.py": "import boto3",
        "senderkit/providers/apns.py": "import httpx2\nhttpx2.post('https://api.example')",
        "senderkit/services/webhooks.py": "from urllib.request import urlopen",
        "senderkit/services/icons.py": "def f():\n    from http import client",
        "senderkit/web/callbacks.py": "import requests.adapters",
    },
    only_settings_read_the_environment: {
        "senderkit/cli.py": "import os\nos.environ.get('PORT')",
        "senderkit/web/front.py": "from os import getenv",
        "app.py": "import os\nos.getenv('PORT')",
        "senderkit/client/keys.py": "import os\nos.environ['SENDERKIT_API_KEY']",
    },
    only_one_function_reads_the_clock: {
        "senderkit/keys.py": "import datetime\ndatetime.datetime.now()",
        "senderkit/domain.py": "class A:\n    made: datetime = field(default_factory=datetime.now)",
        "senderkit/outbox.py": "def utc_now():\n    return datetime.utcnow()",
        "senderkit/client/webhooks.py": "def utc_now():\n    return time.time()",
        "senderkit/web/wire.py": "import time\ntime.time()",
    },
    keys_come_from_a_safe_source: {"senderkit/keys.py": "from random import choice"},
    modules_stay_short: {"senderkit/models.py": "A = 1\n" * (MAX_LINES + 1)},
    no_file_names_a_registry_or_a_machine: {
        "requirements.lock": "--index-url https://pypi" + ".org/simple",
        "docs/install.md": "cd /ro" + "ot/senderkit",
        "tests/web/test_pages.py": "HERE = '/wo" + "rk/main'",
        ".ci/run": "PATH=/ho" + "me/ann/bin:$PATH",
    },
}
"""Beside each rule a small tree in which every file breaks it."""


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Rule) -> None:
    assert rule(HOUSE) == []


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_a_planted_breach_is_found(rule: Rule, tmp_path: Path) -> None:
    for name, text in PLANTED[rule].items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    complaints = "\n".join(rule(tmp_path))

    assert [name for name in PLANTED[rule] if _spelled(rule, name) not in complaints] == []


def _spelled(rule: Rule, name: str) -> str:
    """How a complaint names a file: by its path, in a cycle by its module."""
    is_cycle = rule is no_modules_import_each_other
    return name.removesuffix(".py").replace("/", ".") if is_cycle else name


def test_what_the_rules_allow_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "senderkit/web").mkdir(parents=True)
    (tmp_path / "senderkit/domain.py").write_text(
        "from datetime import UTC, datetime\ndef utc_now():\n    return datetime.now(UTC)\n"
    )
    (tmp_path / "senderkit/settings.py").write_text(
        "import os\nfrom senderkit import __version__, domain\nos.environ\n"
    )
    (tmp_path / "senderkit/web/front.py").write_text(
        "import flask\nfrom senderkit.web import errors\nfrom ..domain import utc_now\n"
        "import time\ntime.monotonic()\nfunc.now()\n"
    )
    (tmp_path / "senderkit/http_client").mkdir()
    (tmp_path / "senderkit/http_client/client.py").write_text(
        "import httpcore2\nfrom urllib.parse import quote\nimport senderkit.errors\n"
    )
    (tmp_path / "senderkit/client/integrations").mkdir(parents=True)
    (tmp_path / "senderkit/client/integrations/flask.py").write_text("import flask\n")
    (tmp_path / "senderkit/client/configuration.py").write_text("import os\nos.environ\n")
    (tmp_path / "senderkit/client/webhooks.py").write_text(
        "import time\ndef unix_now():\n    return int(time.time())\n"
    )
    harmless = "https://example.com/wo" + "rk/ and ~/home/ann/ and $HOME/root/"
    (tmp_path / "notes.md").write_text(harmless)

    assert [complaint for rule in PLANTED for complaint in rule(tmp_path)] == []
