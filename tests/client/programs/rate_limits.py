"""Meets a rate limit that outlasts the retries, then a plan limit."""

import json
import os

from senderkit import PaymentRequiredError, RateLimitError, SenderKit

said = {}
with SenderKit(
    os.environ["SENDERKIT_API_KEY"], base_url=os.environ["SENDERKIT_BASE_URL"], max_retries=1
) as sk:
    try:
        sk.send("welcome", "ada@example.com")
    except RateLimitError as error:
        said["limited"] = [error.status, error.retry_after]
    try:
        sk.send("welcome", "ada@example.com")
    except PaymentRequiredError as error:
        said["unpaid"] = [error.status, error.code]
    said["sent"] = sk.send("welcome", "ada@example.com").id

print(json.dumps(said))
