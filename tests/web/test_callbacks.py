"""Callbacks of providers at /hooks: what is verified is taken, and nothing else is."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from senderkit.domain import Channel, Clock, EventKind, Outgoing, ProviderEvent, Receipt
from senderkit.errors import AccountBroken, CallbackRefused, Unavailable
from senderkit.http_client import HttpClient
from senderkit.models import Connection
from senderkit.providers.base import Adapter, Callback
from tests.conftest import MakeApp, RegisterProvider
from tests.fakes_http import Answer, Recorded
from tests.make import Api, FakeClock, House
from tests.outbox.conftest import FakeProvider, connect, entry, events, failing
from tests.providers.benches.base import SECRET
from tests.providers.benches.postmark import POSTMARK_ID, PostmarkBench, bounce, record
from tests.serving import serving
from tests.web.routes import stored
from tests.web.test_headers import post_too_much

LOGIN: Final = f"postmark:callback-{SECRET}"


@pytest.fixture
def bench() -> Iterator[PostmarkBench]:
    bench = PostmarkBench()
    with bench.running():
        yield bench


@pytest.fixture
def house(make_app: MakeApp, clock: FakeClock) -> House:
    return House(make_app(ALLOW_PRIVATE_ADDRESSES="1"), clock)


@pytest.fixture
def connection_id(house: House, bench: PostmarkBench) -> str:
    return connect(house, "postmark", bench.credentials, name="Transactional")


@pytest.fixture
def api(house: House, connection_id: str) -> Api:
    return house.api("live")


@pytest.fixture
def sent(house: House, api: Api) -> str:
    message_id = api.send()
    house.deliver()
    return message_id


def about(message_id: str, body: bytes) -> bytes:
    """A record of Postmark's, about a message of ours."""
    return json.dumps(json.loads(body) | {"Metadata": {"senderkit_message": message_id}}).encode()


def delivered(message_id: str) -> bytes:
    return about(message_id, record("Delivery", "DeliveredAt", Recipient="ada@example.com"))


def call(
    house: House, connection_id: str, body: bytes, login: str | None = LOGIN, **more: Any
) -> TestResponse:
    headers = {"Content-Type": "application/json"}
    if login is not None:
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    stranger = house.app.test_client(use_cookies=False)
    usual = {"path": f"/hooks/postmark/{connection_id}", "method": "POST", "headers": headers}
    return stranger.open(**(usual | {"data": body} | more))


def test_a_verified_callback_is_taken(
    house: House, api: Api, connection_id: str, sent: str
) -> None:
    answer = call(house, connection_id, delivered(sent))

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers.get("Set-Cookie") is None
    assert api.message(sent)["status"] == "delivered"


def test_a_hard_bounce_suppresses_the_address(
    house: House, api: Api, connection_id: str, sent: str
) -> None:
    call(house, connection_id, about(sent, bounce("HardBounce")))

    assert api.message(sent)["error"] == "smtp;550 5.1.1 no such user"
    again = api.send()
    house.deliver()
    message = api.message(again)
    assert message["status"] == "suppressed"
    assert "bounced for good" in entry(message, "suppressed")["reason"]


@pytest.mark.parametrize(
    "login", [None, "", "postmark:", f"postmark:{SECRET}", f"other:callback-{SECRET}"]
)
def test_without_the_right_secret_nothing_is_written(
    house: House, connection_id: str, sent: str, login: str | None
) -> None:
    before = stored(house)
    with structlog.testing.capture_logs() as logs:
        answer = call(house, connection_id, delivered(sent), login)

    assert answer.status_code == 401
    assert answer.text == "The callback does not bring the user name and password agreed on.\n"
    assert stored(house) == before
    assert SECRET not in str(logs)
    assert [log["event"] for log in logs].count("callback_not_verified") == 1


def test_replayed_or_out_of_order_it_changes_nothing_more(
    house: House, api: Api, connection_id: str, sent: str
) -> None:
    for body in (about(sent, bounce("SoftBounce")), delivered(sent)):
        assert call(house, connection_id, body).status_code == 200
    before = stored(house)
    for body in (delivered(sent), about(sent, bounce("SoftBounce")), delivered(sent)):
        assert call(house, connection_id, body).status_code == 200

    assert api.message(sent)["status"] == "failed"
    assert stored(house) == before


