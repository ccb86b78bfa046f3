"""FastAPI: a shared client, and verified webhooks, both as dependencies.

::

    verified = webhook_verifier()  # SENDERKIT_WEBHOOK_SECRET

    @app.post("/welcome")
    async def welcome(sk: AsyncSenderKit = Depends(get_senderkit)):
        await sk.send("welcome", "ada@example.com")

    @app.post("/webhooks/senderkit")
    async def hook(event: WebhookEvent = Depends(verified)):
        return {"type": event.type}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache

from fastapi import HTTPException, Request

from senderkit.client.client import AsyncSenderKit
from senderkit.client.errors import SenderKitSignatureError
from senderkit.client.webhooks import DEFAULT_TOLERANCE_SECONDS, WebhookEvent, WebhookVerifier


@lru_cache(maxsize=1)
def get_senderkit() -> AsyncSenderKit:
    """The application's client, made from the environment on first use, then kept.

    Raises `ValueError` as `AsyncSenderKit` does. `get_senderkit.cache_clear()` forgets it.
    """
    return AsyncSenderKit()


def webhook_verifier(
    secret: str | None = None, *, tolerance: int = DEFAULT_TOLERANCE_SECONDS
) -> Callable[[Request], Awaitable[WebhookEvent]]:
    """A dependency that gives the verified event, or ends the request with 400.

    `secret` is `SENDERKIT_WEBHOOK_SECRET` unless given; `tolerance` is in seconds.
    """

    async def verified(request: Request) -> WebhookEvent:
        body = await request.body()
        try:
            return WebhookVerifier(secret).verify(
                body,
                request.headers.get("x-senderkit-signature", ""),
                tolerance=tolerance,
                event_type=request.headers.get("x-senderkit-event"),
                delivery_id=request.headers.get("x-senderkit-delivery"),
            )
        except SenderKitSignatureError as error:
            raise HTTPException(status_code=400, detail=str(error)) from error

    return verified
