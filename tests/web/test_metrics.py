"""`/metrics`: who may read it, what it says of requests and of what waits, what it never says."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from senderkit import __version__
from senderkit.domain import Channel, Mode
from tests.conftest import MakeApp
from tests.figures import Figures, figures, parse
from tests.make import OWNER, FakeClock, House, store_connection, store_endpoint
from tests.outbox.conftest import failing
from tests.serving import TOP
from tests.web.routes import furnish

TOKEN: Final = "a-token-that-prometheus-knows"
REQUESTS: Final = "http_request_duration_seconds"
ID: Final = re.compile(
    r"\b(?:msg|key|evt|whd|whe|mem|tpl|ses|req)_[0-9a-z]|[0-9a-f]{8}-[0-9a-f]{4}-"
)


def requests(found: Figures, method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return found.value(f"{REQUESTS}_count", **labels)


# -- who may read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"base_url": "http://127.0.0.1:8025"}, 200),
        ({"environ_overrides": {"REMOTE_ADDR": "10.0.0.7"}}, 404),
        ({"base_url": "http://notify.acme.example"}, 404),
        ({"headers": {"X-Forwarded-For": "127.0.0.1"}}, 404),
        ({"headers": {"X-Real-IP": "127.0.0.1"}}, 404),
        ({"headers": {"Forwarded": "for=127.0.0.1"}}, 404),
        ({"environ_overrides": {"SERVER_PROTOCOL": "HTTP/1.0"}}, 404),
    ],
)
def test_without_a_token_only_this_machine_reads(
    house: House, asked: dict[str, Any], status: int
) -> None:
    answer = house.pages().get("/metrics", **asked)

    assert answer.status_code == status
    assert ("senderkit_" in answer.text) is (status == 200)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"headers": {"Authorization": f"Bearer {TOKEN}"}}, 200),
        ({"headers": {"Authorization": f"bearer  {TOKEN} "}}, 200),
        ({}, 401),
        ({"headers": {"Authorization": f"Bearer {TOKEN}x"}}, 401),
        ({"headers": {"Authorization": f"Bearer {TOKEN[:-1]}"}}, 401),
        ({"headers": {"Authorization": "Bearer ünknown"}}, 401),
        ({"headers": {"Authorization": f"Basic {TOKEN}"}}, 401),
        ({"query_string": {"token": TOKEN}}, 401),
    ],
)
def test_with_a_token_whoever_sends_it_reads_and_nobody_else(
    make_app: MakeApp, clock: FakeClock, asked: dict[str, Any], status: int
) -> None:
    house = House(make_app(METRICS_TOKEN=TOKEN), clock)
    for address in ("127.0.0.1", "10.0.0.7"):
        from_there = asked | {"environ_overrides": {"REMOTE_ADDR": address}}
        answer = house.pages().get("/metrics", **from_there)

        assert answer.status_code == status
        assert ("senderkit_" in answer.text) is (status == 200)
        assert TOKEN not in answer.text


def test_prometheus_is_told_that_it_is_the_text_format(house: House) -> None:
    answer = house.pages().get("/metrics")

    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


# -- requests ---------------------------------------------------------------------------------


def test_requests_are_counted_by_the_pattern_of_their_route(house: House) -> None:
    api = house.api()
    api.message(api.send())
    api.get("/v1/messages/msg_unheard_of")
    house.anonymous().get("/v1/context")
    house.pages().get("/static/app.css", buffered=True)

    found = figures(house)

    assert requests(found, "POST", "/v1/send", 202) == 1
    assert requests(found, "GET", "/v1/messages/<public_id>", 200) == 1
    assert requests(found, "GET", "/v1/messages/<public_id>", 404) == 1
    assert requests(found, "GET", "/v1/context", 401) == 1
    assert requests(found, "GET", "/static/<path:filename>", 200) == 1


def test_what_strangers_make_up_is_one_value(house: House) -> None:
    client = house.pages().client
    for number in range(20):
        client.get(f"/wp-admin/{number}")
        client.get(f"/v1/{number}")
        client.open("/login", method=f"BREW{number}")

    found = figures(house)

    assert requests(found, "GET", "unknown", 404) == 20
    assert requests(found, "GET", "unknown", 401) == 20
    assert set(found.by(f"{REQUESTS}_count", "method")) <= {"GET", "other"}
    assert set(found.by(f"{REQUESTS}_count", "route")) == {"unknown"}


def test_no_label_holds_an_id_a_recipient_or_a_secret(house: House) -> None:
    furnished = furnish(house)
    owner, api = house.owner(), house.api()
    for route in furnished.routes():
        client = api if route.is_api else owner
        client.client.open(
            route.path,
            method=route.method,
            headers={"Authorization": f"Bearer {api.token}", "X-Request-Id": "req_from_outside"},
            buffered=True,
        )
    house.deliver()
    house.runtime.webhooks.run_once()

    text = house.pages().get("/metrics").text

    assert len(parse(text).by(f"{REQUESTS}_count", "route")) > 40
    assert ID.findall(text) == []
    for word in ("@", OWNER, str(api.token), "hooks.invalid", "ada@example.com"):
        assert word not in text


# -- messages ---------------------------------------------------------------------------------


def test_accepted_and_handed_over_messages_are_counted(house: House) -> None:
    api = house.api()
    api.send()
    api.send()
    api.send(to="failed@simulator.senderkit.test")
    api.post("/v1/send", {"to": 1})
    house.clock.advance(seconds=3)
    house.deliver()

    found = figures(house)
    room = {"mode": "test", "channel": "email"}

    assert found.value("messages_accepted_total", **room) == 3
    assert found.value("messages_dispatched_total", **room, status="delivered") == 2
    assert found.value("messages_dispatched_total", **room, status="failed") == 1
    assert found.value("message_hand_over_seconds_count", **room) == 2
    assert found.value("message_hand_over_seconds_sum", **room) == pytest.approx(6, abs=0.01)
    assert found.value("acceptance_batch_messages_sum") == 3
    assert found.value("acceptance_commit_seconds_count") >= 1


def test_a_repeated_send_is_not_counted_twice(house: House) -> None:
    api = house.api()
    body = {"channel": "sms", "to": "+15555550100", "content": {"body": "b"}}
    for _ in range(2):
        assert api.post("/v1/send", body, headers={"Idempotency-Key": "k"}).status_code == 202

    assert figures(house).value("messages_accepted_total", mode="test", channel="sms") == 1


def test_the_time_before_a_scheduled_moment_is_no_delay(house: House) -> None:
    api = house.api()
    api.send(scheduledAt="2026-11-24T12:00:00Z")
    house.clock.advance(hours=2, seconds=5)
    house.deliver()

    found = figures(house)

    assert found.value(
        "message_hand_over_seconds_sum", mode="test", channel="email"
    ) == pytest.approx(5)


def test_what_waits_is_told_by_mode_and_channel(live_house: House) -> None:
    house = live_house
    api, live = house.api(), house.api("live")
    api.send()
    house.clock.advance(seconds=20)
    live.send()
    live.send()
    live.send(scheduledAt="2026-11-25T12:00:00Z")
    house.clock.advance(seconds=10)

    found = figures(house)

    assert found.value("messages_due", mode="test", channel="email") == 1
    assert found.value("messages_due", mode="live", channel="email") == 2
    assert found.value("messages_due_oldest_seconds", mode="test", channel="email") == 30
    assert found.value("messages_due_oldest_seconds", mode="live", channel="email") == 10
    assert found.value("messages_scheduled", mode="live", channel="email") == 1
    assert found.value("messages_scheduled", mode="test", channel="email") == 0


def test_held_messages_and_what_holds_them_are_told(house: House) -> None:
    store_connection(house)
    store_connection(house)
    house.api("live").send()
    house.write("UPDATE connections SET broken_reason = 'refused'")
    house.deliver()
    house.write("UPDATE connections SET broken_reason = NULL")
    house.write(
        "UPDATE connections SET broken_reason = 'refused' "
        "WHERE id = (SELECT min(id) FROM connections)"
    )
    store_endpoint(house)
    store_endpoint(house)
    house.write(
        "UPDATE webhook_endpoints SET is_enabled = :no, disabled_reason = 'gone' "
        "WHERE id = (SELECT min(id) FROM webhook_endpoints)",
        no=False,
    )
    house.clock.advance(seconds=7)

    found = figures(house)

    assert found.value("messages_held", mode="live", channel="email") == 1
    assert found.value("messages_due", mode="live", channel="email") == 0
    smtp = {"channel": "email", "provider": "smtp"}
    assert found.value("connections", **smtp, state="ok") == 1
    assert found.value("connections", **smtp, state="broken") == 1
    assert found.by("webhook_endpoints", "state") == {"on": 1, "off": 0, "switched_off": 1}
    assert found.value("webhooks_due") >= 1
    assert found.value("webhooks_due_oldest_seconds") == 7


# -- the database -----------------------------------------------------------------------------


def test_a_storm_of_scrapes_asks_the_database_once(house: House) -> None:
    looks: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "FROM webhook_endpoints" in statement and "disabled_reason" in statement:
            looks.append(statement)

    event.listen(house.runtime.engine, "before_cursor_execute", note)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: house.pages().get("/metrics").status_code, range(40)))
    assert answers == [200] * 40
    assert len(looks) == 1

    house.clock.advance(seconds=1)
    figures(house)
    assert len(looks) == 2


def test_without_its_database_the_process_still_tells_of_itself(house: House) -> None:
    with failing(house, lambda *_: True, OperationalError("gone", {}, Exception())):
        found = figures(house)
    assert found.value("database_up") == 0
    assert "senderkit_messages_due" not in found.names
    assert found.value("process_start_time_seconds") > 0

    house.clock.advance(seconds=1)
    assert figures(house).value("database_up") == 1


def test_the_process_says_what_it_is(house: House) -> None:
    found = figures(house)

    [database] = found.by("build_info", "database")
    assert found.by("build_info", "version") == {__version__: 1}
    assert database == house.runtime.engine.dialect.name
    assert found.value("database_pool_size") == house.runtime.settings.threads + 8
    assert found.value("database_pool_in_use") >= 0
    assert found.by("loop_alive", "loop") == {"dispatcher": 1, "webhooks": 1}
    house.clock.advance(seconds=30)
    assert figures(house).by("loop_alive", "loop") == {"dispatcher": 0, "webhooks": 0}


def test_every_value_of_a_label_is_one_of_ours(house: House) -> None:
    furnish(house)
    house.deliver()
    found = figures(house)
    allowed = {
        "mode": {mode.value for mode in Mode},
        "channel": {channel.value for channel in Channel},
    }
    for sample in found.samples:
        for label, values in allowed.items():
            assert sample.labels.get(label, next(iter(values))) in values


# -- the page about it ----------------------------------------------------------------------------


def test_the_page_on_monitoring_lists_every_metric_with_its_labels(house: House) -> None:
    page = (TOP / "docs/monitoring.md").read_text("utf-8")
    rows = re.findall(r"^\| `((?:senderkit|process)_\w+)` \|([^|]*)\|", page, re.MULTILINE)
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    text = house.pages().get("/metrics").text
    told = set(re.findall(r"^# TYPE (senderkit_\w+)", text, re.MULTILINE))

    assert {name for name in listed if name.startswith("senderkit_")} == told
    for sample in house_with_everything(house).samples:
        name = re.sub(r"_(bucket|count|sum)$", "", sample.name)
        assert name in listed or name in page, name
        assert sample.labels.keys() - {"le"} == listed.get(name, set())


def house_with_everything(house: House) -> Figures:
    furnish(house)
    house.deliver()
    house.runtime.webhooks.run_once()
    return figures(house)


def test_the_rules_on_the_page_ask_for_metrics_that_exist(house: House) -> None:
    page = (TOP / "docs/monitoring.md").read_text("utf-8")
    [rules] = re.findall(r"^groups:.*?^```", page, re.MULTILINE | re.DOTALL)
    asked = set(re.findall(r"senderkit_\w+", rules))
    text = house.pages().get("/metrics").text

    assert len(asked) == 5
    assert [name for name in asked if f"# TYPE {name} " not in text] == []
