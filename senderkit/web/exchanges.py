"""What is noted of each request once it is answered: figures, a span, and a line in the log.

The front begins an exchange and ends it when the answer goes out, which for a send is after its
commit. Under a server that is not ours the application does both itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import structlog

from senderkit.metrics import UNKNOWN_ROUTE, Metrics
from senderkit.web.extensions import current_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from senderkit.tracing import Span, Tracing

_log = structlog.get_logger(__name__)

_EXCHANGE: Final = "senderkit.exchange"
"""In the WSGI environment: the `Exchange`, once somebody has begun it."""
_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_OTHER_METHOD: Final = "other"


class Exchange:
    """One request and its answer, from `Watch.begin` to `end`."""

    __slots__ = (
        *("_began", "_is_ended", "_method", "_span", "_watch"),
        *("request_id", "route", "signature"),
    )

    def __init__(self, watch: Watch, method: str, span: Span | None) -> None:
        self._watch = watch
        self._method = method
        self._span = span
        self._began = time.perf_counter()
        self._is_ended = False
        self.route: str | None = None
        self.request_id = ""
        self.signature: dict[str, str] = {}

    def end(self, status: int) -> None:
        """It is answered; what happens after its first end is no matter of the answer's."""
        if self._is_ended:
            return
        self._is_ended = True
        seconds = time.perf_counter() - self._began
        self._watch.metrics.request(self._method, self.route, status, seconds)
        if self._span is not None:
            self._end_span(self._span, status)
        if self._watch.logs_access:
            self._log(status, seconds)

    def _log(self, status: int, seconds: float) -> None:
        _log.info(
            "request",
            method=self._method,
            route=self.route or UNKNOWN_ROUTE,
            status=status,
            duration_ms=round(seconds * 1000, 1),
            request_id=self.request_id,
            **self.signature,
        )

    def _end_span(self, span: Span, status: int) -> None:
        found: dict[str, str | int] = {
            "http.request.method": self._method,
            "http.route": self.route or UNKNOWN_ROUTE,
            "http.response.status_code": status,
            "senderkit.request.id": self.request_id,
        }
        name = f"{self._method} {self.route}" if self.route else self._method
        span.end(found, name=name, fault=str(status) if status >= 500 else "")


class Watch:
    """Begins exchanges. `logs_access` says whether each one becomes a line in the log."""

    def __init__(self, metrics: Metrics, tracing: Tracing | None, *, logs_access: bool) -> None:
        self.metrics = metrics
        self.logs_access = logs_access
        self._tracing = tracing

    def begin(self, environ: WSGIEnvironment) -> Exchange:
        """A request has come in, and is about to be answered."""
        given: str = environ["REQUEST_METHOD"]
        method = given if given in _METHODS else _OTHER_METHOD
        span = None
        if self._tracing is not None:
            span = self._tracing.request(method, environ.get("HTTP_TRACEPARENT"))
        exchange = environ[_EXCHANGE] = Exchange(self, method, span)
        return exchange


class Watched:
    """The WSGI application around Flask that watches what no front of ours has begun to watch."""

    def __init__(self, app: WSGIApplication, watch: Watch) -> None:
        self._app = app
        self._watch = watch

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _EXCHANGE in environ:
            return self._app(environ, start_response)
        exchange = self._watch.begin(environ)
        statuses = [500]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
            statuses.append(int(status[:3]))
            return start_response(status, headers, exc_info)

        try:
            return self._app(environ, start)
        finally:
            exchange.end(statuses[-1])


def note_request(request_id: str) -> None:
    """Tell the exchange of this request which route it takes, and its id."""
    asked = current_request()
    exchange: Exchange = asked.environ[_EXCHANGE]
    exchange.request_id = request_id
    if asked.url_rule is not None:
        exchange.route = asked.url_rule.rule


def note_key(public_id: str) -> None:
    """Tell it whose request this is: an app's."""
    _exchange().signature = {"key_id": public_id}


def note_member(public_id: str) -> None:
    """Tell it whose request this is: a person's."""
    _exchange().signature = {"member_id": public_id}


def _exchange() -> Exchange:
    exchange: Exchange = current_request().environ[_EXCHANGE]
    return exchange
