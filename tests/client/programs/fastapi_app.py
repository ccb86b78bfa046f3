"""A FastAPI application that sends and that receives webhooks, on a real event loop."""

import asyncio
import hashlib
import hmac
import json
import os
import time

import httpx
from fastapi import Depends, FastAPI
from senderkit import AsyncSenderKit, WebhookEvent
from senderkit.integrations.fastapi import get_senderkit, webhook_verifier

app = FastAPI()
verified = webhook_verifier()


@app.post("/welcome")
async def welcome(sk: AsyncSenderKit = Depends(get_senderkit)):
    return {"id": (await sk.send("welcome", "fastapi@example.com")).id}


@app.post("/webhooks/senderkit")
async def hook(event: WebhookEvent = Depends(verified)):
    return {"type": event.type}


def signed(body):
    now = int(time.time())
    key = os.environ["SENDERKIT_WEBHOOK_SECRET"].encode()
    digest = hmac.new(key, b"%d." % now + body, hashlib.sha256).hexdigest()
    return {"x-senderkit-signature": f"t={now},v1={digest}", "x-senderkit-event": "message.sent"}


async def main():
    body = json.dumps({"type": "message.sent"}).encode()
    asgi = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=asgi, base_url="http://app") as browser:
        hooked = await browser.post("/webhooks/senderkit", content=body, headers=signed(body))
        forged = await browser.post("/webhooks/senderkit", content=b"{}", headers=signed(body))
        sent = (await browser.post("/welcome")).json()["id"]
    await get_senderkit().aclose()
    print(
        json.dumps(
            {
                "sent": sent,
                "hook": [hooked.status_code, hooked.json()["type"]],
                "forged": forged.status_code,
            }
        )
    )


asyncio.run(main())
