"""The log: a line for each request where that is asked for, ids in every line, no secret in any."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import structlog
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from senderkit.domain import Outgoing, Receipt
from senderkit.errors import AccountBroken, OutcomeUnknown, Refused, Suppressed, Unavailable
from senderkit.web.logs import EVERY_LINE, for_programs
from tests.cli.calls import call
from tests.conftest import MakeApp, RegisterProvider
from tests.make import OWNER, PASSWORD, FakeClock, House, raw_email
from tests.outbox.conftest import (
    FakeProvider,
    connect,
    failing,
    fake_provider,
    raising,
    text_message,
)
from tests.serving import run_cli, serving
from tests.web.routes import furnish
from tests.webhooks.conftest import listen, send_test

Line = dict[str, Any]

SECRET: Final = "correct-horse-battery-staple"
PLANTED: Final = {
    "recipient": "planted.recipient@example.net",
    "number": "+4915112345678",
    "body": "the words of a planted body",
    "subject": "a planted subject",
    "variable": "a planted variable",
    "query": "planted-in-the-query",
    "cookie": "planted-in-a-cookie",
    "agent": "planted-agent",
    "file": "a planted attachment",
    "url-password": "planted-in-the-url",
}


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    """What is logged, as it would be written."""
    with capture_logs(processors=EVERY_LINE[:2]) as found:
        yield found  # type: ignore[misc]


@pytest.fixture
def told(make_app: MakeApp, clock: FakeClock, database_url: str) -> House:
    """A house that logs requests."""
    house = House(make_app(ACCESS_LOG="on", ALLOW_PRIVATE_ADDRESSES="on"), clock)
    house.set_up()
    return house


@pytest.fixture
def as_json() -> Iterator[None]:
    """Logs are written as a server writes them."""
    before = structlog.get_config()
    structlog.configure(processors=[*EVERY_LINE, *for_programs()])
    yield
    structlog.configure(**before)


def requests(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["event"] == "request"]


# -- the line of a request --------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_request_is_a_line_with_its_route_and_whose_it_was(
    told: House, lines: list[Line]
) -> None:
    api = told.api()
    key_id = told.rows("SELECT public_id FROM api_keys")[0][0]
    member_id = told.rows("SELECT public_id FROM members")[0][0]
    lines.clear()

    answer = api.get("/v1/messages?limit=7&search=ada", headers={"X-Request-Id": "req_of_ours"})
    told.owner().get("/messages?search=ada")
    told.anonymous().get(f"/v1/{SECRET}")
    told.pages().get(f"/unsubscribe/{SECRET}")

    first, *_, page, refused, unsubscribe = requests(lines)
    assert answer.status_code == 200
    assert first.pop("duration_ms") > 0
    assert first == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "route": "/v1/messages",
        "status": 200,
        "request_id": "req_of_ours",
        "key_id": key_id,
    }
    assert (page["route"], page["member_id"]) == ("/messages", member_id)
    assert (refused["route"], refused["status"], "key_id" in refused) == ("unknown", 401, False)
    assert unsubscribe["route"] == "/unsubscribe/<signed>"
    assert SECRET not in str(lines)
    assert "ada" not in str(lines)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_the_setting_a_request_is_no_line(house: House, lines: list[Line]) -> None:
    house.api().send()
    assert requests(lines) == []


def test_a_real_server_writes_it_as_json(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    init = ("admin", "init", "--workspace", "Acme", "--email", OWNER, "--password-stdin")
    assert run_cli(folder, *init, stdin=f"{PASSWORD}\n").returncode == 0
    made = run_cli(folder, "admin", "keys", "create", "--name", "An app", "--mode", "test")
    token = made.stdout.strip()
    with serving(folder, ACCESS_LOG="on", LOG_LEVEL="debug") as server:
        assert call(f"{server.url}/v1/send?api_key={SECRET}", token, raw_email())[0] == 400
        assert call(f"{server.url}/v1/send", token, raw_email())[0] == 202
    found = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    sends = [line for line in found if line.get("route") == "/v1/send"]

    assert [line["status"] for line in sends] == [400, 202]
    assert {line["level"] for line in sends} == {"info"}
    assert all(line["key_id"].startswith("key_") and line["request_id"] for line in sends)
    assert SECRET not in server.log
    assert token not in server.log


# -- ids ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whatever_is_logged_in_a_request_carries_its_id(house: House, lines: list[Line]) -> None:
    api = house.api()
    lines.clear()
    with failing(house, lambda *_: True, OperationalError("gone", {}, Exception())):
        headers = {"X-Request-Id": "req_of_ours"}
        assert api.get("/v1/messages", headers=headers).status_code == 503
        assert house.pages().get("/login", headers=headers).status_code == 503
    with failing(house, lambda *_: True, RuntimeError("a bug")):
        assert api.get("/v1/messages", headers=headers).status_code == 500

    assert {line["event"] for line in lines} == {"database_error", "request_crashed"}
    assert {line["request_id"] for line in lines} == {"req_of_ours"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whatever_is_logged_during_a_delivery_names_its_message_and_connection(
    house: House, register: RegisterProvider, lines: list[Line]
) -> None:
    sms = register(fake_provider("fake-sms"))
    connection_id = connect(house, sms.name)

    def say_something(_outgoing: Outgoing) -> Receipt:
        structlog.get_logger().warning("something")
        raise RuntimeError("a bug in the adapter")

    sms.react = say_something
    ids = {house.api("live").send(**text_message()) for _ in range(3)}
    house.deliver()

    [*within] = [line for line in lines if line["event"] in {"something", "adapter_crashed"}]
    assert len(within) == 6
    assert {line["message_id"] for line in within} == ids
    assert {line["connection_id"] for line in within} == {connection_id}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whatever_is_logged_during_a_webhook_call_names_its_delivery(
    told: House, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = listen(told, "http://127.0.0.1:9/hook")
    delivery_id = send_test(told, endpoint)
    told.write("UPDATE webhook_endpoints SET url = 'no address at all'")
    lines.clear()

    def crash(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(told.runtime.endpoints, "open_secrets", crash)
    told.runtime.webhooks.run_once()

    [line] = [line for line in lines if line["event"] == "webhook_crashed"]
    assert line["delivery_id"] == delivery_id


# -- what no line holds -------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_line_holds_a_secret_a_recipient_or_a_body(
    told: House,
    register: RegisterProvider,
    as_json: None,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every route, every way a delivery fails, every crash, and every line that is written."""
    caplog.set_level(logging.DEBUG)
    sms = register(fake_provider("planted-sms"))
    connect(told, sms.name)
    api, live, owner = told.api(), told.api("live"), told.owner()
    endpoint = listen(told, f"http://127.0.0.1:9/?password={PLANTED['url-password']}")
    walk_every_route(told, [str(api.token), str(live.token)])
    fail_every_delivery(told, sms, live.token)
    send_test(told, endpoint)
    told.runtime.webhooks.run_once()
    with failing(told, lambda *_: True, RuntimeError(crash_words())):
        live.post("/v1/send", planted_email())
    with failing(told, lambda *_: True, OperationalError("gone", {}, Exception())):
        live.post("/v1/send", planted_email())
        owner.get(f"/messages?search={PLANTED['query']}")

    out, err = capfd.readouterr()
    log = out + err + caplog.text
    assert log.count('"event": "request"') > 50
    for event in ("adapter_crashed", "request_crashed", "database_error", "connection_broken"):
        assert event in log
    secrets = [str(api.token), str(live.token), PASSWORD, *PLANTED.values()]
    assert [secret for secret in secrets if secret in log] == []


