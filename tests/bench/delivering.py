"""What leaves the house: the dispatcher against a slow provider, batches, SMTP."""

from __future__ import annotations

import contextlib
import smtplib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from sqlalchemy import text

from senderkit.commands import parse_send
from senderkit.domain import Channel, EmailBody, Mode, Outgoing, Receipt, utc_now
from senderkit.http_client import HttpClient, Request
from senderkit.providers.base import Adapter
from senderkit.providers.emails import read_email
from senderkit.providers.mime import build_email
from senderkit.providers.postmark import PostmarkProvider, build_payload
from senderkit.providers.smtp import SmtpAdapter, connection_fields_from_url, mail_server
from senderkit.providers.smtp_pool import Pool
from senderkit.providers.smtp_sessions import Session
from senderkit.services.sending import Sender
from senderkit.web import create_app
from senderkit.web.runtime import Runtime, runtime_of
from tests.bench.houses import Grounds, Home
from tests.bench.measures import Figure, Options, alternately, at_least, ratios, seconds_of
from tests.bench.sinks import http_sink, postmark_sink, smtp_sink

_WORKERS: Final = 32
_SINK_MILLISECONDS: Final = 20
_CEILING: Final = _WORKERS * 1000 / _SINK_MILLISECONDS
_DISPATCHED: Final = 6_000
_BATCHED: Final = 500
_ONE_BY_ONE: Final = 50
_MAILS: Final = 300
_PATIENCE_SECONDS: Final = 300
_FROM: Final = "Acme <hello@acme.example>"
_WORKSPACE: Final = 1


