from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from senderkit.domain import Channel, PushBody
from senderkit.errors import (
    AccountBroken,
    InvalidRequest,
    Refused,
    Unavailable,
    Unsupported,
)
from senderkit.http_client import HttpClient
from senderkit.http_client.network import Target
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from tests.fakes import Authority
from tests.fakes_http2 import LOOPBACK, FakeHttp2
from tests.providers.benches.apns import APNS_ID, ApnsBench, claims_of, refused, token_of
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_PUSH, MESSAGE_ID, outgoing
from tests.providers.watch import FOUR_WEEKS_ON, Watch

DEVICE = "f" * 64
HEADERS = {
    "content-type": "application/json",
    "apns-topic": "com.acme.shop",
    "apns-push-type": "alert",
    "apns-priority": "10",
    "apns-expiration": FOUR_WEEKS_ON,
    "apns-collapse-id": MESSAGE_ID,
}


@pytest.fixture
def bench() -> Iterator[ApnsBench]:
    bench = ApnsBench()
    with bench.running():
        yield bench


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def adapter(bench: ApnsBench, watch: Watch, http: HttpClient) -> Adapter:
    return get_provider("apns").connect(bench.credentials, watch, http)


def test_a_plain_message_as_apple_documents_it(bench: ApnsBench, adapter: Adapter) -> None:
    assert adapter.send(outgoing(Channel.PUSH)).provider_message_id == APNS_ID
    [request] = bench.sends
    assert request.target == f"/3/device/{DEVICE}"
    headers = {name: request.headers[name] for name in HEADERS}
    assert headers == HEADERS
    assert claims_of(token_of(request)) == {"iss": "DEF123GHIJ", "iat": int(NOON.timestamp())}
    assert request.json == {
        "aps": {"alert": {"title": "Hello", "body": "Your order is on its way."}}
    }


def test_every_field_of_a_message_arrives(bench: ApnsBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.PUSH, **FULL_PUSH))
    [request] = bench.sends
    assert request.json == {
        "aps": {
            "alert": {"title": "Grüße, Ada 👋", "body": "Your order is on its way.\nTrack it."},
            "badge": 3,
            "sound": "chime.caf",
        },
        "order": "4711",
        "url": "https://acme.example/orders/4711",
    }
    assert "Grüße, Ada 👋".encode() in request.body, "escapes would use the room up"


def test_a_badge_of_zero_takes_the_badge_away(bench: ApnsBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.PUSH, body=PushBody("Hi", "There", badge=0)))
    assert bench.sends[0].json["aps"]["badge"] == 0


def test_it_speaks_http2(trusted: Authority, http: HttpClient) -> None:
    with FakeHttp2(trusted.server_context(LOOPBACK)) as server:
        server.reply_headers, server.reply_body = {"apns-id": APNS_ID}, b""
        fields = ApnsBench().fields() | {"base_url": server.url}
        adapter = get_provider("apns").connect(fields, lambda: NOON, http)
        for _ in range(3):
            assert adapter.send(outgoing(Channel.PUSH)).provider_message_id == APNS_ID
    head, body = server.requests[0]
    assert (head[":method"], head[":path"]) == ("POST", f"/3/device/{DEVICE}")
    assert head | HEADERS == head
    assert json.loads(body)["aps"]["alert"]["title"] == "Hello"
    assert server.connections == 1


def test_a_device_that_is_gone_is_refused_in_plain_words(
    bench: ApnsBench, adapter: Adapter
) -> None:
    bench.arrange_answer(refused(410, "Unregistered", timestamp=1454948015990))
    with pytest.raises(Refused, match="its token is unregistered") as raised:
        adapter.send(outgoing(Channel.PUSH))
    assert str(raised.value) == (
        "APNs refused the message (HTTP 410): The device no longer accepts notifications: "
        "its token is unregistered. (Unregistered)"
    )


# -- our token ------------------------------------------------------------------------------------


