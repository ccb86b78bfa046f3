"""Schemathesis over our own document, against a served instance: all checks, links followed.

`SENDERKIT_TEST_EXAMPLES=200` tries that many examples of each operation, other ones each time, in
all phases on both databases.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url

from tests.make import OWNER, PASSWORD
from tests.serving import TOP, run_cli, serving
from tests.web.test_scopes import CONTRACT

EXAMPLES: Final = os.environ.get("SENDERKIT_TEST_EXAMPLES")
# The systematic phase is most of the time and asks the same of either database.
USUAL: Final = {
    "sqlite": ("--max-examples", "4", "--seed", "1"),
    "postgresql": ("--max-examples", "10", "--seed", "1", "--phases", "examples,fuzzing,stateful"),
}
HERE: Final = Path(__file__).parent / "schemathesis"


@pytest.mark.timeout(3600)
def test_schemathesis_finds_nothing(database_url: str, tmp_path: Path) -> None:
    # Without a dispatcher, so that what was sent can still be canceled.
    settings = {"DATABASE_URL": database_url, "DISPATCHER": "off"}
    folder = tmp_path / "data"
    init = ("admin", "init", "--workspace", "Acme", "--email", OWNER, "--password-stdin")
    assert run_cli(folder, *init, stdin=f"{PASSWORD}\n", settings=settings).returncode == 0
    new_key = ("admin", "keys", "create", "--name", "An app", "--mode", "test")
    token = run_cli(folder, *new_key, settings=settings).stdout.strip()

    with serving(folder, **settings) as server:
        size = (
            ("--max-examples", EXAMPLES)
            if EXAMPLES
            else USUAL[make_url(database_url).get_backend_name()]
        )
        ids = send_messages(server.url, token)
        ended = run_schemathesis(server.url, token, ids, tmp_path, size)

    assert ended.returncode == 0, ended.stdout
    assert "Traceback" not in server.log
    assert unreached(tmp_path) == []


def send_messages(url: str, token: str) -> list[str]:
    """The ids of new messages, for the paths that hold one: links alone, which are drawn, may
    reach none of them."""
    message = {"channel": "sms", "to": "+15555550100", "content": {"body": "Hello"}}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/send-raw", json.dumps(message).encode(), headers)
    ids = []
    for _ in range(4):
        with urllib.request.urlopen(request, timeout=30) as answer:
            ids.append(json.load(answer)["id"])
    return ids


def run_schemathesis(
    url: str, token: str, ids: list[str], folder: Path, size: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    hooks = {"SCHEMATHESIS_HOOKS": "tests.web.schemathesis.hooks", "PYTHONPATH": str(TOP)}
    options = (
        *("--checks", "all", "--continue-on-failure", "--no-color", *size),
        *("--report", "har", "--report-har-path", str(folder / "report.har")),
    )
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "config.toml")),
            *("run", f"{url}/openapi.json", "--url", url, *options),
        ],
        cwd=folder,
        env=os.environ | hooks | {"SENDERKIT_API_KEY": token, "MESSAGE_IDS": " ".join(ids)},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )


def unreached(folder: Path) -> list[str]:
    """The operations that never answered 2xx, by the report of the run."""
    report = json.loads((folder / "report.har").read_text("utf-8"))
    reached = {
        (entry["request"]["method"], urlsplit(entry["request"]["url"]).path)
        for entry in report["log"]["entries"]
        if 200 <= entry["response"]["status"] < 300
    }
    return [
        f"{method} {rule}"
        for method, rule in CONTRACT
        if not any(
            asked == method and re.fullmatch(re.sub("<[^>]+>", "[^/]+", rule), path)
            for asked, path in reached
        )
    ]
