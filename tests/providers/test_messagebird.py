from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from senderkit.domain import Channel, EventKind, SmsBody
from senderkit.errors import AccountBroken, CallbackRefused, InvalidRequest
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter, Callback
from senderkit.providers.messagebird import check_signature
from tests.fakes_http import Answer
from tests.providers.benches.base import SECRET
from tests.providers.benches.messagebird import (
    HOOK,
    MESSAGEBIRD_ID,
    SIGNING_KEY,
    MessageBirdBench,
    claims_for,
    reply,
    status,
    with_claims,
)
from tests.providers.conftest import NOON
from tests.providers.samples import MESSAGE_ID, outgoing
from tests.providers.tokens import token_of

NOW = int(NOON.timestamp())


@pytest.fixture
def bench() -> Iterator[MessageBirdBench]:
    bench = MessageBirdBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: MessageBirdBench, http: HttpClient) -> Adapter:
    return connect(bench, http)


def connect(bench: MessageBirdBench, http: HttpClient, **fields: str) -> Adapter:
    return get_provider("messagebird").connect(bench.credentials | fields, lambda: NOON, http)


def sent(bench: MessageBirdBench) -> dict[str, Any]:
    body: dict[str, Any] = bench.sends[-1].json
    return body


def test_a_plain_text_as_messagebird_documents_it(
    bench: MessageBirdBench, adapter: Adapter
) -> None:
    receipt = adapter.send(outgoing(Channel.SMS))
    assert (receipt.provider_message_id, receipt.detail) == (MESSAGEBIRD_ID, None)
    [request] = bench.sends
    assert request.target == "/messages"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["authorization"] == f"AccessKey {SECRET}"
    assert request.json == {
        "originator": "15550100300",
        "recipients": ["15550100200"],
        "body": "Hello",
        "datacoding": "auto",
        "reference": MESSAGE_ID,
        "reportUrl": HOOK,
    }


def test_without_a_callback_address_the_accounts_own_is_used(
    bench: MessageBirdBench, http: HttpClient
) -> None:
    connect(bench, http, callback_url="").send(outgoing(Channel.SMS))
    assert "reportUrl" not in sent(bench)
    assert sent(bench)["reference"] == MESSAGE_ID


@pytest.mark.parametrize(
    ("sender", "expected"), [("+15550100300", "15550100300"), ("12345", "12345"), ("Acme", "Acme")]
)
def test_a_sender_is_a_number_without_its_plus_or_a_name(
    sender: str, expected: str, bench: MessageBirdBench, http: HttpClient
) -> None:
    connect(bench, http, originator=sender).send(outgoing(Channel.SMS))
    assert sent(bench)["originator"] == expected


@pytest.mark.parametrize(
    "words", ["Grüße €5 [ok]", "“Ça va?” — 👋🏽", "a\nb\r\nc", "\x00", "a" * 1_377, "👋" * 300]
)
def test_any_words_arrive_as_they_are_in_one_request_and_messagebird_encodes_them(
    words: str, bench: MessageBirdBench, adapter: Adapter
) -> None:
    adapter.send(outgoing(Channel.SMS, body=SmsBody(words)))
    assert len(bench.sends) == 1
    assert (sent(bench)["body"], sent(bench)["datacoding"]) == (words, "auto")


def test_a_check_reads_the_balance(bench: MessageBirdBench, adapter: Adapter) -> None:
    adapter.check()
    [request] = bench.server.requests
    assert (request.method, request.target) == ("GET", "/balance")


