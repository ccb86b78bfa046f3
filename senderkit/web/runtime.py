"""Everything an application has at hand, wired once: engines, services, background threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from flask import Flask, current_app
from sqlalchemy import Engine

from senderkit import __version__
from senderkit.acceptance import AcceptanceWriter
from senderkit.calls import Calls
from senderkit.crypto import Signer, Vault, new_secret
from senderkit.database import single_reads
from senderkit.dispatcher import Dispatcher
from senderkit.domain import Clock
from senderkit.errors import SettingsError
from senderkit.followers import Followers
from senderkit.http_client import HttpClient
from senderkit.metrics import Metrics
from senderkit.services.api_keys import UsageRecorder
from senderkit.services.breakers import Breakers
from senderkit.services.channels import Channels
from senderkit.services.compiled import CompiledVersions
from senderkit.services.connections import Connections
from senderkit.services.early_reports import EarlyReports
from senderkit.services.key_limits import KeyLimits
from senderkit.services.login_limits import LoginLimits
from senderkit.services.preparing import Preparing
from senderkit.services.receipts import ReceiptPoller
from senderkit.services.resending import Resending
from senderkit.services.rollups import Rollups
from senderkit.services.search_documents import SearchDocuments
from senderkit.services.sending import Sending
from senderkit.services.team_mail import TeamMail
from senderkit.services.webhook_endpoints import WebhookEndpoints
from senderkit.settings import Settings, kept_encryption_keys
from senderkit.web.exchanges import Watch
from senderkit.web.streams.hub import Hub
from senderkit.webhook_calls import MOST_REPLY_BYTES, TIMEOUTS
from senderkit.webhook_dispatcher import WebhookDispatcher

if TYPE_CHECKING:
    from senderkit.tracing import Tracing

_EXTENSION: Final = "senderkit"
_UNSUBSCRIBE_SALT: Final = "unsubscribe"
_KEY_FORM_SALT: Final = "key-form"
UNSUBSCRIBE_PATH: Final = "/unsubscribe"
_NO_TRACING: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, and the library for them is not installed ({}): "
    "pip install 'senderkit-server[otel]', or set OTEL_SDK_DISABLED=true."
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of one application. `reader` is `engine` for single reads, without transactions.

    `setup_token` is this process's: whoever reads the console may set the server up.
    """

    settings: Settings
    clock: Clock
    engine: Engine
    reader: Engine
    vault: Vault
    http: HttpClient
    webhook_http: HttpClient
    connections: Connections
    channels: Channels
    compiled: CompiledVersions
    writer: AcceptanceWriter
    sending: Sending
    resending: Resending
    usage: UsageRecorder
    dispatcher: Dispatcher
    receipts: ReceiptPoller
    early_reports: EarlyReports
    endpoints: WebhookEndpoints
    webhooks: WebhookDispatcher
    followers: Followers
    hub: Hub
    unsubscribe_signer: Signer
    key_form_signer: Signer
    key_limits: KeyLimits
    login_limits: LoginLimits
    metrics: Metrics
    tracing: Tracing | None
    watch: Watch
    setup_token: str

    def start(self) -> None:
        """Deliver in the background, unless another process does."""
        if self.settings.dispatcher:
            self.dispatcher.start()
            self.receipts.start()
            self.webhooks.start()
            self.followers.start()

    def close(self) -> None:
        """Commit what waits, finish what is under way, release the database."""
        self.hub.close()
        self.receipts.close()
        self.followers.close()
        self.writer.close()
        self.dispatcher.close()
        self.webhooks.close()
        self.usage.close()
        self.http.close()
        self.webhook_http.close()
        if self.tracing is not None:
            self.tracing.close()
        self.engine.dispose()


def open_tracing(settings: Settings) -> Tracing | None:
    """What traces are exported by, or None while they are off.

    Raises `SettingsError` when the library for it is not installed.
    """
    if not settings.exports_traces:
        return None
    try:
        from senderkit import tracing  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SettingsError([_NO_TRACING.format(error.name)]) from error
    return tracing.exporting(version=__version__)


def build_runtime(
    settings: Settings, engine: Engine, clock: Clock, tracing: Tracing | None = None
) -> Runtime:
    """Wire the parts on an engine; no thread runs yet."""
    metrics = Metrics()
    reader = single_reads(engine)
    vault = Vault(settings.encryption_keys, partial(kept_encryption_keys, settings))
    http = HttpClient(allow_private_addresses=settings.allow_private_addresses)
    webhook_http = HttpClient(
        allow_private_addresses=settings.allow_private_addresses,
        timeouts=TIMEOUTS,
        most_reply_bytes=MOST_REPLY_BYTES,
    )
    connections = Connections(vault, clock, settings.smtp_url, settings.mail_from, http)
    compiled = CompiledVersions(reader)
    signer = Signer(settings.secret_key, _UNSUBSCRIBE_SALT)
    breakers = Breakers(clock)
    unsubscribe_url = settings.public_url + UNSUBSCRIBE_PATH
    preparing = Preparing(reader, compiled, connections, breakers, signer, unsubscribe_url, clock)
    endpoints = WebhookEndpoints(vault, webhook_http)
    mail = TeamMail(reader, connections, clock)
    webhooks = WebhookDispatcher(engine, webhook_http, endpoints, mail, clock, metrics, tracing)
    hub = Hub(engine, clock)
    dispatcher = Dispatcher(
        engine,
        preparing,
        Calls(preparing, connections, clock, metrics, tracing, workers=settings.workers),
        breakers,
        clock,
        metrics,
        repeats_in_doubt=settings.repeat_in_doubt,
        on_changes=partial(_call_all, (webhooks.wake, hub.wake)),
    )
    wake = partial(_call_all, (dispatcher.wake, hub.wake))
    writer = AcceptanceWriter(engine, clock, wake, metrics)
    return Runtime(
        settings=settings,
        clock=clock,
        engine=engine,
        reader=reader,
        vault=vault,
        http=http,
        webhook_http=webhook_http,
        connections=connections,
        channels=Channels(vault),
        compiled=compiled,
        writer=writer,
        sending=Sending(reader, writer, connections, clock),
        resending=Resending(reader, writer, connections, clock),
        usage=UsageRecorder(engine, clock),
        dispatcher=dispatcher,
        receipts=ReceiptPoller(engine, connections, clock),
        early_reports=EarlyReports(reader),
        endpoints=endpoints,
        webhooks=webhooks,
        followers=Followers(engine, (Rollups(), SearchDocuments())),
        hub=hub,
        unsubscribe_signer=signer,
        key_form_signer=Signer(settings.secret_key, _KEY_FORM_SALT),
        key_limits=KeyLimits(settings.rate_limit_per_minute, clock),
        login_limits=LoginLimits(clock),
        metrics=metrics,
        tracing=tracing,
        watch=Watch(metrics, tracing, logs_access=settings.access_log),
        setup_token=new_secret(),
    )


def _call_all(calls: Iterable[Callable[[], None]]) -> None:
    for call in calls:
        call()


def attach(app: Flask, runtime: Runtime) -> None:
    app.extensions[_EXTENSION] = runtime


def runtime_of(app: Flask) -> Runtime:
    runtime: Runtime = app.extensions[_EXTENSION]
    return runtime


def runtime() -> Runtime:
    """The runtime of the application that serves this request."""
    return runtime_of(current_app._get_current_object())  # type: ignore[attr-defined]
