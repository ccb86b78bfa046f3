from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

import pytest

from senderkit.domain import Channel, EventKind, SmsBody
from senderkit.errors import AccountBroken, CallbackRefused, InvalidRequest
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter, Callback
from senderkit.providers.twilio import check_signature
from tests.fakes_http import Answer
from tests.providers.benches.base import SECRET
from tests.providers.benches.twilio import (
    ACCOUNT,
    HOOK,
    KEY,
    REPORTED_AT,
    SERVICE,
    TOKEN,
    TWILIO_ID,
    TwilioBench,
    refused,
    signature,
    status,
)
from tests.providers.conftest import NOON
from tests.providers.samples import MESSAGE_ID, outgoing

BY_TOKEN = {"api_key_sid": "", "api_key_secret": ""}


@pytest.fixture
def bench() -> Iterator[TwilioBench]:
    bench = TwilioBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: TwilioBench, http: HttpClient) -> Adapter:
    return connect(bench, http)


def connect(bench: TwilioBench, http: HttpClient, **fields: str) -> Adapter:
    return get_provider("twilio").connect(bench.credentials | fields, lambda: NOON, http)


def sent(bench: TwilioBench) -> dict[str, str]:
    return dict(bench.sends[-1].form)


def test_a_plain_text_as_twilio_documents_it(bench: TwilioBench, adapter: Adapter) -> None:
    receipt = adapter.send(outgoing(Channel.SMS))
    assert (receipt.provider_message_id, receipt.detail) == (TWILIO_ID, None)
    [request] = bench.sends
    assert request.target == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    login = b64encode(f"{KEY}:key-{SECRET}".encode()).decode()
    assert request.headers["authorization"] == f"Basic {login}"
    assert request.form == [
        ("To", "+15550100200"),
        ("From", "+15550100300"),
        ("Body", "Hello"),
        ("StatusCallback", f"{HOOK}?senderkit_message={MESSAGE_ID}"),
    ]


def test_without_an_api_key_the_auth_token_sends(bench: TwilioBench, http: HttpClient) -> None:
    connect(bench, http, **BY_TOKEN).send(outgoing(Channel.SMS))
    login = b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert bench.sends[-1].headers["authorization"] == f"Basic {login}"


def test_without_a_callback_address_none_is_sent(bench: TwilioBench, http: HttpClient) -> None:
    connect(bench, http, callback_url="").send(outgoing(Channel.SMS))
    assert set(sent(bench)) == {"To", "From", "Body"}


@pytest.mark.parametrize(
    ("sender", "field"),
    [
        *(("+15550100300", "From"), ("12345", "From"), ("Acme", "From"), ("Acme 24", "From")),
        (SERVICE, "MessagingServiceSid"),
    ],
)
def test_each_kind_of_sender_has_its_field(
    sender: str, field: str, bench: TwilioBench, http: HttpClient
) -> None:
    connect(bench, http, **{"from": sender}).send(outgoing(Channel.SMS))
    assert {"From", "MessagingServiceSid"} & set(sent(bench)) == {field}
    assert sent(bench)[field] == sender


@pytest.mark.parametrize(
    "words",
    [
        "Grüße €5 [ok]",
        "“Ça va?” — 👋🏽",
        "a\nb\r\nc",
        " a+b&c=d%20;e ",
        "a" * 1_600,
        "👋" * 700,
        "\x00",
    ],
)
def test_any_words_arrive_as_they_are_in_one_request(
    words: str, bench: TwilioBench, adapter: Adapter
) -> None:
    adapter.send(outgoing(Channel.SMS, body=SmsBody(words)))
    assert len(bench.sends) == 1
    assert sent(bench)["Body"] == words


def test_a_check_reads_the_account_by_token_and_a_message_by_key(
    bench: TwilioBench, adapter: Adapter
) -> None:
    adapter.check()
    [account, messages] = bench.server.requests
    assert account.target == f"/2010-04-01/Accounts/{ACCOUNT}.json"
    assert messages.target == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageSize=1"
    logins = [f"{ACCOUNT}:{TOKEN}", f"{KEY}:key-{SECRET}"]
    assert [r.headers["authorization"] for r in (account, messages)] == [
        f"Basic {b64encode(login.encode()).decode()}" for login in logins
    ]


def test_a_check_needs_no_key(bench: TwilioBench, http: HttpClient) -> None:
    connect(bench, http, **BY_TOKEN).check()
    assert len(bench.server.requests) == 1


@pytest.mark.parametrize("answer", [{"status": "suspended"}, {"status": "closed"}, {}])
def test_a_check_finds_an_account_that_is_not_active(
    answer: dict[str, str], bench: TwilioBench, adapter: Adapter
) -> None:
    bench.server.answer(f"GET /2010-04-01/Accounts/{ACCOUNT}.json", Answer(json=answer))
    with pytest.raises(AccountBroken, match="the account is"):
        adapter.check()


