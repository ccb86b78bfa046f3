"""Streams over real sockets: many at once, slow ones, and how they end."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import update

from senderkit.database import open_engine
from senderkit.domain import Mode
from senderkit.keys import mint
from senderkit.models import ApiKey
from tests.make import raw_email, wait_until
from tests.serving import Server, start_server
from tests.web.tailing import Event, Tail

MIB: Final = 1024 * 1024
THREADS: Final = 4
IDLE: Final = 1000


@dataclass(frozen=True)
class Served:
    """A server with few threads, and a test key."""

    server: Server
    token: str

    def tail(self, query: str = "tail=1", after: int | None = None) -> Tail:
        return Tail(self.server.port, self.token, query, last_event_id=after)

    def ask(self, method: str, path: str, body: Any = None, seconds: float = 30) -> Any:
        request = urllib.request.Request(
            f"{self.server.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.load(answer)

    def send(self, **more: Any) -> str:
        found: str = self.ask("POST", "/v1/send", raw_email(**more))["id"]
        return found

    def status(self, name: str) -> int:
        """A number in what the system says of the server's process."""
        text = Path(f"/proc/{self.server.process.pid}/status").read_text("ascii")
        line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1])


class Servers:
    """Starts servers on one database, with a key that they declare themselves."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._key = mint(Mode.TEST)
        seed = f"app:test:{self._key.token_hash}:{self._key.last_four}"
        self._settings = {"SEED_KEYS": seed, "THREADS": str(THREADS)} | settings
        self._started: list[Server] = []

    def start(self, **more: str) -> Served:
        server = start_server(self._folder, **(self._settings | more))
        self._started.append(server)
        return Served(server, self._key.token)

    def close(self) -> None:
        for server in self._started:
            if server.process.poll() is None:
                server.stop()
            assert "panicked" not in server.log
            assert "Traceback" not in server.log


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Where it does not matter which database it is."""
    found = Servers(tmp_path / "data")
    yield found
    found.close()


@pytest.fixture
def on_each(database_url: str, tmp_path: Path) -> Iterator[Servers]:
    found = Servers(tmp_path / "data", DATABASE_URL=database_url)
    yield found
    found.close()


def messages(events: list[Event]) -> list[str]:
    return [event.message_id for event in events if event.kind == "message"]


def test_it_is_told_as_it_happens(on_each: Servers) -> None:
    served = on_each.start()
    first = served.send()
    with served.tail() as tail:
        assert tail.status == 200
        assert tail.headers["content-type"].startswith("text/event-stream")
        assert tail.headers["cache-control"] == "no-store"
        assert tail.headers["x-accel-buffering"] == "no"
        assert messages(tail.until_ready()) == [first]
        second = served.send()
        assert any(event.state == (second, "delivered") for event in tail.events())


def test_nothing_is_lost_while_many_send_and_streams_break(on_each: Servers) -> None:
    """Somebody listens who is cut off every few events, at any moment, and comes back."""
    served = on_each.start()
    sent: list[str] = []
    senders = [
        threading.Thread(target=lambda: sent.extend(served.send() for _ in range(40)))
        for _ in range(3)
    ]
    last: int | None = None
    latest: dict[str, str] = {}
    with served.tail() as tail:
        last = tail.until_ready()[-1].number
    for sender in senders:
        sender.start()

    def follow(count: int) -> None:
        nonlocal last
        with served.tail(after=last) as tail:
            for place, event in enumerate(tail.events()):
                if event.kind == "message":
                    latest[event.message_id] = event.data["status"]
                assert (event.number or 0) >= (last or 0)
                last = event.number
                if place == count or is_all():
                    return

    def is_all() -> bool:
        is_sent = not any(sender.is_alive() for sender in senders)
        return is_sent and set(latest) == set(sent) and set(latest.values()) == {"delivered"}

    cut_after = 1
    while not is_all():
        follow(cut_after)
        cut_after = cut_after % 17 + 3
    assert len(sent) == 120


