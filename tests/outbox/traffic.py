"""Apps that send without pause, through every death and restart of the servers."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from tests.make import raw_email, wait_until

_SENDERS: Final = 4
_MOST_WAITING: Final = 64
_TRY_AGAIN_SECONDS: Final = 0.05


class App:
    """One app's connection to one server, kept open. Not for several threads at once."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._token = token

    def post(self, body: Any, idempotency_key: str) -> tuple[int, Any]:
        """The status and the JSON of `POST /v1/send`. Raises `OSError` or `HTTPException`."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key,
        }
        self._connection.request("POST", "/v1/send", json.dumps(body), headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        self._connection.close()


class Traffic:
    """Sends live emails from several threads, each to a recipient of its own.

    What is not answered with 202 is sent again under its idempotency key until it is. There are
    never many more sends under way than `_MOST_WAITING`, by what `count_arrived` says.
    """

    def __init__(self, token: str, count_arrived: Callable[[], int]) -> None:
        self.accepted: dict[str, str] = {}
        """The message's id by recipient, for every send that was answered with 202."""
        self.repeats = 0
        """How many posts met no server, got no answer or 503, and were made again."""
        self._token = token
        self._count_arrived = count_arrived
        self._numbers = itertools.count()
        self._ports: tuple[int, ...] = ()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._is_abandoned = False
        self._faults: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(place,)) for place in range(_SENDERS)
        ]

    def lead_to(self, *ports: int) -> None:
        """From now on these are the servers; the senders spread over them."""
        with self._changed:
            self._ports = ports
            self._changed.notify_all()

    def stop(self) -> None:
        """Begin no more sends, wait until those that were begun are accepted.

        Raises what a sender met that it did not expect.
        """
        self._is_stopping = True
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a send was never accepted"
        for fault in self._faults:
            raise fault

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_stopping = self._is_abandoned = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(60)

    # -- one sender, in its thread -------------------------------------------------------------

    def _guarded(self, place: int) -> None:
        try:
            self._work(place)
        except BaseException as error:  # noqa: BLE001 - raised again by `stop`
            self._faults.append(error)

    def _work(self, place: int) -> None:
        app: App | None = None
        while True:
            wait_until(lambda: self._is_stopping or self._has_room(), seconds=110)
            if self._is_stopping:
                break
            app = self._send(app, f"recipient-{next(self._numbers)}@example.com", place)
        if app is not None:
            app.close()

    def _has_room(self) -> bool:
        return len(self.accepted) - self._count_arrived() < _MOST_WAITING

    def _send(self, app: App | None, recipient: str, place: int) -> App | None:
        """Until it is accepted; returns the connection for the next one."""
        while (port := self._wait_for_port(place)) is not None:
            app = self._reach(port, app)
            message_id = self._try(app, recipient)
            if message_id is not None:
                self.accepted[recipient] = message_id
                break
            app.close()
            with self._changed:
                self.repeats += 1
                self._changed.wait(_TRY_AGAIN_SECONDS)
        return app

    def _reach(self, port: int, app: App | None) -> App:
        """The connection at hand if it leads there, or a new one in its stead."""
        if app is not None:
            if app.port == port:
                return app
            app.close()
        return App(port, self._token)

    def _wait_for_port(self, place: int) -> int | None:
        """The sender's server; None when the traffic is abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: self._ports or self._is_abandoned)
            return None if self._is_abandoned else self._ports[place % len(self._ports)]

    def _try(self, app: App, recipient: str) -> str | None:
        try:
            status, answer = app.post(raw_email(to=recipient), recipient)
        except (OSError, http.client.HTTPException):
            return None  # whether it was stored is not known: the repeat finds out
        assert status in {202, 503}, answer
        return str(answer["id"]) if status == 202 else None
