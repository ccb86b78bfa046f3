"""An HTTP/2 server over TLS, as push services are: one that behaves, and the ways it may not."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self

import h2.config
import h2.connection
import h2.errors
import h2.events

LOOPBACK: Final = "127.0.0.1"


class Manner(Enum):
    """How the next request is treated."""

    ANSWER = "answer it"
    ANSWER_AND_PING = "answer it, then ask whether we are still there"
    ANSWER_AND_LEAVE = "answer it, then say goodbye (GOAWAY) and hang up"
    ANSWER_AND_VANISH = "answer it, then hang up without a word"
    REFUSE_STREAM = "refuse it before doing anything"
    SEND_AWAY = "say goodbye, having taken nothing on this connection"
    RESET_STREAM = "break off after reading it"
    HANG_UP = "hang up after reading it"
    HANG = "say nothing"
    TALK_NONSENSE = "answer something that is no HTTP/2"
    ANSWER_WITHOUT_STATUS = "answer a status that is no number"


@dataclass
class FakeHttp2:
    """A server on a port of its own; each request uses up one of the `manners`."""

    tls: ssl.SSLContext
    manners: list[Manner] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    reply_headers: dict[str, str] = field(default_factory=dict)
    reply_body: bytes = b"{}"
    connections: int = 0
    hangs_up_on_arrival: bool = False
    pings_answered: int = 0
    ended: int = 0
    port: int = 0
    _sockets: list[socket.socket] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self.tls.set_alpn_protocols(["h2"])
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        self._in_background(self._accept)
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
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def wait_for_ends(self, count: int) -> None:
        """Until so many conversations have been ended by the server."""
        deadline = time.monotonic() + 5
        while self.ended < count:
            assert time.monotonic() < deadline, "the server did not hang up"
            self._stopping.wait(0.005)

    def _in_background(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            self._in_background(self._serve, sock)

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), self.tls.wrap_socket(plain, server_side=True) as sock:
            self._sockets.append(sock)
            if not self.hangs_up_on_arrival:
                _Conversation(self, sock).run()


class _Conversation:
    """One connection."""

    def __init__(self, server: FakeHttp2, sock: ssl.SSLSocket) -> None:
        self._server = server
        self._sock = sock
        config = h2.config.H2Configuration(client_side=False, validate_outbound_headers=False)
        self._h2 = h2.connection.H2Connection(config)
        self._heads: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, bytes] = {}
        self._is_open = True

    def run(self) -> None:
        self._h2.initiate_connection()
        self._flush()
        while self._is_open and (data := self._sock.recv(65_536)):
            for event in self._h2.receive_data(data):
                self._hear(event)
            self._flush()
        # Closing with something unread would be a reset, and take our last words with it.
        self._sock.shutdown(socket.SHUT_WR)
        self._server.ended += 1
        while self._sock.recv(65_536):
            pass

    def _hear(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            pairs: Any = event.headers
            self._heads[event.stream_id] = {k.decode(): v.decode() for k, v in pairs}
            self._bodies[event.stream_id] = b""
        elif isinstance(event, h2.events.DataReceived):
            self._bodies[event.stream_id] += event.data or b""
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.PingAckReceived):
            self._server.pings_answered += 1
        elif isinstance(event, h2.events.StreamEnded):
            self._treat(event.stream_id)

    def _treat(self, stream: int) -> None:
        manners = self._server.manners
        manner = manners.pop(0) if manners else Manner.ANSWER
        if manner is Manner.REFUSE_STREAM:
            self._h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        if manner is Manner.SEND_AWAY:
            self._h2.close_connection(last_stream_id=0)
            return self._leave()
        self._server.requests.append((self._heads[stream], self._bodies[stream]))
        if manner is Manner.RESET_STREAM:
            self._h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        elif manner is Manner.HANG:
            self._server._stopping.wait()
        elif manner is Manner.HANG_UP:
            self._leave()
        elif manner is Manner.TALK_NONSENSE:
            self._sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        else:
            self._answer(stream, manner)

    def _answer(self, stream: int, manner: Manner) -> None:
        status = "many" if manner is Manner.ANSWER_WITHOUT_STATUS else "200"
        headers = [(":status", status), *self._server.reply_headers.items()]
        self._h2.send_headers(stream, headers)
        body = self._server.reply_body
        while len(body) > (room := self._h2.local_flow_control_window(stream)):
            self._send(stream, body[:room])
            self._flush()
            body = body[room:]
            for event in self._h2.receive_data(self._sock.recv(65_536)):
                if isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                    return
        self._send(stream, body)
        self._h2.end_stream(stream)
        if manner is Manner.ANSWER_AND_PING:
            self._flush()
            self._h2.ping(b"you idle")
        if manner is Manner.ANSWER_AND_LEAVE:
            self._h2.close_connection(last_stream_id=stream)
        if manner in {Manner.ANSWER_AND_LEAVE, Manner.ANSWER_AND_VANISH}:
            self._leave()

    def _send(self, stream: int, body: bytes) -> None:
        size = self._h2.max_outbound_frame_size
        for start in range(0, len(body), size):
            self._h2.send_data(stream, body[start : start + size])

    def _leave(self) -> None:
        self._flush()
        self._is_open = False

    def _flush(self) -> None:
        self._sock.sendall(self._h2.data_to_send())