@pytest.mark.parametrize("errors", [{}, [], [1], "x", [{"code": {}}], [{"code": True}]])
def test_an_error_in_another_shape_goes_by_its_status(
    errors: object, bench: MessageBirdBench, adapter: Adapter
) -> None:
    bench.arrange_answer(Answer(401, json={"errors": errors}))
    with pytest.raises(AccountBroken):
        adapter.send(outgoing(Channel.SMS))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"access_key": ""}, "access_key"),
        ({"originator": ""}, "originator"),
        ({"originator": "An Acme too long"}, "originator"),
        ({"callback_url": f"{HOOK}?x=1"}, "callback_url"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("messagebird").validate(MessageBirdBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


# -- callbacks ------------------------------------------------------------------------------------

URL = f"{HOOK}?{status('delivered').decode()}"

# From the test data of MessageBird's own library for Go.
KNOWN_KEY = "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb"
KNOWN_TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    ".eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJqdGkiOiI5M2U1NTA"
    "wNi1hMGU4LTQ1MjYtYTE5MC1mYTVmZjAwZWExMTYiLCJ1cmxfaGFzaCI6IjQxZjA1ZjBkZGQwYTIyYWIyMDlhYzQ2ZjQ3"
    "YzQ1NzJkOWNlZmEyNTdlZDc0YjI0MDA0YmFlNzUzZWNlNmMyNjAiLCJwYXlsb2FkX2hhc2giOiJkZmZkNjAyMWJiMmJkN"
    "WIwYWY2NzYyOTA4MDllYzNhNTMxOTFkZDgxYzdmNzBhNGIyODY4OGEzNjIxODI5ODZmIn0"
    "._H--TOuYFLpeEH39-rg5E3IHVkjHozBcaKVWPRC5m9I"
)
KNOWN = Callback(
    "https://example.com/path?bar=1&foo=2",
    {"messagebird-signature-jwt": KNOWN_TOKEN},
    b"Hello, World!",
)
KNOWN_START = datetime.fromtimestamp(1_625_479_200, UTC)


@pytest.mark.parametrize("seconds", [-1, 0, 60, 61])
def test_a_signature_that_messagebird_publishes_is_right(seconds: int) -> None:
    check_signature(KNOWN, KNOWN_KEY, KNOWN_START + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-2, 62])
def test_it_is_right_in_its_own_minute_only(seconds: int) -> None:
    with pytest.raises(CallbackRefused, match="stale"):
        check_signature(KNOWN, KNOWN_KEY, KNOWN_START + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "other",
    [
        replace(KNOWN, body=b"Hello, World?"),
        replace(KNOWN, body=b""),
        replace(KNOWN, url=KNOWN.url.replace("bar=1", "bar=2")),
        replace(KNOWN, url=KNOWN.url.replace("https", "http")),
    ],
)
def test_it_is_right_for_its_own_address_and_body_only(other: Callback) -> None:
    with pytest.raises(CallbackRefused, match="another"):
        check_signature(other, KNOWN_KEY, KNOWN_START)
    with pytest.raises(CallbackRefused):
        check_signature(KNOWN, KNOWN_KEY[:-1], KNOWN_START)


@pytest.mark.parametrize(
    "changes",
    [
        *({"iss": "Other"}, {"nbf": None}, {"exp": None}, {"url_hash": None}, {"url_hash": "0"}),
        *({"payload_hash": "0" * 64}, {"exp": NOW - 2}, {"nbf": NOW + 2}),
    ],
)
def test_a_token_that_claims_something_else_is_refused(
    changes: dict[str, Any], adapter: Adapter
) -> None:
    with pytest.raises(CallbackRefused):
        adapter.events_from(with_claims(URL, claims_for(URL) | changes))


@pytest.mark.parametrize("missing", ["iss", "nbf", "exp", "url_hash"])
def test_a_token_that_leaves_something_out_is_refused(missing: str, adapter: Adapter) -> None:
    claims = {name: value for name, value in claims_for(URL).items() if name != missing}
    with pytest.raises(CallbackRefused):
        adapter.events_from(with_claims(URL, claims))


def test_a_body_must_be_in_the_token(adapter: Adapter) -> None:
    with pytest.raises(CallbackRefused, match="another body"):
        adapter.events_from(with_claims(URL, claims_for(URL), body=b"status=failed"))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_each_algorithm_with_a_shared_key_is_taken(algorithm: str, adapter: Adapter) -> None:
    token = token_of(claims_for(URL), SIGNING_KEY, algorithm)
    assert adapter.events_from(Callback(URL, {"messagebird-signature-jwt": token}))


def test_a_reply_by_post_counts_as_one_by_get(adapter: Adapter) -> None:
    body = reply("STOP")
    [event] = adapter.events_from(with_claims(HOOK, claims_for(HOOK, body), body))
    assert (event.kind, event.recipient) == (EventKind.OPTED_OUT, "+15550100200")


@pytest.mark.parametrize("time", ["", "soon", "20260302115903"])
def test_a_report_without_a_time_happened_when_it_came(
    time: str, bench: MessageBirdBench, adapter: Adapter
) -> None:
    [event] = adapter.events_from(bench.authentic(status("delivered", statusDatetime=time)))
    assert event.at == NOON
