"""A Celery application that sends from a task, with a worker in a thread of this process."""

import json
import os

from celery import Celery
from celery.contrib.testing.worker import start_worker
from senderkit import SenderKit
from senderkit.errors import ValidationError
from senderkit.integrations.celery import make_send_task

app = Celery("shop", broker="memory://", backend="cache+memory://")
app.conf.update(worker_hijack_root_logger=False, task_store_errors_even_if_ignored=True)
clients = []


def new_client():
    client = SenderKit(
        api_key=os.environ["SENDERKIT_API_KEY"], base_url=os.environ["SENDERKIT_BASE_URL"]
    )
    clients.append(client)
    return client


send_email = make_send_task(app, new_client)

with start_worker(app, perform_ping_check=False, pool="solo", loglevel="CRITICAL"):
    sent = send_email.delay("welcome", "celery@example.com", vars={"name": "Ada"}).get(timeout=30)
    try:
        send_email.delay("welcome", "no address").get(timeout=30)
    except ValidationError:
        refused = "ValidationError"
    except Exception as error:
        refused = type(error).__name__
for client in clients:
    client.close()

print(json.dumps({"sent": sent, "refused": refused}))
