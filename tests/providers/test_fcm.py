from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from senderkit.domain import Channel, PushBody
from senderkit.errors import AccountBroken, InvalidRequest, Refused, Unavailable
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from tests.fakes_http import Answer, Trouble
from tests.providers.benches.apns import p8_of
from tests.providers.benches.base import SECRET
from tests.providers.benches.fcm import (
    ACCESS_TOKEN,
    NAME,
    TOKENS,
    FcmBench,
    claims_of,
    key_file,
    refused,
)
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_PUSH, MESSAGE_ID, outgoing
from tests.providers.watch import FOUR_WEEKS_ON, Watch


@pytest.fixture
def bench() -> Iterator[FcmBench]:
    bench = FcmBench()
    with bench.running():
        yield bench


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def adapter(bench: FcmBench, watch: Watch, http: HttpClient) -> Adapter:
    return get_provider("fcm").connect(bench.credentials, watch, http)


def plain_message() -> dict[str, Any]:
    return {
        "token": "f" * 64,
        "notification": {"title": "Hello", "body": "Your order is on its way."},
        "android": {
            "priority": "high",
            "ttl": "2419200s",
            "notification": {"tag": MESSAGE_ID},
        },
        "apns": {
            "headers": {
                "apns-priority": "10",
                "apns-expiration": FOUR_WEEKS_ON,
                "apns-collapse-id": MESSAGE_ID,
            }
        },
        "webpush": {"headers": {"TTL": "2419200", "Urgency": "high"}},
    }


def test_a_plain_message_as_google_documents_it(bench: FcmBench, adapter: Adapter) -> None:
    assert adapter.send(outgoing(Channel.PUSH)).provider_message_id == NAME
    [request] = bench.sends
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"
    assert request.json == {"message": plain_message()}


def test_every_field_of_a_message_arrives(bench: FcmBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.PUSH, **FULL_PUSH))
    expected = plain_message()
    expected["notification"] = {
        "title": "Grüße, Ada 👋",
        "body": "Your order is on its way.\nTrack it.",
    }
    expected["data"] = {"order": "4711", "url": "https://acme.example/orders/4711"}
    expected["android"]["notification"] |= {"sound": "chime.caf", "notification_count": 3}
    expected["apns"]["payload"] = {"aps": {"sound": "chime.caf", "badge": 3}}
    assert bench.sends[0].json == {"message": expected}


def test_a_badge_of_zero_is_a_badge(bench: FcmBench, adapter: Adapter) -> None:
    adapter.send(outgoing(Channel.PUSH, body=PushBody("Hi", "There", badge=0)))
    message = bench.sends[0].json["message"]
    assert message["apns"]["payload"] == {"aps": {"badge": 0}}
    assert message["android"]["notification"]["notification_count"] == 0


def test_a_device_that_is_gone_is_refused_in_plain_words(bench: FcmBench, adapter: Adapter) -> None:
    words = "Requested entity was not found."
    bench.arrange_answer(refused(404, "NOT_FOUND", "UNREGISTERED", words))
    with pytest.raises(Refused) as raised:
        adapter.send(outgoing(Channel.PUSH))
    assert str(raised.value) == (
        "Firebase Cloud Messaging refused the message (HTTP 404): The device no longer accepts "
        "notifications: its token is unregistered. (UNREGISTERED)"
    )


def test_a_missing_project_is_shown_in_googles_words(bench: FcmBench, adapter: Adapter) -> None:
    bench.arrange_answer(refused(404, "NOT_FOUND", words="Project acme-shop not found."))
    with pytest.raises(AccountBroken, match=r"Project acme-shop not found. \(NOT_FOUND\)"):
        adapter.send(outgoing(Channel.PUSH))


# -- access tokens --------------------------------------------------------------------------------


def test_an_access_token_is_asked_for_as_google_documents_it(
    bench: FcmBench, adapter: Adapter
) -> None:
    adapter.send(outgoing(Channel.PUSH))
    [request] = bench.server.requests_to(TOKENS)
    assert claims_of(request) == {
        "iss": "firebase-adminsdk@acme-shop.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": int(NOON.timestamp()),
        "exp": int(NOON.timestamp()) + 3600,
    }


def test_an_access_token_serves_until_five_minutes_before_its_end(
    bench: FcmBench, adapter: Adapter, watch: Watch
) -> None:
    for seconds in (0, 3298, 1):
        watch.now += timedelta(seconds=seconds)
        adapter.send(outgoing(Channel.PUSH))
    assert len(bench.server.requests_to(TOKENS)) == 2
    watch.now += timedelta(seconds=1)
    adapter.send(outgoing(Channel.PUSH))
    assert len(bench.server.requests_to(TOKENS)) == 2