def test_a_token_serves_45_minutes(bench: ApnsBench, adapter: Adapter, watch: Watch) -> None:
    for minutes in (0, 44, 1, 1):
        watch.now += timedelta(minutes=minutes)
        adapter.send(outgoing(Channel.PUSH))
    first, second, third, fourth = (token_of(request) for request in bench.sends)
    assert first == second
    assert third == fourth != first
    assert claims_of(third)["iat"] == int(NOON.timestamp()) + 45 * 60


def test_a_token_that_apns_finds_stale_is_made_anew_once(
    bench: ApnsBench, adapter: Adapter
) -> None:
    bench.arrange_answer(refused(403, "ExpiredProviderToken"), times=1)
    adapter.send(outgoing(Channel.PUSH))
    stale, fresh = bench.sends
    assert token_of(stale) != token_of(fresh)
    assert stale.body == fresh.body


def test_a_token_that_stays_stale_breaks_the_account(bench: ApnsBench, adapter: Adapter) -> None:
    bench.arrange_answer(refused(403, "ExpiredProviderToken"))
    with pytest.raises(AccountBroken, match="ExpiredProviderToken"):
        adapter.send(outgoing(Channel.PUSH))
    assert len(bench.sends) == 2


# -- what cannot be sent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipient",
    ["ExponentPushToken[abc]", "../../v1", f"{DEVICE}/x", "abc", f"<{DEVICE}>", "f" * 15],
)
def test_what_is_no_device_token_is_refused_and_not_called(
    recipient: str, bench: ApnsBench, adapter: Adapter
) -> None:
    with pytest.raises(Refused, match="not hexadecimal"):
        adapter.send(outgoing(Channel.PUSH, recipient=recipient))
    assert bench.server.requests == []


def test_a_token_in_capitals_is_the_same_token(bench: ApnsBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.PUSH, recipient="AB" * 80))
    assert bench.sends[0].target == f"/3/device/{'ab' * 80}"


def test_data_may_not_take_apples_place(bench: ApnsBench, adapter: Adapter) -> None:
    with pytest.raises(Unsupported, match="'aps'"):
        adapter.send(outgoing(Channel.PUSH, body=PushBody("a", "b", data={"aps": "{}"})))
    assert bench.sends == []


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "host"),
    [("production", "api.push.apple.com"), ("development", "api.sandbox.push.apple.com")],
)
def test_each_environment_has_its_host(environment: str, host: str) -> None:
    def unknown(name: str, port: int) -> list[Target]:
        return []

    fields = ApnsBench().fields() | {"environment": environment}
    with closing(HttpClient(resolver=unknown)) as client:
        adapter = get_provider("apns").connect(fields, lambda: NOON, client)
        with pytest.raises(Unavailable, match=f"The name {host} could not be looked up"):
            adapter.send(outgoing(Channel.PUSH))


@pytest.mark.parametrize("reason", ["InvalidProviderToken", "TopicDisallowed", "BadTopic"])
def test_a_check_names_what_is_wrong(reason: str, bench: ApnsBench, adapter: Adapter) -> None:
    bench.arrange_answer(refused(403, reason))
    with pytest.raises(AccountBroken, match=reason):
        adapter.check()


OTHER_CURVE = (
    ec.generate_private_key(ec.SECP384R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


@pytest.mark.parametrize(
    ("fields", "named", "why"),
    [
        ({"private_key": ""}, "private_key", "required"),
        ({"private_key": "hello"}, "private_key", "must begin with -----BEGIN PRIVATE KEY-----"),
        ({"private_key": OTHER_CURVE}, "private_key", "another kind"),
        ({"key_id": "abc123defg"}, "key_id", "upper-case"),
        ({"key_id": "ABC123"}, "key_id", "ten"),
        ({"team_id": "DEF123GHIJK"}, "team_id", "ten"),
        ({"bundle_id": "com acme"}, "bundle_id", "com.acme.shop"),
        ({"environment": "sandbox"}, "environment", "production, development"),
        ({"base_url": "apple"}, "base_url", "web address"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], named: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("apns").validate(ApnsBench().credentials | fields)
    [issue] = raised.value.issues
    assert issue.path == (named,)
    assert why in issue.message
