from __future__ import annotations

import gzip
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from senderkit import __version__
from senderkit.errors import AccountBroken, DeliveryError, OutcomeUnknown, Unavailable
from senderkit.http_client import HttpClient, Request, Timeouts
from senderkit.http_client.network import Target, resolve
from tests.fakes import Authority, free_port
from tests.fakes_http import LOOPBACK, Answer, FakeProvider, Trouble
from tests.http.conftest import QUICK, MakeClient

SECRET = "s3cr3t-t0ken"


def post(url: str, body: bytes = b"{}") -> Request:
    headers = {"X-Token": SECRET, "Content-Type": "application/json"}
    return Request("POST", f"{url}/email?key={SECRET}", headers, body)


@contextmanager
def listening(serve: Callable[[socket.socket], None], times: int = 1) -> Iterator[str]:
    """A server of raw sockets: `serve` gets each of the first `times` connections."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def run() -> None:
            for _ in range(times):
                sock, _ = listener.accept()
                with sock, suppress(OSError):
                    serve(sock)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        thread.join(5)


@contextmanager
def holding() -> Iterator[str]:
    """A server that takes a connection and does nothing with it."""
    done = threading.Event()

    def hold(sock: socket.socket) -> None:
        done.wait(10)

    with listening(hold) as url:
        yield url
        done.set()


def took(work: Callable[[], Any]) -> float:
    """Seconds that it took to fail."""
    began = time.monotonic()
    with pytest.raises(DeliveryError):
        work()
    return time.monotonic() - began


# -- what goes out ----------------------------------------------------------------------------


def test_the_exact_bytes_of_a_request(provider: FakeProvider, client: HttpClient) -> None:
    provider.answer("POST /a/b", Answer())
    request = Request("POST", f"{provider.url}/a/b?q=1&r=%2F#f", {"X-One": "1"}, b'{"a":1}')
    client.send(request)
    assert provider.requests[0].lines == [
        b"POST /a/b?q=1&r=%2F HTTP/1.1",
        f"Host: {LOOPBACK}:{provider.port}".encode(),
        f"User-Agent: SenderKit/{__version__}".encode(),
        b"Accept-Encoding: identity",
        b"X-One: 1",
        b"Content-Length: 7",
    ]
    assert provider.requests[0].body == b'{"a":1}'


def test_a_post_without_a_body_says_so(provider: FakeProvider, client: HttpClient) -> None:
    provider.answer("POST /", Answer())
    client.send(Request("POST", f"{provider.url}/", body=b""))
    assert provider.requests[0].headers["content-length"] == "0"


@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "é", "a\u2028b", "\x7f", "a\tb"]
)
def test_a_header_value_that_no_header_can_carry_never_leaves(
    value: str, provider: FakeProvider, client: HttpClient
) -> None:
    request = Request("POST", provider.url, {"X-Token": value + SECRET}, b"")
    with pytest.raises(AccountBroken, match="X-Token") as raised:
        client.send(request)
    assert SECRET not in str(raised.value)
    assert provider.connections == 0


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "User-Agent", "A B", "X:", "", "X\r\nY"]
)
def test_an_adapter_cannot_set_the_headers_of_the_house(
    name: str, provider: FakeProvider, client: HttpClient
) -> None:
    with pytest.raises(ValueError, match="not a request's to set"):
        client.send(Request("POST", provider.url, {name: "1"}, b""))
    assert provider.connections == 0


def test_cookies_are_not_kept(provider: FakeProvider, client: HttpClient) -> None:
    provider.answer("GET /", Answer(headers={"Set-Cookie": "session=1; Path=/"}))
    for _ in range(2):
        client.send(Request("GET", f"{provider.url}/"))
    assert [r.headers.get("cookie") for r in provider.requests] == [None, None]


# -- what comes back --------------------------------------------------------------------------


def test_a_reply_has_status_headers_and_body(provider: FakeProvider, client: HttpClient) -> None:
    provider.answer("POST /email", Answer(422, json={"ErrorCode": 300}, headers={"X-Id": "7"}))
    reply = client.send(post(provider.url))
    assert (reply.status, reply.is_success, reply.is_whole) == (422, False, True)
    assert reply.headers["x-id"] == "7"
    assert reply.json_object() == {"ErrorCode": 300}


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_reply_over_the_limit_is_cut(
    status: int, provider: FakeProvider, make_client: MakeClient
) -> None:
    client = make_client(most_reply_bytes=1_000)
    provider.answer("POST /email", Answer(status, body=b"x" * 5_000_000))
    reply = client.send(post(provider.url))
    assert (reply.status, reply.body, reply.is_whole) == (status, b"x" * 1_000, False)


@pytest.mark.parametrize("size", [999, 1_000])
def test_a_reply_up_to_the_limit_is_whole(
    size: int, provider: FakeProvider, make_client: MakeClient
) -> None:
    client = make_client(most_reply_bytes=1_000)
    provider.answer("POST /email", Answer(body=b"x" * size))
    reply = client.send(post(provider.url))
    assert (len(reply.body), reply.is_whole) == (size, True)


def test_an_endless_reply_is_cut_soon(make_client: MakeClient) -> None:
    def flood(sock: socket.socket) -> None:
        sock.recv(65_536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sock.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

    with listening(flood) as url:
        reply = make_client(most_reply_bytes=100_000).send(post(url))
    assert (len(reply.body), reply.is_whole) == (100_000, False)


def test_a_compressed_body_is_not_unpacked(provider: FakeProvider, client: HttpClient) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    provider.answer("POST /email", Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    reply = client.send(post(provider.url))
    assert reply.body == bomb
    assert reply.find_json() is None
    assert provider.requests[0].headers["accept-encoding"] == "identity"


def test_an_early_answer_to_a_body_that_was_not_read_counts(client: HttpClient) -> None:
    def refuse(sock: socket.socket) -> None:
        sock.recv(1_000)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
            pass

    with listening(refuse) as url:
        assert client.send(post(url, b"x" * 3_000_000)).status == 413
        client.close()


# -- time -------------------------------------------------------------------------------------


def test_a_server_that_drips_is_cut_at_the_end_of_the_call(
    provider: FakeProvider, make_client: MakeClient
) -> None:
    client = make_client(timeouts=Timeouts(read_seconds=1, total_seconds=0.4))
    provider.answer("POST /email", Answer(body=b"x" * 1_000, drip_seconds=0.02))
    assert took(lambda: client.send(post(provider.url))) < 1


def test_a_server_that_drips_its_head_is_cut_too(make_client: MakeClient) -> None:
    def drip(sock: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1_000:
            sock.sendall(bytes([byte]))
            time.sleep(0.02)

    client = make_client(timeouts=Timeouts(read_seconds=1, total_seconds=0.4))
    with listening(drip) as url:
        assert took(lambda: client.send(post(url))) < 1


def test_a_server_that_never_stops_promising_is_cut_too(make_client: MakeClient) -> None:
    def promise(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            time.sleep(0.02)

    client = make_client(timeouts=Timeouts(read_seconds=1, total_seconds=0.4))
    with listening(promise) as url:
        assert took(lambda: client.send(post(url))) < 1


def test_a_server_that_does_not_read_is_cut(make_client: MakeClient) -> None:
    client = make_client(timeouts=Timeouts(read_seconds=0.3, total_seconds=5))
    with holding() as url:
        assert took(lambda: client.send(post(url, b"x" * 12_000_000))) < 2


def test_each_read_has_a_limit_of_its_own(provider: FakeProvider, make_client: MakeClient) -> None:
    client = make_client(timeouts=Timeouts(read_seconds=0.2, total_seconds=10))
    provider.answer("POST /email", Trouble.HANG)
    assert took(lambda: client.send(post(provider.url))) < 2


def test_a_call_may_have_limits_of_its_own(provider: FakeProvider, client: HttpClient) -> None:
    provider.answer("POST /email", Trouble.HANG)
    assert took(lambda: client.send(post(provider.url), QUICK)) < 3


def test_a_look_up_that_hangs_is_cut(make_client: MakeClient) -> None:
    done = threading.Event()

    def hang(host: str, port: int) -> list[Target]:
        done.wait(10)
        return []

    client = make_client(resolver=hang, timeouts=Timeouts(connect_seconds=0.2))
    with pytest.raises(Unavailable, match=r"api\.example could not be looked up in time"):
        client.send(post("https://api.example"))
    done.set()


def test_a_handshake_that_hangs_is_cut(make_client: MakeClient) -> None:
    client = make_client(timeouts=Timeouts(connect_seconds=0.2))
    with holding() as url:
        assert took(lambda: client.send(post(url.replace("http", "https")))) < 2


def test_a_host_with_a_dead_address_is_reached_by_its_other_one(
    provider: FakeProvider, make_client: MakeClient
) -> None:
    def two(host: str, port: int) -> list[Target]:
        return [*resolve("127.0.0.99", free_port()), *resolve(LOOPBACK, port)]

    provider.answer("POST /email", Answer())
    url = f"http://two.example:{provider.port}"
    assert make_client(resolver=two).send(post(url)).status == 200


# -- what a failure means -----------------------------------------------------------------------


def test_a_place_where_nobody_listens_has_taken_nothing(client: HttpClient) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 cannot be reached: Connection refused"):
        client.send(post(f"http://{LOOPBACK}:{free_port()}"))


def test_a_name_without_an_address_has_taken_nothing(make_client: MakeClient) -> None:
    def unknown(host: str, port: int) -> list[Target]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def empty(host: str, port: int) -> list[Target]:
        return []

    for resolver in (unknown, empty):
        with pytest.raises(Unavailable, match=r"nowhere\.example could not be looked up"):
            make_client(resolver=resolver).send(post("https://nowhere.example"))


def test_a_certificate_of_another_name_has_taken_nothing(
    trusted: Authority, client: HttpClient
) -> None:
    with (
        FakeProvider(tls=trusted.server_context("other.example")) as provider,
        pytest.raises(Unavailable, match=r"certificate of .* is not trusted"),
    ):
        client.send(post(provider.url))
    assert provider.requests == []


def test_a_certificate_that_nobody_vouches_for_has_taken_nothing(
    authority: Authority, client: HttpClient
) -> None:
    with (
        FakeProvider(tls=authority.server_context(LOOPBACK)) as provider,
        pytest.raises(Unavailable, match="certificate"),
    ):
        client.send(post(provider.url))
    assert provider.requests == []


def test_an_outdated_tls_has_taken_nothing(trusted: Authority, client: HttpClient) -> None:
    old = trusted.server_context(LOOPBACK)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with FakeProvider(tls=old) as provider, pytest.raises(Unavailable, match="TLS with"):
        client.send(post(provider.url))


def test_a_server_that_speaks_no_tls_has_taken_nothing(client: HttpClient) -> None:
    def talk(sock: socket.socket) -> None:
        sock.recv(65_536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(talk) as url, pytest.raises(Unavailable, match="TLS with"):
        client.send(post(url.replace("http", "https")))


def test_a_hang_up_during_the_handshake_has_taken_nothing(client: HttpClient) -> None:
    with (
        listening(lambda sock: sock.close()) as url,
        pytest.raises(Unavailable, match="hung up during the TLS handshake"),
    ):
        client.send(post(url.replace("http", "https")))


def test_a_reset_before_the_body_has_left_has_taken_nothing(
    provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /email", Trouble.RESET_BEFORE_BODY)
    with pytest.raises(Unavailable, match="hung up without an answer"):
        client.send(post(provider.url, b"x" * 12_000_000))
    assert provider.requests == []


@pytest.mark.parametrize("trouble", [Trouble.LOSE_REPLY, Trouble.RESET, Trouble.HANG])
@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 3_000_000])
def test_a_reply_lost_after_the_body_left_is_in_doubt_and_nothing_is_sent_twice(
    trouble: Trouble, body: bytes, provider: FakeProvider, make_client: MakeClient
) -> None:
    provider.answer("POST /email", trouble)
    with pytest.raises(OutcomeUnknown) as raised:
        make_client(timeouts=QUICK).send(post(provider.url, body))
    how = "did not come in time" if trouble is Trouble.HANG else "was lost"
    assert how in str(raised.value)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("trouble", [Trouble.LOSE_REPLY, Trouble.RESET])
def test_a_reply_lost_on_a_connection_that_served_before_is_in_doubt_too(
    trouble: Trouble, provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /email", Answer())
    client.send(post(provider.url))
    provider.answer("POST /email", trouble)
    with pytest.raises(OutcomeUnknown):
        client.send(post(provider.url))
    assert len(provider.requests) == 2


def test_where_the_status_is_enough_a_success_counts_whatever_becomes_of_its_body(
    provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /hook", Answer(body=b"taken", cut_at=3))
    request = Request("POST", f"{provider.url}/hook", body=b"{}", status_is_enough=True)
    reply = client.send(request)
    assert (reply.status, reply.body, reply.is_whole) == (200, b"tak", False)


@pytest.mark.parametrize("cut_at", [0, 1, 20])
def test_half_a_success_is_in_doubt(
    cut_at: int, provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /email", Answer(json={"MessageID": "x" * 30}, cut_at=cut_at))
    with pytest.raises(OutcomeUnknown):
        client.send(post(provider.url))


def test_half_a_refusal_is_a_refusal(provider: FakeProvider, client: HttpClient) -> None:
    provider.answer("POST /email", Answer(422, json={"ErrorCode": 300}, cut_at=5))
    reply = client.send(post(provider.url))
    assert (reply.status, reply.body, reply.is_whole) == (422, b'{"Err', False)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"220 mail.example ESMTP\r\n",
        b"<html>",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"\x00\x01\x02",
        bytes(range(256)),
        b"",
    ],
)
def test_an_answer_that_is_no_http_is_in_doubt(nonsense: bytes, client: HttpClient) -> None:
    def talk(sock: socket.socket) -> None:
        sock.recv(65_536)
        sock.sendall(nonsense)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
            pass

    with listening(talk) as url, pytest.raises(OutcomeUnknown, match=r"was lost\.$"):
        client.send(post(url))


@pytest.mark.parametrize("trouble", [Trouble.LOSE_REPLY, Trouble.HANG])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_changes_nothing_is_never_in_doubt(
    method: str, trouble: Trouble, provider: FakeProvider, make_client: MakeClient
) -> None:
    provider.answer("* /server", trouble)
    question = Request(method, f"{provider.url}/server", body=b"{}", only_asks=method == "POST")
    with pytest.raises(Unavailable):
        make_client(timeouts=QUICK).send(question)


# -- connections --------------------------------------------------------------------------------


def test_one_connection_serves_many_calls(provider: FakeProvider, client: HttpClient) -> None:
    provider.answer("POST /email", Answer(json={}))
    for _ in range(50):
        client.send(post(provider.url))
    assert (len(provider.requests), provider.connections) == (50, 1)


def test_a_refusal_keeps_the_connection(provider: FakeProvider, client: HttpClient) -> None:
    for status in (500, 422, 401, 429, 200):
        provider.answer("POST /email", Answer(status, json={}))
        client.send(post(provider.url))
    assert provider.connections == 1


def test_a_connection_that_the_server_closed_while_idle_is_not_used(
    provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /email", Answer(json={}))
    for calls in range(1, 6):
        client.send(post(provider.url))
        provider.drop_connections()
        assert len(provider.requests) == calls


@pytest.mark.parametrize("is_one_packet", [True, False])
def test_a_connection_on_which_the_server_spoke_unasked_is_not_used(
    client: HttpClient, is_one_packet: bool
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    spoken = threading.Event()

    def talk(sock: socket.socket) -> None:
        sock.recv(65_536)
        if spoken.is_set():
            sock.sendall(answer)
        elif is_one_packet:
            sock.sendall(answer + poison)
        else:
            sock.sendall(answer)
            sock.sendall(poison)
        spoken.set()
        while sock.recv(65_536):
            """Stay on the line until the client hangs up."""

    with listening(talk, times=2) as url:
        assert client.send(post(url)).body == b"ok"
        spoken.wait(5)
        assert client.send(post(url)).body == b"ok"
        client.close()


def test_a_connection_that_dies_under_the_request_is_replaced_once(client: HttpClient) -> None:
    """The server closes between our look at the connection and the end of the body."""
    calls = iter(["keep", "reset", "serve"])

    def talk(sock: socket.socket) -> None:
        for manner in calls:
            if manner == "reset":
                sock.recv(1_000)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01" + b"\x00" * 7)
                return
            received = bytearray()
            while not received.endswith(b"END"):
                received += sock.recv(65_536)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    big = b"x" * 12_000_000 + b"END"
    with listening(talk, times=2) as url:
        assert client.send(post(url, b"END")).status == 200
        assert client.send(post(url, big)).status == 200
        client.close()


def test_a_fresh_connection_that_dies_is_not_replaced(
    provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /email", Trouble.RESET_BEFORE_BODY)
    with pytest.raises(Unavailable):
        client.send(post(provider.url, b"x" * 12_000_000))
    assert provider.connections == 1


def test_threads_share_the_connections_and_mix_nothing_up(
    provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /echo", lambda request: Answer(json=request.json, delay_seconds=0.001))

    def call(number: int) -> bool:
        payload = {"number": number, "fill": "x" * (number % 7) * 1_000}
        reply = client.send(Request.post_json(f"{provider.url}/echo", payload))
        return bool(reply.json_object() == payload)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(call, range(800)))
    assert provider.connections <= 16


def test_a_server_that_hangs_holds_up_no_other(
    provider: FakeProvider, make_client: MakeClient
) -> None:
    client = make_client(timeouts=QUICK)
    with FakeProvider() as hanging, ThreadPoolExecutor(16) as threads:
        hanging.answer("POST /email", Trouble.HANG)
        stuck = [threads.submit(client.send, post(hanging.url)) for _ in range(15)]
        provider.answer("POST /email", Answer())
        began = time.monotonic()
        for _ in range(20):
            client.send(post(provider.url))
        assert time.monotonic() - began < 0.9
        assert all(isinstance(future.exception(5), OutcomeUnknown) for future in stuck)


def test_a_closed_client_lets_go_of_idle_connections_and_still_works(
    provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /email", Answer())
    client.send(post(provider.url))
    client.close()
    client.close()
    client.send(post(provider.url))
    assert provider.connections == 2


# -- secrets --------------------------------------------------------------------------------------


def test_no_error_and_no_log_line_holds_anything_of_a_request_or_a_reply(
    provider: FakeProvider, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f"token {SECRET} not valid\r\n".encode()

    def talk(sock: socket.socket) -> None:
        sock.recv(65_536)
        sock.sendall(echo)

    shown = []
    client = make_client(timeouts=QUICK)
    provider.answer("POST /email", Answer(401, body=echo, headers={"X-Echo": SECRET}))
    shown.append(repr(client.send(post(provider.url))))
    provider.answer("POST /email", Trouble.LOSE_REPLY)
    with listening(talk) as nonsense:
        for url in (provider.url, nonsense, f"http://{LOOPBACK}:{free_port()}"):
            request = post(url, json.dumps({"password": SECRET}).encode())
            shown.append(repr(request))
            with pytest.raises(DeliveryError) as raised:
                client.send(request)
            assert raised.value.__cause__ is None
            shown += [str(raised.value), repr(raised.value), str(raised.getrepr(style="native"))]
    assert not [text for text in shown if SECRET in text]
    assert SECRET not in caplog.text
