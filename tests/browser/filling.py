"""Fills a running server as apps would: by the API, with keys from the shell."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from senderkit.commands.recipients import EXAMPLE_SUBSCRIPTION
from senderkit.domain import new_public_id, utc_now
from senderkit.themes import Theme
from tests.make import wait_until
from tests.serving import Server, run_cli


@dataclass(frozen=True)
class App:
    """An app with a key of the server."""

    server: Server
    token: str

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, json.dumps(body).encode())

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path, None)

    def delete(self, path: str) -> dict[str, Any]:
        return self._call("DELETE", path, None)

    def _call(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.server.url}{path}",
            data=body,
            method=method,
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "User-Agent": "<script>alert(1)</script>",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


def app_of(
    server: Server, mode: str = "test", name: str = "Shop", scopes: Sequence[str] = ()
) -> App:
    """A new app: a key made in the shell."""
    options = [part for scope in scopes for part in ("--scope", scope)]
    made = run_cli(
        server.data_dir, *("admin", "keys", "create", "--name", name, "--mode", mode), *options
    )
    assert made.returncode == 0, made.stderr
    return App(server, made.stdout.strip())


def email(to: str, subject: str = "Your receipt", **more: Any) -> dict[str, Any]:
    html = "<h1>Thank you</h1><p>Order 1234 is on its way.</p>"
    return {"channel": "email", "to": to, "content": {"subject": subject, "html": html}} | more


def _in_a_week() -> str:
    return (utc_now() + timedelta(days=7)).isoformat()


SMTP_FIELDS = {"host": "127.0.0.1", "port": "9", "security": "none", "from": "hello@acme.example"}
SUPPRESSED = """channel,recipient,reason
email,ada@example.com,unsubscribed
email,bob@example.com,complained
email,eve.with.a.very.long.name.indeed@a-long-host.of.a.company.example.com,bounced
sms,+15555550100,manual
"""


def connect(server: Server, name: str, *more: str, **fields: str) -> None:
    """Add a connection from the shell."""
    given = SMTP_FIELDS | fields
    options = [part for key, value in given.items() for part in ("--field", f"{key}={value}")]
    added = ("admin", "connections", "add", "smtp", "--name", name, *options, *more)
    assert run_cli(server.data_dir, *added).returncode == 0


def write(server: Server, statement: str, rows: Sequence[Sequence[Any]] = ((),)) -> None:
    """Change the server's rows behind its back."""
    path = server.data_dir / "senderkit.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.executemany(statement, rows)


def _fill_channels(server: Server) -> None:
    """A connection in each state, who is suppressed, a template that names its connection."""
    connect(server, "Mail server", username="mailer", password="correct-horse-battery")
    connect(server, "Backup of the whole company, in another data centre", "--backup")
    connect(server, "Spare relay")
    reason = "The login was refused by the mail server: 535 5.7.8 Authentication failed"
    write(server, "UPDATE connections SET broken_reason = ? WHERE position = 1", [(reason,)])
    write(
        server,
        "UPDATE templates SET connection_id = "
        "(SELECT id FROM connections WHERE name = 'Spare relay') WHERE slug = 'receipt'",
    )
    imported = ("admin", "suppressions", "import", "-")
    assert run_cli(server.data_dir, *imported, stdin=SUPPRESSED).returncode == 0


def _send_again(app: App) -> None:
    """A message that ended, from the shell: the pages of both show each other."""

    def has_ended() -> bool:
        return bool(app.get("/v1/messages?limit=1")["data"][0]["status"] == "delivered")

    wait_until(has_ended)
    message_id = app.get("/v1/messages?limit=1")["data"][0]["publicId"]
    again = ("admin", "messages", "resend", "--mode", "test", message_id)
    assert run_cli(app.server.data_dir, *again).returncode == 0


