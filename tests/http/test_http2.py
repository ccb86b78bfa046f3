from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from senderkit.errors import OutcomeUnknown, Unavailable
from senderkit.http_client import USER_AGENT, HttpClient, Request
from tests.fakes import Authority
from tests.fakes_http import Answer, FakeProvider
from tests.fakes_http2 import LOOPBACK, FakeHttp2, Manner
from tests.http.conftest import QUICK, MakeClient


@pytest.fixture
def server(trusted: Authority) -> Iterator[FakeHttp2]:
    with FakeHttp2(trusted.server_context(LOOPBACK)) as server:
        yield server


def push(server: FakeHttp2, body: bytes = b'{"aps":{}}') -> Request:
    headers = {"Apns-Topic": "example.acme", "authorization": "bearer s3cr3t"}
    return Request("POST", f"{server.url}/3/device/ab?x=1", headers, body, http2=True)


def test_a_request_goes_out_over_http2(server: FakeHttp2, client: HttpClient) -> None:
    server.reply_headers = {"apns-id": "4711"}
    reply = client.send(push(server))
    assert (reply.status, reply.headers["apns-id"], reply.body) == (200, "4711", b"{}")
    head, body = server.requests[0]
    assert head == {
        ":method": "POST",
        ":authority": f"{LOOPBACK}:{server.port}",
        ":scheme": "https",
        ":path": "/3/device/ab?x=1",
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "apns-topic": "example.acme",
        "authorization": "bearer s3cr3t",
        "content-length": "10",
    }
    assert body == b'{"aps":{}}'


def test_a_body_larger_than_every_window_arrives_whole(
    server: FakeHttp2, client: HttpClient
) -> None:
    body = bytes(range(256)) * 4_000
    assert client.send(push(server, body)).status == 200
    assert server.requests[0][1] == body


def test_many_requests_share_one_connection(server: FakeHttp2, client: HttpClient) -> None:
    for _ in range(20):
        assert client.send(push(server)).status == 200
    assert server.connections == 1


def test_threads_do_not_wait_for_each_other(server: FakeHttp2, make_client: MakeClient) -> None:
    client = make_client(timeouts=QUICK)
    server.manners = [Manner.HANG]
    with pytest.raises(OutcomeUnknown):
        client.send(push(server))
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: client.send(push(server)), range(200)))
    assert {reply.status for reply in replies} == {200}
    assert server.connections <= 1 + 8


def test_a_server_that_knows_no_http2_is_spoken_to_in_http1(
    trusted: Authority, make_client: MakeClient
) -> None:
    with FakeProvider(tls=trusted.server_context(LOOPBACK)) as provider:
        provider.answer("POST /", Answer(json={"old": True}))
        request = Request("POST", f"{provider.url}/", body=b"{}", http2=True)
        assert make_client().send(request).json_object() == {"old": True}


@pytest.mark.parametrize("manner", [Manner.ANSWER_AND_LEAVE, Manner.ANSWER_AND_VANISH])
def test_a_connection_that_ended_while_idle_costs_nothing(
    manner: Manner, server: FakeHttp2, client: HttpClient
) -> None:
    server.manners = [manner] * 4
    for count in range(1, 5):
        assert client.send(push(server)).status == 200
        server.wait_for_ends(count)
    assert len(server.requests) == 4


def test_a_goodbye_that_crosses_the_next_request_costs_nothing(
    server: FakeHttp2, client: HttpClient
) -> None:
    server.manners = [Manner.ANSWER_AND_LEAVE] * 10
    for _ in range(10):
        assert client.send(push(server)).status == 200
    assert len(server.requests) == 10


def test_what_a_server_says_to_an_idle_connection_is_heard_with_the_next_request(
    server: FakeHttp2, client: HttpClient
) -> None:
    server.manners = [Manner.ANSWER_AND_PING] * 3
    for _ in range(6):
        assert client.send(push(server)).status == 200
    assert (server.connections, server.pings_answered) == (1, 3)


@pytest.mark.parametrize("manner", [Manner.REFUSE_STREAM, Manner.SEND_AWAY])
def test_what_the_server_did_not_take_is_safe_to_send_again(
    manner: Manner, server: FakeHttp2, client: HttpClient
) -> None:
    server.manners = [manner]
    with pytest.raises(Unavailable, match="sent us away"):
        client.send(push(server))
    assert server.requests == []
    # On a connection that has served before, that is done at once.
    client.send(push(server))
    server.manners = [manner]
    assert client.send(push(server)).status == 200
    assert len(server.requests) == 2


def test_a_second_try_that_does_not_leave_whole_is_not_in_doubt_for_the_first(
    server: FakeHttp2, client: HttpClient
) -> None:
    client.send(push(server))
    server.manners = [Manner.REFUSE_STREAM]
    server.hangs_up_on_arrival = True
    with pytest.raises(Unavailable):
        client.send(push(server, b"x" * 200_000))
    assert (server.connections, len(server.requests)) == (2, 1)


@pytest.mark.parametrize(
    "manner",
    [
        Manner.RESET_STREAM,
        Manner.HANG_UP,
        Manner.HANG,
        Manner.TALK_NONSENSE,
        Manner.ANSWER_WITHOUT_STATUS,
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_what_the_server_may_have_taken_is_in_doubt(
    manner: Manner, warm: bool, server: FakeHttp2, make_client: MakeClient
) -> None:
    client = make_client(timeouts=QUICK)
    if warm:
        client.send(push(server))
    server.manners = [manner]
    with pytest.raises(OutcomeUnknown) as raised:
        client.send(push(server))
    assert "s3cr3t" not in str(raised.value)
    assert len(server.requests) == 1 + warm
    assert client.send(push(server)).status == 200


def test_a_reply_over_the_limit_is_cut_and_ends_its_connection(
    server: FakeHttp2, make_client: MakeClient
) -> None:
    client = make_client(most_reply_bytes=100_000)
    server.reply_body = b"x" * 3_000_000
    reply = client.send(push(server))
    assert (len(reply.body), reply.is_whole) == (100_000, False)
    server.reply_body = b"{}"
    assert client.send(push(server)).is_whole
    assert server.connections == 2
