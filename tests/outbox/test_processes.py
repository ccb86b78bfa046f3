"""Several servers on one database: they share the work and what was asked for stays one message.

`SENDERKIT_TEST_IDEMPOTENCY_KEYS=1000` and `SENDERKIT_TEST_IDEMPOTENCY_POSTS=50` make the race of
repeats a full one.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import pytest

from tests.fakes import FakeSmtp
from tests.make import raw_email, wait_until
from tests.outbox.installation import Installation
from tests.outbox.traffic import App, Traffic

KEYS: Final = int(os.environ.get("SENDERKIT_TEST_IDEMPOTENCY_KEYS", "40"))
POSTS: Final = int(os.environ.get("SENDERKIT_TEST_IDEMPOTENCY_POSTS", "10"))


def post_in_turn(
    port: int, token: str, together: threading.Barrier, place: int
) -> list[tuple[int, str]]:
    """Post once under every key, each as soon as everybody has answered for the one before."""
    app = App(port, token)
    answers: list[tuple[int, str]] = []
    for number in range(KEYS):
        together.wait(60)
        status, answer = app.post(raw_email(), f"order-{number}")
        answers.append((status, str(answer.get("id"))))
    app.close()
    return answers


@pytest.mark.timeout(120 + KEYS * POSTS // 50)
def test_the_same_posts_at_once_to_two_servers_are_one_message_for_each_key(
    installation: Installation, smtp: FakeSmtp
) -> None:
    """0 of 1,000 keys with a second message: fewer than 3 in 1,000, with 95 % confidence."""
    together = threading.Barrier(POSTS)
    with ExitStack() as stack:
        ports = [stack.enter_context(installation.serving(THREADS="32")).port for _ in range(2)]
        apps = stack.enter_context(ThreadPoolExecutor(POSTS))
        posting = [
            apps.submit(post_in_turn, ports[place % 2], installation.test.token, together, place)
            for place in range(POSTS)
        ]
        answers = [future.result() for future in posting]
        installation.wait_until_done()

    assert {status for row in answers for status, _ in row} == {202}
    ids = [row[0] for row in installation.rows("SELECT public_id FROM messages")]
    assert len(ids) == KEYS
    for number in range(KEYS):
        assert len({row[number][1] for row in answers}) == 1
    assert {message_id for row in answers for _, message_id in row} == set(ids)


def test_two_servers_deliver_each_message_once(installation: Installation, smtp: FakeSmtp) -> None:
    with (
        installation.serving(MAIL_FROM="one@acme.example") as one,
        installation.serving(MAIL_FROM="two@acme.example") as two,
        Traffic(installation.live.token, lambda: len(smtp.messages)) as traffic,
    ):
        traffic.lead_to(one.port, two.port)
        wait_until(lambda: len(smtp.messages) >= 300)
        traffic.stop()
        installation.wait_until_done()

    sent = {recipient: (message_id, "sent") for recipient, message_id in traffic.accepted.items()}
    assert installation.messages() == sent
    assert installation.received() == dict.fromkeys(sent, 1)
    by_server = Counter(received.mail_from for received in smtp.messages)
    assert min(by_server["one@acme.example"], by_server["two@acme.example"]) > 20, by_server
    assert installation.doubts() == {}