ENDPOINT = (
    "INSERT INTO webhook_endpoints (id, public_id, workspace_id, url, events, sealed_secret, "
    "is_enabled, disabled_reason, failing_since, overlap_until, created_at) "
    "VALUES (?, ?, 1, ?, ?, x'00', ?, ?, ?, ?, ?)"
)
EVENT = (
    "INSERT INTO webhook_events (id, public_id, workspace_id, type, body, created_at) "
    "VALUES (?, ?, 1, ?, ?, ?)"
)
DELIVERY = (
    "INSERT INTO webhook_deliveries (id, public_id, event_id, endpoint_id, state, reason, due_at, "
    "attempts, tries, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ATTEMPT = (
    "INSERT INTO webhook_attempts (delivery_id, number, started_at, duration_ms, status_code, "
    "reply, error) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


GONE = "It answered 410: it wants no more webhooks."


def fill_webhooks(server: Server, words: str = GONE) -> None:
    """An endpoint and a delivery in each state; `words` wherever an endpoint's own may stand."""
    now = int(utc_now().timestamp() * 1_000_000)
    later, body = now + 3_600_000_000, json.dumps({"id": "evt_1", "data": {"words": words}})
    url = f"https://hooks.{'long.' * 12}example.com/{'x' * 80}?words={words}"
    rows = [
        (1, new_public_id("whe", utc_now()), url, "message.failed", 1, None, now, later, now),
        (2, new_public_id("whe", utc_now()), url, "", 0, words, None, None, now),
        (3, new_public_id("whe", utc_now()), "https://acme.example/", "", 0, None, None, None, now),
    ]
    write(server, ENDPOINT, rows)
    states = [
        ("pending", None, later, 0),
        ("pending", None, later, 2),
        ("delivered", None, None, 1),
        ("given_up", words, None, 2),
    ]
    ids = range(1, len(states) + 1)
    events = [(id_, new_public_id("evt", utc_now()), "message.clicked", body, now) for id_ in ids]
    write(server, EVENT, events)
    deliveries = [
        (id_, new_public_id("whd", utc_now()), id_, 1, state, reason, due, tries, tries, now)
        for id_, (state, reason, due, tries) in zip(ids, states, strict=True)
    ]
    write(server, DELIVERY, deliveries)
    attempts = [
        (2, 1, now, 15_000, None, "", words),
        (2, 2, now, 12, 503, f"{words} {'x' * 900}", None),
        (3, 1, now, 40, 200, words, None),
        (4, 1, now, 40, None, "", words),
        (4, 2, now, 40, 410, words, None),
    ]
    write(server, ATTEMPT, attempts)


THEME = (
    'INSERT INTO themes (public_id, workspace_id, name, "values", is_default, created_at, '
    "updated_at) VALUES (?, 1, ?, ?, ?, ?, ?)"
)


def save_block(server: Server, name: str, content: str, **about: str) -> None:
    """Save a block in the shell."""
    options = [part for key, value in about.items() for part in (f"--{key}", value)]
    saved = ("admin", "blocks", "save", name, "-", *options)
    done = run_cli(server.data_dir, *saved, stdin=content)
    assert done.returncode == 0, done.stderr


def store_themes(server: Server, themes: Sequence[tuple[str, Theme]]) -> None:
    """The first one is the default."""
    now = int(utc_now().timestamp() * 1_000_000)
    rows = [
        (new_public_id("thm", utc_now()), name, json.dumps(theme.stored()), not number, now, now)
        for number, (name, theme) in enumerate(themes)
    ]
    write(server, THEME, rows)


def _fill_pieces(app: App) -> None:
    """Blocks that are live, in a draft, within another and unused, with versions; themes."""
    server = app.server
    save_block(server, "footer", "<p>Acme Ltd, 1 High Street</p>", description="The legal lines")
    save_block(server, "footer", "<p>Acme Ltd, 2 High Street</p>\n{{> signature}}", note="We moved")
    save_block(server, "signature", "<p>Your team at Acme</p>", description="x" * 300)
    save_block(server, "a.block-with-a-name-that-is-as-long-as-" + "x" * 61, "<p>Nobody names it")
    for slug in ("order-shipped", "order-planned"):
        content = {"subject": "S", "html": "<h1>{{name}}</h1>{{> footer}}"}
        app.post("/v1/templates", {"slug": slug, "channel": "email", "content": content})
    published = ("admin", "templates", "publish", "order-shipped")
    assert run_cli(server.data_dir, *published).returncode == 0
    pale = Theme(accent="#ffee88", font="georgia", follows_dark=True)
    store_themes(server, [("Plain", Theme()), ("Spring campaign " * 6, pale)])
    named = "UPDATE templates SET theme_id = (SELECT min(id) FROM themes) WHERE slug LIKE 'order-%'"
    write(server, named)


def _fill_studio(app: App) -> None:
    """A template that every check has something to say about, in several languages; a push."""
    html = (
        "<h1>Hello {{name}}</h1>{{#items}}<p>{{name}}: {{price}}</p>{{/items}}{{> nowhere}}"
        '<img src="https://acme.example/a.png"><a href="http://acme.example">Go</a>{{{raw}}}'
        '<p style="color:#999999;background:#ffffff">Pale</p>'
    )
    body = {
        "slug": "checked",
        "channel": "email",
        "content": {"subject": "S" * 90, "html": html},
        "variables": [
            {"name": "name", "type": "string", "required": True, "example": "Ada"},
            {"name": "items", "type": "array", "example": [{"name": "Tea", "price": "4"}]},
            {"name": "x" * 200, "type": "object", "description": "Long " * 60},
        ],
        "translations": {"de": {"subject": "Hallo {{wer}}"}, "zh-hans-cn": {"html": "<p>你好"}},
    }
    app.post("/v1/templates", body)
    sms = {"slug": "long-sms", "channel": "sms", "content": {"body": "Ж" * 90}}
    push = {"title": "Parcel {{id}}", "body": "Today", "clickUrl": "http://acme.example"}
    app.post("/v1/templates", sms)
    app.post("/v1/templates", {"slug": "parcel", "channel": "web-push", "content": push})


def fill(server: Server) -> None:
    """One of everything that a page can show, in test mode: each status, channel and template
    state, long and foreign text, a revoked key, connections, suppressions."""
    app = app_of(server)
    for word in ("ada", "failed", "opted-out", "suppressed", "delayed"):
        app.post("/v1/send", email(f"{word}@simulator.senderkit.test", metadata={"order": 1234}))
    app.post("/v1/send", email("later@example.com", scheduledAt=_in_a_week()))
    app.post("/v1/send", email(f"{'x' * 60}@{'long.' * 10}example.com", subject="Ж" * 300))
    app.post("/v1/send", {"channel": "sms", "to": "+15005550006", "content": {"body": "Code 1234"}})
    push = {"title": "Parcel", "body": "It arrives today.", "data": {"id": "7"}, "badge": 1}
    app.post("/v1/send", {"channel": "push", "to": "ExponentPushToken[abc]", "content": push})
    web = {"title": "Parcel", "body": "It arrives today.", "clickUrl": "https://acme.example/7"}
    app.post("/v1/send", {"channel": "web-push", "to": EXAMPLE_SUBSCRIPTION, "content": web})
    for slug in ("welcome", "receipt", "draft-only"):
        content = {"subject": "Hello {{name}}", "html": "<p>Hello, {{name}}.</p>"}
        body = {"slug": slug, "channel": "email", "content": content, "description": f"The {slug}"}
        app.post("/v1/templates", body)
    app.post("/v1/templates", {"slug": "code", "channel": "sms", "content": {"body": "{{code}}"}})
    _fill_studio(app)
    for slug in ("welcome", "receipt", "code"):
        assert run_cli(server.data_dir, "admin", "templates", "publish", slug).returncode == 0
    app.post(
        "/v1/templates/welcome/versions", {"content": {"subject": "Hi {{name}}", "html": "<p>Hi"}}
    )
    app.post("/v1/send", {"template": "welcome", "to": "ada@example.com", "vars": {"name": "Ada"}})
    app_of(server, "test", "Read only, for the dashboards of the whole company", ["read"])
    app_of(server, "live", "Shop backend, production", ["send", "cancel"])
    app_of(server, "test", "Retired")
    listed = run_cli(server.data_dir, "admin", "keys", "list").stdout.splitlines()
    retired = next(line.split("\t")[0] for line in listed if line.endswith("Retired"))
    assert run_cli(server.data_dir, "admin", "keys", "revoke", retired).returncode == 0
    _send_again(app)
    _fill_channels(server)
    _fill_pieces(app)
    fill_webhooks(server)
