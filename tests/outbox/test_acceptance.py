"""The group commit: all or nothing for each send, whatever happens to its batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from senderkit import acceptance
from senderkit.acceptance import Acceptance, AcceptanceWriter, Accepted
from senderkit.commands import metadata_row
from senderkit.domain import Attachment, new_public_id, new_uuid
from senderkit.errors import ServiceUnavailable
from tests.make import House, wait_until
from tests.outbox.conftest import failing

TABLES = (
    "messages",
    "timeline_entries",
    "message_contents",
    "message_metadata",
    "message_attachments",
    "idempotency_keys",
)


def a_send(house: House, **more: Any) -> Acceptance:
    """A send that touches every table."""
    plain = Acceptance(
        public_id=new_public_id("msg", house.clock()),
        uuid=new_uuid(),
        workspace_id=1,
        livemode=False,
        channel="email",
        recipient="ada@example.com",
        recipient_key="ada@example.com",
        vars={},
        metadata={"order": 7},
        metadata_rows=(metadata_row("order", 7),),
        request={"content": {"subject": "Hello", "html": "<p>Hello</p>"}},
        attachments=(Attachment("a.txt", "text/plain", b"a"),),
        idempotency_hash=new_uuid(),
        body_hash="0" * 64,
        size_bytes=1000,
    )
    return replace(plain, **more)


def counts(house: House) -> dict[str, int]:
    return {table: house.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}  # noqa: S608


def _is(wanted: str, statement: str, _parameters: Any) -> bool:
    return statement == wanted


def accept(writer: AcceptanceWriter, send: Acceptance) -> Accepted | Exception:
    try:
        return writer.accept(send)
    except Exception as error:  # noqa: BLE001 - told to the test
        return error


def accept_together(house: House, sends: list[Acceptance]) -> list[Any]:
    """Accept sends in one batch: they queue up while the writer waits for the change counter."""
    writer = house.runtime.writer
    answers: list[Any] = [None] * len(sends)

    def work(place: int) -> None:
        answers[place] = accept(writer, sends[place])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(sends))]
    with holding_the_writer(house):
        for thread in threads:
            thread.start()
        wait_until(lambda: len(writer._waiting) == len(sends))
    for thread in threads:
        thread.join()
    return answers


@contextmanager
def holding_the_writer(house: House) -> Iterator[None]:
    """The writer has a send of its own in hand and cannot commit it: others queue up behind."""
    engine, has_begun = house.runtime.engine, threading.Event()
    with engine.begin() as connection:
        connection.execute(text("UPDATE change_counter SET value = value"))
        event.listen(engine, "before_cursor_execute", lambda *_: has_begun.set())
        first = threading.Thread(target=accept, args=(house.runtime.writer, a_send(house)))
        first.start()
        assert has_begun.wait(10)
        yield
    first.join()


def test_a_send_is_stored_as_a_whole(house: House) -> None:
    answer = house.runtime.writer.accept(a_send(house))

    assert (answer.status, answer.is_replay) == ("queued", False)
    assert counts(house) == dict.fromkeys(TABLES, 1)


def test_whichever_statement_fails_nothing_of_the_send_is_stored(house: House) -> None:
    with failing(house, lambda *_: False) as path:
        house.runtime.writer.accept(a_send(house))
    before = counts(house)
    assert len(path) >= len(TABLES) + 1  # and the change counter

    for statement in dict.fromkeys(path):
        with failing(house, partial(_is, statement)):
            assert isinstance(accept(house.runtime.writer, a_send(house)), ServiceUnavailable)
        assert counts(house) == before
    house.runtime.writer.accept(a_send(house))
    assert counts(house) == dict.fromkeys(TABLES, 2)


def test_a_commit_that_fails_stores_nothing_and_says_so(house: House) -> None:
    def refuse(_connection: Connection) -> None:
        raise OperationalError("the disk is full", {}, Exception())

    event.listen(house.runtime.engine, "commit", refuse)
    answer = accept(house.runtime.writer, a_send(house))
    event.remove(house.runtime.engine, "commit", refuse)

    assert isinstance(answer, ServiceUnavailable)
    assert counts(house) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize(
    "error", [None, ValueError("not for this driver"), OverflowError("too large"), KeyError("x")]
)
def test_a_send_that_cannot_be_stored_does_not_sink_its_batch(
    house: House, error: Exception | None
) -> None:
    sends = [a_send(house) for _ in range(5)]
    bad = sends[2].public_id

    with failing(house, lambda _, parameters: bad in repr(parameters), error):
        answers = accept_together(house, sends)

    assert isinstance(answers[2], ServiceUnavailable if error is None else type(error))
    assert [answer for answer in answers if isinstance(answer, Accepted)] == [
        Accepted(send.public_id, "queued", is_replay=False) for send in sends if send != sends[2]
    ]
    assert counts(house) == dict.fromkeys(TABLES, 5)


def test_after_a_fault_the_writer_goes_on(house: House) -> None:
    with failing(house, lambda *_: True, RuntimeError("nobody thought of this")):
        assert isinstance(accept(house.runtime.writer, a_send(house)), RuntimeError)

    assert house.runtime.writer.accept(a_send(house)).status == "queued"


def test_one_key_twice_in_a_batch_is_one_message(house: House) -> None:
    first = a_send(house)
    again = a_send(house, idempotency_hash=first.idempotency_hash)

    answers = accept_together(house, [first, again, a_send(house)])

    assert [answer.is_replay for answer in answers] == [False, True, False]
    assert answers[1].public_id == first.public_id
    assert counts(house)["messages"] == 3


def test_one_key_is_one_message_in_each_mode(house: House) -> None:
    test = a_send(house)
    live = a_send(house, livemode=True, idempotency_hash=test.idempotency_hash)

    answers = accept_together(house, [test, live])

    assert [answer.is_replay for answer in answers] == [False, False]


def test_a_repeated_key_with_another_body_is_noted_on_the_first_message(house: House) -> None:
    first = a_send(house)
    house.runtime.writer.accept(first)

    again = a_send(house, idempotency_hash=first.idempotency_hash, body_hash="1" * 64)
    answer = house.runtime.writer.accept(again)

    assert answer == Accepted(first.public_id, "queued", is_replay=True)
    events = house.api().message(first.public_id)["timeline"]
    assert [entry["e"] for entry in events] == ["queued", "duplicate"]


def test_a_remark_that_cannot_be_stored_does_not_change_the_answer(house: House) -> None:
    first = a_send(house)
    house.runtime.writer.accept(first)
    again = a_send(house, idempotency_hash=first.idempotency_hash, body_hash="1" * 64)

    with failing(house, lambda statement, _: "timeline" in statement):
        assert house.runtime.writer.accept(again).is_replay


def test_a_full_queue_is_refused_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "_MAX_WAITING", 2)
    answers: list[Any] = []
    with holding_the_writer(house):
        waiting = [
            threading.Thread(
                target=lambda: answers.append(accept(house.runtime.writer, a_send(house)))
            )
            for _ in range(2)
        ]
        for thread in waiting:
            thread.start()
        wait_until(lambda: len(house.runtime.writer._waiting) == 2)
        with pytest.raises(ServiceUnavailable):
            house.runtime.writer.accept(a_send(house))
    for thread in waiting:
        thread.join()

    assert [answer.status for answer in answers] == ["queued", "queued"]
    assert house.runtime.writer.accept(a_send(house)).status == "queued"


def test_the_queue_is_bounded_by_bytes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "_MAX_WAITING_BYTES", 2_500)

    with holding_the_writer(house):
        threads = [
            threading.Thread(target=accept, args=(house.runtime.writer, a_send(house)))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(house.runtime.writer._waiting) == 2)
        with pytest.raises(ServiceUnavailable):
            house.runtime.writer.accept(a_send(house))
    for thread in threads:
        thread.join()

    assert counts(house)["messages"] == 3
    assert house.runtime.writer.accept(a_send(house)).status == "queued"


def test_batches_are_capped_by_bytes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "_MAX_BATCH_BYTES", 2_500)
    commits: list[Connection] = []
    event.listen(house.runtime.engine, "commit", commits.append)

    accept_together(house, [a_send(house) for _ in range(6)])

    assert len(commits) == 4  # the holder's, the one that was held, then three and three
    assert counts(house)["messages"] == 7


def test_who_has_waited_too_long_is_told_so_and_nothing_is_stored_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "WAIT_SECONDS", 0.05)
    send = a_send(house)

    with holding_the_writer(house), pytest.raises(ServiceUnavailable):
        house.runtime.writer.accept(send)
    monkeypatch.undo()
    house.runtime.writer.accept(a_send(house))

    stored = [row[0] for row in house.rows("SELECT public_id FROM messages")]
    assert send.public_id not in stored


def test_closing_commits_what_waits_and_takes_nothing_more(house: House) -> None:
    writer = house.runtime.writer
    answers: list[Any] = []
    with holding_the_writer(house):
        threads = [
            threading.Thread(target=lambda: answers.append(accept(writer, a_send(house))))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(writer._waiting) == 3)
        closing = threading.Thread(target=writer.close)
        closing.start()
        wait_until(lambda: writer._is_closed)
        with pytest.raises(ServiceUnavailable):
            writer.accept(a_send(house))
    closing.join()
    for thread in threads:
        thread.join()

    assert [answer.status for answer in answers] == ["queued"] * 3


def test_no_moment_of_acceptance_is_given_twice(house: House) -> None:
    accept_together(house, [a_send(house) for _ in range(5)])
    house.clock.advance(hours=-1)
    accept_together(house, [a_send(house) for _ in range(5)])

    moments = [row[0] for row in house.rows("SELECT created_at FROM messages ORDER BY id")]
    assert moments == sorted(set(moments))


def test_a_clock_that_was_set_back_keeps_no_message_waiting(house: House) -> None:
    house.api().send()
    house.clock.advance(hours=-1)
    house.api().send()

    assert house.deliver() == 1
