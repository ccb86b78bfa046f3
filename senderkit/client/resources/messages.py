"""`sk.messages`: list, iter, get, cancel, wait, tail."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Final

from senderkit.client import calls
from senderkit.client.answers import PROGRESS, CancelResult, Message, MessageList
from senderkit.client.errors import (
    SenderKitConflictError,
    SenderKitPermissionError,
    SenderKitTimeoutError,
)
from senderkit.client.sends import ChannelLike
from senderkit.client.streams import Tail
from senderkit.client.transport import AsyncTransport, Transport, pause

DEFAULT_WAIT_SECONDS: Final = 60.0

_FIRST_LOOK_SECONDS: Final = 0.1
_LONGEST_LOOK_SECONDS: Final = 2.0


def _refuse_tail(tail: str | None) -> None:
    if tail:
        raise ValueError("a list is one page: use messages.tail() to follow messages")


def _is_reached(message: Message, until: str) -> bool:
    return message.is_final or message.status in PROGRESS[PROGRESS.index(until) :]


class _Patience:
    """When to look at a message again, and when to stop. `timeout` is in seconds."""

    def __init__(self, until: str, timeout: float) -> None:
        if until not in PROGRESS:
            raise ValueError(f"until must be one of {', '.join(PROGRESS)}, not {until!r}")
        self._until = until
        self._timeout = timeout
        self._ends_at = time.monotonic() + timeout
        self._pause = _FIRST_LOOK_SECONDS

    def seconds_after(self, message: Message) -> float | None:
        """Seconds until the next look; None when the wait is over. Raises when time is up."""
        if _is_reached(message, self._until):
            return None
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise SenderKitTimeoutError(
                f"{message.public_id} is still {message.status} after {self._timeout:g} seconds"
            )
        pause, self._pause = self._pause, min(self._pause * 1.5, _LONGEST_LOOK_SECONDS)
        return min(pause, left)


class Messages:
    """What was sent, and what became of it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        status: str | None = None,
        channel: ChannelLike | None = None,
        template: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        tail: str | None = None,
        search: str | None = None,
    ) -> MessageList:
        """One page of the key's workspace and mode, newest first.

        `limit` is how many at most (50 unless given, never more than 200); `cursor` is the
        `next_cursor` of the page before. The filters are ANDed: `metadata` must match in every
        key, `search` is looked for in id, recipient, template and metadata, in any case.
        `tail` is refused: see `tail()`.

        Raises `SenderKitValidationError` for a filter or cursor that the server does not know,
        `SenderKitPermissionError` without the `read` scope.

        >>> sent = sk.send("welcome", "ada@example.com", metadata={"order": 1001})
        >>> page = sk.messages.list(template="welcome", metadata={"order": 1001}, limit=1)
        >>> [message.public_id for message in page.data] == [sent.id]
        True
        """
        _refuse_tail(tail)
        path = calls.messages_path(
            metadata,
            limit=limit,
            cursor=cursor,
            status=status,
            channel=channel,
            template=template,
            search=search,
        )
        return self._transport.run(calls.list_messages(path))

    def iter(
        self,
        *,
        limit: int | None = None,
        status: str | None = None,
        channel: ChannelLike | None = None,
        template: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        search: str | None = None,
    ) -> Iterator[Message]:
        """Every matching message, newest first, page after page.

        `limit` is the size of a page, not of the whole. Messages that arrive meanwhile are neither
        repeated nor skipped. Raises as `list` does, when the page in question is reached.

        >>> results = sk.send_batch(
        ...     TemplateSend("welcome", f"user{n}@example.com", metadata={"run": "iter"})
        ...     for n in range(5)
        ... )
        >>> len(list(sk.messages.iter(metadata={"run": "iter"}, limit=2)))
        5
        """
        cursor: str | None = None
        while True:
            page = self.list(
                limit=limit,
                cursor=cursor,
                status=status,
                channel=channel,
                template=template,
                metadata=metadata,
                search=search,
            )
            yield from page.data
            cursor = page.next_cursor
            if cursor is None:
                return

    def get(self, id: str) -> Message:
        """The message with this public id (`msg_…`, what `send` returned).

        Raises `SenderKitApiError` with the code `not_found` for one that is not there, or that
        belongs to another workspace or mode.

        >>> sent = sk.send("welcome", "ada@example.com", vars={"name": "Ada"})
        >>> message = sk.messages.get(sent.id)
        >>> message.recipient, message.channel, message.vars
        ('ada@example.com', 'email', {'name': 'Ada'})
        """
        return self._transport.run(calls.get_message(id))

    def cancel(self, id: str) -> CancelResult:
        """Cancel a message that is `scheduled` or `queued`: once canceled it is never sent.

        Raises `SenderKitConflictError` when it is too late, and says how far it is.

        >>> tomorrow = datetime.now(UTC) + timedelta(days=1)
        >>> sent = sk.send("welcome", "ada@example.com", scheduled_at=tomorrow)
        >>> sk.messages.cancel(sent.id).status
        'canceled'
        """
        outcome = self._transport.run(calls.cancel_message(id))
        if isinstance(outcome, CancelResult):
            return outcome
        return calls.settled_cancel(outcome, self._after_doubt(id, outcome))

    def _after_doubt(self, public_id: str, conflict: SenderKitConflictError) -> Message:
        try:
            return self.get(public_id)
        except SenderKitPermissionError:
            raise conflict from None  # a key that may cancel but not read

    def wait(
        self,
        id: str,
        *,
        until: str = "sent",
        timeout: float = DEFAULT_WAIT_SECONDS,
    ) -> Message:
        """Wait until a message is as far as `until`, or as far as it will ever be.

        `until` is one of `queued`, `rendered`, `sent` and `delivered`; a message that has failed,
        or was canceled, suppressed or skipped, ends the wait as well, so look at its `status`.
        Not every provider reports deliveries: without such reports nothing gets beyond `sent`.
        `timeout` is in seconds. Looks after 0.1 s, then ever more rarely, at most every 2 s.

        Raises `SenderKitTimeoutError` when the time is up, and what `get` raises.

        >>> sent = sk.send("welcome", "ada@example.com")
        >>> sk.messages.wait(sent.id, until="delivered").status
        'delivered'
        """
        patience = _Patience(until, timeout)
        while True:
            message = self.get(id)
            seconds = patience.seconds_after(message)
            if seconds is None:
                return message
            time.sleep(seconds)

    def tail(
        self,
        *,
        status: str | None = None,
        channel: ChannelLike | None = None,
        template: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        search: str | None = None,
        last_event_id: str | None = None,
    ) -> Generator[Message]:
        """Follow messages: the newest 50, oldest first, then each new or changed one, for ever.

        The same message comes again each time it changes. A broken connection is made again and
        resumes after the last message that came whole (`last_event_id` resumes from elsewhere).
        Stop by leaving the loop.

        Raises what a call raises when the server is not reached at first, and later on only what
        trying again cannot mend, such as `SenderKitAuthenticationError` for a revoked key.

        >>> sent = sk.send("welcome", "ada@example.com")
        >>> for message in sk.messages.tail():
        ...     if message.public_id == sent.id and message.status == "delivered":
        ...         break
        """
        path = calls.messages_path(
            metadata, tail=1, status=status, channel=channel, template=template, search=search
        )
        tail = Tail(path, self._transport.max_retries, last_event_id)
        while True:
            for piece in self._transport.stream(tail.call()):
                if isinstance(piece, bytes):
                    yield from tail.read(piece)
                else:
                    time.sleep(tail.wait_after(piece))


