"""`SenderKit` and `AsyncSenderKit`: the two clients, alike in everything but `await`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from senderkit.client import calls
from senderkit.client.answers import BatchResult, Context, SendResult
from senderkit.client.batch import DEFAULT_CONCURRENCY, OnProgress, send_all, send_all_async
from senderkit.client.configuration import (
    DEFAULT_BASE_URL,
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    Configuration,
    configure,
)
from senderkit.client.resources.messages import AsyncMessages, Messages
from senderkit.client.resources.templates import AsyncTemplates, Templates
from senderkit.client.sends import (
    Attachment,
    ChannelLike,
    Content,
    Metadata,
    RawSend,
    ScheduledAt,
    Send,
    TemplateSend,
    Vars,
)
from senderkit.client.transport import AsyncTransport, Transport
from senderkit.client.webhooks import WebhookVerifier

if TYPE_CHECKING:
    from senderkit.client.http_clients import AsyncHttpClient, HttpClient
    from senderkit.client.resources.inbound import AsyncInbound, Inbound

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_TIMEOUT",
    "AsyncSenderKit",
    "SenderKit",
]


class _Client:
    """What both clients are besides their connections."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self.webhooks = WebhookVerifier(configuration.webhook_secret)

    @property
    def mode(self) -> str:
        """`live` or `test`, as the key's prefix says."""
        return self._configuration.mode

    def __repr__(self) -> str:
        name, configuration = type(self).__name__, self._configuration
        return f"<{name} {configuration.mode} {configuration.base_url}>"


