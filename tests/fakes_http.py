"""An HTTP server that stands in for a provider: it answers as told and keeps what it was asked.

::

    with FakeProvider() as provider:
        provider.answer("POST /email", Answer(json={"MessageID": "1"}))
        provider.answer("POST /email", Answer(429, headers={"Retry-After": "30"}), times=1)
        ...
        assert provider.requests_to("POST /email")[0].json["To"] == "ada@example.com"
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from enum import Enum
from fnmatch import fnmatchcase
from functools import cached_property
from types import TracebackType
from typing import Any, BinaryIO, Final, Self
from urllib.parse import parse_qsl, unquote

LOOPBACK: Final = "127.0.0.1"
_CLOSE_BY_RESET: Final = struct.pack("ii", 1, 0)


class Trouble(Enum):
    """What may happen in place of an answer."""

    LOSE_REPLY = "read the request whole, then hang up"
    RESET = "read the request whole, then reset the connection"
    RESET_BEFORE_BODY = "read the head only, then reset the connection"
    HANG = "read the request whole, then say nothing"


@dataclass(frozen=True)
class Answer:
    """One reply. `json` fills the body; `delay_seconds` pass before it, `drip_seconds` between its
    bytes. With `cut_at` the connection ends after so many bytes of a body announced whole."""

    status: int = 200
    json: Any = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    drip_seconds: float = 0
    cut_at: int | None = None

    @property
    def content(self) -> bytes:
        return self.body if self.json is None else json.dumps(self.json).encode()

    @property
    def head(self) -> bytes:
        headers = {"Content-Length": str(len(self.content))}
        if self.json is not None:
            headers["Content-Type"] = "application/json"
        lines = [f"{name}: {value}" for name, value in (headers | dict(self.headers)).items()]
        return "\r\n".join([f"HTTP/1.1 {self.status} Fake", *lines, "", ""]).encode("latin-1")


@dataclass(frozen=True)
class Recorded:
    """One request exactly as it came. `head` ends before the empty line."""

    head: bytes
    body: bytes

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines of the head on the wire, the request line first."""
        return self.head.split(b"\r\n")

    @property
    def method(self) -> str:
        return self.lines[0].split(b" ")[0].decode("ascii")

    @property
    def target(self) -> str:
        return self.lines[0].split(b" ")[1].decode("ascii")

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @cached_property
    def headers(self) -> dict[str, str]:
        """By lower-case name; fails on one that came twice."""
        pairs = [line.decode("latin-1").split(":", 1) for line in self.lines[1:]]
        headers = {name.lower(): value.strip() for name, value in pairs}
        assert len(headers) == len(pairs), f"a header came twice: {self.head!r}"
        return headers

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].partition(";")[0] == "application/json"
        return json.loads(self.body)

    @property
    def form(self) -> list[tuple[str, str]]:
        assert self.headers["content-type"] == "application/x-www-form-urlencoded"
        return parse_qsl(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)

    @property
    def parts(self) -> list[tuple[str, Message]]:
        """The parts of a multipart form, by the field's name."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        form = message_from_bytes(head + self.body)
        assert form.get_content_type() == "multipart/form-data"
        assert not form.defects
        found: list[Any] = form.get_payload()  # type: ignore[assignment]
        return [(part.get_param("name", header="content-disposition"), part) for part in found]


Reply = Answer | Trouble | Callable[[Recorded], Answer | Trouble]


@dataclass
class _Rule:
    pattern: str
    reply: Reply
    times: int | None

    def applies_to(self, request: Recorded) -> bool:
        return self.times != 0 and fnmatchcase(f"{request.method} {request.path}", self.pattern)


@dataclass
class FakeProvider:
    """A server on a port of its own, for as many connections as come. `tls` encrypts it."""

    tls: ssl.SSLContext | None = None
    host: str = LOOPBACK
    port: int = 0
    requests: list[Recorded] = field(default_factory=list)
    connections: int = 0
    _rules: list[_Rule] = field(default_factory=list)
    _sockets: set[socket.socket] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def answer(self, pattern: str, reply: Reply, *, times: int | None = None) -> None:
        """How to answer `POST /email`, or `POST /3/device/*`; the newest rule counts first.

        With `times` the rule is used up after so many requests. What no rule fits is a 404.
        """
        with self._lock:
            self._rules.insert(0, _Rule(pattern, reply, times))

    def requests_to(self, pattern: str) -> list[Recorded]:
        with self._lock:
            rule = _Rule(pattern, Answer(), None)
            return [request for request in self.requests if rule.applies_to(request)]

    def drop_connections(self) -> None:
        """Close every open connection, as a server does with idle ones."""
        with self._lock:
            for sock in self._sockets:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=128)
        self.port = self._listener.getsockname()[1]
        self._stopping.clear()
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        for thread in list(self._threads):
            thread.join(5)

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        with self._lock:
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._sockets.add(sock)
            self._start(self._serve, sock)

    def _serve(self, plain: socket.socket) -> None:
        sock = plain
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._sockets.add(sock)
            with sock.makefile("rb") as stream:
                while not self._stopping.is_set() and self._serve_one(sock, stream):
                    pass
        except OSError:
            pass  # the client hung up, or we did
        finally:
            with self._lock:
                self._sockets -= {plain, sock}
            sock.close()

    def _serve_one(self, sock: socket.socket, stream: BinaryIO) -> bool:
        """One request; returns whether the connection may serve another."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return False
            head += line
        request = Recorded(head[:-4], b"")
        reply = self._reply_to(request)
        if reply is Trouble.RESET_BEFORE_BODY:
            return self._make_trouble(sock, reply)
        request = Recorded(head[:-4], stream.read(int(request.headers.get("content-length", 0))))
        with self._lock:
            self.requests.append(request)
        if callable(reply):
            reply = reply(request)
        if isinstance(reply, Trouble):
            return self._make_trouble(sock, reply)
        return self._send(sock, reply, has_body=request.method != "HEAD")

    def _reply_to(self, request: Recorded) -> Reply:
        with self._lock:
            for rule in self._rules:
                if rule.applies_to(request):
                    rule.times = rule.times and rule.times - 1
                    return rule.reply
        return Answer(404, json={"fake": f"nothing answers {request.method} {request.path}"})

    def _make_trouble(self, sock: socket.socket, trouble: Trouble) -> bool:
        if trouble is Trouble.HANG:
            self._stopping.wait()
        elif trouble is not Trouble.LOSE_REPLY:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_BY_RESET)
        return False

    def _send(self, sock: socket.socket, answer: Answer, *, has_body: bool) -> bool:
        self._stopping.wait(answer.delay_seconds)
        content = answer.content[: answer.cut_at] if has_body else b""
        if not answer.drip_seconds:
            sock.sendall(answer.head + content)
        else:
            sock.sendall(answer.head)
            for position in range(len(content)):
                sock.sendall(content[position : position + 1])
                self._stopping.wait(answer.drip_seconds)
        return answer.cut_at is None
