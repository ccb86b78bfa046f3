"""The async front: one process, granian's event loop in front, Flask in a pool of threads behind.

Requests are taken in whole by the event loop (see `intake`), then run by Flask in one of the pool's
threads. What must stay open for long is served by the loop itself and needs no thread at all (see
`streams`): the front was chosen for that.
"""

from __future__ import annotations

import asyncio
import gc
import io
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from queue import SimpleQueue
from typing import Any, Final
from urllib.parse import quote

import structlog
from flask import Flask, Response
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from senderkit.acceptance import WAIT_SECONDS
from senderkit.errors import ApiError, InvalidRequest
from senderkit.metrics import UNKNOWN_ROUTE, Metrics
from senderkit.web.auth import is_api_path, read_key
from senderkit.web.bodies import BODY_FAULT
from senderkit.web.deferral import DEFERRAL, Deferral
from senderkit.web.exchanges import Exchange, Watch
from senderkit.web.intake import Intake, Taken
from senderkit.web.key_reads import KEY_READ, KeyReads
from senderkit.web.parts import Parts, PartSender, find_parts
from senderkit.web.runtime import Runtime, runtime_of
from senderkit.web.streams.opening import HANDOVER, Handover
from senderkit.web.streams.writing import Streams

_log = structlog.get_logger(__name__)

_MOST_CONNECTIONS: Final = 8192
"""Open at the same time, idle ones included; granian would close every one beyond 128."""
_BACKLOG: Final = 1024
_ONCE: Final = "idempotency-key"
_BODYLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_STREAMED: Final = frozenset({"GET", "HEAD"})
_SENDS: Final = frozenset({"/v1/send", "/v1/send-raw"})
_SEND_THREADS: Final = 2
"""For sends with small bodies, which wait for nothing: more threads would only take turns."""

_STOPPING_SECONDS: Final = 25
"""How long requests under way may take to end, and readers to take their answers."""

_PART_THREADS: Final = 2
"""For the parts of answers that are made while they are sent."""

Job = Callable[[], Any]
Answer = tuple[int, list[tuple[str, str]], bytes | Parts]


