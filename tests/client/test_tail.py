"""`messages.tail`: the stream's format, and how it goes on after a break, over real sockets.

The server here speaks the contract's `tail=1` by script, and at the end of the file it is our own;
`test_streams.py` has the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from senderkit.client import (
    AsyncSenderKit,
    SenderKit,
    SenderKitApiError,
    SenderKitAuthenticationError,
    SenderKitNetworkError,
    SenderKitTimeoutError,
)
from senderkit.client import transport as transport_module
from senderkit.domain import Mode
from senderkit.keys import mint
from tests.client import scripted as play
from tests.client.conftest import Home
from tests.client.scripted import Server, Step, scripted

KEY = mint(Mode.TEST).token

Follow = Callable[..., list[str]]


def message(number: int, status: str = "queued") -> bytes:
    """One `message` event whose id is its number."""
    data = {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "publicId": f"msg_{number}",
        "status": status,
        "channel": "email",
        "recipient": "ada@example.com",
        "createdAt": "2026-11-24T10:00:00.000Z",
    }
    return f"event: message\nid: {number}\ndata: {json.dumps(data)}\n\n".encode()


READY = b"event: ready\ndata: {}\n\n"
HEARTBEAT = b": still here\n\n"


def follow_plain(
    url: str, count: int, *, key: str = KEY, max_retries: int = 2, **more: Any
) -> list[str]:
    sk = SenderKit(key, base_url=url, max_retries=max_retries)
    with sk, contextlib.closing(sk.messages.tail(**more)) as messages:
        return [f"{m.public_id} {m.status}" for m in islice(messages, count)]


def follow_awaited(
    url: str, count: int, *, key: str = KEY, max_retries: int = 2, **more: Any
) -> list[str]:
    async def main() -> list[str]:
        found: list[str] = []
        sk = AsyncSenderKit(key, base_url=url, max_retries=max_retries)
        async with sk, contextlib.aclosing(sk.messages.tail(**more)) as messages:
            async for m in messages:
                found.append(f"{m.public_id} {m.status}")
                if len(found) == count:
                    break
        return found

    return asyncio.run(main())


@pytest.fixture(params=[follow_plain, follow_awaited], ids=["plain", "awaited"])
def follow(request: pytest.FixtureRequest) -> Follow:
    chosen: Follow = request.param
    return chosen


def resumed_from(server: Server) -> list[str | None]:
    return [request.headers.get("last-event-id") for request in server.requests]


def test_messages_come_in_order_and_again_when_they_change(follow: Follow) -> None:
    stream = play.stream(message(1), message(2), READY, HEARTBEAT, message(1, "sent"))
    with scripted(stream) as server:
        assert follow(server.url, 3) == ["msg_1 queued", "msg_2 queued", "msg_1 sent"]

    request = server.requests[0]
    assert request.path == "/v1/messages?tail=1"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_each_message_is_given_as_it_comes() -> None:
    taken = threading.Event()
    stream = play.stream(message(1), taken, message(2))
    with scripted(stream) as server, SenderKit(KEY, base_url=server.url) as sk:
        messages = sk.messages.tail()
        assert next(messages).public_id == "msg_1"
        taken.set()  # only now is the second sent
        assert next(messages).public_id == "msg_2"
        messages.close()


def test_with_asyncio_too() -> None:
    taken = threading.Event()

    async def main(url: str) -> None:
        async with AsyncSenderKit(KEY, base_url=url) as sk:
            messages = sk.messages.tail()
            assert (await anext(messages)).public_id == "msg_1"
            taken.set()
            assert (await anext(messages)).public_id == "msg_2"
            await messages.aclose()

    with scripted(play.stream(message(1), taken, message(2))) as server:
        asyncio.run(main(server.url))


BREAKS: dict[str, Sequence[Step]] = {
    "ended": [],
    "hung up": [play.hang_up],
    "reset": [play.reset],
    "down": [play.error(503, "unavailable"), play.answer(502, "<html>")],
    "limited": [play.error(429, "rate_limited", headers={"Retry-After": "0"})],
}


@pytest.mark.parametrize("name", BREAKS)
def test_after_a_break_it_resumes_after_the_last_whole_message(follow: Follow, name: str) -> None:
    first = play.stream(message(1), READY, message(2), message(3)[:-10])
    with scripted(first, *BREAKS[name], play.stream(message(3), message(4))) as server:
        found = follow(server.url, 4)

    assert found == [f"msg_{n} queued" for n in (1, 2, 3, 4)]
    assert resumed_from(server) == [None] + ["2"] * (len(BREAKS[name]) + 1)


def test_an_error_event_ends_the_connection_and_not_the_tail(follow: Follow) -> None:
    fault = b'event: error\ndata: {"error": {"code": "unavailable"}}\n\n'
    with scripted(play.stream(message(1), fault), play.stream(message(2))) as server:
        assert follow(server.url, 2) == ["msg_1 queued", "msg_2 queued"]

    assert resumed_from(server) == [None, "1"]


def test_a_long_outage_is_waited_out_once_it_was_connected(
    follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("senderkit.client.exchange.RETRY_CAP_SECONDS", 0.01)
    outage = [play.hang_up] * 10
    with scripted(play.stream(READY), *outage, play.stream(message(1))) as server:
        assert follow(server.url, 1, max_retries=0) == ["msg_1 queued"]


def test_a_server_that_was_never_reached_is_told(follow: Follow) -> None:
    with scripted(play.hang_up) as server, pytest.raises(SenderKitNetworkError):
        follow(server.url, 1, max_retries=1)

    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_will_not_change_is_told_at_once(follow: Follow, status: int) -> None:
    with scripted(play.error(status, "x")) as server, pytest.raises(SenderKitApiError) as caught:
        follow(server.url, 1)

    assert (caught.value.status, len(server.requests)) == (status, 1)


def test_a_key_that_is_revoked_meanwhile_ends_the_tail(follow: Follow) -> None:
    steps = (play.stream(message(1)), play.error(401, "unauthorized"))
    with scripted(*steps) as server, pytest.raises(SenderKitAuthenticationError):
        follow(server.url, 2)


def test_a_stream_that_falls_silent_is_taken_for_dead(
    follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "STREAM_SILENCE_SECONDS", 0.2)
    never = threading.Event()
    with scripted(play.stream(message(1), never), play.stream(message(2))) as server:
        assert follow(server.url, 2) == ["msg_1 queued", "msg_2 queued"]
        never.set()

    assert resumed_from(server) == [None, "1"]


def test_a_server_that_never_begins_is_given_up_on(
    follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "STREAM_SILENCE_SECONDS", 0.2)
    with scripted(play.stay_silent) as server, pytest.raises(SenderKitTimeoutError):
        follow(server.url, 1, max_retries=0)


def test_filters_and_a_place_to_begin_are_asked_for(follow: Follow) -> None:
    with scripted(play.stream(message(8))) as server:
        follow(
            server.url,
            1,
            status="failed",
            channel="sms",
            template="welcome",
            metadata={"a[b]": True},
            search="a&b",
            last_event_id="7",
        )

    query = parse_qsl(urlsplit(server.requests[0].path).query)
    assert dict(query) == {
        "tail": "1",
        "status": "failed",
        "channel": "sms",
        "template": "welcome",
        "search": "a&b",
        "metadata[a[b]]": "true",
    }
    assert resumed_from(server) == ["7"]


def test_a_message_that_is_none_is_told(follow: Follow) -> None:
    told = pytest.raises(SenderKitApiError, match="not as SenderKit does")
    with scripted(play.stream(b"data: [1]\n\n")) as server, told:
        follow(server.url, 1)


def test_leaving_the_loop_closes_the_connection(follow: Follow) -> None:
    gone = threading.Event()

    def until_gone(handler: play.Handler, request: play.Request) -> None:
        play.open_stream(handler, message(1))
        handler.rfile.read(1)  # nothing comes: this returns when the client has gone
        gone.set()

    with scripted(until_gone) as server:
        follow(server.url, 1)
        assert gone.wait(10)


# -- our own server -----------------------------------------------------------------------------


def test_our_server_is_followed_and_gone_on_with(home: Home, sk: SenderKit, follow: Follow) -> None:
    tag = {"run": f"tail-{follow.__name__}"}
    first = sk.send("welcome", "ada@example.com", metadata=tag)
    sk.messages.wait(first.id, until="delivered")
    assert follow(home.url, 1, key=home.test_key, metadata=tag) == [f"{first.id} delivered"]

    taken: list[str] = []

    def take() -> None:
        taken.extend(follow(home.url, 2, key=home.test_key, metadata=tag, status="delivered"))

    following = threading.Thread(target=take)
    following.start()
    second = sk.send("welcome", "bob@example.com", metadata=tag)
    following.join(30)
    assert taken == [f"{first.id} delivered", f"{second.id} delivered"]


def test_a_place_on_our_server_resumes(home: Home, sk: SenderKit, follow: Follow) -> None:
    tag = {"run": f"resume-{follow.__name__}"}
    sent = [sk.send("welcome", "ada@example.com", metadata=tag).id for _ in range(3)]
    for each in sent:
        sk.messages.wait(each, until="delivered")
    found = follow(home.url, 3, key=home.test_key, metadata=tag, last_event_id="0")
    assert set(found) == {f"{each} delivered" for each in sent}


def test_what_our_server_refuses_is_told(home: Home, follow: Follow) -> None:
    for key, more, status in (
        (mint(Mode.TEST).token, {}, 401),
        (home.scoped_keys["send"], {}, 403),
        (home.test_key, {"status": "nonsense"}, 400),
        (home.test_key, {"last_event_id": "x"}, 400),
    ):
        with pytest.raises(SenderKitApiError) as caught:
            follow(home.url, 1, key=key, **more)
        assert caught.value.status == status
