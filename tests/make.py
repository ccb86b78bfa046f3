"""What tests are made of: a clock to turn, a set-up house, clients as apps and people have them."""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text
from werkzeug.test import TestResponse

from senderkit.commands import (
    Place,
    parse_create_key,
    parse_describe_connection,
    parse_describe_endpoint,
    parse_set_up,
)
from senderkit.services import access, api_keys, templates, webhook_endpoints
from senderkit.web.extensions import database
from senderkit.web.runtime import Runtime, runtime_of

_BASE62: Final = string.digits + string.ascii_letters
START: Final = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
OWNER: Final = "owner@acme.example"
PASSWORD: Final = "plain words make it long"
WORKSPACE: Final = "Acme"
CSRF_FIELD: Final = re.compile(r'name="csrf_token" value="([^"]+)"')


class FakeClock:
    """A clock that stands still until a test turns it."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass(frozen=True)
class Api:
    """An app with a key: JSON over `/v1`."""

    client: FlaskClient
    token: str | None

    def call(self, method: str, path: str, **more: Any) -> TestResponse:
        headers = dict(more.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return self.client.open(path, method=method, headers=headers, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return (
            self.call("POST", path, json=body, **more)
            if body is not None
            else self.call("POST", path, **more)
        )

    def patch(self, path: str, body: Any) -> TestResponse:
        return self.call("PATCH", path, json=body)

    def delete(self, path: str) -> TestResponse:
        return self.call("DELETE", path)

    def send(self, **body: Any) -> str:
        """Send a raw email unless the body says otherwise; return the message's id."""
        answer = self.post("/v1/send", raw_email() | body if "template" not in body else body)
        assert answer.status_code == 202, answer.text
        message_id: str = answer.json["id"]  # type: ignore[index]
        return message_id

    def message(self, message_id: str) -> dict[str, Any]:
        answer = self.get(f"/v1/messages/{message_id}")
        assert answer.status_code == 200, answer.text
        message: dict[str, Any] = answer.json  # type: ignore[assignment]
        return message

    def messages(self, query: str = "") -> list[dict[str, Any]]:
        """The first page of the key's messages, newest first; `query` such as `?status=sent`."""
        answer = self.get(f"/v1/messages{query}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json["data"]  # type: ignore[index]
        return found


@dataclass(frozen=True)
class Pages:
    """A person's browser without JavaScript: cookies, forms with their CSRF token."""

    client: FlaskClient

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def submit(
        self, page: str, data: Mapping[str, Any], *, action: str | None = None, **more: Any
    ) -> TestResponse:
        """Open `page`, take its CSRF token, post `data` to `action` (`page` unless given)."""
        found = CSRF_FIELD.search(self.client.get(page).text)
        assert found, f"{page} has no form"
        return self.client.post(action or page, data={"csrf_token": found[1], **data}, **more)

    def log_in(self, email: str = OWNER, password: str = PASSWORD) -> TestResponse:
        return self.submit("/login", {"email": email, "password": password})


@dataclass(frozen=True)
class House:
    """An application whose workspace is set up, with what tests need at hand."""

    app: Flask
    clock: FakeClock
    owner_cookies: list[tuple[str, str]] = field(default_factory=list)
    """Names and values of the cookies of sessions that the owner has started already, at `START`;
    each is for one browser."""

    @property
    def runtime(self) -> Runtime:
        return runtime_of(self.app)

    def in_app(self, work: Callable[[], Any]) -> Any:
        with self.app.app_context():
            return work()

    def set_up(self) -> None:
        command = parse_set_up(workspace=WORKSPACE, email=OWNER, password=PASSWORD)
        self.in_app(lambda: access.set_up(database.session(), command, now=self.clock()))

    def token(self, mode: str = "test", scopes: Iterable[str] = (), name: str = "An app") -> str:
        """A new key's token; without scopes it may do everything."""
        command = parse_create_key(name, mode, scopes)

        def create() -> str:
            session = database.session()
            workspace = access.find_workspace(session)
            assert workspace is not None
            return api_keys.create_key(
                session,
                command,
                workspace_id=workspace.id,
                created_by_id=None,
                nonce=None,
                now=self.clock(),
            )[1]

        token: str = self.in_app(create)
        return token

    def api(self, mode: str = "test", scopes: Iterable[str] = ()) -> Api:
        """An app with a new key."""
        return Api(self.app.test_client(), self.token(mode, scopes))

    def anonymous(self) -> Api:
        return Api(self.app.test_client(), None)

    def pages(self) -> Pages:
        """A browser that nobody has logged in with."""
        return Pages(self.app.test_client())

    def owner(self) -> Pages:
        """A browser with the owner logged in."""
        pages = self.pages()
        if self.owner_cookies and self.clock() == START:
            pages.client.set_cookie(*self.owner_cookies.pop())
            return pages
        answer = pages.log_in()
        assert answer.status_code == 302, answer.text
        return pages

    def deliver(self) -> int:
        """Do everything that is due now; return how many messages were claimed."""
        return self.runtime.dispatcher.run_once()

    def count(self) -> None:
        """Have the followers take in all that has happened."""
        self.runtime.followers.catch_up()

    def template(self, slug: str = "welcome", *, publish: bool = True, **more: Any) -> None:
        """A template with one version, published unless told otherwise."""
        body = {"slug": slug, "channel": "email", "content": email_content()} | more
        answer = self.api().post("/v1/templates", body)
        assert answer.status_code == 201, answer.text
        if publish:
            self.publish(slug)

    def publish(self, slug: str, version: int | None = None) -> None:
        def work() -> None:
            session = database.session()
            workspace = access.find_workspace(session)
            assert workspace is not None
            templates.publish(session, workspace.id, slug, version, now=self.clock())

        self.in_app(work)

    @contextmanager
    def database_uses(self) -> Iterator[list[Any]]:
        """What uses the database meanwhile: one item for each time that a connection is taken.

        The key's own read goes past SQLAlchemy's statements, so those would not show it.
        """
        uses: list[Any] = []

        def count(_connection: Any, record: Any, _proxy: Any) -> None:
            uses.append(record)

        engine = self.runtime.engine
        event.listen(engine, "checkout", count)
        try:
            yield uses
        finally:
            event.remove(engine, "checkout", count)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Rows of a plain SQL query, for what no page or answer shows."""
        with self.runtime.reader.connect() as connection:
            return list(connection.execute(text(statement), values))

    def write(self, statement: str, **values: Any) -> None:
        """Change rows behind the product's back."""
        with self.runtime.engine.begin() as connection:
            connection.execute(text(statement), values)


SMTP_CREDENTIALS: Final = {
    "host": "127.0.0.1",
    "port": "9",
    "security": "none",
    "username": "mailer",
    "password": "correct-horse-battery",
    "from": "Acme <hello@acme.example>",
}
"""Of a mail server at which nothing answers."""


def store_connection(
    house: House,
    provider: str = "smtp",
    credentials: Mapping[str, str] = SMTP_CREDENTIALS,
    *,
    name: str = "Mail server",
    place: Place = Place.AUTOMATIC,
) -> str:
    """Store a connection in the house; return its id."""
    command = parse_describe_connection(name, place)

    def work() -> str:
        session = database.session()
        workspace = access.find_workspace(session)
        assert workspace is not None
        return house.runtime.channels.add(
            session, workspace.id, provider, command, credentials, now=house.clock()
        ).uuid

    connection_id: str = house.in_app(work)
    return connection_id


def store_endpoint(house: House, url: str = "https://hooks.invalid/senderkit") -> tuple[str, str]:
    """Add a webhook endpoint with a test event that waits; return the ids of it and of the
    delivery."""
    command = parse_describe_endpoint(url, ())

    def work() -> tuple[str, str]:
        session, now = database.session(), house.clock()
        endpoint, _ = house.runtime.endpoints.add(session, 1, command, nonce=None, now=now)
        public_id = endpoint.public_id
        return public_id, webhook_endpoints.send_test(session, 1, public_id, now=now)

    ids: tuple[str, str] = house.in_app(work)
    return ids


def wait_until(is_so: Callable[[], object], *, seconds: float = 30) -> None:
    """Where real time is needed: look again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"it did not come to pass within {seconds} seconds"
        time.sleep(0.01)


def email_content(**more: Any) -> dict[str, Any]:
    return {"subject": "Hello {{name}}", "html": "<p>Hello, {{name}}.</p>"} | more


def raw_email(**more: Any) -> dict[str, Any]:
    """The body of a raw email send."""
    content = {"subject": "Hello", "html": "<p>Hello, Ada.</p>"}
    return {"channel": "email", "to": "ada@example.com", "content": content} | more


def one_character_edits(token: str) -> set[str]:
    """Every token with one character replaced, left out or put in, or two neighbours swapped."""
    replaced = {
        token[:place] + character + token[place + 1 :]
        for place in range(len(token))
        for character in _BASE62
    }
    left_out = {token[:place] + token[place + 1 :] for place in range(len(token))}
    put_in = {
        token[:place] + character + token[place:]
        for place in range(len(token) + 1)
        for character in _BASE62
    }
    swapped = {
        token[:place] + token[place + 1] + token[place] + token[place + 2 :]
        for place in range(len(token) - 1)
    }
    return (replaced | left_out | put_in | swapped) - {token}
