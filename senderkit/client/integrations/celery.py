"""Celery: send from a task that tries again.

::

    send_email = make_send_task(celery_app, SenderKit)
    send_email.delay("welcome", "ada@example.com", vars={"name": "Ada"})

However often the task is run, the message is sent once: without an `idempotency_key` of its own a
send carries the task's id, which stays the same over all tries.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from celery.utils.time import get_exponential_backoff_interval

from senderkit.client.client import SenderKit
from senderkit.client.errors import (
    SenderKitApiError,
    SenderKitError,
    SenderKitNetworkError,
    SenderKitRateLimitError,
    SenderKitTimeoutError,
)
from senderkit.client.exchange import Reply, is_passing

TRANSIENT_ERRORS: Final[tuple[type[SenderKitError], ...]] = (
    SenderKitRateLimitError,
    SenderKitNetworkError,
    SenderKitTimeoutError,
)
"""Errors that the next try may not meet; 5xx answers are tried again as well."""

_LONGEST_WAIT_SECONDS: Final = 600


def make_send_task(
    celery_app: Any,
    client_factory: Callable[[], SenderKit],
    *,
    name: str = "senderkit.send",
    max_retries: int = 3,
) -> Any:
    """Register and return a task that takes what `SenderKit.send` takes.

    `client_factory` is called once in each worker process; its client is kept, and with it its
    connections. The task returns `{"id", "status", "livemode"}`. A transient failure is tried
    again up to `max_retries` times, after the server's `Retry-After` or else 1, 2, 4 … seconds,
    less a random part of that.
    """

    @lru_cache(maxsize=1)
    def client_of(_process: int) -> SenderKit:
        return client_factory()

    @celery_app.task(bind=True, name=name, max_retries=max_retries, shared=False)
    def send(task: Any, template: str, to: str, **options: Any) -> dict[str, Any]:
        options.setdefault("idempotency_key", _task_key(task))
        try:
            result = client_of(os.getpid()).send(template, to, **options)
        except SenderKitError as error:
            if not _is_transient(error):
                raise
            raise task.retry(
                exc=error, countdown=_countdown(error, task.request.retries)
            ) from error
        return {"id": result.id, "status": result.status, "livemode": result.livemode}

    return send


def _task_key(task: Any) -> str | None:
    """None outside a worker, where the task is a plain function that is called once."""
    return f"celery-{task.request.id}" if task.request.id else None


def _is_transient(error: SenderKitError) -> bool:
    if isinstance(error, SenderKitApiError):
        return is_passing(Reply(error.status, {}, b""))
    return isinstance(error, TRANSIENT_ERRORS)


def _countdown(error: SenderKitError, retries: int) -> float:
    """Seconds until the next try."""
    if isinstance(error, SenderKitRateLimitError) and error.retry_after:
        return error.retry_after
    seconds: float = get_exponential_backoff_interval(1, retries, _LONGEST_WAIT_SECONDS, True)
    return seconds
