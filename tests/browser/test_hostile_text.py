"""Script payloads in every field that is stored: no page runs one, loads anything or complains."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser

from senderkit.crypto import Vault
from senderkit.domain import new_public_id, new_uuid, utc_now
from senderkit.themes import Theme
from tests.browser.crawling import crawl
from tests.browser.filling import App, app_of, connect, fill_webhooks, store_themes, write
from tests.browser.visitor import visiting
from tests.fakes import FakeSmtp
from tests.make import OWNER, PASSWORD
from tests.serving import Server, run_cli, serving

_OPENERS: Final = ("", '"', "'", '">', "'>", "</title>", "</textarea>", "</script>", "-->", "]]>")
_ATTACKS: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'>",
    "<a href=javascript:alert(1)>x</a>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action=https://evil.example/><button>x</button></form>",
    "<details open ontoggle=alert(1)>",
    "<style>*{background:url(https://evil.example/)}</style>",
    "<input autofocus onfocus=alert(1)>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<object data=javascript:alert(1)>",
    " onmouseover=alert(1) x=",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "\u2028alert(1)//",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
)
_SHOWN: Final = ("host", "port", "security", "username", "password", "from")
PAYLOADS: Final = tuple(opener + attack for opener, attack in itertools.product(_OPENERS, _ATTACKS))


@pytest.fixture
def refusing_smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp() as smtp:
        yield smtp


def test_there_are_200_payloads() -> None:
    assert len(set(PAYLOADS)) == 200


@pytest.mark.timeout(900)
def test_no_payload_runs_on_any_page(
    browser: Browser, tmp_path: Path, refusing_smtp: FakeSmtp
) -> None:
    settings = {
        "SMTP_URL": f"smtp://127.0.0.1:{refusing_smtp.port}",
        "MAIL_FROM": "Acme <hello@acme.example>",
    }
    data_dir = tmp_path / "data"
    workspace = ("admin", "init", "--workspace", PAYLOADS[0], "--email", OWNER, "--password-stdin")
    assert run_cli(data_dir, *workspace, stdin=f"{PASSWORD}\n").returncode == 0
    with serving(data_dir, **settings) as server:
        plant(server, refusing_smtp)
        with visiting(browser, server.url) as visitor:
            visitor.log_in()
            assert len(list(crawl(visitor, alike=60))) > 300
            visitor.go("/")
            visitor.page.get_by_role("button", name="Live", exact=True).click()
            # What else there is, is the same in both modes.
            assert len(list(crawl(visitor, alike=60, below="/messages"))) > 60


def plant(server: Server, smtp: FakeSmtp) -> None:
    """Each payload into each field that takes it; live messages bring the provider's own text."""
    app, live = app_of(server, "test"), app_of(server, "live", PAYLOADS[1][:100])
    for number, payload in enumerate(PAYLOADS):
        _plant_message(app, payload)
        if number % 10 == 0:
            smtp.answer("RCPT", f"550 5.1.1 {payload}", times=1)
            _plant_message(live, payload)
            _plant_template(app, number, payload)
    _plant_keys(server)
    _plant_channels(server)
    _plant_pieces(server)
    fill_webhooks(server, " ".join(PAYLOADS[::10]))


def _plant_keys(server: Server) -> None:
    write(
        server,
        "INSERT INTO api_keys (public_id, workspace_id, name, livemode, token_hash, prefix, "
        "last_four, scopes, created_at, use_count, last_used_route, last_used_address) "
        "SELECT ?, workspace_id, ?, 0, ?, prefix, last_four, scopes, created_at, 1, ?, ? "
        "FROM api_keys WHERE name = 'Shop'",
        [
            (new_public_id("key", utc_now()), payload[:100], payload, payload[:100], payload[:64])
            for payload in PAYLOADS[::10]
        ],
    )


def _plant_pieces(server: Server) -> None:
    """Blocks that templates name, their descriptions and notes, the names of themes."""
    hostile = [payload.replace("{{", "{ {").replace("\u2028", " ") for payload in PAYLOADS[::10]]
    now = int(utc_now().timestamp() * 1_000_000)
    write(
        server,
        "INSERT INTO blocks (id, public_id, workspace_id, name, description, created_at, "
        "updated_at) VALUES (?, ?, 1, ?, ?, ?, ?)",
        [(n, f"blk_{n}", f"hostile-{n}", text, now, now) for n, text in enumerate(hostile, 1)],
    )
    versions = [
        (2 * n + number, n, number, text * number, text, now)
        for n, text in enumerate(hostile, 1)
        for number in (1, 2)
    ]
    write(
        server,
        "INSERT INTO block_versions (id, block_id, number, content, note, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        versions,
    )
    write(server, "UPDATE blocks SET current_version_id = 2 * id + 2")
    store_themes(server, [(payload[:100], Theme()) for payload in PAYLOADS[::20]])


def _plant_channels(server: Server) -> None:
    """Names, credentials and faults of connections, and who is suppressed."""
    connect(server, "A connection")
    vault = Vault([(server.data_dir / "encryption.key").read_text("utf-8").strip()])
    hostile = PAYLOADS[::10]
    write(
        server,
        "INSERT INTO connections (uuid, workspace_id, channel, provider, name, sealed_fields, "
        "broken_reason, created_at, updated_at) "
        "SELECT ?, workspace_id, channel, provider, ?, ?, ?, created_at, updated_at "
        "FROM connections WHERE name = 'A connection'",
        [
            (new_uuid(), payload[:100], vault.seal(dict.fromkeys(_SHOWN, payload)), payload)
            for payload in hostile
        ],
    )
    write(
        server,
        "INSERT INTO suppressions (workspace_id, channel, recipient_key, reason, created_at) "
        "VALUES (1, 'email', ?, 'manual', 0)",
        [(payload,) for payload in hostile],
    )


def _plant_message(app: App, payload: str) -> None:
    name = payload.replace("\\", "\\\\").replace('"', '\\"').replace("\u2028", "")
    content = {
        "subject": payload.replace("\u2028", " "),
        "html": payload,
        "text": payload,
        "preheader": payload,
    }
    app.post(
        "/v1/send",
        {
            "channel": "email",
            "to": f'"{name}" <ada@example.com>',
            "content": content,
            "vars": {payload: [payload, {"deep": payload}]},
            "metadata": {payload[:128]: payload},
            "fromName": name.translate({ord("<"): None, ord(">"): None})[:128],
        },
    )


def _plant_template(app: App, number: int, payload: str) -> None:
    safe = payload.replace("{{", "{ {")
    html = f"{safe}{{{{> hostile-{number // 10 + 1}}}}}"
    content = {"subject": safe.replace("\u2028", " "), "html": html, "text": safe}
    body = {
        "slug": f"hostile-{number}",
        "channel": "email",
        "content": content,
        "description": payload,
        "variables": [{"name": "x", "type": "string", "description": payload, "example": payload}],
    }
    app.post("/v1/templates", body)
    other = {"subject": "S", "html": f"<p>{safe}</p>", "preheader": safe}
    app.post(f"/v1/templates/hostile-{number}/versions", {"content": other})
