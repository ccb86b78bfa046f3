"""Programs written for the published Python client 0.3.0 run on ours with the import line changed.

Every name and argument of that client is held against ours, and the programs in `programs/` (which
run unchanged on the published client too) are run against a real server.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from senderkit.client import SenderKit
from tests.client import scripted as play
from tests.client.conftest import Home
from tests.client.scripted import scripted
from tests.serving import TOP

HERE: Final = Path(__file__).parent
PUBLISHED: Final[dict[str, Any]] = json.loads((HERE / "published_0_3_0.json").read_text("utf-8"))
PROGRAMS: Final = sorted((HERE / "programs").glob("*.py"))
IMPORT_LINE: Final = re.compile(
    r"^(\s*(?:from|import)\s+)senderkit\b|(?<=\")senderkit(?=\.integrations\.)", re.MULTILINE
)
"""An import line, or the dotted path that stands for one in Django's settings."""


def ours(key: str) -> Any:
    module, _, name = key.partition(":")
    return getattr(importlib.import_module(f"senderkit.client.{module}".rstrip(".")), name)


def calls_of(thing: Any, published: list[str] | None) -> str | None:
    """What is wrong with calling `thing` as the published client is called; None if nothing is."""
    if published is None:
        return None
    parameters = inspect.signature(thing).parameters
    by_place = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    for place, text in enumerate(published):
        name = text.strip("*=")
        if text.startswith("**"):
            continue
        if name not in parameters:
            return f"has no argument {name}"
        if not text.startswith("*") and [p.name for p in by_place][place : place + 1] != [name]:
            return f"has {name} in another place"
        if text.endswith("=") and parameters[name].default is inspect.Parameter.empty:
            return f"needs {name}"
    known = {text.strip("*=") for text in published}
    needed = [
        n for n, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD
    ]
    return next((f"needs {name} as well" for name in needed if name not in known), None)


@pytest.mark.parametrize("key", PUBLISHED)
def test_every_published_name_and_argument_is_here(key: str) -> None:
    thing, published = ours(key), PUBLISHED[key]
    wrong = {"": calls_of(thing, published.get("arguments"))}
    for name, arguments in published.get("methods", {}).items():
        wrong[name] = calls_of(getattr(thing, name), arguments)

    assert {name: words for name, words in wrong.items() if words} == {}


def test_the_whole_published_surface_was_recorded() -> None:
    assert len(PUBLISHED) > 100
    assert {":SenderKit", ":AsyncSenderKit", "errors:RateLimitError"} <= set(PUBLISHED)


def translated(source: str) -> str:
    """The program with its import lines changed, and nothing else."""
    return IMPORT_LINE.sub(lambda found: f"{found[1] or ''}senderkit.client", source)


def test_only_import_lines_are_changed() -> None:
    for path in PROGRAMS:
        before = path.read_text("utf-8").splitlines()
        after = translated(path.read_text("utf-8")).splitlines()
        changed = [line for line, other in zip(before, after, strict=True) if line != other]
        assert changed, path.name
        assert [line for line in changed if "import" not in line and "BACKEND" not in line] == []


def run_program(path: Path, folder: Path, environ: dict[str, str]) -> dict[str, Any]:
    """What the program prints: one JSON object. Warnings are errors."""
    copy = folder / path.name
    copy.write_text(translated(path.read_text("utf-8")), "utf-8")
    inherited = {name: value for name, value in os.environ.items() if "SENDERKIT" not in name}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(copy)],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(TOP)} | environ,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


@pytest.fixture
def environ(home: Home) -> dict[str, str]:
    return {
        "SENDERKIT_API_KEY": home.test_key,
        "SENDERKIT_BASE_URL": home.url,
        "READING_KEY": home.scoped_keys["read"],
        "SENDERKIT_WEBHOOK_SECRET": "whsec_of_the_programs",
    }


def program(name: str) -> Path:
    return HERE / "programs" / f"{name}.py"


def test_every_program_is_run() -> None:
    source = Path(__file__).read_text("utf-8")

    assert [p.stem for p in PROGRAMS if f'program("{p.stem}")' not in source] == []


def test_a_program_that_uses_every_call(environ: dict[str, str], tmp_path: Path) -> None:
    printed = run_program(program("every_call"), tmp_path, environ)

    assert printed == {
        "mode": "test",
        "context": ["Acme", "test"],
        "sent": ["queued", False],
        "scheduled": "scheduled",
        "canceled": "canceled",
        "cancel again": ["ConflictError", 409, "not_cancelable"],
        "raw": {"email": "queued", "sms": "queued", "push": "queued", "web-push": "queued"},
        "same key, same message": True,
        "batch": [True, False, True],
        "batch error": ["ValidationError", 400, "invalid_request", "to"],
        "listed": True,
        "iterated": 3,
        "message": ["ada@example.com", "email", "welcome", True],
        "templates": True,
        "template": ["welcome", "active", 1],
        "rendered": ["Hello Ada", []],
        "missing": ["name"],
        "reading key": ["AuthenticationError", 403, "insufficient_scope"],
        "unknown template": ["APIError", 404, "template_not_found"],
        "no such server": "NetworkError",
        "empty key": "ValueError",
    }


def test_the_same_with_asyncio(environ: dict[str, str], tmp_path: Path) -> None:
    assert run_program(program("asyncio_calls"), tmp_path, environ) == {
        "context": ["Acme", "test"],
        "sent": ["queued", False],
        "raw": "queued",
        "batch": [True, True, False],
        "iterated": 2,
        "canceled": "canceled",
        "rendered": "Hello Ada",
        "reading key": ["AuthenticationError", 403],
    }