class SenderKit(_Client):
    """A client that blocks; make one and keep it: it holds connections, and threads may share it.

    Every argument that is None comes from the environment:

    - `api_key`: `SENDERKIT_API_KEY`
    - `base_url`: `SENDERKIT_BASE_URL`, else `http://127.0.0.1:8025`
    - `timeout`: `SENDERKIT_TIMEOUT`, else 30; in seconds, for connecting, for sending and for each
      wait for more of the answer, of every attempt
    - `max_retries`: `SENDERKIT_MAX_RETRIES`, else 2; further attempts after 429, 5xx (but 501) and
      network faults, timeouts included
    - `webhook_secret`: `SENDERKIT_WEBHOOK_SECRET`, for `webhooks.verify`

    `http_client` is an `httpx2.Client` of your own, for proxies or certificates; its own time
    limits count then, and `close` leaves it open.

    Raises `ValueError` for a key that is missing or malformed (a typo does not reach the server),
    and for other values that make no sense.

    >>> with SenderKit() as client:
    ...     client.mode
    'test'
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        http_client: HttpClient | None = None,
        webhook_secret: str | None = None,
    ) -> None:
        configuration = configure(
            api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            webhook_secret=webhook_secret,
        )
        super().__init__(configuration)
        self._transport = Transport(configuration, http_client)
        self.messages = Messages(self._transport)
        self.templates = Templates(self._transport)

    @cached_property
    def inbound(self) -> Inbound:
        """Received mail, which only the hosted service has: a self-hosted server answers 404."""
        from senderkit.client.resources.inbound import Inbound  # noqa: PLC0415 - few need it

        return Inbound(self._transport)

    def send(  # noqa: PLR0913 - one argument for each field of a send
        self,
        template: str,
        to: str,
        *,
        vars: Vars | None = None,
        version: int | None = None,
        channel: ChannelLike | None = None,
        metadata: Metadata | None = None,
        scheduled_at: ScheduledAt | None = None,
        cc: Sequence[str] | None = None,
        bcc: Sequence[str] | None = None,
        reply_to: str | None = None,
        attachments: Sequence[Attachment] | None = None,
        from_: str | None = None,
        from_name: str | None = None,
        idempotency_key: str | None = None,
        locale: str | None = None,
    ) -> SendResult:
        """Send a stored template to one recipient; returns once the message is safely stored.

        `to` is an email address, an E.164 number, a device token or the JSON text of a browser's
        PushSubscription, as the template's channel has it. `version` pins a version; otherwise a
        live key sends the published one, a test key the newest. `scheduled_at` is an aware
        datetime or ISO 8601 text, at most 30 days ahead. `cc`, `bcc`, `reply_to`, `attachments`,
        `from_` and `from_name` are for email only. `locale` picks a translation (`pt-BR`).

        `idempotency_key` (1 to 512 bytes) makes the send safe to repeat: the same key gives the
        first answer again for at least 30 days. Without one, each call gets its own, which makes
        its retries safe.

        Raises `SenderKitValidationError` (`issues` names every bad field),
        `SenderKitAuthenticationError`, `SenderKitPermissionError` without the `send` scope,
        `SenderKitApiError` with the code `template_not_found` or `template_not_published`,
        `SenderKitRateLimitError`, `SenderKitTimeoutError`, `SenderKitNetworkError`.

        >>> result = sk.send("welcome", "ada@example.com", vars={"name": "Ada"})
        >>> result.status, result.livemode
        ('queued', False)
        >>> first = sk.send("welcome", "ada@example.com", idempotency_key="order-1001-placed")
        >>> again = sk.send("welcome", "ada@example.com", idempotency_key="order-1001-placed")
        >>> again.id == first.id, again.replayed
        (True, True)
        """
        request = TemplateSend(
            template=template,
            to=to,
            vars=vars,
            version=version,
            channel=channel,
            metadata=metadata,
            scheduled_at=scheduled_at,
            cc=cc,
            bcc=bcc,
            reply_to=reply_to,
            attachments=attachments,
            from_=from_,
            from_name=from_name,
            idempotency_key=idempotency_key,
            locale=locale,
        )
        return self._send(request)

    def send_raw(  # noqa: PLR0913 - one argument for each field of a send
        self,
        to: str,
        content: Content | Mapping[str, Any],
        *,
        channel: ChannelLike | None = None,
        from_: str | None = None,
        from_name: str | None = None,
        interpolate: bool | None = None,
        vars: Vars | None = None,
        metadata: Metadata | None = None,
        scheduled_at: ScheduledAt | None = None,
        idempotency_key: str | None = None,
    ) -> SendResult:
        """Send content of your own, without a template.

        The class of `content` says the channel; for a mapping (by the wire's names) give
        `channel`. It goes out exactly as given, unless `interpolate` fills `vars` in. The other
        arguments and the errors are those of `send`.

        >>> sk.send_raw("+15551234567", SmsContent("Your code is 123456")).status
        'queued'
        >>> content = EmailContent("Hello {{name}}", "<p>Hello, {{name}}.</p>")
        >>> result = sk.send_raw(
        ...     "ada@example.com", content, interpolate=True, vars={"name": "Ada"}
        ... )
        """
        request = RawSend(
            to=to,
            content=content,
            channel=channel,
            from_=from_,
            from_name=from_name,
            interpolate=interpolate,
            vars=vars,
            metadata=metadata,
            scheduled_at=scheduled_at,
            idempotency_key=idempotency_key,
        )
        return self._send(request)

    def _send(self, request: Send, idempotency_key: str | None = None) -> SendResult:
        return self._transport.run(calls.send(request, idempotency_key))

    def send_batch(
        self,
        requests: Iterable[Send],
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[BatchResult]:
        """Send many messages, at most `concurrency` at a time, each from a thread of its own.

        Results come in the order of `requests`, which may be a generator. A send that fails, for
        whatever reason, is a result with `ok=False` and its `error`; the others go on. With an
        `idempotency_key` each send's own key is `"{idempotency_key}-{index}"`, so that the same
        batch may be run again after an interruption without sending anything twice.
        `on_progress` is called with a `BatchProgress` after each, in the calling thread; what it
        raises ends the batch.

        >>> people = ["ada@example.com", "not an address", "grace@example.com"]
        >>> results = sk.send_batch(
        ...     [TemplateSend("welcome", person) for person in people],
        ...     concurrency=2,
        ...     idempotency_key="welcome-2026-11",
        ...     on_progress=lambda progress: print(f"{progress.done} of {progress.total}"),
        ... )
        1 of 3
        2 of 3
        3 of 3
        >>> [result.ok for result in results]
        [True, False, True]
        >>> results[1].error.issues[0]["path"]
        ['to']
        """
        return send_all(
            self._send,
            requests,
            concurrency=concurrency,
            idempotency_key=idempotency_key,
            on_progress=on_progress,
        )

    def context(self) -> Context:
        """The workspace and mode that the key works in: a cheap way to check a key.

        Raises `SenderKitAuthenticationError` for one that is unknown or revoked,
        `SenderKitPermissionError` for one without the `read` scope.

        >>> sk.context().workspace.name, sk.context().mode
        ('Acme', 'test')
        """
        return self._transport.run(calls.get_context())

    def close(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncSenderKit(_Client):
    """`SenderKit` for asyncio: the same arguments, methods and errors, with `await`.

    Belongs to the event loop that it is first used in. `http_client` is an `httpx2.AsyncClient`.

    >>> async def main():
    ...     async with AsyncSenderKit() as sk:
    ...         result = await sk.send("welcome", "ada@example.com", vars={"name": "Ada"})
    ...         async for message in sk.messages.iter(template="welcome", limit=1):
    ...             return message.public_id == result.id
    >>> asyncio.run(main())
    True
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        http_client: AsyncHttpClient | None = None,
        webhook_secret: str | None = None,
    ) -> None:
        configuration = configure(
            api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            webhook_secret=webhook_secret,
        )
        super().__init__(configuration)
        self._transport = AsyncTransport(configuration, http_client)
        self.messages = AsyncMessages(self._transport)
        self.templates = AsyncTemplates(self._transport)

    @cached_property
    def inbound(self) -> AsyncInbound:
        """Received mail, which only the hosted service has: a self-hosted server answers 404."""
        from senderkit.client.resources.inbound import AsyncInbound  # noqa: PLC0415 - few need it

        return AsyncInbound(self._transport)

    async def send(  # noqa: PLR0913 - one argument for each field of a send
        self,
        template: str,
        to: str,
        *,
        vars: Vars | None = None,
        version: int | None = None,
        channel: ChannelLike | None = None,
        metadata: Metadata | None = None,
        scheduled_at: ScheduledAt | None = None,
        cc: Sequence[str] | None = None,
        bcc: Sequence[str] | None = None,
        reply_to: str | None = None,
        attachments: Sequence[Attachment] | None = None,
        from_: str | None = None,
        from_name: str | None = None,
        idempotency_key: str | None = None,
        locale: str | None = None,
    ) -> SendResult:
        """As `SenderKit.send`."""
        request = TemplateSend(
            template=template,
            to=to,
            vars=vars,
            version=version,
            channel=channel,
            metadata=metadata,
            scheduled_at=scheduled_at,
            cc=cc,
            bcc=bcc,
            reply_to=reply_to,
            attachments=attachments,
            from_=from_,
            from_name=from_name,
            idempotency_key=idempotency_key,
            locale=locale,
        )
        return await self._send(request)

    async def send_raw(  # noqa: PLR0913 - one argument for each field of a send
        self,
        to: str,
        content: Content | Mapping[str, Any],
        *,
        channel: ChannelLike | None = None,
        from_: str | None = None,
        from_name: str | None = None,
        interpolate: bool | None = None,
        vars: Vars | None = None,
        metadata: Metadata | None = None,
        scheduled_at: ScheduledAt | None = None,
        idempotency_key: str | None = None,
    ) -> SendResult:
        """As `SenderKit.send_raw`."""
        request = RawSend(
            to=to,
            content=content,
            channel=channel,
            from_=from_,
            from_name=from_name,
            interpolate=interpolate,
            vars=vars,
            metadata=metadata,
            scheduled_at=scheduled_at,
            idempotency_key=idempotency_key,
        )
        return await self._send(request)

    async def _send(self, request: Send, idempotency_key: str | None = None) -> SendResult:
        return await self._transport.run(calls.send(request, idempotency_key))

    async def send_batch(
        self,
        requests: Iterable[Send],
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[BatchResult]:
        """As `SenderKit.send_batch`, with tasks in place of threads; `on_progress` is a plain
        function. What it raises, and a cancellation, ends the sends under way at once."""
        return await send_all_async(
            self._send,
            requests,
            concurrency=concurrency,
            idempotency_key=idempotency_key,
            on_progress=on_progress,
        )

    async def context(self) -> Context:
        """As `SenderKit.context`."""
        return await self._transport.run(calls.get_context())

    async def aclose(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
