"""Sends over the real front, which holds every answer back until its commit."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.make import OWNER, PASSWORD, wait_until
from tests.serving import run_cli, serving
from tests.web.raw_http import Answer, ask

SEND = b'{"channel":"sms","to":"+15555550100","content":{"body":"Hello"}}'
THREADS = 2
NAMES = ("request-one", "request-two")


@dataclass(frozen=True)
class Sends:
    """A server with few threads, on a SQLite file that the test may lock."""

    port: int
    token: str
    file: Path

    def send(self, *headers: str) -> Answer:
        lines = [
            *("POST /v1/send HTTP/1.1", "Host: x", f"Authorization: Bearer {self.token}"),
            *("Content-Type: application/json", f"Content-Length: {len(SEND)}", *headers),
        ]
        return ask(self.port, "\r\n".join([*lines, "", ""]).encode() + SEND)

    def context(self) -> Answer:
        head = f"GET /v1/context HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        return ask(self.port, head.encode())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else may write."""
        with contextlib.closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def count(self) -> Any:
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            return connection.execute("SELECT count(*) FROM messages").fetchone()[0]


@pytest.fixture
def sends(tmp_path: Path) -> Iterator[Sends]:
    folder = tmp_path / "data"
    init = ("admin", "init", "--workspace", "Acme", "--email", OWNER, "--password-stdin")
    assert run_cli(folder, *init, stdin=f"{PASSWORD}\n").returncode == 0
    made = run_cli(folder, "admin", "keys", "create", "--name", "An app", "--mode", "test")
    with serving(folder, THREADS=str(THREADS), DISPATCHER="off") as server:
        yield Sends(server.port, made.stdout.strip(), folder / "senderkit.sqlite3")


def test_no_answer_comes_before_the_commit_and_no_thread_waits_for_it(sends: Sends) -> None:
    answers: list[Answer] = []
    senders = [
        threading.Thread(target=lambda: answers.append(sends.send())) for _ in range(THREADS * 4)
    ]
    with sends.locked():
        for sender in senders:
            sender.start()
        for _ in range(5):  # while more sends wait than there are threads
            assert sends.context().status == 200
        assert answers == []
    for sender in senders:
        sender.join()

    assert [answer.status for answer in answers] == [202] * len(senders)
    assert sends.count() == len(senders)


def test_a_replay_is_answered_in_place_of_what_was_prepared(sends: Sends) -> None:
    first, second = (sends.send("Idempotency-Key: one", f"X-Request-Id: {name}") for name in NAMES)

    assert (first.status, second.status) == (202, 202)
    assert second.json == first.json
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    for name in ("content-type", "x-content-type-options", "cache-control"):
        assert second.headers[name] == first.headers[name]
    assert (first.headers["x-request-id"], second.headers["x-request-id"]) == NAMES
    assert sends.count() == 1


def test_a_database_that_stays_locked_is_told_and_nothing_is_stored(sends: Sends) -> None:
    with sends.locked():
        answer = sends.send()

    assert (answer.status, answer.code) == (503, "unavailable")
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["x-content-type-options"] == "nosniff"
    wait_until(lambda: sends.send().status == 202)
    assert sends.count() == 1


def test_a_row_that_cannot_be_stored_is_a_fault_of_ours_for_its_own_sender(sends: Sends) -> None:
    with contextlib.closing(sqlite3.connect(sends.file)) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'a fault'); END"
        )

    answer = sends.send()

    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"a fault" not in answer.body
    assert sends.count() == 0