class ThreadPool:
    """A fixed number of threads that answer to one event loop.

    Finished jobs are handed back in bunches, with one wake-up of the loop for all that wait.
    """

    def __init__(self, threads: int, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[tuple[asyncio.Future[Any], Job] | None] = SimpleQueue()
        self._finished: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        self._lock = threading.Lock()
        self._is_scheduled = False
        self._threads = [
            threading.Thread(target=self._work, name=f"request-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, job: Job) -> asyncio.Future[Any]:
        """A future of what `job` returns; called in the loop's thread only."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((future, job))
        return future

    def close(self) -> None:
        """Finish what is queued, end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            future, job = item
            try:
                self.settle(future, job())
            except Exception as error:  # noqa: BLE001 - raised again in the loop
                self.settle(future, None, error)

    def settle(
        self, future: asyncio.Future[Any], value: Any, error: BaseException | None = None
    ) -> None:
        """End a future of the loop's, from any thread."""
        if self._loop.is_closed():
            return  # the server has ended, and with it whoever waited
        with self._lock:
            self._finished.append((future, value, error))
            if self._is_scheduled:
                return
            self._is_scheduled = True
        self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        with self._lock:
            finished, self._finished = self._finished, []
            self._is_scheduled = False
        for future, value, error in finished:
            if future.done():  # nobody waits for it any more
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)


class Front:
    """The RSGI application that granian calls.

    An application of somebody else's, without `at_hand`, is watched for nothing and has no streams.
    """

    def __init__(
        self, app: Flask, threads: int, loop: asyncio.AbstractEventLoop, at_hand: Runtime | None
    ) -> None:
        self._app = app
        self._loop = loop
        self._pool = ThreadPool(threads, loop)
        self._sends = ThreadPool(_SEND_THREADS, loop)
        self._part_makers = ThreadPool(_PART_THREADS, loop)
        self._parts = PartSender(self._part_makers.run)
        self._keys = KeyReads(partial(read_key, app), loop)
        self._intake = Intake(loop, self._knows_key)
        if at_hand is None:
            self._watch, self._streams = Watch(Metrics(), None, logs_access=False), None
        else:
            self._watch = at_hand.watch
            self._streams = Streams(at_hand.hub, self._pool.run, loop)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.method in _BODYLESS:
            await self._answer(scope, protocol, Taken())
            return
        taken = await self._intake.take(scope, protocol)
        try:
            await self._answer(scope, protocol, taken)
        finally:
            self._intake.give_back(taken)

    async def _answer(self, scope: Any, protocol: Any, taken: Taken) -> None:
        environ = _environ(scope, taken.body)
        environ[BODY_FAULT] = taken.fault or _find_header_fault(scope.headers)
        exchange = self._watch.begin(environ)
        try:
            if self._streams is not None and scope.method in _STREAMED:
                await self._answer_or_stream(self._streams, environ, scope, protocol, exchange)
            else:
                await self._answer_whole(environ, taken, protocol, exchange)
        except Exception:
            # Flask answers its own errors. The server answers what comes this far with a bare 500,
            # or cuts off what has begun, and tells nobody.
            names = {"method": scope.method, "route": exchange.route or UNKNOWN_ROUTE}
            _log.exception("answer_failed", request_id=exchange.request_id, **names)
            exchange.end(HTTPStatus.INTERNAL_SERVER_ERROR)
            raise

    async def _answer_whole(
        self, environ: dict[str, Any], taken: Taken, protocol: Any, exchange: Exchange
    ) -> None:
        status, headers, content = await self._answer_of(environ, taken)
        if taken.fault is not None:
            # The rest of the body may still come: the connection cannot be used again.
            headers.append(("connection", "close"))
        await self._respond(protocol, status, headers, content)
        exchange.end(status)

    async def _respond(
        self, protocol: Any, status: int, headers: list[tuple[str, str]], content: bytes | Parts
    ) -> None:
        if isinstance(content, Parts):
            await self._parts.send(protocol, status, headers, content)
        else:
            protocol.response_bytes(status, headers, content)

    async def _answer_or_stream(
        self,
        streams: Streams,
        environ: dict[str, Any],
        scope: Any,
        protocol: Any,
        exchange: Exchange,
    ) -> None:
        """A stream is answered once its head goes out: how long it lasts says nothing of us."""
        handover = environ[HANDOVER] = Handover()
        try:
            status, headers, content = await self._answer_of(environ, Taken())
            if handover.opened is not None and status == HTTPStatus.OK:
                exchange.end(status)
                await streams.write(handover.opened, scope, protocol, headers)
            else:
                exchange.end(status)
                await self._respond(protocol, status, headers, content)
        finally:
            handover.close()

    async def _answer_of(self, environ: dict[str, Any], taken: Taken) -> Answer:
        if is_api_path(environ["PATH_INFO"]):
            return await self._answer_of_api(environ, taken)
        return await self._run(environ)

    async def _answer_of_api(self, environ: dict[str, Any], taken: Taken) -> Answer:
        authorization = environ.get("HTTP_AUTHORIZATION")
        if authorization:
            environ[KEY_READ] = await self._keys.read(authorization)
        if environ["PATH_INFO"] in _SENDS and not taken.reserved:
            return await self._answer_of_send(environ)
        return await self._run(environ)

    async def _answer_of_send(self, environ: dict[str, Any]) -> Answer:
        done: asyncio.Future[None] = self._loop.create_future()
        deferral = environ[DEFERRAL] = Deferral(partial(self._sends.settle, done, None))
        answer: Answer = await self._sends.run(lambda: _run_wsgi(self._app, environ))
        return await self._hold_back(answer, deferral, done) if deferral.is_holding else answer

    async def _hold_back(
        self, answer: Answer, deferral: Deferral, done: asyncio.Future[None]
    ) -> Answer:
        """The answer once its send is durable, or the one to give in its place."""
        patience = self._loop.call_later(WAIT_SECONDS, _end, done)
        await done
        patience.cancel()
        other = deferral.find_other_answer()
        return answer if other is None else _in_place_of(answer, other)

    def _run(self, environ: dict[str, Any]) -> asyncio.Future[Answer]:
        return self._pool.run(lambda: _run_wsgi(self._app, environ))

    async def _knows_key(self, authorization: str) -> bool:
        """For a look before a large body. What happened to the database the guard will say."""
        return await self._keys.read(authorization) is not None

    async def end_streams(self) -> None:
        """Nothing else would end them, and the server waits for each open answer."""
        self._parts.stop()
        if self._streams is not None:
            await self._streams.close()

    def close(self) -> None:
        """Finish what is queued, end the threads."""
        for part in (self._keys, self._sends, self._part_makers, self._pool):
            part.close()


def _end(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _in_place_of(prepared: Answer, other: Response) -> Answer:
    """Another answer with the headers that all answers have, taken from the one it replaces."""
    own = [(name.lower(), value) for name, value in other.headers.items()]
    names = {name for name, _ in own}
    usual = [(name, value) for name, value in prepared[1] if name not in names]
    return other.status_code, [*own, *usual], other.get_data()


def _environ(scope: Any, body: bytes) -> dict[str, Any]:
    host, _, port = scope.server.rpartition(":")
    version = "1.0" if scope.http_version == "1" else scope.http_version
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "RAW_URI": quote(scope.path),
        "QUERY_STRING": scope.query_string.encode("utf-8", "surrogateescape").decode("latin-1"),
        "SERVER_NAME": host or "127.0.0.1",
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": f"HTTP/{version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    _add_headers(environ, scope.headers.items())
    if scope.authority and "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority
    return environ


def _find_header_fault(headers: Any) -> ApiError | None:
    """granian hides values that are not ASCII; without its key a repeated send goes out twice."""
    if _ONCE in headers and headers.get(_ONCE) is None:
        return InvalidRequest("The Idempotency-Key header must be ASCII text.")
    return None


def _add_headers(environ: dict[str, Any], headers: Iterable[tuple[str, str]]) -> None:
    """Names in capitals; a repeated one is joined by a comma, as a gateway may."""
    for name, value in headers:
        if "_" in name or name in {"content-length", "transfer-encoding"}:
            continue  # `X_Real` must not pass for `X-Real`; the length is that of what was read
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value


def _run_wsgi(app: Flask, environ: dict[str, Any]) -> Answer:
    started: list[tuple[int, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [(int(status[:3]), [(name.lower(), value) for name, value in headers])]
        return None

    parts = app.wsgi_app(environ, start_response)
    stream = find_parts(environ, parts)
    if stream is not None:
        return *started[0], stream
    try:
        content = b"".join(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    status, headers = started[0]
    return status, headers, content


async def serve_flask(
    app: Flask, host: str, port: int, threads: int, at_hand: Runtime | None = None
) -> None:
    """Serve any Flask application until SIGTERM or SIGINT; `at_hand` is what ours has."""
    loop = asyncio.get_running_loop()
    front = Front(app, threads, loop, at_hand)
    gc.collect()
    gc.freeze()  # what is there now stays: no collection need look at it
    server = Server(
        front,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_MOST_CONNECTIONS,
        log_enabled=False,
    )
    # Not loop.add_signal_handler: asyncio hands signals through the pipe that wakes the loop, and
    # drops what finds the pipe full of wake-ups.
    is_stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(is_stopping.set))
    stopping = loop.create_task(_stop(is_stopping, front, server))
    server.workers_kill_timeout = _STOPPING_SECONDS
    try:
        await server.serve()
    except TimeoutError:
        _log.warning("connections_cut_off", seconds=_STOPPING_SECONDS)
    finally:
        stopping.cancel()
        front.close()


async def _stop(is_stopping: asyncio.Event, front: Front, server: Server) -> None:
    await is_stopping.wait()
    await front.end_streams()
    server.stop()  # type: ignore[no-untyped-call]


def serve(app: Flask, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted. One process, no children."""
    at_hand = runtime_of(app)
    at_hand.start()
    try:
        asyncio.run(serve_flask(app, host, port, at_hand.settings.threads, at_hand))
    finally:
        at_hand.close()
