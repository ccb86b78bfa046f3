"""Sockets: every name is looked up once, its addresses are judged, and every wait has an end.

A `Dialer` opens one connection. It asks the name system once and connects to one of the very
addresses that it judged, so a name that answers differently a moment later gains nothing. TLS and
the `Host` header still name the host, because they come from the URL.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Any, Final

import httpcore2

from senderkit.errors import DestinationRefused, Unavailable
from senderkit.http_client.addresses import IPAddress, check_address

_MOST_EARLY_BYTES: Final = 65_536
_NOBODYS_ADDRESS: Final = "240.0.0.1"
"""Reserved: whoever may bind to it may bind to any, where the system is set up for that."""

_OWN_ADDRESS: Final = "{} is not called: it leads back to this machine."


@dataclass(frozen=True, slots=True)
class Target:
    """One address of a host, as the operating system takes it."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]

    @property
    def address(self) -> IPAddress:
        return ip_address(str(self.sockaddr[0]).partition("%")[0])


Resolver = Callable[[str, int], Sequence[Target]]
"""Every address of a host name, with a port. Raises `OSError` when the name has none."""


def resolve(host: str, port: int) -> list[Target]:
    """Ask the operating system, which reads `0x7f.1` and its like as addresses."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Target(family, sockaddr) for family, _, _, _, sockaddr in found]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may wait, in seconds: to be connected, for each read or write, in all."""

    connect_seconds: float = 10
    read_seconds: float = 20
    total_seconds: float = 30


class Call:
    """The clock of one exchange, and whether its request has left this machine whole."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._ends_at = time.monotonic() + timeouts.total_seconds
        self.has_left = False

    def remaining(self, at_most: float) -> float:
        """Seconds to wait for the next thing, never negative."""
        return max(0.0, min(at_most, self._ends_at - time.monotonic()))

    def connect_wait(self) -> float:
        return self.remaining(self._timeouts.connect_seconds)

    def read_wait(self) -> float:
        return self.remaining(self._timeouts.read_seconds)

    def follow(self, event: str, details: object) -> None:
        """Hear of each step that the library takes."""
        if event.endswith("send_request_headers.started"):
            self.has_left = False
        elif event.endswith("send_request_body.complete"):
            self.has_left = True


class Dialer(httpcore2.NetworkBackend):
    """Opens one connection, for whatever `call` is under way, and keeps its `line`."""

    def __init__(self, resolver: Resolver, *, allow_private: bool) -> None:
        self._resolver = resolver
        self._allow_private = allow_private
        self.call = Call(Timeouts())
        self.line: Line | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Line:
        """Raises `Unavailable`, or `DestinationRefused` when one address may not be called.

        One is enough: a name with a public and a private address is either an attack or a mistake,
        and calling only the public one would make it fail on some days and not on others.
        """
        deadline = _Deadline(self.call.connect_wait())
        targets = self._look_up(host, port, deadline)
        if not self._allow_private:
            for target in targets:
                check_address(host, target.address)
                if is_own(target):
                    raise DestinationRefused(_OWN_ADDRESS.format(host))
        self.line = Line(self._connect(host, targets, deadline), self, host)
        return self.line

    def _look_up(self, host: str, port: int, deadline: _Deadline) -> Sequence[Target]:
        """In a thread of its own, because the system's look-up cannot be cut short."""
        answers: SimpleQueue[Sequence[Target] | OSError] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolver(host, port))
            except OSError as error:
                answers.put(error)

        threading.Thread(target=ask, name="look-up", daemon=True).start()
        try:
            answer = answers.get(timeout=deadline.remaining())
        except Empty:
            raise Unavailable(f"The name {host} could not be looked up in time.") from None
        if isinstance(answer, OSError) or not answer:
            raise Unavailable(f"The name {host} could not be looked up.")
        return list(dict.fromkeys(answer))

    def _connect(self, host: str, targets: Sequence[Target], deadline: _Deadline) -> socket.socket:
        """To the first that answers; each gets its share of the time that is left."""
        reason = "no answer in time"
        for position, target in enumerate(targets):
            sock = socket.socket(target.family, socket.SOCK_STREAM)
            try:
                sock.settimeout(_positive(deadline.remaining() / (len(targets) - position)))
                sock.connect(target.sockaddr)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except TimeoutError:
                sock.close()
            except OSError as error:
                sock.close()
                reason = os.strerror(error.errno) if error.errno else "connection failed"
            else:
                return sock
        raise Unavailable(f"{host} cannot be reached: {reason}.")


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def remaining(self) -> float:
        return max(0.0, self._ends_at - time.monotonic())