def planted_email() -> dict[str, Any]:
    content = {"subject": PLANTED["subject"], "html": f"<p>{PLANTED['body']}</p>"}
    return raw_email(to=PLANTED["recipient"], content=content, vars={"a": PLANTED["variable"]})


def crash_words() -> str:
    """What an exception of a library may quote."""
    return f"cannot take {PLANTED['recipient']} or {PLANTED['number']}"


def walk_every_route(house: House, tokens: list[str]) -> None:
    owner = house.owner()
    for route in furnish(house).routes():
        for token in tokens:
            query = urlencode({"api_key": token, "q": PLANTED["query"]})
            owner.client.set_cookie("other", PLANTED["cookie"])
            owner.client.open(
                f"{route.path}{'&' if '?' in route.path else '?'}{query}",
                method=route.method,
                json=planted_email(),
                headers={
                    "Authorization": f"Bearer {token}",
                    "User-Agent": PLANTED["agent"],
                    "Referer": f"http://localhost/?{PLANTED['query']}",
                },
                buffered=True,
            )


def fail_every_delivery(house: House, sms: FakeProvider, token: str | None) -> None:
    kinds = (Unavailable, Refused, Suppressed, OutcomeUnknown, RuntimeError, OSError, AccountBroken)
    client = house.app.test_client()
    for kind in kinds:
        sms.react = raising(kind(crash_words()))
        answer = client.post(
            "/v1/send",
            json=text_message(to=PLANTED["number"], content={"body": PLANTED["body"]}),
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 202, answer.text
        house.deliver()