def test_reports_on_unknown_messages_or_of_tomorrow_are_answered_and_passed_over(
    house: House, connection_id: str, sent: str
) -> None:
    before = stored(house)
    for body in (
        about("msg_00000000000000000000000000", bounce("HardBounce", MessageID="unknown")),
        record("Thought", "ReceivedAt"),
        b"",
        b"[]",
        b"\xff\0{",
        b'{"RecordType": ' + b"[" * 100_000,
    ):
        assert call(house, connection_id, body).status_code == 200
    assert stored(house) == before


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/postmark/00000000-0000-4000-8000-000000000000",
        "/hooks/smtp/{id}",
        "/hooks/pigeon/{id}",
        "/hooks/postmark/{id}/more",
        "/hooks/postmark",
        "/hooks/postmark/%00",
        "/hooks/postmark/%ff",
    ],
)
def test_what_leads_to_no_connection_is_not_there(
    house: House, connection_id: str, sent: str, path: str
) -> None:
    answer = call(house, connection_id, delivered(sent), path=path.format(id=connection_id))

    assert answer.status_code == 404
    assert answer.text == "Not Found\n"


def test_a_provider_that_reports_nothing_by_callback_is_refused(
    house: House, register: RegisterProvider
) -> None:
    provider = register(FakeProvider())
    connection_id = connect(house, provider.name)
    answer = house.pages().client.post(f"/hooks/{provider.name}/{connection_id}")

    assert (answer.status_code, answer.text) == (
        401,
        "This provider reports nothing by callback.\n",
    )


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_taken(house: House, connection_id: str, method: str) -> None:
    assert call(house, connection_id, b"{}", method=method).status_code == 405


def test_a_body_that_is_too_long_or_encoded_is_refused(
    house: House, connection_id: str, sent: str
) -> None:
    before = stored(house)
    assert call(house, connection_id, b"x" * (1024 * 1024 + 1)).status_code == 413
    encoded = call(house, connection_id, delivered(sent), headers={"Content-Encoding": "gzip"})
    assert encoded.status_code == 415
    assert stored(house) == before


def test_without_its_database_the_provider_is_asked_to_try_again(
    house: House, api: Api, connection_id: str, sent: str
) -> None:
    def is_faulty(statement: str, _parameters: Any) -> bool:
        return "timeline_entries" in statement

    error = OperationalError("the disk broke", {}, Exception())
    with failing(house, is_faulty, error):
        answer = call(house, connection_id, delivered(sent))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "disk" not in answer.text

    assert call(house, connection_id, delivered(sent)).status_code == 200
    assert api.message(sent)["status"] == "delivered"


def test_a_report_that_comes_before_the_answer_to_our_own_call(
    house: House, api: Api, connection_id: str, bench: PostmarkBench
) -> None:
    def report_first(request: Recorded) -> Answer:
        message_id = request.json["Metadata"]["senderkit_message"]
        assert call(house, connection_id, delivered(message_id)).status_code == 200
        return bench.accepts

    bench.arrange_answer(report_first)
    message_id = api.send()
    house.deliver()

    message = api.message(message_id)
    assert (message["status"], message["providerMessageId"]) == ("delivered", POSTMARK_ID)
    assert events(message) == ["queued", "rendered", "dispatched", "sent", "delivered"]


def named_by_the_provider(**more: Any) -> bytes:
    """A report that does not bring our own id back, as Postmark's on mail of other programs."""
    body = record("Delivery", "DeliveredAt", Recipient="ada@example.com", **more)
    return json.dumps(json.loads(body) | {"Metadata": {}}).encode()


def test_a_report_that_names_only_the_providers_id_and_comes_too_early_is_asked_for_again(
    house: House, api: Api, connection_id: str, bench: PostmarkBench
) -> None:
    answers: list[TestResponse] = []

    def report_first(request: Recorded) -> Answer:
        answers.append(call(house, connection_id, named_by_the_provider()))
        return bench.accepts

    bench.arrange_answer(report_first)
    message_id = api.send()
    house.deliver()

    assert [answer.status_code for answer in answers] == [503]
    assert "Retry-After" in answers[0].headers
    assert api.message(message_id)["status"] == "sent"
    assert call(house, connection_id, named_by_the_provider()).status_code == 200
    assert api.message(message_id)["status"] == "delivered"


def test_a_message_that_is_not_ours_is_asked_for_no_longer_than_one_call_takes(
    house: House, api: Api, connection_id: str, bench: PostmarkBench
) -> None:
    stranger = named_by_the_provider(MessageID="of-another-program")
    statuses: list[int] = []

    def report_first(_request: Recorded) -> Answer:
        statuses.append(call(house, connection_id, stranger).status_code)
        return bench.accepts

    bench.arrange_answer(report_first)
    for _ in range(3):
        api.send()
        house.deliver()
        house.clock.advance(seconds=1)

    assert statuses == [503, 200, 200]
    assert call(house, connection_id, stranger).status_code == 200