def test_an_access_token_that_google_does_not_take_is_replaced_once(
    bench: FcmBench, adapter: Adapter
) -> None:
    bench.arrange_tokens(Answer(json={"access_token": "stale", "expires_in": 3599}), times=1)
    assert adapter.send(outgoing(Channel.PUSH)).provider_message_id == NAME
    shown = [request.headers["authorization"] for request in bench.sends]
    assert shown == ["Bearer stale", f"Bearer {ACCESS_TOKEN}"]


def test_a_key_that_firebase_lacks_is_not_our_tokens_fault(
    bench: FcmBench, adapter: Adapter
) -> None:
    bench.arrange_answer(refused(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"))
    with pytest.raises(AccountBroken, match="lacks its APNs key"):
        adapter.send(outgoing(Channel.PUSH))
    assert len(bench.sends) == 1


@pytest.mark.parametrize(
    ("answer", "means", "words"),
    [
        (
            Answer(
                400,
                json={"error": "invalid_grant", "error_description": "Invalid JWT Signature."},
            ),
            AccountBroken,
            "No access token was given: invalid_grant: Invalid JWT Signature",
        ),
        (Answer(401, json={"error": "deleted_client"}), AccountBroken, "deleted_client"),
        (Answer(404), AccountBroken, "404"),
        (Answer(503), Unavailable, "503"),
        (Answer(429), Unavailable, "429"),
        (Answer(200, body=b"<html>Welcome to the hotel"), Unavailable, "200"),
        (Answer(200, json={"access_token": {}}), Unavailable, "200"),
        (Trouble.LOSE_REPLY, Unavailable, "hung up"),
    ],
)
def test_without_an_access_token_no_message_is_in_doubt_or_lost(
    answer: Answer | Trouble,
    means: type[Exception],
    words: str,
    bench: FcmBench,
    adapter: Adapter,
) -> None:
    bench.arrange_tokens(answer)
    with pytest.raises(means, match=words):
        adapter.send(outgoing(Channel.PUSH))
    assert bench.sends == []


def test_a_check_sends_nothing_and_names_what_is_wrong(bench: FcmBench, adapter: Adapter) -> None:
    adapter.check()
    assert bench.sends[0].json == {
        "validate_only": True,
        "message": {
            "topic": "connection-test",
            "notification": {"title": "Test", "body": "Test"},
        },
    }
    bench.arrange_answer(
        refused(403, "PERMISSION_DENIED", words="Firebase Cloud Messaging API is disabled.")
    )
    with pytest.raises(AccountBroken, match="API is disabled"):
        adapter.check()


# -- the key file ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "required"),
        ("hello", "not the text of a JSON file"),
        ("[1]", "not the key of a service account"),
        (json.dumps(key_file("acme", type="external_account")), "not the key of a service account"),
        (
            json.dumps(key_file("acme", client_email="", project_id=1)),
            "project_id and client_email",
        ),
        (json.dumps(key_file("acme", project_id="a/../b")), "project_id is not one"),
        (json.dumps(key_file("acme", private_key="hello")), "must begin with"),
        (json.dumps(key_file("acme", private_key=p8_of("acme"))), "no RSA private key"),
        ("[" * 50_000, "not the text of a JSON file"),
    ],
)
def test_a_key_file_that_is_none_is_named(text: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("fcm").validate({"service_account": text})
    [issue] = raised.value.issues
    assert issue.path == ("service_account",)
    assert why in issue.message
    assert SECRET not in issue.message


def test_a_key_file_in_many_lines_gives_away_neither_its_key_nor_what_google_says(
    bench: FcmBench, http: HttpClient
) -> None:
    key = key_file("acme")
    fields = bench.credentials | {"service_account": json.dumps(key, indent=2)}
    adapter = get_provider("fcm").connect(fields, lambda: NOON, http)
    [_, line, *_] = key["private_key"].splitlines()
    words = f"Field {{token}} of [message]: {line} {json.dumps(key, indent=2)}"
    bench.arrange_answer(refused(400, "INVALID_ARGUMENT", words=words))
    with pytest.raises(Refused) as raised:
        adapter.send(outgoing(Channel.PUSH))
    assert "Field {token} of [message]: [hidden]" in str(raised.value)
    assert line not in str(raised.value)
    assert SECRET not in str(raised.value)