def test_a_check_finds_a_key_that_may_not_read(bench: TwilioBench, adapter: Adapter) -> None:
    denied = refused(70051, "Authorization failed", 403)
    bench.server.answer(f"GET /2010-04-01/Accounts/{ACCOUNT}/Messages.json", denied)
    with pytest.raises(AccountBroken, match="70051"):
        adapter.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"account_sid": "AC123"}, "account_sid"),
        ({"account_sid": KEY}, "account_sid"),
        ({"auth_token": ""}, "auth_token"),
        ({"api_key_sid": ACCOUNT}, "api_key_sid"),
        ({"api_key_sid": ""}, "api_key_sid"),
        ({"api_key_secret": ""}, "api_key_secret"),
        ({"from": ""}, "from"),
        ({"from": "An Acme too long"}, "from"),
        ({"from": "+1555-0100"}, "from"),
        ({"from": "MG12"}, None),
        ({"callback_url": "notify.acme.example"}, "callback_url"),
        ({"callback_url": f"{HOOK}?x=1"}, "callback_url"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str | None) -> None:
    given = TwilioBench().credentials | fields
    if named is None:
        get_provider("twilio").validate(given)
        return
    with pytest.raises(InvalidRequest) as raised:
        get_provider("twilio").validate(given)
    assert [issue.path for issue in raised.value.issues] == [(named,)]


# -- signatures -----------------------------------------------------------------------------------

KNOWN = [
    (
        "12345",
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309"
        b"&To=%2B18005551212",
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
]


@pytest.mark.parametrize(("token", "url", "body", "signed"), KNOWN)
def test_a_signature_that_twilio_publishes_is_right(
    token: str, url: str, body: bytes, signed: str
) -> None:
    callback = Callback(url, {"x-twilio-signature": signed}, body)
    check_signature(callback, token)
    for other in (
        replace(callback, url=url.replace("foo=1", "foo=2")),
        replace(callback, url=url.replace("https", "http")),
        replace(callback, body=body.replace(b"1234", b"1235")),
        replace(callback, body=body + b"&More="),
        replace(callback, body=b""),
    ):
        with pytest.raises(CallbackRefused):
            check_signature(other, token)
    for wrong in ("", "12346", "éé"):
        with pytest.raises(CallbackRefused):
            check_signature(callback, wrong)


def test_every_parameter_counts_empty_and_repeated_ones_too() -> None:
    body = b"To=%2B1&Empty=&Media=b&Media=a&Media=b&Body=a%26b%3D%C3%A9"
    url = "https://notify.acme.example/hooks/twilio/1"
    callback = Callback(url, {"x-twilio-signature": signature(url, body)}, body)
    check_signature(callback, TOKEN)
    with pytest.raises(CallbackRefused):
        check_signature(replace(callback, body=body.replace(b"&Empty=", b"")), TOKEN)


@pytest.mark.parametrize(
    ("called", "signed"),
    [
        ("https://acme.example/x?a=1", "https://acme.example:443/x?a=1"),
        ("https://acme.example:443/x?a=1", "https://acme.example/x?a=1"),
        ("https://acme.example:8443/x", "https://acme.example/x"),
        ("http://acme.example/x", "http://acme.example:80/x"),
    ],
)
def test_the_port_may_be_signed_or_not(called: str, signed: str) -> None:
    headers = {"x-twilio-signature": signature(signed, b"a=b")}
    check_signature(Callback(called, headers, b"a=b"), TOKEN)


def test_another_port_is_another_address() -> None:
    headers = {"x-twilio-signature": signature("https://acme.example:8443/x", b"a=b")}
    with pytest.raises(CallbackRefused):
        check_signature(Callback("https://acme.example/x", headers, b"a=b"), TOKEN)


def test_a_report_by_get_carries_its_fields_in_the_signed_address(adapter: Adapter) -> None:
    url = f"{REPORTED_AT}&{status('delivered').decode()}"
    callback = Callback(url, {"x-twilio-signature": signature(url)})
    [event] = adapter.events_from(callback)
    assert (event.kind, event.message_id) == (EventKind.DELIVERED, MESSAGE_ID)
    with pytest.raises(CallbackRefused):
        adapter.events_from(replace(callback, url=url.replace("delivered", "failed")))


def test_a_report_to_an_address_without_our_id_names_theirs(adapter: Adapter) -> None:
    body = status("delivered")
    callback = Callback(HOOK, {"x-twilio-signature": signature(HOOK, body)}, body)
    [event] = adapter.events_from(callback)
    assert (event.provider_message_id, event.message_id) == (TWILIO_ID, None)


def test_an_id_in_the_body_is_not_ours(adapter: Adapter) -> None:
    body = status("delivered") + b"&senderkit_message=x"
    callback = Callback(HOOK, {"x-twilio-signature": signature(HOOK, body)}, body)
    [event] = adapter.events_from(callback)
    assert (event.kind, event.message_id) == (EventKind.DELIVERED, None)