def test_a_thousand_who_listen_hold_no_thread_and_slow_nobody_down(
    servers: Servers,
) -> None:
    wanted = IDLE * 2
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this user may open only {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    served = servers.start()  # it raises that limit itself
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    with ExitStack() as stack:
        with served.tail() as tail:  # whatever starts with the first stream has started
            tail.until_ready()
            threads_before, memory_before = served.status("Threads"), served.status("VmRSS")
        tails = [stack.enter_context(served.tail()) for _ in range(IDLE)]
        for tail in tails:
            assert tail.until_ready()[-1].kind == "ready"

        assert served.status("Threads") <= threads_before + 2  # of the runtime below, not ours
        assert (served.status("VmRSS") - memory_before) * 1024 / IDLE < 64 * 1024
        took = [_seconds_of(lambda: served.ask("GET", "/v1/context")) for _ in range(50)]
        assert sorted(took)[45] < 0.5

        message_id = served.send()
        for tail in tails:
            assert next(tail.events()).message_id == message_id

        began = time.monotonic()
        assert served.server.stop() == 0
        assert time.monotonic() - began < 5
        for tail in tails:
            assert _rest_of(tail) == b""
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _seconds_of(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _rest_of(tail: Tail) -> bytes:
    """What is in the middle of a block when the stream ends: nothing."""
    for _ in tail.blocks():
        pass
    return tail._rest


def test_a_server_that_stops_ends_its_streams_at_once(servers: Servers) -> None:
    last: int | None = None
    sent: list[str] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        served = servers.start(DISPATCHER="off")
        with served.tail(after=last) as tail:
            told = tail.until_ready()
            assert messages(told) == sent
            last, sent = told[-1].number, [served.send()]
            next(tail.events())
            began = time.monotonic()
            os.kill(served.server.process.pid, number)
            assert _rest_of(tail) == b""
            assert served.server.process.wait(10) == 0
            assert time.monotonic() - began < 2


def test_who_reads_nothing_is_let_go_and_fills_no_memory(servers: Servers) -> None:
    served = servers.start(DISPATCHER="off")
    with served.tail() as tail:
        last = tail.until_ready()[-1].number
    with served.tail() as reader, ExitStack() as stack:
        reader.until_ready()
        sleepers = [stack.enter_context(_sleeper(served)) for _ in range(30)]
        before = served.status("VmRSS")
        sent, heard = [], reader.events()
        for _ in range(60):
            sent.append(served.send(vars={"padding": "x" * 100_000}))
            assert next(heard).message_id == sent[-1]  # whoever reads hears all
        assert (served.status("VmRSS") - before) // 1024 < 30 * 4
        for sleeper in sleepers:
            told = _all_of(sleeper)
            assert b"event: error" in told
            assert told.count(b"event: message") < len(sent)
    with served.tail(after=last) as tail:
        assert messages(tail.until_ready()) == sent


def _sleeper(served: Served) -> socket.socket:
    """A client with a small buffer that reads nothing."""
    sleeper = socket.socket()
    sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sleeper.settimeout(20)
    sleeper.connect(("127.0.0.1", served.server.port))
    head = f"GET /v1/messages?tail=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}"
    sleeper.sendall(f"{head}\r\n\r\n".encode())
    assert sleeper.recv(100).startswith(b"HTTP/1.1 200")
    return sleeper


def _all_of(connection: socket.socket) -> bytes:
    content = b""
    while not content.endswith(b"\r\n0\r\n\r\n") and (more := connection.recv(65536)):
        content += more
    return content


def test_who_hangs_up_is_forgotten(servers: Servers) -> None:
    served = servers.start()
    for _ in range(5):
        with served.tail() as tail:
            tail.until_ready()
    descriptors = Path(f"/proc/{served.server.process.pid}/fd")
    with ExitStack() as stack:
        before = len(list(descriptors.iterdir()))
        for _ in range(100):
            stack.enter_context(served.tail()).until_ready()
        assert len(list(descriptors.iterdir())) >= before + 90
    wait_until(lambda: len(list(descriptors.iterdir())) <= before + 5)


def test_a_key_that_is_revoked_by_another_process_ends_its_streams(
    on_each: Servers, database_url: str
) -> None:
    served = on_each.start()
    with served.tail() as tail:
        tail.until_ready()
        _revoke(database_url)
        [told] = list(tail.events())
        assert (told.kind, told.data["error"]["code"]) == ("error", "unauthorized")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        served.ask("GET", "/v1/messages?tail=1")


def _revoke(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(update(ApiKey).values(revoked_at=ApiKey.created_at))
    engine.dispose()


def test_a_head_request_ends(servers: Servers) -> None:
    served = servers.start()
    request = urllib.request.Request(
        f"{served.server.url}/v1/messages?tail=1",
        method="HEAD",
        headers={"Authorization": f"Bearer {served.token}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert (answer.status, answer.read()) == (200, b"")
        assert answer.headers["Content-Type"].startswith("text/event-stream")
