"""The client: a request in, a reply out, or an error that says whether anything was handed over."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

import h2.errors
import h2.events
import h2.exceptions
import httpcore2
import httpx2

from senderkit import __version__
from senderkit.errors import AccountBroken, DeliveryError, OutcomeUnknown, Unavailable
from senderkit.http_client.addresses import parse_destination
from senderkit.http_client.messages import Reply, Request
from senderkit.http_client.network import Call, Dialer, Resolver, Timeouts, resolve
from senderkit.http_client.pool import Connection, Pool

USER_AGENT: Final = f"SenderKit/{__version__}"
MOST_REPLY_BYTES: Final = 1_000_000
USUAL_TIMEOUTS: Final = Timeouts()

_IDLE_SECONDS: Final = 4.0
_HTTP2_IDLE_SECONDS: Final = 600.0

_OWN_HEADERS: Final = frozenset(
    {
        *("host", "user-agent", "accept-encoding", "content-length", "transfer-encoding"),
        *("connection", "te", "trailer", "upgrade", "expect", "cookie"),
    }
)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")

_FAULTS: Final = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.ConnectionNotAvailable,
    h2.exceptions.H2Error,
    ValueError,  # what the library makes of a status that is no number
)

for _name in ("httpcore2", "httpx2", "h2", "hpack"):
    # At DEBUG these write every header into the log, tokens included.
    logging.getLogger(_name).setLevel(logging.WARNING)


class NothingTaken(Unavailable):
    """The server hung up, or sent us away, before it had the whole request."""


class HttpClient:
    """The one way out over HTTP. One object serves every thread and keeps its connections.

    It calls public hosts by https only, unless `allow_private_addresses`. It follows no redirect,
    keeps no cookie, takes no proxy from the environment and unpacks no compressed body. A reply is
    read up to `most_reply_bytes`; what is longer comes cut.
    """

    def __init__(
        self,
        *,
        allow_private_addresses: bool = False,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        most_reply_bytes: int = MOST_REPLY_BYTES,
        resolver: Resolver = resolve,
    ) -> None:
        self._allow_private = allow_private_addresses
        self._timeouts = timeouts
        self._most_reply_bytes = most_reply_bytes
        self._resolver = resolver
        # A server hangs up on an idle connection when it likes, and over HTTP/1.1 a request that
        # is on its way then is in doubt: so we hang up first (common limits begin at 5 seconds).
        # Over HTTP/2 a server says which requests it did not take.
        self._pool = Pool(self._new_dialer, http2=False, idle_seconds=_IDLE_SECONDS)
        self._http2_pool = Pool(self._new_dialer, http2=True, idle_seconds=_HTTP2_IDLE_SECONDS)

    def send(self, request: Request, timeouts: Timeouts | None = None) -> Reply:
        """One call, within its time limits. Whatever the server answers is a reply.

        Raises `DestinationRefused` when the address is not one to be called, `Unavailable` when
        the server cannot have taken the request, and `OutcomeUnknown` when it may have: the
        request had left whole, and no reply or only a part of a success came back. A request that
        changes nothing is never in doubt.
        """
        url = parse_destination(request.url, allow_private=self._allow_private)
        call = Call(timeouts or self._timeouts)
        exchange = _Exchange(request, url, call, self._most_reply_bytes)
        pool = self._http2_pool if request.http2 else self._pool
        with pool.place(call):
            idle = pool.find_idle(exchange.origin)
            if idle is not None:
                # It may have been closed by the server an instant ago: one fresh try.
                with suppress(NothingTaken):
                    return exchange.run(idle, pool)
            return exchange.run(pool.fresh(exchange.origin), pool)

    def check_url(self, url: str) -> None:
        """Raises `DestinationRefused` for what this client would not call, as far as the URL tells.

        Where its name leads to is judged with each call.
        """
        parse_destination(url, allow_private=self._allow_private)

    def close(self) -> None:
        """Let go of idle connections. A call that is under way still ends well."""
        self._pool.close()
        self._http2_pool.close()

    def _new_dialer(self) -> Dialer:
        return Dialer(self._resolver, allow_private=self._allow_private)


class _Exchange:
    """One request on its way: what it needs to be said again on another connection."""

    def __init__(
        self, request: Request, url: httpx2.URL, call: Call, most_reply_bytes: int
    ) -> None:
        self._url = url
        self._host = url.raw_host.decode("ascii")
        self._call = call
        self._changes_nothing = request.changes_nothing
        self._status_is_enough = request.status_is_enough
        self._most_reply_bytes = most_reply_bytes
        self._wire = httpcore2.Request(
            request.method,
            httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=list(_wire_headers(request, url)),
            content=request.body,
            extensions={"trace": call.follow, "sni_hostname": self._host.removesuffix(".")},
        )
        self.origin = self._wire.url.origin

    def run(self, connection: Connection, pool: Pool) -> Reply:
        try:
            reply = self._run(connection)
        except BaseException:
            connection.close()
            raise
        if reply.is_whole:
            pool.give_back(connection)
        else:
            connection.close()
        return reply

    def _run(self, connection: Connection) -> Reply:
        # Never chained: the library's errors quote what the server said.
        try:
            response = connection.exchange(self._wire, self._call)
        except _FAULTS as error:
            raise self._fault(error) from None
        body, fault = self._read(response)
        is_success = 200 <= response.status < 300
        if fault is not None and is_success and not self._status_is_enough:
            raise self._fault(fault) from None
        is_whole = fault is None and len(body) <= self._most_reply_bytes
        return Reply(
            response.status,
            _headers_of(response),
            bytes(body[: self._most_reply_bytes]),
            is_whole,
        )

    def _read(self, response: httpcore2.Response) -> tuple[bytearray, Exception | None]:
        """The body up to a little beyond the limit, and what stopped it before its end."""
        body = bytearray()
        try:
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > self._most_reply_bytes:
                    break
            response.close()
        except _FAULTS as error:
            return body, error
        return body, None

    def _fault(self, error: Exception) -> DeliveryError:
        is_late = isinstance(error, httpcore2.TimeoutException)
        if _was_not_taken(error):
            return NothingTaken(f"{self._host} sent us away before it took the request.")
        if self._call.has_left and not self._changes_nothing:
            how = "did not come in time" if is_late else "was lost"
            return OutcomeUnknown(
                f"The request was handed over, but the reply of {self._host} {how}."
            )
        if is_late:
            return Unavailable(f"{self._host} did not answer in time.")
        return NothingTaken(f"{self._host} hung up without an answer.")


def _was_not_taken(error: Exception) -> bool:
    """Whether an HTTP/2 server promises that it did nothing with the request."""
    if isinstance(error, httpcore2.ConnectionNotAvailable):
        return True
    event = error.args[0] if error.args else None
    if isinstance(event, h2.events.StreamReset):
        return event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM
    return isinstance(event, h2.events.ConnectionTerminated) and event.last_stream_id == 0


def _wire_headers(request: Request, url: httpx2.URL) -> Iterator[tuple[bytes, bytes]]:
    """Raises `AccountBroken` for a value that no header can carry, such as a mistyped token."""
    yield b"Host", url.netloc
    yield b"User-Agent", USER_AGENT.encode("ascii")
    yield b"Accept-Encoding", b"identity"
    for name, value in request.headers.items():
        if name.lower() in _OWN_HEADERS or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"the header {name!r} is not a request's to set")
        if not _HEADER_VALUE.fullmatch(value):
            raise AccountBroken(f"The {name} header would hold more than plain ASCII characters.")
        yield name.encode("ascii"), value.encode("ascii")
    if request.body is not None:
        yield b"Content-Length", str(len(request.body)).encode("ascii")


def _headers_of(response: httpcore2.Response) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
