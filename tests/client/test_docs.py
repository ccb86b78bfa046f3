"""`docs/python.md`: every snippet runs against a real server, and nothing is left out."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import Any, Final

import pytest
from django.conf import settings
from django.test import RequestFactory
from fastapi.testclient import TestClient

from senderkit.client import SenderKit, errors
from senderkit.client.integrations.django import reset_client
from senderkit.client.integrations.fastapi import get_senderkit
from senderkit.client.resources import Messages, Templates
from tests.client.conftest import Home
from tests.serving import TOP

PAGE: Final = (TOP / "docs" / "python.md").read_text("utf-8")
SNIPPET: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECRET: Final = "whsec_of_the_docs"
BODY: Final = b'{"type": "message.sent", "data": {"message": {"id": "msg_1"}}}'


def signed() -> dict[str, str]:
    now = int(time.time())
    digest = hmac.new(SECRET.encode(), b"%d." % now + BODY, hashlib.sha256).hexdigest()
    return {"X-SenderKit-Signature": f"t={now},v1={digest}"}


@pytest.fixture
def names(home: Home, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the page's snippets have made, run one after another as a reader would."""
    monkeypatch.setenv("SENDERKIT_API_KEY", home.test_key)
    monkeypatch.setenv("SENDERKIT_WEBHOOK_SECRET", SECRET)
    if not settings.configured:
        settings.configure(USE_TZ=True)
    get_senderkit.cache_clear()
    reset_client()
    made: dict[str, Any] = {"__name__": "docs"}
    opened: set[SenderKit] = set()
    monkeypatch.setenv("SENDERKIT_BASE_URL", home.url)
    for language, snippet in SNIPPET.findall(PAGE):
        assert language == "python"
        if snippet.startswith("# settings.py"):
            exec(compile(snippet, "settings.py", "exec"), made)  # noqa: S102
            for name in ("SENDERKIT", "EMAIL_BACKEND"):
                monkeypatch.setattr(settings, name, made[name], raising=False)
        else:
            exec(compile(snippet, "docs/python.md", "exec"), made)  # noqa: S102
        opened.add(made["sk"])
    yield made
    for client in opened:
        client.close()
    made["senderkit"].client.close()
    reset_client()


def test_every_snippet_runs_and_does_what_it_says(names: dict[str, Any], sk: SenderKit) -> None:
    assert names["receive"](BODY, signed()) == 204
    assert names["receive"](b"{}", signed()) == 400

    flask = names["app"].test_client()
    assert flask.post("/welcome").status_code == 204
    assert flask.post("/webhooks/senderkit", data=BODY, headers=signed()).status_code == 200
    assert flask.post("/webhooks/senderkit", data=BODY).status_code == 400

    assert names["order"](RequestFactory().get("/")).status_code == 204
    hooked = RequestFactory().post("/", BODY, "application/json", headers=signed())
    assert names["hook"](hooked).status_code == 204
    assert sk.messages.list(search="ada@example.com").data[0].from_override is not None

    with TestClient(names["api"]) as fastapi:
        assert fastapi.post("/welcome").status_code == 200
        assert fastapi.post("/webhooks/senderkit", content=BODY, headers=signed()).is_success
        assert fastapi.post("/webhooks/senderkit", content=BODY).status_code == 400
        fastapi.portal.call(get_senderkit().aclose)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [(SenderKit, "sk."), (Messages, "sk.messages."), (Templates, "sk.templates.")],
)
def test_every_method_is_on_the_page(kind: type, prefix: str) -> None:
    methods = [name for name, thing in vars(kind).items() if name[0] != "_" and callable(thing)]

    assert [name for name in methods if f"{prefix}{name}(" not in PAGE] == []


def test_every_error_is_on_the_page() -> None:
    names = [name for name in vars(errors) if re.fullmatch("SenderKit.*Error", name)]

    assert [name for name in names if f"`{name}`" not in PAGE] == []
    assert len(names) == 11


@pytest.mark.parametrize(
    "name", ["API_KEY", "BASE_URL", "TIMEOUT", "MAX_RETRIES", "WEBHOOK_SECRET"]
)
def test_every_variable_is_on_the_page(name: str) -> None:
    assert f"| `SENDERKIT_{name}` |" in PAGE
