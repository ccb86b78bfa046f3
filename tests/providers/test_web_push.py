from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from senderkit.domain import Channel, WebPushBody
from senderkit.errors import AccountBroken, DeliveryError, InvalidRequest, Refused, Unavailable
from senderkit.http_client import HttpClient
from senderkit.http_client.network import Target, resolve
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from senderkit.providers.vapid import from_base64url, is_subject, new_vapid_keys, public_key_of
from senderkit.providers.web_push import MOST_PLAIN_BYTES
from tests.fakes import Authority, free_port
from tests.fakes_http import LOOPBACK, Answer, FakeProvider, Recorded
from tests.providers.benches.web_push import (
    AUTH,
    LOCATION,
    WebPushBench,
    browser_key,
    claims_of,
    decrypted,
    keys_of,
    public_point,
    subscription,
    text,
)
from tests.providers.conftest import NOON
from tests.providers.samples import FULL_WEB_PUSH, MESSAGE_ID, outgoing


@pytest.fixture
def bench() -> Iterator[WebPushBench]:
    bench = WebPushBench()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(bench: WebPushBench, http: HttpClient) -> Adapter:
    return get_provider("web_push").connect(bench.credentials, lambda: NOON, http)


def read(bench: WebPushBench) -> dict[str, Any]:
    """What the service worker gets."""
    content: dict[str, Any] = json.loads(decrypted(bench.sends[-1].body))
    return content


def test_a_plain_message_arrives_encrypted_and_signed(
    bench: WebPushBench, adapter: Adapter
) -> None:
    receipt = adapter.send(bench.message(Channel.WEB_PUSH))
    assert receipt.provider_message_id == LOCATION
    [request] = bench.sends
    headers = {name: request.headers[name] for name in request.headers if name != "authorization"}
    assert (
        headers
        | {
            "content-type": "application/octet-stream",
            "content-encoding": "aes128gcm",
            "ttl": "2419200",
            "urgency": "high",
            "topic": MESSAGE_ID,
        }
        == headers
    )
    assert read(bench) == {
        "title": "Hello",
        "body": "Your order is on its way.",
        "tag": MESSAGE_ID,
    }
    assert b"order" not in request.body
    assert claims_of(request, bench.server.url) == {
        "aud": bench.server.url,
        "exp": int(NOON.timestamp()) + 12 * 3600,
        "sub": "mailto:ops@acme.example",
    }


def test_every_field_of_a_message_arrives(bench: WebPushBench, adapter: Adapter) -> None:
    adapter.send(bench.message(Channel.WEB_PUSH, **FULL_WEB_PUSH))
    assert read(bench) == {
        "title": "Grüße, Ada 👋",
        "body": "Your order is on its way.\nTrack it.",
        "icon": "https://acme.example/icon.png",
        "clickUrl": "https://acme.example/orders/4711",
        "badge": 0,
        "data": {"order": 4711, "tags": ["a", None], "deep": {"x": 1.5}},
        "tag": MESSAGE_ID,
    }


def test_each_message_is_encrypted_anew(bench: WebPushBench, adapter: Adapter) -> None:
    for _ in range(2):
        adapter.send(bench.message(Channel.WEB_PUSH))
    first, second = bench.sends
    assert first.body != second.body
    assert decrypted(first.body) == decrypted(second.body)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_needs_no_location(status: int, bench: WebPushBench, adapter: Adapter) -> None:
    bench.arrange_answer(Answer(status))
    assert adapter.send(bench.message(Channel.WEB_PUSH)).provider_message_id is None


def test_keys_may_be_padded(bench: WebPushBench, adapter: Adapter) -> None:
    point = public_point(browser_key())
    keys = {
        "p256dh": urlsafe_b64encode(point).decode(),
        "auth": urlsafe_b64encode(AUTH).decode(),
    }
    endpoint = f"{bench.server.url}/push/v2/gAAAAABsubscription"
    adapter.send(outgoing(Channel.WEB_PUSH, recipient=subscription(endpoint, **keys)))
    assert read(bench)["title"] == "Hello"