class _SinkAdapter(Adapter):
    """As small as an adapter over HTTP can be: one JSON request for each message."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/messages"
        self._client = HttpClient(allow_private_addresses=True)

    def send(self, outgoing: Outgoing) -> Receipt:
        payload = {"to": outgoing.recipient, "id": outgoing.message_id}
        reply = self._client.send(Request.post_json(self._url, payload))
        assert reply.status == 200
        return Receipt(outgoing.message_id)

    def check(self) -> None:
        """Nothing to check."""

    def close(self) -> None:
        self._client.close()


# -- the dispatcher ---------------------------------------------------------------------------


def dispatch_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """Live messages that wait already, to a provider that takes 20 ms for each."""
    for database in options.databases:
        home = grounds.home(database)
        with http_sink(_SINK_MILLISECONDS) as port:
            adapter = _SinkAdapter(port)
            rates = tuple(_dispatch_rate(home, 25, adapter) for _ in range(options.rounds))
        name = f"dispatch to a {_SINK_MILLISECONDS} ms provider {database}"
        shares = ratios(rates, [_CEILING] * len(rates))
        yield Figure(name, f"× {_CEILING:,.0f}/s", shares, at_least(0.8))


def http_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """From queued to sent through the adapter of Postmark, beside a bare loop of its client."""
    for database in options.databases:
        home = grounds.home(database)
        with postmark_sink(_SINK_MILLISECONDS) as port, contextlib.closing(_client()) as client:
            adapter = _postmark(port, client)
            seconds = alternately(
                {
                    "dispatched": partial(_dispatch_seconds, home, adapter),
                    "bare": partial(_bare_http_seconds, port, client),
                },
                options.rounds,
            )
        rates = tuple(_DISPATCHED / each for each in seconds["dispatched"])
        yield Figure(f"dispatch through Postmark {database}", "messages/s", rates)
        shares = ratios(seconds["bare"], seconds["dispatched"])
        yield Figure(f"dispatch through Postmark {database}", "× a bare loop", shares)


def _dispatch_seconds(home: Home, adapter: Adapter) -> float:
    return _DISPATCHED / _dispatch_rate(home, 25, adapter)


def _client() -> HttpClient:
    return HttpClient(allow_private_addresses=True)


def _postmark(port: int, client: HttpClient) -> Adapter:
    credentials = {
        "server_token": "a token",
        "from": _FROM,
        "base_url": f"http://127.0.0.1:{port}",
    }
    return PostmarkProvider().connect(credentials, utc_now, client)


def _bare_http_seconds(port: int, client: HttpClient) -> float:
    """As many requests of the same size, by as many threads, with nothing else around them."""
    payload = build_payload(read_email(_mail(1), default_from=_FROM), "outbound")
    request = Request.post_json(f"http://127.0.0.1:{port}/email", payload)

    def send(_number: int) -> None:
        assert client.send(request).status == 200

    def send_all() -> None:
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(send, range(_DISPATCHED)))

    return seconds_of(send_all)


def _dispatch_rate(home: Home, smtp_port: int, adapter: Adapter | None) -> float:
    """Messages a second, from the start of a dispatcher until nothing is due any more."""
    with _opened(home, smtp_port) as runtime:
        if adapter is not None:
            runtime.connections.adapter = lambda route: adapter  # type: ignore[method-assign]
        _accept(runtime, Mode.LIVE, _DISPATCHED)
        began_at = time.perf_counter()
        runtime.dispatcher.start()
        _wait_until_done(runtime)
        return _DISPATCHED / (time.perf_counter() - began_at)


@contextlib.contextmanager
def _opened(home: Home, smtp_port: int = 25) -> Iterator[Runtime]:
    """The parts of an application that does nothing by itself."""
    url = f"smtp://127.0.0.1:{smtp_port}"
    app = create_app(home.settings(SMTP_URL=url, MAIL_FROM=_FROM, WORKERS=str(_WORKERS)))
    try:
        yield runtime_of(app)
    finally:
        runtime_of(app).close()


def _accept(runtime: Runtime, mode: Mode, count: int) -> None:
    """Accept raw sends, many at a time so that they share their commits."""
    body = {"channel": "email", "content": {"subject": "Hello", "html": "<p>Hello</p>"}}
    sender = Sender(_WORKSPACE, mode, None)

    def accept(number: int) -> None:
        one = body | {"to": f"ada{number}@example.com"}
        runtime.sending.accept(
            sender, lambda: parse_send(one, now=utc_now()), idempotency_hash=None, body=b""
        )

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(accept, range(count)))


def _wait_until_done(runtime: Runtime) -> None:
    due = text("SELECT count(*) FROM messages WHERE due_at IS NOT NULL")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with runtime.reader.connect() as connection:
            if connection.execute(due).scalar_one() == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("not everything was delivered in time")


def batch_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """Test messages claimed and completed: many that wait together, against one at a time."""
    for database in options.databases:
        home = grounds.home(database)
        with _opened(home) as runtime:
            seconds = alternately(
                {
                    "batch": lambda: _completed(runtime, _BATCHED) / _BATCHED,
                    "one": lambda: _one_by_one(runtime) / _ONE_BY_ONE,
                },
                options.rounds,
            )
        rates = tuple(1 / each for each in seconds["batch"])
        yield Figure(f"claim and complete in batches {database}", "messages/s", rates)
        times = ratios(seconds["one"], seconds["batch"])
        yield Figure(f"claim and complete in batches {database}", "× one at a time", times)


def _completed(runtime: Runtime, count: int) -> float:
    _accept(runtime, Mode.TEST, count)
    return seconds_of(runtime.dispatcher.run_once)


def _one_by_one(runtime: Runtime) -> float:
    return sum(_completed(runtime, 1) for _ in range(_ONE_BY_ONE))


# -- SMTP -------------------------------------------------------------------------------------


def smtp_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """From queued to sent beside a bare loop of smtplib; then one thread without a queue."""
    for database in options.databases:
        yield from _queued_smtp_figures(options, grounds.home(database), database)
    yield from _kept_smtp_figures(options)


def _queued_smtp_figures(options: Options, home: Home, database: str) -> Iterator[Figure]:
    with smtp_sink() as port:
        seconds = alternately(
            {
                "dispatched": lambda: _DISPATCHED / _dispatch_rate(home, port, None),
                "bare": lambda: _bare_smtp_seconds(port),
            },
            options.rounds,
        )
    rates = tuple(_DISPATCHED / each for each in seconds["dispatched"])
    yield Figure(f"dispatch by SMTP {database}", "messages/s", rates)
    shares = ratios(seconds["bare"], seconds["dispatched"])
    yield Figure(f"dispatch by SMTP {database}", "× a bare loop", shares)


def _bare_smtp_seconds(port: int) -> float:
    """As many mails of the same size, by as many threads with a connection each."""
    content = build_email(_mail(1), default_from=_FROM, at=utc_now()).content

    def send(count: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as server:
            for _ in range(count):
                server.sendmail("hello@acme.example", ["ada@example.com"], content)

    def send_all() -> None:
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(send, _shares_of(_DISPATCHED)))

    return seconds_of(send_all)


def _shares_of(count: int) -> list[int]:
    """How many each worker sends, so that all together send them all."""
    return [len(range(worker, count, _WORKERS)) for worker in range(_WORKERS)]


def _kept_smtp_figures(options: Options) -> Iterator[Figure]:
    """One thread that sends mail: over a connection that is kept, against a new one for each."""
    with smtp_sink() as port:
        kept, anew = _smtp_adapter(port), _smtp_adapter(port, most_messages=1)
        seconds = alternately(
            {"kept": lambda: _send_mails(kept), "anew": lambda: _send_mails(anew)}, options.rounds
        )
        kept.close()
    rates = tuple(_MAILS / each for each in seconds["kept"])
    yield Figure("SMTP, one thread", "messages/s", rates)
    times = ratios(seconds["anew"], seconds["kept"])
    yield Figure("SMTP, one thread", "× a connection each", times, at_least(3))


def _smtp_adapter(port: int, most_messages: int = 100) -> SmtpAdapter:
    server = mail_server(connection_fields_from_url(f"smtp://127.0.0.1:{port}", _FROM))
    pool = Pool(lambda: Session(server), most_messages=most_messages)
    return SmtpAdapter(server, _FROM, utc_now, pool)


def _send_mails(adapter: Adapter) -> float:
    mails = [_mail(number) for number in range(_MAILS)]
    send: Callable[[Outgoing], Receipt] = adapter.send
    return seconds_of(lambda: [send(mail) for mail in mails])


def _mail(number: int) -> Outgoing:
    body = EmailBody("Your receipt", "<p>Thank you, Ada.</p>", "Thank you, Ada.")
    return Outgoing(Mode.LIVE, f"msg_{number:026}", Channel.EMAIL, "ada@example.com", body)
