from __future__ import annotations

from contextlib import AbstractContextManager

from senderkit.errors import AccountBroken, DeliveryError, OutcomeUnknown, Refused, Unavailable
from tests.fakes import FakeSmtp, Reaction, free_port
from tests.providers.benches.base import SECRET, Bench


class SmtpBench(Bench):
    def __init__(self) -> None:
        self._server = FakeSmtp(login=("robot", SECRET), port=free_port())
        self.credentials = {
            "host": self._server.host,
            "port": str(self._server.port),
            "security": "none",
            "username": "robot",
            "password": SECRET,
            "from": "hello@acme.example",
        }

    def running(self) -> AbstractContextManager[object]:
        return self._server

    def arrange(self, outcome: type[DeliveryError]) -> None:
        answers: dict[type[DeliveryError], tuple[str, str | Reaction]] = {
            Unavailable: ("RCPT", f"451 4.7.1 Later, {SECRET}"),
            Refused: ("RCPT", f"550 5.1.1 No such user, {SECRET}"),
            AccountBroken: ("MAIL", f"530 5.7.0 Log in first, {SECRET}"),
            OutcomeUnknown: ("CONTENT", Reaction.HANG_UP),
        }
        self._server.answer(*answers[outcome])

    def wrong_credentials(self) -> dict[str, str]:
        return self.credentials | {"password": f"not-{SECRET}"}

    def nobody_there(self) -> dict[str, str]:
        return self.credentials | {"port": str(free_port())}

    def accepted(self) -> int:
        return len(self._server.messages)


BENCH = SmtpBench
