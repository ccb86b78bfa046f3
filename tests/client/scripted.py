"""A server that does what a test tells it, over real sockets: errors, hang-ups, lost replies.

Each request takes the next step of the script; the last step serves every further one.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
ACCEPTED: Final = {"id": "msg_1", "status": "queued", "livemode": False}


@dataclass(frozen=True)
class Request:
    """What the server was asked; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Step = Callable[["Handler", Request], None]


def answer(
    status: int = 200, body: object = None, *, headers: Mapping[str, str] | None = None
) -> Step:
    """Answer with JSON, or with the text of `body` as it is."""
    text = body if isinstance(body, str) else json.dumps({} if body is None else body)

    def step(handler: Handler, _: Request) -> None:
        handler.reply(status, text.encode(), headers or {})

    return step


def accepted(message_id: str = "msg_1") -> Step:
    return answer(202, ACCEPTED | {"id": message_id})


def error(status: int, code: str, message: str = "So it is.", **more: Any) -> Step:
    """Answer with an error of the API's form."""
    headers = more.pop("headers", {})
    return answer(status, {"error": {"code": code, "message": message, **more}}, headers=headers)


def hang_up(handler: Handler, _: Request) -> None:
    """Close the connection without a word."""
    handler.end()


def reset(handler: Handler, _: Request) -> None:
    """Drop the connection the hard way."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    handler.end()


def cut_off(handler: Handler, _: Request) -> None:
    """Promise more of an answer than is sent."""
    handler.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n{")
    handler.end()


def garble(handler: Handler, _: Request) -> None:
    """Answer in no language of the web."""
    handler.wfile.write(b"220 mail.example ESMTP\r\n")
    handler.end()


def stay_silent(handler: Handler, _: Request) -> None:
    """Say nothing until the client goes away or the server ends."""
    handler.connection.settimeout(30)
    handler.rfile.read(1)
    handler.end()


def lose_reply_of(url: str) -> Step:
    """Let the real server at `url` do it, then hang up before its answer arrives."""

    def step(handler: Handler, request: Request) -> None:
        forward(url, request)
        handler.end()

    return step


def pass_on_to(url: str) -> Step:
    """Hand the request to the real server at `url` and its answer back."""

    def step(handler: Handler, request: Request) -> None:
        handler.reply(*forward(url, request))

    return step


def forward(url: str, request: Request) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of what the server at `url` answers."""
    names = {"authorization", "content-type", "idempotency-key"}
    onward = urllib.request.Request(
        url + request.path,
        data=request.body or None,
        method=request.method,
        headers={name: value for name, value in request.headers.items() if name in names},
    )
    try:
        with urllib.request.urlopen(onward, timeout=30) as response:
            return response.status, response.read(), _onward(response.headers)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read(), _onward(refused.headers)


def _onward(headers: Message) -> dict[str, str]:
    """Those that are about the answer, not about this connection."""
    names = {"content-type", "idempotent-replayed", "retry-after", "x-request-id"}
    return {name: value for name, value in headers.items() if name.lower() in names}


def stream(*chunks: bytes | threading.Event) -> Step:
    """Answer with an event stream: each chunk at once, each `Event` waited for; then end."""

    def step(handler: Handler, _: Request) -> None:
        open_stream(handler)
        for chunk in chunks:
            if isinstance(chunk, threading.Event):
                assert chunk.wait(30)
            else:
                handler.wfile.write(chunk)
        handler.end()

    return step


def open_stream(handler: Handler, first: bytes = b"") -> None:
    """Begin an event stream that ends with the connection."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    handler.wfile.write(head + first)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server
    timeout = 60

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        self.server.step_for(request)(self, request)

    do_GET = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 - the library's names

    def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        named = {name.lower(): value for name, value in headers.items()}
        for name, value in ({"content-type": "application/json"} | named).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end(self) -> None:
        """Close the connection now."""
        self.wfile.flush()
        self.close_connection = True
        if not self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None:
        """Tests read `requests` instead."""


@dataclass
class Script:
    """What is still to come, and what has come so far."""

    steps: list[Step]
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def step_for(self, request: Request) -> Step:
        with self.lock:
            self.requests.append(request)
            return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]


class Server(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, steps: Sequence[Step]) -> None:
        self.script = Script(list(steps))
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def requests(self) -> list[Request]:
        return self.script.requests

    def step_for(self, request: Request) -> Step:
        return self.script.step_for(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is part of the play."""


@contextmanager
def scripted(*steps: Step) -> Iterator[Server]:
    """A server for the time of a `with` block."""
    server = Server(steps)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
