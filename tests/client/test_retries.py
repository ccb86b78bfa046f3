"""Retries against a server that fails on purpose, over real sockets, by both clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import httpx2
import pytest

from senderkit.client import (
    AsyncSenderKit,
    SenderKit,
    SenderKitApiError,
    SenderKitConflictError,
    SenderKitNetworkError,
    SenderKitRateLimitError,
    SenderKitTimeoutError,
    SmsContent,
)
from senderkit.domain import Mode
from senderkit.keys import mint
from tests.client import scripted as play
from tests.client.conftest import Home
from tests.client.scripted import Server, Step, scripted

KEY = mint(Mode.TEST).token

Act = Callable[[Any], Any]
Run = Callable[..., Any]

FAULTS: dict[str, Step] = {
    "hang-up": play.hang_up,
    "reset": play.reset,
    "cut off": play.cut_off,
    "garbled": play.garble,
}


def run_plain(base_url: str, act: Act, key: str = KEY, **more: Any) -> Any:
    with SenderKit(key, base_url=base_url, **more) as sk:
        return act(sk)


def run_awaited(base_url: str, act: Act, key: str = KEY, **more: Any) -> Any:
    async def main() -> Any:
        async with AsyncSenderKit(key, base_url=base_url, **more) as sk:
            return await act(sk)

    return asyncio.run(main())


@pytest.fixture(params=[run_plain, run_awaited], ids=["plain", "awaited"])
def run(request: pytest.FixtureRequest) -> Run:
    """Do something with a client of either kind."""
    chosen: Run = request.param
    return chosen


def send(sk: Any) -> Any:
    return sk.send("welcome", "ada@example.com")


def keys_of(server: Server) -> set[str]:
    return {request.headers["idempotency-key"] for request in server.requests}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_connection_is_tried_again_with_the_same_key(run: Run, fault: str) -> None:
    with scripted(FAULTS[fault], FAULTS[fault], play.accepted()) as server:
        assert run(server.url, send).id == "msg_1"

    assert len(server.requests) == 3
    assert len(keys_of(server)) == 1
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_a_passing_error_is_tried_again_with_the_same_key(run: Run, status: int) -> None:
    with scripted(play.error(status, "x"), play.accepted()) as server:
        assert run(server.url, send).id == "msg_1"

    assert len(server.requests) == 2
    assert len(keys_of(server)) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 409, 413, 422, 501])
def test_a_lasting_error_is_told_at_once(run: Run, status: int) -> None:
    with scripted(play.error(status, "x")) as server, pytest.raises(SenderKitApiError) as caught:
        run(server.url, send)

    assert caught.value.status == status
    assert len(server.requests) == 1


def test_retries_end(run: Run) -> None:
    with (
        scripted(play.error(503, "unavailable")) as server,
        pytest.raises(SenderKitApiError) as caught,
    ):
        run(server.url, send, max_retries=3)

    assert caught.value.code == "unavailable"
    assert len(server.requests) == 4


def test_no_retries_means_none(run: Run) -> None:
    with scripted(play.hang_up) as server, pytest.raises(SenderKitNetworkError, match=server.url):
        run(server.url, send, max_retries=0)

    assert len(server.requests) == 1


def test_a_rate_limit_is_told_with_the_seconds_to_wait(run: Run) -> None:
    limited = play.error(429, "rate_limited", limit=60, headers={"Retry-After": "9"})
    with scripted(limited) as server, pytest.raises(SenderKitRateLimitError) as caught:
        run(server.url, send, max_retries=0)

    assert (caught.value.retry_after, caught.value.limit) == (9.0, 60)


def test_a_server_that_says_nothing_is_given_up_on(run: Run) -> None:
    with (
        scripted(play.stay_silent) as server,
        pytest.raises(SenderKitTimeoutError, match="did not answer in time"),
    ):
        run(server.url, send, timeout=0.2, max_retries=1)

    assert len(server.requests) == 2
    assert len(keys_of(server)) == 1


def test_a_server_that_is_not_there_is_told_by_its_address(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SenderKitNetworkError, match=url):
            run(url, send, max_retries=1)


def test_each_send_has_a_key_of_its_own_unless_given(run: Run) -> None:
    with scripted(play.accepted()) as server:
        for _ in range(3):
            run(server.url, send)
        run(server.url, lambda sk: sk.send("welcome", "a@example.com", idempotency_key=" mine "))
        run(server.url, lambda sk: sk.send_raw("+15550001", SmsContent("x"), idempotency_key=""))

    given = [request.headers["idempotency-key"] for request in server.requests]
    assert len(set(given)) == 5
    assert given[3] == "mine"
    assert all(given)


def test_a_redirect_is_not_followed(run: Run) -> None:
    with scripted(play.accepted()) as other:
        away = play.answer(307, headers={"Location": other.url + "/v1/send"})
        with scripted(away) as server, pytest.raises(SenderKitApiError, match=other.url):
            run(server.url, send)

    assert other.requests == []


def test_what_is_sent_says_who_sends_it(run: Run) -> None:
    with scripted(play.accepted()) as server:
        run(server.url, send)

    headers = server.requests[0].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"] == headers["accept"] == "application/json"
    assert headers["user-agent"].startswith("senderkit-python/")


def test_a_base_url_may_have_a_path(run: Run) -> None:
    with scripted(play.accepted()) as server:
        run(server.url + "/notify/", send)

    assert server.requests[0].path == "/notify/v1/send"


def test_a_template_is_not_created_again_when_it_may_be_there(run: Run) -> None:
    def create(sk: Any) -> Any:
        return sk.templates.create("code", SmsContent("{{code}}"))

    with scripted(play.hang_up, play.accepted()) as server, pytest.raises(SenderKitNetworkError):
        run(server.url, create)

    assert len(server.requests) == 1


# -- lost replies, with a real server behind ----------------------------------------------------


@pytest.fixture
def lost_then_answered(home: Home) -> Iterator[str]:
    """The address of a line to the real server that loses the reply to its first request."""
    with scripted(play.lose_reply_of(home.url), play.pass_on_to(home.url)) as line:
        yield line.url


def scheduled(sk: SenderKit) -> str:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    return sk.send("welcome", "ada@example.com", scheduled_at=in_an_hour).id


def cancel(message_id: str) -> Act:
    return lambda sk: sk.messages.cancel(message_id)


def test_a_send_whose_reply_is_lost_is_sent_once(
    home: Home, lost_then_answered: str, run: Run, sk: SenderKit
) -> None:
    mark = {"mark": f"lost reply, {run.__name__}"}

    def act(client: Any) -> Any:
        return client.send("welcome", "ada@example.com", metadata=mark)

    result = run(lost_then_answered, act, home.test_key)

    assert [message.public_id for message in sk.messages.iter(metadata=mark)] == [result.id]


def test_a_cancel_whose_reply_is_lost_succeeds(
    home: Home, lost_then_answered: str, run: Run, sk: SenderKit
) -> None:
    message_id = scheduled(sk)

    result = run(lost_then_answered, cancel(message_id), home.test_key)

    assert (result.id, result.status) == (message_id, "canceled")


def test_a_conflict_that_is_not_our_own_is_told(home: Home, run: Run, sk: SenderKit) -> None:
    message_id = scheduled(sk)
    sk.messages.cancel(message_id)

    with pytest.raises(SenderKitConflictError, match="canceled"):
        run(home.url, cancel(message_id), home.test_key)


def test_after_a_lost_reply_a_delivered_message_is_still_a_conflict(
    home: Home, lost_then_answered: str, run: Run, sk: SenderKit
) -> None:
    message_id = sk.send("welcome", "ada@example.com").id
    sk.messages.wait(message_id, until="delivered")

    with pytest.raises(SenderKitConflictError, match="delivered"):
        run(lost_then_answered, cancel(message_id), home.test_key)


def test_a_key_that_may_not_look_gets_the_conflict(
    home: Home, lost_then_answered: str, run: Run, sk: SenderKit
) -> None:
    message_id = scheduled(sk)

    with pytest.raises(SenderKitConflictError, match="canceled"):
        run(lost_then_answered, cancel(message_id), home.scoped_keys["cancel"])


# -- an HTTP client of one's own ----------------------------------------------------------------


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_http_client_of_ones_own_is_used_and_left_open(library: Any) -> None:
    steps = (play.hang_up, play.accepted(), play.hang_up)
    with library.Client(headers={"X-Proxy": "ours"}) as http_client, scripted(*steps) as server:
        with SenderKit(KEY, base_url=server.url, http_client=http_client) as sk:
            assert send(sk).id == "msg_1"
        assert not http_client.is_closed
        with pytest.raises(SenderKitNetworkError):
            send(SenderKit(KEY, base_url=server.url, http_client=http_client, max_retries=0))

    assert [request.headers["x-proxy"] for request in server.requests] == ["ours"] * 3


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_the_same_with_asyncio(library: Any) -> None:
    async def main(url: str) -> Any:
        async with library.AsyncClient(timeout=0.2) as http_client:
            async with AsyncSenderKit(KEY, base_url=url, http_client=http_client) as sk:
                result = await send(sk)
            assert not http_client.is_closed
            return result

    with scripted(play.stay_silent, play.accepted()) as server:
        assert asyncio.run(main(server.url)).id == "msg_1"


def test_a_closed_client_says_so() -> None:
    with scripted(play.accepted()) as server:
        sk = SenderKit(KEY, base_url=server.url)
        sk.close()
        with pytest.raises(RuntimeError, match="closed"):
            send(sk)
