"""Answers sent while they are made, over real sockets: memory, readers that go, the end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.fakes import free_port
from tests.make import wait_until
from tests.serving import TOP

_PARTS: Final = 2_000
_PART_BYTES: Final = 100_000
_SERVER: Final = f"""
import asyncio, sys
from flask import Flask, Response
from senderkit.web import front
from senderkit.web.parts import begin_stream

app = Flask("streaming")

def body(stream):
    try:
        yield b"first\\n"
        for number in range({_PARTS}):
            if stream.is_cut:
                yield b"cut\\n"
                return
            yield b"x" * {_PART_BYTES - 1} + b"\\n"
    finally:
        print("closed", flush=True)

@app.get("/long")
def long():
    return Response(body(begin_stream()), mimetype="text/plain")

@app.get("/short")
def short():
    return "short"

front._STOPPING_SECONDS = 5
asyncio.run(front.serve_flask(app, "127.0.0.1", int(sys.argv[1]), 2))
"""


@dataclass
class Streaming:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str = "GET", path: str = "/long") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        return connection

    @property
    def memory_mib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found
        return int(found[1]) // 1024

    @property
    def closed(self) -> int:
        return self.log.read_text("utf-8").count("closed")


def read_all(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(1_000_000), b""))


@pytest.fixture
def streaming(tmp_path: Path) -> Iterator[Streaming]:
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(port)], cwd=TOP, stdout=output, stderr=output
        )
    server = Streaming(process, port, log)

    def is_up() -> bool:
        try:
            return b"short" in read_all(server.ask(path="/short"))
        except ConnectionError:
            return False

    wait_until(is_up)
    yield server
    process.kill()
    process.wait()


def test_a_long_answer_begins_at_once_and_comes_whole_in_flat_memory(streaming: Streaming) -> None:
    before = streaming.memory_mib
    with streaming.ask() as connection:
        began = connection.recv(1_000_000)
        size = len(began)
        while part := connection.recv(1_000_000):
            size += len(part)
            last = part
    assert b"transfer-encoding: chunked" in began.lower()
    assert size > _PARTS * _PART_BYTES
    assert last.endswith(b"0\r\n\r\n")
    assert streaming.memory_mib - before < 50
    wait_until(lambda: streaming.closed == 1)


def test_a_slow_reader_costs_neither_memory_nor_a_thread(streaming: Streaming) -> None:
    before = streaming.memory_mib
    readers = [streaming.ask() for _ in range(6)]
    for reader in readers:
        assert reader.recv(1000)
    for _ in range(20):
        assert b"short" in read_all(streaming.ask(path="/short"))
    assert streaming.memory_mib - before < 50

    for reader in readers:
        reader.close()
    wait_until(lambda: streaming.closed == 6)


def test_a_head_request_gets_headers_alone(streaming: Streaming) -> None:
    answer = read_all(streaming.ask("HEAD"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_stops_cuts_long_answers_off_and_says_so(
    streaming: Streaming, number: int
) -> None:
    reader = streaming.ask()
    assert reader.recv(1000)

    streaming.process.send_signal(number)

    assert b"\ncut\n" in read_all(reader)[-100:]
    assert streaming.process.wait(timeout=30) == 0


def test_a_reader_that_takes_nothing_does_not_keep_the_server_from_stopping(
    streaming: Streaming,
) -> None:
    with streaming.ask() as reader:
        assert reader.recv(1000)
        for _ in range(200):  # until all that lies between the two is full
            read_all(streaming.ask(path="/short"))
        began = time.monotonic()
        streaming.process.terminate()
        assert streaming.process.wait(timeout=30) == 0
        assert time.monotonic() - began < 15
        got = read_all(reader)
        assert b"cut\n" in got[-100:] or not got.endswith(b"0\r\n\r\n"), "it must not look whole"