class Line(httpcore2.NetworkStream):
    """One open connection. Each wait is as long as the call that is under way allows."""

    def __init__(self, sock: socket.socket, dialer: Dialer, host: str) -> None:
        self._sock = sock
        self._dialer = dialer
        self._host = host
        self._early = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._early:
            data, self._early = self._early[:max_bytes], self._early[max_bytes:]
            return data
        with _as(httpcore2.ReadTimeout, httpcore2.ReadError):
            self._sock.settimeout(_positive(self._dialer.call.read_wait()))
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        with _as(httpcore2.WriteTimeout, httpcore2.WriteError):
            while rest:
                self._sock.settimeout(_positive(self._dialer.call.read_wait()))
                rest = rest[self._sock.send(rest) :]

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Line:
        """Raises `Unavailable`."""
        with _tls_faults(self._host, self._sock):
            self._sock.settimeout(_positive(self._dialer.call.connect_wait()))
            self._sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        return self

    def get_extra_info(self, info: str) -> Any:
        is_encrypted = isinstance(self._sock, ssl.SSLSocket)
        return self._sock if info == "ssl_object" and is_encrypted else None

    def is_reusable(self) -> bool:
        """Whether an idle connection can take another request.

        What an HTTP/2 server said in the meantime is kept for the next read; on HTTP/1.1 a server
        that speaks without being asked is not to be trusted.
        """
        try:
            self._sock.settimeout(0)
            while data := self._sock.recv(_MOST_EARLY_BYTES):
                self._early += data
                if not self._is_http2() or len(self._early) > _MOST_EARLY_BYTES:
                    return False
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def _is_http2(self) -> bool:
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.selected_alpn_protocol() == "h2"


def _positive(seconds: float) -> float:
    """Zero would mean "do not wait" to a socket; time that is up shall mean "time out"."""
    return max(seconds, 0.001)


def is_own(target: Target) -> bool:
    """Whether this machine itself has that address. Nothing is sent to find out."""
    address = str(target.sockaddr[0])
    if _source_of_calls_to(target) == address:
        return True
    # One of several IPv4 addresses on a network is called from the first of them.
    may_have_it = target.family is socket.AF_INET and _may_bind(address)
    return may_have_it and not _may_bind(_NOBODYS_ADDRESS)


def _source_of_calls_to(target: Target) -> str | None:
    with socket.socket(target.family, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(target.sockaddr)  # of a datagram socket: chooses a route, sends nothing
        return str(probe.getsockname()[0])
    return None


def _may_bind(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.bind((address, 0))
        return True
    return False


@contextmanager
def _as(timeout: type[Exception], error: type[Exception]) -> Iterator[None]:
    """Say what a socket throws in the library's words, without repeating its own."""
    try:
        yield
    except TimeoutError:
        raise timeout from None
    except OSError:
        raise error from None


@contextmanager
def _tls_faults(host: str, sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sock.close()
        raise Unavailable(_tls_words(host, error)) from None


def _tls_words(host: str, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"{host} did not answer in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {host} is not trusted: {error.verify_message}"
    is_hang_up = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    if isinstance(error, ssl.SSLError) and error.reason and not is_hang_up:
        return f"TLS with {host} failed: {error.reason.lower().replace('_', ' ')}."
    return f"{host} hung up during the TLS handshake."