def test_an_http_client_of_its_own(environ: dict[str, str], tmp_path: Path) -> None:
    printed = run_program(program("own_http_client"), tmp_path, environ)

    assert printed == {
        "sent": "queued",
        "seen": ["/v1/context", "/v1/send"],
        "late": "TimeoutError",
    }


def test_webhooks(environ: dict[str, str], tmp_path: Path) -> None:
    assert run_program(program("webhooks"), tmp_path, environ) == {
        "event": ["message.delivered", "whd_1", {"type": "message.delivered", "id": "evt_1"}],
        "refused": ["SignatureVerificationError"] * 4,
    }


def test_errors_and_rate_limits(environ: dict[str, str], tmp_path: Path) -> None:
    limited = play.error(429, "rate_limited", headers={"Retry-After": "0"})
    unpaid = play.error(402, "message_limit_reached")
    with scripted(limited, limited, unpaid, play.accepted()) as server:
        printed = run_program(
            program("rate_limits"), tmp_path, environ | {"SENDERKIT_BASE_URL": server.url}
        )

    assert printed == {
        "limited": [429, 0.0],
        "unpaid": [402, "message_limit_reached"],
        "sent": "msg_1",
    }


def test_received_mail(environ: dict[str, str], tmp_path: Path) -> None:
    """Which only the hosted service has: by script, and a self-hosted server says 404."""
    address = {"id": "a1", "address": "x@y.example", "createdAt": "2026-11-24T10:00:00.000Z"}
    summary = {"id": "m1", "status": "received", "receivedAt": "x", "from": "z@y.example"}
    attachment = {
        "index": 0,
        "filename": "a.txt",
        "contentType": "text/plain",
        "size": 1,
        "url": "u",
    }
    domain = {"id": "d1", "domain": "y.example", "kind": "custom", "status": "pending"}
    record = {"type": "MX", "name": "@", "value": "mx", "purpose": "mx", "priority": 10}
    named = {
        "Content-Type": "text/plain",
        "Content-Disposition": "attachment; filename*=UTF-8''%C3%A4.txt",
    }
    steps = (
        play.answer(201, address),
        play.answer(200, {"addresses": [address]}),
        play.answer(200, {"deleted": True}),
        play.answer(200, {"messages": [summary]}),
        play.answer(200, summary | {"attachments": [attachment], "text": "hi"}),
        play.answer(200, "raw", headers={"Content-Type": "message/rfc822"}),
        play.answer(200, "x", headers=named),
        play.answer(201, domain | {"createdAt": "x", "records": [record]}),
        play.answer(200, {"domains": [domain | {"createdAt": "x"}]}),
        play.answer(200, {"deleted": True}),
    )
    with scripted(*steps) as server:
        printed = run_program(
            program("received_mail"), tmp_path, environ | {"SENDERKIT_BASE_URL": server.url}
        )
    at_home = run_program(program("received_mail"), tmp_path, environ)

    assert printed == {
        "addresses": ["x@y.example", ["a1"], True],
        "messages": [["m1", "z@y.example"], ["hi", "a.txt"], "raw", ["x", "ä.txt"]],
        "domains": ["MX", ["y.example"], True],
    }
    assert [f"{request.method} {request.path}" for request in server.requests] == [
        "POST /v1/inbound/addresses",
        "GET /v1/inbound/addresses",
        "DELETE /v1/inbound/addresses/a1",
        "GET /v1/inbound/messages?limit=5&address=a1",
        "GET /v1/inbound/messages/m1",
        "GET /v1/inbound/messages/m1/raw",
        "GET /v1/inbound/messages/m1/attachments/0",
        "POST /v1/inbound/domains",
        "GET /v1/inbound/domains",
        "DELETE /v1/inbound/domains/d1",
    ]
    assert server.requests[5].headers["accept"] == "message/rfc822"
    assert at_home == {"refused": [404, "not_found"]}


# -- frameworks ---------------------------------------------------------------------------------


def test_flask(environ: dict[str, str], tmp_path: Path, sk: SenderKit) -> None:
    printed = run_program(program("flask_app"), tmp_path, environ)

    assert sk.messages.get(printed.pop("sent")).recipient == "flask@example.com"
    assert printed == {"hook": [200, "message.sent"], "forged": 400, "one client": True}


def test_fastapi(environ: dict[str, str], tmp_path: Path, sk: SenderKit) -> None:
    printed = run_program(program("fastapi_app"), tmp_path, environ)

    assert sk.messages.get(printed.pop("sent")).recipient == "fastapi@example.com"
    assert printed == {"hook": [200, "message.sent"], "forged": 400}


def test_celery(environ: dict[str, str], tmp_path: Path, sk: SenderKit) -> None:
    printed = run_program(program("celery_app"), tmp_path, environ)

    assert sk.messages.get(printed["sent"]["id"]).recipient == "celery@example.com"
    assert printed["sent"]["status"] == "queued"
    assert printed["refused"] == "ValidationError"


def test_django(environ: dict[str, str], tmp_path: Path, sk: SenderKit) -> None:
    printed = run_program(program("django_app"), tmp_path, environ)

    assert sk.messages.get(printed.pop("sent")).recipient == "django@example.com"
    assert printed == {"hook": [204, "message.sent"], "forged": 400, "mail": 1, "unsent": 0}
    mailed = sk.messages.list(search="mail-by-django@example.com").data
    assert [message.from_override for message in mailed] == ["Shop <shop@example.com>"]
