from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from senderkit.domain import Channel, SmsBody
from senderkit.errors import AccountBroken, CallbackRefused, InvalidRequest, Refused
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from tests.fakes_http import Answer
from tests.providers.benches.base import SECRET
from tests.providers.benches.vonage import (
    API_KEY,
    APPLICATION,
    BY_KEY,
    HOOK,
    VONAGE_ID,
    VonageBench,
    claims_for,
    claims_of,
    private_key,
    reply,
    status,
    with_claims,
)
from tests.providers.conftest import NOON
from tests.providers.samples import MESSAGE_ID, outgoing

NOW = int(NOON.timestamp())


@pytest.fixture
def bench() -> Iterator[VonageBench]:
    bench = VonageBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: VonageBench, http: HttpClient) -> Adapter:
    return connect(bench, http)


def connect(bench: VonageBench, http: HttpClient, **fields: str) -> Adapter:
    return get_provider("vonage").connect(bench.credentials | fields, lambda: NOON, http)


def sent(bench: VonageBench) -> dict[str, Any]:
    body: dict[str, Any] = bench.sends[-1].json
    return body


def test_a_plain_text_as_vonage_documents_it(bench: VonageBench, adapter: Adapter) -> None:
    receipt = adapter.send(outgoing(Channel.SMS))
    assert (receipt.provider_message_id, receipt.detail) == (VONAGE_ID, None)
    [request] = bench.sends
    assert request.target == "/v1/messages"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    claims = claims_of(request.headers["authorization"])
    assert len(claims.pop("jti")) == 36
    assert claims == {"application_id": APPLICATION, "iat": NOW, "exp": NOW + 900}
    assert request.json == {
        "message_type": "text",
        "channel": "sms",
        "to": "15550100200",
        "from": "15550100300",
        "text": "Hello",
        "client_ref": MESSAGE_ID,
        "sms": {"encoding_type": "auto"},
        "webhook_url": HOOK,
        "webhook_version": "v1",
    }


def test_without_a_callback_address_none_is_sent(bench: VonageBench, http: HttpClient) -> None:
    connect(bench, http, callback_url="").send(outgoing(Channel.SMS))
    assert not {"webhook_url", "webhook_version"} & set(sent(bench))


@pytest.mark.parametrize(
    ("sender", "expected"), [("+15550100300", "15550100300"), ("12345", "12345"), ("Acme", "Acme")]
)
def test_a_sender_is_a_number_without_its_plus_or_a_name(
    sender: str, expected: str, bench: VonageBench, http: HttpClient
) -> None:
    connect(bench, http, **{"from": sender}).send(outgoing(Channel.SMS))
    assert sent(bench)["from"] == expected


@pytest.mark.parametrize(
    "words", ["Grüße €5 [ok]", "“Ça va?” — 👋🏽", "a\nb\r\nc", "\x00", "a" * 1_000, "👋" * 500]
)
def test_any_words_arrive_as_they_are_in_one_request_and_vonage_encodes_them(
    words: str, bench: VonageBench, adapter: Adapter
) -> None:
    adapter.send(outgoing(Channel.SMS, body=SmsBody(words)))
    assert len(bench.sends) == 1
    assert (sent(bench)["text"], sent(bench)["sms"]) == (words, {"encoding_type": "auto"})


def basic_login() -> str:
    return "Basic " + b64encode(f"{API_KEY}:{SECRET}".encode()).decode()


def test_without_an_application_the_account_sends(bench: VonageBench, http: HttpClient) -> None:
    connect(bench, http, **BY_KEY).send(outgoing(Channel.SMS))
    assert bench.sends[-1].headers["authorization"] == basic_login()


def test_a_token_serves_ten_minutes(bench: VonageBench, http: HttpClient) -> None:
    now = [NOON]
    adapter = get_provider("vonage").connect(bench.credentials, lambda: now[0], http)
    for minutes in (0, 9, 10, 11):
        now[0] = NOON + timedelta(minutes=minutes)
        adapter.send(outgoing(Channel.SMS))
    first, second, third, fourth = (request.headers["authorization"] for request in bench.sends)
    assert first == second != third == fourth


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({}, f"/v2/applications/{APPLICATION}"),
        ({"application_id": "a/b?c"}, "/v2/applications/a%2Fb%3Fc"),
        (BY_KEY, "/v2/applications?page_size=1"),
    ],
)
def test_a_check_reads_the_application_or_one_by_the_account(
    fields: dict[str, str], target: str, bench: VonageBench, http: HttpClient
) -> None:
    connect(bench, http, **fields).check()
    [request] = bench.server.requests
    assert (request.method, request.target) == ("GET", target)
    assert request.headers["authorization"] == basic_login()