class AsyncMessages:
    """`Messages` for asyncio: the same methods, arguments and errors."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        status: str | None = None,
        channel: ChannelLike | None = None,
        template: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        tail: str | None = None,
        search: str | None = None,
    ) -> MessageList:
        """As `Messages.list`."""
        _refuse_tail(tail)
        path = calls.messages_path(
            metadata,
            limit=limit,
            cursor=cursor,
            status=status,
            channel=channel,
            template=template,
            search=search,
        )
        return await self._transport.run(calls.list_messages(path))

    async def iter(
        self,
        *,
        limit: int | None = None,
        status: str | None = None,
        channel: ChannelLike | None = None,
        template: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        search: str | None = None,
    ) -> AsyncIterator[Message]:
        """As `Messages.iter`, for `async for`."""
        cursor: str | None = None
        while True:
            page = await self.list(
                limit=limit,
                cursor=cursor,
                status=status,
                channel=channel,
                template=template,
                metadata=metadata,
                search=search,
            )
            for message in page.data:
                yield message
            cursor = page.next_cursor
            if cursor is None:
                return

    aiter = iter  # noqa: A003 - the method above is meant
    """The published client's name for `iter`."""

    async def get(self, id: str) -> Message:
        """As `Messages.get`."""
        return await self._transport.run(calls.get_message(id))

    async def cancel(self, id: str) -> CancelResult:
        """As `Messages.cancel`."""
        outcome = await self._transport.run(calls.cancel_message(id))
        if isinstance(outcome, CancelResult):
            return outcome
        return calls.settled_cancel(outcome, await self._after_doubt(id, outcome))

    async def _after_doubt(self, public_id: str, conflict: SenderKitConflictError) -> Message:
        try:
            return await self.get(public_id)
        except SenderKitPermissionError:
            raise conflict from None  # a key that may cancel but not read

    async def wait(
        self,
        id: str,
        *,
        until: str = "sent",
        timeout: float = DEFAULT_WAIT_SECONDS,
    ) -> Message:
        """As `Messages.wait`."""
        patience = _Patience(until, timeout)
        while True:
            message = await self.get(id)
            seconds = patience.seconds_after(message)
            if seconds is None:
                return message
            await pause(seconds)

    async def tail(
        self,
        *,
        status: str | None = None,
        channel: ChannelLike | None = None,
        template: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        search: str | None = None,
        last_event_id: str | None = None,
    ) -> AsyncGenerator[Message]:
        """As `Messages.tail`, for `async for`.

        Python closes an abandoned asynchronous loop late: to end it at once, use it within
        `async with contextlib.aclosing(sk.messages.tail()) as messages`.
        """
        path = calls.messages_path(
            metadata, tail=1, status=status, channel=channel, template=template, search=search
        )
        tail = Tail(path, self._transport.max_retries, last_event_id)
        while True:
            async with aclosing(self._transport.stream(tail.call())) as pieces:
                async for piece in pieces:
                    if isinstance(piece, bytes):
                        for message in tail.read(piece):
                            yield message
                    else:
                        await pause(tail.wait_after(piece))