def test_what_comes_with_an_early_report_is_taken_all_the_same(
    house: House, register: RegisterProvider
) -> None:
    listening = register(Listening())
    connection_id = connect(house, listening.name)
    path = f"/hooks/listening/{connection_id}"
    api, client = house.api("live"), house.app.test_client()
    sent = api.send()
    house.deliver()
    at = house.clock()
    late = ProviderEvent(EventKind.DELIVERED, at, None, message_id=sent)
    early = ProviderEvent(EventKind.DELIVERED, at, "their-second")
    listening.events = [early, late]
    statuses: list[int] = []

    def report_first(outgoing: Outgoing) -> Receipt:
        statuses.append(client.post(path).status_code)
        return Receipt("their-second")

    listening.react = report_first
    second = api.send()
    house.deliver()

    assert statuses == [503]
    assert api.message(sent)["status"] == "delivered"
    assert client.post(path).status_code == 200
    assert api.message(second)["status"] == "delivered"


def test_a_broken_connection_still_reports(
    house: House, api: Api, connection_id: str, sent: str
) -> None:
    house.write("UPDATE connections SET broken_reason = 'The token is wrong.'")

    assert call(house, connection_id, delivered(sent)).status_code == 200
    assert api.message(sent)["status"] == "delivered"


def test_credentials_that_do_not_open_verify_nothing(
    house: House, connection_id: str, sent: str
) -> None:
    with house.runtime.engine.begin() as connection:
        later = house.clock() + timedelta(seconds=1)
        connection.execute(update(Connection).values(sealed_fields=b"junk", updated_at=later))
    answer = call(house, connection_id, delivered(sent))

    assert (answer.status_code, answer.text) == (
        401,
        "The credentials of this connection cannot be used.\n",
    )


# -- what an adapter gets and may raise ---------------------------------------------------------


class Listening(FakeProvider):
    """A provider whose adapter keeps the callbacks it is given, and raises what it is told to."""

    name = "listening"
    channel = Channel.EMAIL

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Callback] = []
        self.events: list[ProviderEvent] = []
        self.error: Exception | None = None

    def make_adapter(self, values: Any, clock: Clock, http: HttpClient) -> Adapter:
        return _ListeningAdapter(self)


class _ListeningAdapter(Adapter):
    def __init__(self, provider: Listening) -> None:
        self._provider = provider

    def send(self, outgoing: Outgoing) -> Receipt:
        return self._provider.react(outgoing)

    def check(self) -> None:
        return

    def events_from(self, callback: Callback) -> list[ProviderEvent]:
        self._provider.heard.append(callback)
        if self._provider.error is not None:
            raise self._provider.error
        return self._provider.events

    def close(self) -> None:
        return


@pytest.fixture
def public_house(make_app: MakeApp, clock: FakeClock) -> House:
    house = House(make_app(PUBLIC_URL="https://notify.acme.example"), clock)
    house.set_up()
    return house


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_adapter_sees_the_call_as_the_provider_made_it(
    public_house: House, register: RegisterProvider, method: str
) -> None:
    listening = Listening()
    register(listening)
    path = f"/hooks/listening/{connect(public_house, listening.name)}"
    body = b"a=1&b=%C3%A4\xff" if method == "POST" else b""
    answer = public_house.app.test_client().open(
        f"{path}?z=%2B1+5&a=%C3%A4&a=",
        method=method,
        data=body,
        headers={"X-Signature": "abc", "Content-Type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 200
    [callback] = listening.heard
    assert callback.url == f"https://notify.acme.example{path}?z=%2B1+5&a=%C3%A4&a="
    assert (callback.headers["x-signature"], callback.body) == ("abc", body)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (CallbackRefused("The signature is wrong."), 401, "The signature is wrong."),
        (AccountBroken("secret words"), 401, "The credentials of this connection cannot be used."),
        (
            Unavailable("The certificate cannot be fetched."),
            503,
            "What proves this callback cannot be fetched just now.",
        ),
        (RuntimeError("boom"), 500, "Something went wrong on this server. It was logged."),
    ],
)
def test_what_an_adapter_raises_is_answered_in_plain_words(
    public_house: House, register: RegisterProvider, error: Exception, status: int, words: str
) -> None:
    listening = Listening()
    listening.error = error
    register(listening)
    connection_id = connect(public_house, listening.name)
    answer = public_house.app.test_client().post(f"/hooks/listening/{connection_id}")

    assert (answer.status_code, answer.text) == (status, f"{words}\n")
    assert answer.mimetype == "text/plain"
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_a_large_body_is_cut_off_at_the_door(tmp_path: Path) -> None:
    """Over a real socket: five megabytes, announced or not, never reach the application."""
    with serving(tmp_path / "data") as server:
        for framing in ("Content-Length: 5000000", "Transfer-Encoding: chunked"):
            status, _, text = post_too_much(server, "/hooks/postmark/x", framing)
            assert (status, text) == (413, "The body may have at most 1 MiB.\n")
