"""The security headers stand on every answer: pages, API, files and errors."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from pathlib import Path
from typing import Final

import pytest
from werkzeug.datastructures import Headers

from senderkit.web.headers import PAGE_POLICY, PREVIEW_POLICY
from tests.make import House
from tests.serving import Server, serving
from tests.web.routes import furnish

NEVER_CACHED: Final = {"Cache-Control": "no-store", "Vary": "Cookie"}


_STYLE_NONCE: Final = re.compile(r"(?<=style-src 'self') 'nonce-[\w-]{22,}'")


def faults(headers: Headers, *, is_file: bool = False) -> list[str]:
    """What is missing from an answer's headers."""
    found = []
    policy = _STYLE_NONCE.sub("", headers.get("Content-Security-Policy", ""))
    if policy not in {PAGE_POLICY, PREVIEW_POLICY}:
        found.append("policy")
    if headers.get("X-Content-Type-Options") != "nosniff":
        found.append("nosniff")
    if headers.get("Referrer-Policy") != "same-origin":
        found.append("referrer")
    if not headers.get("X-Request-Id"):
        found.append("request id")
    if not is_file and (
        headers.get("Cache-Control") != "no-store" or "Cookie" not in headers.get("Vary", "")
    ):
        found.append("cache")
    return found


def test_they_stand_on_every_route(house: House) -> None:
    owner, stranger, app = house.owner(), house.pages(), house.api()
    for route in furnish(house).routes():
        for answer in (
            owner.client.open(route.path, method=route.method, buffered=True),
            stranger.client.open(route.path, method=route.method, buffered=True),
            app.call(route.method, route.path, buffered=True),
        ):
            is_file = route.endpoint == "static"
            assert faults(answer.headers, is_file=is_file) == [], f"{route} {answer.status}"


def test_the_policy_lets_no_script_or_style_in_from_a_page() -> None:
    assert "unsafe" not in PAGE_POLICY
    assert "default-src 'none'" in PAGE_POLICY
    assert "frame-ancestors 'none'" in PAGE_POLICY
    assert "script" not in PREVIEW_POLICY


def test_they_stand_on_every_error(house: House) -> None:
    @house.app.get("/crash")
    def crash() -> str:
        raise RuntimeError("boom")

    owner = house.owner()
    wanted = {
        404: owner.get("/nowhere"),
        405: owner.client.delete("/keys"),
        413: owner.client.post("/login", data={"email": "x" * 5_000_000}),
        400: owner.client.post("/login", data={"email": ""}),
        415: owner.client.post("/login", json={}),
        500: owner.get("/crash"),
        401: owner.get("/v1/nowhere"),
    }
    assert {status: answer.status_code for status, answer in wanted.items()} == {
        status: status for status in wanted
    }
    assert [faults(answer.headers) for answer in wanted.values()] == [[]] * len(wanted)
    missing_file = owner.get("/static/nowhere.css")
    assert missing_file.status_code == 404
    assert faults(missing_file.headers, is_file=True) == []


@pytest.mark.parametrize("framing", ["Content-Length: 50000000", "Transfer-Encoding: chunked"])
def test_they_stand_on_what_the_front_refuses(tmp_path: Path, framing: str) -> None:
    wanted = {"/login": 413, "/nowhere": 413, "/unsubscribe/x": 413, "/v1/send": 401}
    with serving(tmp_path / "data") as server:
        for path, expected in wanted.items():
            status, headers, text = post_too_much(server, path, framing)
            assert (status, faults(headers)) == (expected, []), path
            assert ("This is too much at once" in text) == (expected == 413)
            assert headers["Connection"] == "close"


def post_too_much(server: Server, path: str, framing: str) -> tuple[int, Headers, str]:
    """Begin a body that is too long for any path; what comes back before it has ended."""
    megabyte = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n"
        connection.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(26 if "chunked" in framing else 0):
                connection.sendall(megabyte)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, Headers(answer.getheaders()), answer.read().decode()