def test_a_check_finds_an_application_that_is_none_of_the_accounts(
    bench: VonageBench, adapter: Adapter
) -> None:
    bench.server.answer("GET /v2/applications/*", Answer(404, json={"title": "Not Found"}))
    with pytest.raises(AccountBroken, match="Not Found"):
        adapter.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"api_key": ""}, "api_key"),
        ({"api_key": "a:b"}, "api_key"),
        ({"api_secret": ""}, "api_secret"),
        ({"from": "An Acme too long"}, "from"),
        ({"callback_url": "notify.acme.example"}, "callback_url"),
        ({"application_id": ""}, "application_id"),
        ({"private_key": ""}, "private_key"),
        ({"private_key": private_key()[:-300]}, "private_key"),
        ({"private_key": "private.key"}, "private_key"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("vonage").validate(VonageBench().credentials | fields)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


# -- callbacks ------------------------------------------------------------------------------------

BODY = status("delivered")


@pytest.mark.parametrize("seconds", [-600, -1, 0, 1, 600])
def test_a_token_of_these_ten_minutes_is_taken(seconds: int, adapter: Adapter) -> None:
    callback = with_claims(BODY, claims_for(BODY) | {"iat": NOW + seconds})
    assert len(adapter.events_from(callback)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        *({"iat": NOW - 601}, {"iat": NOW + 601}, {"iat": None}, {"iat": str(NOW)}, {"iat": True}),
        *({"iss": "Nexmo"}, {"iss": None}, {"api_key": "other"}, {"api_key": None}),
        *({"payload_hash": "0" * 64}, {"payload_hash": ""}, {"payload_hash": None}),
    ],
)
def test_a_token_that_claims_something_else_is_refused(
    changes: dict[str, Any], adapter: Adapter
) -> None:
    with pytest.raises(CallbackRefused):
        adapter.events_from(with_claims(BODY, claims_for(BODY) | changes))


@pytest.mark.parametrize("missing", ["iat", "iss", "api_key", "payload_hash"])
def test_a_token_that_leaves_something_out_is_refused(missing: str, adapter: Adapter) -> None:
    claims = {name: value for name, value in claims_for(BODY).items() if name != missing}
    with pytest.raises(CallbackRefused):
        adapter.events_from(with_claims(BODY, claims))


def test_a_token_for_another_body_or_by_another_secret_is_refused(adapter: Adapter) -> None:
    callback = with_claims(BODY, claims_for(BODY))
    adapter.events_from(callback)
    with pytest.raises(CallbackRefused, match="another body"):
        adapter.events_from(replace(callback, body=reply("STOP")))
    with pytest.raises(CallbackRefused):
        adapter.events_from(with_claims(BODY, claims_for(BODY), secret=SECRET))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_scheme_is_read_in_any_case(scheme: str, adapter: Adapter) -> None:
    callback = with_claims(BODY, claims_for(BODY))
    header = callback.headers["authorization"].replace("Bearer", scheme)
    assert len(adapter.events_from(replace(callback, headers={"authorization": header}))) == 1
    basic = header.replace(scheme, "Basic")
    with pytest.raises(CallbackRefused):
        adapter.events_from(replace(callback, headers={"authorization": basic}))


def test_a_report_without_a_time_happened_when_it_came(
    bench: VonageBench, adapter: Adapter
) -> None:
    [event] = adapter.events_from(bench.authentic(status("delivered", timestamp=None)))
    assert event.at == NOON


@pytest.mark.parametrize("error", [None, [], "x", {"error": []}, {"title": {}, "detail": []}])
def test_an_error_that_is_none_leaves_the_detail_out(
    error: object, bench: VonageBench, adapter: Adapter
) -> None:
    [event] = adapter.events_from(bench.authentic(status("rejected", error=error)))
    assert event.detail is None


def test_a_refusal_without_details_shows_what_there_is(
    bench: VonageBench, adapter: Adapter
) -> None:
    bench.arrange_answer(Answer(422, json={"title": "Invalid message"}))
    with pytest.raises(Refused, match=r"HTTP 422\): Invalid message$"):
        adapter.send(outgoing(Channel.SMS))