def test_the_largest_content_fits_a_push_service_exactly(
    bench: WebPushBench, adapter: Adapter
) -> None:
    room = MOST_PLAIN_BYTES - len(f'{{"title":"","body":"","tag":"{MESSAGE_ID}"}}')
    adapter.send(bench.message(Channel.WEB_PUSH, body=WebPushBody("", "ü" * (room // 2))))
    adapter.send(bench.message(Channel.WEB_PUSH, body=WebPushBody("", "x" * room)))
    assert len(bench.sends[-1].body) == 4_096
    with pytest.raises(Refused, match=r"no more than 3,993 bytes of content: these are 3,994\."):
        adapter.send(bench.message(Channel.WEB_PUSH, body=WebPushBody("", "x" * (room + 1))))


# -- what a push service may answer ---------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_has_ended_is_refused_in_plain_words(
    status: int, bench: WebPushBench, adapter: Adapter
) -> None:
    bench.arrange_answer(Answer(status, json={"reason": "Unregistered"}))
    with pytest.raises(Refused) as raised:
        adapter.send(bench.message(Channel.WEB_PUSH))
    assert str(raised.value) == (
        f"Web push refused the message (HTTP {status}): The browser no longer accepts "
        "notifications: its subscription has ended."
    )


def test_a_subscription_of_another_key_is_named(bench: WebPushBench, adapter: Adapter) -> None:
    bench.arrange_answer(Answer(400, json={"reason": "VapidPkHashMismatch"}))
    with pytest.raises(Refused, match="made with another VAPID key"):
        adapter.send(bench.message(Channel.WEB_PUSH))


def test_the_endpoint_is_never_shown(bench: WebPushBench, adapter: Adapter) -> None:
    endpoint = f"{bench.server.url}/push/v2/gAAAAABsubscription"
    bench.arrange_answer(text(400, f"Nothing at {endpoint} or /push/v2/gAAAAABsubscription"))
    with pytest.raises(Refused, match="Nothing at") as raised:
        adapter.send(bench.message(Channel.WEB_PUSH))
    assert "gAAAAAB" not in str(raised.value)


def test_our_signature_is_never_shown(bench: WebPushBench, adapter: Adapter) -> None:
    def echo(request: Recorded) -> Answer:
        return text(400, f"Bad vapid header: {request.headers['authorization']}")

    bench.arrange_answer(echo)
    with pytest.raises(Refused) as raised:
        adapter.send(bench.message(Channel.WEB_PUSH))
    key = keys_of("acme").public_key
    assert str(raised.value).endswith(f": Bad vapid header: vapid t=[hidden],k={key}")


KNOWN = ["fcm.googleapis.com", "updates.push.services.mozilla.com", "web.push.apple.com"]


@pytest.mark.parametrize(
    ("host", "means"),
    [
        *((host, AccountBroken) for host in KNOWN),
        ("wns2-par02p.notify.windows.com", AccountBroken),
        ("push.evil.example", Refused),
        ("fcm.googleapis.com.evil.example", Refused),
        ("evilfcm.googleapis.com", Refused),
    ],
)
def test_only_a_browsers_own_push_service_may_say_that_our_key_is_bad(
    host: str, means: type[DeliveryError], trusted: Authority
) -> None:
    def here(name: str, port: int) -> list[Target]:
        return list(resolve(LOOPBACK, port))

    client = HttpClient(allow_private_addresses=True, resolver=here)
    with FakeProvider(tls=trusted.server_context(host)) as server, closing(client):
        server.answer("POST /push", Answer(403, json={"reason": "BadJwtToken"}))
        adapter = get_provider("web_push").connect(WebPushBench().fields(), lambda: NOON, client)
        endpoint = f"https://{host}:{server.port}/push"
        with pytest.raises(DeliveryError, match="BadJwtToken") as raised:
            adapter.send(outgoing(Channel.WEB_PUSH, recipient=subscription(endpoint)))
        assert type(raised.value) is means
        origin = f"https://{host}:{server.port}"
        assert claims_of(server.requests[0], origin)["aud"] == origin


# -- where a message may go -----------------------------------------------------------------------


def test_a_push_service_where_nobody_listens_is_unavailable(adapter: Adapter) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}/push"
    with pytest.raises(Unavailable):
        adapter.send(outgoing(Channel.WEB_PUSH, recipient=subscription(endpoint)))


@pytest.mark.parametrize(
    "endpoint",
    [
        *("https://127.0.0.1/push", "https://localhost/push", "http://push.example/push"),
        *("https://169.254.169.254/", "https://[::1]/push", "https://user@push.example/push"),
    ],
)
def test_a_subscription_that_leads_inside_is_refused_and_breaks_nothing(endpoint: str) -> None:
    with closing(HttpClient()) as guarded:
        adapter = get_provider("web_push").connect(WebPushBench().fields(), lambda: NOON, guarded)
        with pytest.raises(Refused):
            adapter.send(outgoing(Channel.WEB_PUSH, recipient=subscription(endpoint)))


OFF_CURVE = "B" + "A" * 86


@pytest.mark.parametrize(
    ("recipient", "why"),
    [
        ("", "is not JSON"),
        ("[" * 50_000, "is not JSON"),
        ("[]", "no endpoint"),
        ('{"endpoint": 5}', "no endpoint"),
        (subscription("push"), "no endpoint"),
        (subscription("https://[push"), "no endpoint"),
        (subscription("https://push.example:0"), "no endpoint"),
        ('{"endpoint": "https://push.example/1"}', "p256dh"),
        (subscription("https://push.example/1", p256dh="BAAA"), "p256dh"),
        (subscription("https://push.example/1", p256dh=OFF_CURVE), "p256dh"),
        (subscription("https://push.example/1", p256dh=None), "p256dh"),
        (subscription("https://push.example/1", auth="c2hvcnQ"), "auth"),
        (subscription("https://push.example/1", auth="!" * 22), "auth"),
        (subscription("https://[2606:4700::1111]/push"), "not on a host name"),
    ],
)
def test_what_is_no_subscription_is_refused(recipient: str, why: str, adapter: Adapter) -> None:
    with pytest.raises(Refused, match=why):
        adapter.send(outgoing(Channel.WEB_PUSH, recipient=recipient))


# -- keys and settings ----------------------------------------------------------------------------


def test_a_new_key_pair_is_of_the_shape_that_browsers_take() -> None:
    keys = new_vapid_keys()
    assert (len(keys.public_key), len(keys.private_key)) == (87, 43)
    assert from_base64url(keys.public_key)[0] == 4
    assert public_key_of(keys.private_key) == keys.public_key
    assert keys != new_vapid_keys()
    assert keys.private_key not in repr(keys)
    fields = {"private_key": keys.private_key, "subject": "https://acme.example"}
    assert get_provider("web_push").validate(fields) == fields


@pytest.mark.parametrize("key", ["", "x", "A" * 43, "_" * 43, "A" * 42, "ü" * 43])
def test_what_is_no_private_key_has_no_public_one(key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - some of it is the library's, in its own words
        public_key_of(key)


@pytest.mark.parametrize(
    ("subject", "is_taken"),
    [
        ("mailto:ops@acme.example", True),
        ("mailto:ops+push@mail.acme.example", True),
        ("https://acme.example", True),
        *(("mailto:a@localhost", False), ("mailto: a@b.co", False), ("mailto: <a@b.co>", False)),
        *(("ops@acme.example", False), ("http://acme.example", False), ("mailto:", False)),
        *(("https://acme.example/contact", False), ("https://localhost", False), ("", False)),
    ],
)
def test_a_contact_is_one_that_apple_takes_too(
    subject: str, is_taken: bool, bench: WebPushBench, http: HttpClient
) -> None:
    assert is_subject(subject) == is_taken
    if is_taken:
        fields = bench.credentials | {"subject": subject}
        adapter = get_provider("web_push").connect(fields, lambda: NOON, http)
        adapter.send(bench.message(Channel.WEB_PUSH))
        assert claims_of(bench.sends[0], bench.server.url)["sub"] == subject


@pytest.mark.parametrize(
    ("fields", "named", "why"),
    [
        ({"private_key": keys_of("acme").public_key}, "private_key", "43 characters"),
        ({"private_key": "-----BEGIN"}, "private_key", "43 characters"),
        ({"subject": "ops@acme.example"}, "subject", "mailto:"),
        ({"subject": ""}, "subject", "required"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, str], named: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        get_provider("web_push").validate(WebPushBench().credentials | fields)
    [issue] = raised.value.issues
    assert issue.path == (named,)
    assert why in issue.message


def test_a_missing_library_is_named(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywebpush", None)
    with pytest.raises(AccountBroken, match=r"install senderkit-server\[webpush\]"):
        get_provider("web_push").connect(WebPushBench().fields(), lambda: NOON, http)
