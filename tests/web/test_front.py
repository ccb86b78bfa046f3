"""The front over real sockets: what no test client can send."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.make import OWNER, PASSWORD
from tests.serving import Server, run_cli, serving
from tests.web.raw_http import Answer, Connection, ask, chunk

MIB: Final = 1024 * 1024
SMS: Final = json.dumps({"channel": "sms", "to": "+15555550100", "content": {"body": "b"}}).encode()
THREADS: Final = 4


@dataclass(frozen=True)
class Served:
    """A server with a test key."""

    server: Server
    token: str

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def memory_mib(self) -> int:
        """What the server's process has resident now."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text("ascii")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found
        return int(found[1]) // 1024

    def head(self, line: str, *headers: str, with_key: bool = True) -> bytes:
        """A request up to its body."""
        key = [f"Authorization: Bearer {self.token}"] if with_key else []
        return "\r\n".join([line, "Host: x", *key, *headers, "", ""]).encode("latin-1")

    def post(self, *headers: str, path: str = "/v1/send", **more: Any) -> bytes:
        json_type = "Content-Type: application/json"
        return self.head(f"POST {path} HTTP/1.1", json_type, *headers, **more)

    def get(self, path: str, *headers: str) -> Answer:
        return ask(self.port, self.head(f"GET {path} HTTP/1.1", *headers))

    def sends(self) -> int:
        """How many messages the key sees."""
        return len(self.get("/v1/messages?limit=200").json["data"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served") / "data"
    init = ("admin", "init", "--workspace", "Acme", "--email", OWNER, "--password-stdin")
    assert run_cli(folder, *init, stdin=f"{PASSWORD}\n").returncode == 0
    made = run_cli(folder, "admin", "keys", "create", "--name", "An app", "--mode", "test")
    with serving(folder, THREADS=str(THREADS), DISPATCHER="off") as server:
        yield Served(server, made.stdout.strip())


def assert_still_serving(served: Served) -> None:
    assert served.get("/v1/context").status == 200


# -- request lines and targets --------------------------------------------------------------------


def test_a_request_in_each_form_of_http_is_served(served: Served) -> None:
    lines = [
        *("GET /v1/context HTTP/1.1", "GET /v1/context HTTP/1.0", "GET /v1/%63ontext HTTP/1.1"),
        *("GET http://elsewhere/v1/context HTTP/1.1", "GET /v1/context/ HTTP/1.1"),
        *("GET //v1/context HTTP/1.1", "GET /%76%31/context HTTP/1.1", "GET /v1/context? HTTP/1.1"),
    ]
    for line in lines:
        answer = ask(served.port, served.head(line))
        assert (answer.status, answer.json["mode"]) == (200, "test"), line


def test_a_path_below_v1_is_guarded_however_it_is_written(served: Served) -> None:
    for path in ("/v1/context", "//v1/context", "/%76%31/context", "/v1%2Fcontext", "/v1/", "/V1"):
        answer = ask(served.port, served.head(f"GET {path} HTTP/1.1", with_key=False))
        assert (answer.status, answer.code) == (401, "unauthorized"), path


def test_a_target_that_names_nothing_is_404_in_json(served: Served) -> None:
    for path in (
        *("/v1/%FF", "/v1/%00", "/v1/caf%C3%A9", "/v1//context", "/v1/../docs", "/v1/..%2fdocs"),
        *("/v1/messages/%ED%A0%80", "/v1/messages/%00", f"/v1/messages/{'a' * 9000}"),
        *("/v1/messages/a%20b", "/v1/messages/%0d%0aX-A:%20b", "/v1/messages/%2e%2e"),
        *("/V1/context", "/V1"),
    ):
        answer = served.get(path)
        assert (answer.status, answer.code) == (404, "not_found"), path
        assert "x-a" not in answer.headers


def test_a_query_is_read_as_utf_8_encoded_or_not(served: Served) -> None:
    for query, status in {
        "search=%C3%A9": 200,
        "search=\xc3\xa9": 200,  # é as its two bytes, not encoded
        "search=%FF": 400,
        "metadata%5Ba%5D=1": 200,
        "search=a+b": 200,
        "search=%00": 400,
    }.items():
        assert served.get(f"/v1/messages?{query}").status == status, query


def test_what_is_no_http_is_refused(served: Served) -> None:
    for data in (
        *(b"GARBAGE\r\n\r\n", b"G@T /v1 HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n\r\n\r\n\0"),
        *(b"GET /v1/context HTTP/3.0\r\n\r\n", b"GET /v1/a b HTTP/1.1\r\nHost: x\r\n\r\n"),
        *(b"GET /v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" + b"a" * 99),
        served.head("GET /v1/context HTTP/1.1", "X-A: a\0b"),
        served.head("GET /v1/context HTTP/1.1", "X-A: a", " folded"),
        served.head("GET /v1/context HTTP/1.1", "X A: a"),
        served.head("GET /v1/context HTTP/1.1", "no colon"),
    ):
        assert ask(served.port, data).status == 400, data[:40]
    assert_still_serving(served)


def test_other_methods_are_405(served: Served) -> None:
    for method in ("BREW", "TRACE", "PUT", "LOCK"):
        answer = ask(served.port, served.head(f"{method} /v1/context HTTP/1.1"))
        assert (answer.status, answer.code) == (405, "method_not_allowed"), method


def test_head_has_no_body(served: Served) -> None:
    answer = ask(served.port, served.head("HEAD /v1/context HTTP/1.1"))
    assert (answer.status, int(answer.headers["content-length"]) > 0) == (200, True)


# -- headers --------------------------------------------------------------------------------------


def test_two_authorization_headers_are_refused_even_when_equal(served: Served) -> None:
    for second in (f"Authorization: Bearer {served.token}", "Authorization: x", "authorization:"):
        answer = served.get("/v1/context", second)
        assert (answer.status, answer.code) == (401, "unauthorized"), second


def test_a_name_with_an_underscore_does_not_pass_for_one_with_a_hyphen(served: Served) -> None:
    line = "GET /v1/context HTTP/1.1"
    sneaked = served.head(line, f"Authorization_: Bearer {served.token}", with_key=False)
    assert ask(served.port, sneaked).status == 401
    answer = served.get("/v1/context", "X_Request_Id: abcdefgh", "Accept: */*", "Acc_ept: x")
    assert answer.status == 200
    assert answer.headers["x-request-id"] != "abcdefgh"
    body = served.head("POST /v1/send HTTP/1.1", "Content_Type: application/json") + b""
    assert ask(served.port, body).status == 400


def test_headers_that_are_too_many_or_too_long_are_431(served: Served) -> None:
    for headers in (["X-A: " + "a" * MIB], [f"X-{number}: a" for number in range(10_000)]):
        with Connection(served.port) as connection:
            connection.send_until_refused([served.head("GET /v1/context HTTP/1.1", *headers)])
            assert connection.receive().status == 431
    assert_still_serving(served)


def test_long_headers_within_reason_are_taken(served: Served) -> None:
    assert served.get("/v1/context", "Cookie: " + "a" * 60_000).status == 200


def test_bytes_of_any_kind_in_a_header_are_no_crash(served: Served) -> None:
    for value in ("\xff\xfe", "\xe9", "\xf0\x9f\x94\x91", "\t", "\x80" * 100):
        assert served.get(
            "/v1/context", f"X-Request-Id: {value}", f"Accept: */*,{value}"
        ).status in {
            200,
            406,
        }
        body = served.post(f"User-Agent: {value}", f"Content-Length: {len(SMS)}") + SMS
        assert ask(served.port, body).status == 202, value


def test_an_idempotency_key_that_cannot_be_read_is_refused_and_never_ignored(
    served: Served,
) -> None:
    """granian gives no header value that holds a byte above 127; without its key a send repeats."""
    before = served.sends()
    for key in ("\xff", "schl\xc3\xbcssel", "a\x80"):
        data = served.post(f"Idempotency-Key: {key}", f"Content-Length: {len(SMS)}") + SMS
        answer = ask(served.port, data)
        assert (answer.status, answer.code) == (400, "invalid_request")
        assert "Idempotency-Key" in answer.json["error"]["message"]
    assert served.sends() == before


# -- bodies: never cut, never waited for ----------------------------------------------------------


def test_a_body_may_come_in_pieces_or_chunks(served: Served) -> None:
    before = served.sends()
    with Connection(served.port) as connection:
        connection.send(served.post(f"Content-Length: {len(SMS)}"))
        for byte in SMS:
            connection.send(bytes([byte]))
        assert connection.receive().status == 202
        connection.send(served.post("Transfer-Encoding: chunked"))
        for byte in SMS:
            connection.send(chunk(bytes([byte])))
        connection.send(chunk(b""))
        assert connection.receive().status == 202
        connection.send(served.post("Expect: 100-continue", f"Content-Length: {len(SMS)}") + SMS)
        assert connection.receive().status == 202
    assert served.sends() == before + 3


Cut = Callable[[Served], bytes]
CUT_SHORT: Final[dict[str, Cut]] = {
    "length": lambda served: served.post(f"Content-Length: {len(SMS) + 9}") + SMS + b"   ",
    "no last chunk": lambda served: served.post("Transfer-Encoding: chunked") + chunk(SMS),
    "a chunk cut": lambda served: (
        served.post("Transfer-Encoding: chunked") + chunk(SMS) + b"9\r\n   "
    ),
    "a chunk that is none": lambda served: (
        served.post("Transfer-Encoding: chunked") + chunk(SMS) + b"ZZ\r\n"
    ),
    "a chunk without its end": lambda served: (
        served.post("Transfer-Encoding: chunked") + b"%x\r\n%bXX" % (len(SMS), SMS)
    ),
}


@pytest.mark.parametrize("way", CUT_SHORT)
def test_a_body_that_is_cut_short_is_refused_although_it_would_parse(
    served: Served, way: str
) -> None:
    before = served.sends()
    with Connection(served.port) as connection:
        connection.send(CUT_SHORT[way](served))
        connection.end_sending()
        answer = connection.receive()
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert "x-request-id" in answer.headers
    assert served.sends() == before


def test_a_length_that_is_none_is_refused(served: Served) -> None:
    before = served.sends()
    for headers in (
        *(["Content-Length: abc"], ["Content-Length: -1"], ["Content-Length: +2"]),
        *(["Content-Length: 2", "Content-Length: 3"], ["Transfer-Encoding: gzip"]),
        ["Content-Length: 99999999999999999999999"],
    ):
        assert ask(served.port, served.post(*headers) + SMS).status == 400, headers
    assert served.sends() == before


def test_without_a_length_there_is_no_body(served: Served) -> None:
    answer = ask(served.port, served.post())
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_both_framings_at_once_are_read_as_chunks_and_end_the_connection(served: Served) -> None:
    """The other reading would let a proxy in front and this server disagree."""
    body = chunk(SMS) + chunk(b"")
    data = served.post("Content-Length: 3", "Transfer-Encoding: chunked") + body
    assert ask(served.port, data).is_closed


def test_a_body_of_25_mib_is_taken_and_a_byte_more_is_not(served: Served) -> None:
    for size, status in ((25 * MIB, 202), (25 * MIB + 1, 413)):
        body = SMS[:-1] + b" " * (size - len(SMS)) + b"}"
        for framed in (
            [served.post(f"Content-Length: {size}"), body],
            [served.post("Transfer-Encoding: chunked"), chunk(body), chunk(b"")],
        ):
            with Connection(served.port) as connection:
                connection.send_until_refused(framed)
                answer = connection.receive()
            assert answer.status == status
            if status == 413:
                assert answer.code == "payload_too_large"
                assert answer.is_closed


def test_endless_chunks_are_refused_soon_after_the_limit(served: Served) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield served.post("Transfer-Encoding: chunked")
        while True:
            yield chunk(b" " * MIB)
            sent += 1

    with Connection(served.port) as connection:
        connection.send_until_refused(endless())
        assert connection.receive().code == "payload_too_large"
    assert sent < 60


def test_a_large_body_without_a_valid_key_is_refused_unread(served: Served) -> None:
    started = {"Content-Length: 20000000": b"", "Transfer-Encoding: chunked": chunk(b" " * 70_000)}
    for header, begun in started.items():
        for key in ([], ["Authorization: Bearer sk_test_x"]):
            data = served.post(header, *key, with_key=False)
            answer = ask(served.port, data + begun)
            assert (answer.status, answer.code, answer.is_closed) == (401, "unauthorized", True)


def test_who_sends_all_before_reading_gets_the_answer_to_a_refused_body(served: Served) -> None:
    """As most HTTP libraries do: a connection closed on them would read as a network fault."""
    body = b" " * (27 * MIB)
    for with_key, code in ((True, "payload_too_large"), (False, "unauthorized")):
        for framed in (
            served.post(f"Content-Length: {len(body)}", with_key=with_key) + body,
            served.post("Transfer-Encoding: chunked", with_key=with_key) + chunk(body) + chunk(b""),
        ):
            answer = ask(served.port, framed)
            assert (answer.code, answer.is_closed) == (code, True)


def test_a_form_may_be_smaller_than_what_the_api_takes(served: Served) -> None:
    answer = ask(served.port, served.post(f"Content-Length: {5 * MIB}", path="/login"))
    assert (answer.status, answer.is_closed) == (413, True)


def test_packed_bodies_are_refused_unpacked_ones_never_made(served: Served) -> None:
    bomb = gzip.compress(b" " * (200 * MIB))
    before = served.memory_mib
    for encoding in ("gzip", "br", "x-unknown"):
        headers = (f"Content-Encoding: {encoding}", f"Content-Length: {len(bomb)}")
        answer = ask(served.port, served.post(*headers) + bomb)
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert served.memory_mib - before < 50


HOSTILE: Final[dict[str, bytes]] = {
    "a million keys": b"{" + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}",
    "a million items": b'{"vars":[' + b"1," * 1_000_000 + b"1]}",
    "100,000 deep": b'{"vars":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "25 MiB of quotes": b'"' * (25 * MIB),
    "25 MiB of brackets": b"[" * (25 * MIB),
    "25 MiB of backslashes": b'"' + b"\\" * (25 * MIB - 2) + b'"',
    "a 25 MiB number": b'{"vars":' + b"9" * (25 * MIB - 9) + b"}",
    "a 25 MiB name": b'{"' + b"x" * (25 * MIB - 6) + b'":1}',
}


def test_hostile_bodies_are_refused_soon_and_leave_no_memory_behind(served: Served) -> None:
    for body in HOSTILE.values():  # the first round warms up what stays for good
        ask(served.port, served.post(f"Content-Length: {len(body)}") + body)
    before = served.memory_mib
    for _ in range(5):
        for name, body in HOSTILE.items():
            started = time.monotonic()
            answer = ask(served.port, served.post(f"Content-Length: {len(body)}") + body)
            assert (answer.status, answer.code) == (400, "invalid_request"), name
            assert len(answer.body) < 20_000
            assert time.monotonic() - started < 5, name
    assert served.memory_mib - before < 60


# -- connections ----------------------------------------------------------------------------------


def test_a_connection_lives_on_after_an_error(served: Served) -> None:
    with Connection(served.port) as connection:
        for data, status in (
            (served.head("GET /v1/nothing HTTP/1.1"), 404),
            (served.post("Content-Length: 1") + b"{", 400),
            (served.post("Content-Length: 2", "Content-Encoding: gzip") + b"{}", 415),
            (served.head("GET /v1/context HTTP/1.1", "Content-Length: 2") + b"{}", 200),
            (served.head("DELETE /v1/messages/msg_x HTTP/1.1", "Content-Length: 2") + b"{}", 404),
            (served.head("GET /v1/context HTTP/1.1", with_key=False), 401),
            (served.head("GET /v1/context HTTP/1.1"), 200),
        ):
            connection.send(data)
            assert connection.receive().status == status


def test_requests_sent_at_once_are_answered_in_order(served: Served) -> None:
    paths = ["/v1/context", "/v1/nothing", "/v1/messages", "/v1/context"]
    with Connection(served.port) as connection:
        connection.send(b"".join(served.head(f"GET {path} HTTP/1.1") for path in paths))
        assert [connection.receive().status for _ in paths] == [200, 404, 200, 200]


def test_senders_that_dawdle_hold_no_thread(served: Served) -> None:
    dawdlers = [Connection(served.port) for _ in range(THREADS * 10)]
    for number, dawdler in enumerate(dawdlers):
        framing = "Transfer-Encoding: chunked" if number % 2 else f"Content-Length: {len(SMS)}"
        dawdler.send(served.post(framing) + (b"5\r\n{" if number % 2 else b"{"))
    for _ in range(THREADS * 2):
        assert_still_serving(served)
    for dawdler in dawdlers:
        dawdler.__exit__()


def test_whoever_hangs_up_early_leaves_nothing_behind(served: Served) -> None:
    before = served.sends()
    for _ in range(50):
        with Connection(served.port) as connection:
            connection.send(served.post(f"Content-Length: {len(SMS)}") + SMS[:-1])
    assert_still_serving(served)
    assert served.sends() == before
    assert "Traceback" not in served.server.log
