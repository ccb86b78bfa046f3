"""The same calls with asyncio."""

import asyncio
import json
import os
import uuid
from datetime import datetime, timedelta, timezone

from senderkit import AsyncSenderKit, AuthenticationError, SmsContent, TemplateSend

URL = os.environ["SENDERKIT_BASE_URL"]


async def main():
    said = {}
    mark = uuid.uuid4().hex
    async with AsyncSenderKit(api_key=os.environ["SENDERKIT_API_KEY"], base_url=URL) as sk:
        context = await sk.context()
        said["context"] = [context.workspace.name, context.mode]
        sent = await sk.send("welcome", "ada@example.com", vars={"name": "Ada"})
        said["sent"] = [sent.status, sent.livemode]
        said["raw"] = (await sk.send_raw("+15555550123", SmsContent(body="Hi"))).status
        requests = [
            TemplateSend("welcome", "a@example.com", metadata={"mark": mark}),
            TemplateSend("welcome", "b@example.com", metadata={"mark": mark}),
            TemplateSend("nowhere", "c@example.com"),
        ]
        results = await sk.send_batch(requests, concurrency=2)
        said["batch"] = [result.ok for result in results]
        found = [m async for m in sk.messages.aiter(metadata={"mark": mark}, limit=1)]
        said["iterated"] = len(found)
        tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
        later = await sk.send("welcome", "ada@example.com", scheduled_at=tomorrow)
        said["canceled"] = (await sk.messages.cancel(later.id)).status
        said["rendered"] = (await sk.templates.render("welcome", {"name": "Ada"})).output["subject"]
    reader = AsyncSenderKit(os.environ["READING_KEY"], base_url=URL)
    try:
        await reader.send("welcome", "ada@example.com")
    except AuthenticationError as error:
        said["reading key"] = ["AuthenticationError", error.status]
    await reader.aclose()
    print(json.dumps(said))


asyncio.run(main())
