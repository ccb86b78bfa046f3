"""What the shared cases need to know of a provider: its account on a fake server, and how the
server shows each outcome, as the provider documents it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from senderkit.domain import Channel, Outgoing, ProviderEvent
from senderkit.errors import DeliveryError, OutcomeUnknown
from senderkit.providers.base import Callback
from tests.fakes import free_port
from tests.fakes_http import Answer, FakeProvider, Recorded, Reply, Trouble
from tests.providers import samples

SECRET = "correct-horse-battery"


class Bench(ABC):
    """A provider's account on a fake server. `credentials` are right for it.

    `recipient` is one that the provider takes, where the samples have another kind. Where the
    `message_names_server` (a push subscription) there is no server for a check to call, and none
    may break the connection by what it answers.
    """

    credentials: dict[str, str]
    recipient: ClassVar[str | None] = None
    message_names_server: ClassVar[bool] = False

    def message(self, channel: Channel, **changes: Any) -> Outgoing:
        """A message of this channel for such a recipient; keywords replace its parts."""
        own = {"recipient": self.recipient} if self.recipient else {}
        return samples.outgoing(channel, **(own | changes))

    @abstractmethod
    def running(self) -> AbstractContextManager[object]:
        """The fake server, up."""

    @abstractmethod
    def arrange(self, outcome: type[DeliveryError]) -> None:
        """Make the next message end like this."""

    @abstractmethod
    def wrong_credentials(self) -> dict[str, str]:
        """Credentials that the server does not take."""

    @abstractmethod
    def nobody_there(self) -> dict[str, str]:
        """Credentials for a place where nothing listens."""

    @abstractmethod
    def accepted(self) -> int:
        """How many messages have arrived."""


@dataclass(frozen=True)
class Refusal:
    """One documented answer that is no success, and what it means."""

    name: str
    answer: Answer
    means: type[DeliveryError]


@dataclass(frozen=True)
class Report:
    """One documented callback body, and the events it stands for."""

    name: str
    body: bytes
    events: Sequence[ProviderEvent] = field(default_factory=tuple)


class HttpBench(Bench):
    """A provider with an HTTP API. A subclass holds its documented answers beside each other.

    `sending` is the route of a send. `success_says_nothing` where a success is its status alone.
    Of a provider that reports by callbacks, `reports` are the bodies and `secret_headers` name
    what proves them; `signs_with_account_secret` where that is a secret without which nothing is
    sent, so that every connection has it.
    """

    sending: ClassVar[str]
    accepts: ClassVar[Answer]
    unauthorized: ClassVar[Answer]
    rate_limited: ClassVar[Answer] = Answer(429, body=b"Too many requests")
    refusals: ClassVar[Sequence[Refusal]]
    success_says_nothing: ClassVar[bool] = False
    reports: ClassVar[Sequence[Report]] = ()
    secret_headers: ClassVar[Sequence[str]] = ()
    signs_with_account_secret: ClassVar[bool] = False

    def __init__(self) -> None:
        self.server = FakeProvider(port=free_port())
        self.credentials = self.fields() | {"base_url": self.server.url}
        self._accepted = 0

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """Right credentials, without the base URL; each secret one holds `SECRET`."""

    @abstractmethod
    def is_authorized(self, request: Recorded) -> bool:
        """Whether this request brings the right credentials."""

    @abstractmethod
    def error(self, words: str) -> Answer:
        """A refusal of the message in which the provider says these words."""

    def other_routes(self) -> Mapping[str, Answer]:
        """What else the provider answers, such as the calls of a check."""
        return {}

    def aimed_at(self, url: str, channel: Channel) -> tuple[dict[str, str], Outgoing]:
        """Credentials and a message that would have the provider called at this address."""
        return self.credentials | {"base_url": url}, self.message(channel)

    def find_trial_answer(self, request: Recorded) -> Answer | None:
        """The answer to a send that sends nothing, where a check makes one."""
        return None

    def authentic(self, body: bytes) -> Callback:
        """A callback with this body that proves where it comes from."""
        raise NotImplementedError

    def forgeries(self, body: bytes) -> Iterator[Callback]:
        """The same callback when something of what proves it is missing or wrong."""
        callback = self.authentic(body)
        assert set(self.secret_headers) <= set(callback.headers)
        yield replace(callback, headers={})
        for name in self.secret_headers:
            for other in wrong_forms(callback.headers[name]):
                yield replace(callback, headers={**callback.headers, name: other})

    def arrange_answer(self, reply: Reply, *, times: int | None = None) -> None:
        """Answer sends like this, whoever asks."""
        self.server.answer(self.sending, reply, times=times)

    @property
    def sends(self) -> list[Recorded]:
        """The requests to send that have arrived."""
        return self.server.requests_to(self.sending)

    # -- the part of every bench ----------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[object]:
        for route, answer in self.other_routes().items():
            self.server.answer(route, self._for_the_authorized(answer))
        self.server.answer(self.sending, self._take)
        with self.server:
            yield self.server

    def arrange(self, outcome: type[DeliveryError]) -> None:
        if outcome is OutcomeUnknown:
            self.arrange_answer(self._take_and_vanish)
            return
        fitting = (refusal.answer for refusal in self.refusals if refusal.means is outcome)
        self.arrange_answer(next(fitting), times=1)

    def wrong_credentials(self) -> dict[str, str]:
        return {
            name: value.replace(SECRET, f"not-{SECRET}") for name, value in self.credentials.items()
        }

    def nobody_there(self) -> dict[str, str]:
        return self.credentials | {"base_url": f"http://127.0.0.1:{free_port()}"}

    def accepted(self) -> int:
        return self._accepted

    def _for_the_authorized(self, answer: Answer) -> Reply:
        return lambda request: answer if self.is_authorized(request) else self.unauthorized

    def _take(self, request: Recorded) -> Answer:
        if not self.is_authorized(request):
            return self.unauthorized
        if trial := self.find_trial_answer(request):
            return trial
        self._accepted += 1
        return self.accepts

    def _take_and_vanish(self, request: Recorded) -> Trouble:
        self._accepted += 1
        return Trouble.LOSE_REPLY


def wrong_forms(secret: str) -> Iterator[str]:
    """Texts that are close to a secret and are not it."""
    yield from ("", "x", secret[:-1], secret + "x", f"é{secret}", secret[::-1])
    if secret.swapcase() != secret:
        yield secret.swapcase()


def with_headers(answer: Answer, **headers: str) -> Answer:
    """The same answer with more headers; `retry_after` stands for `Retry-After`."""
    more: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(answer.status, answer.json, answer.body, {**answer.headers, **more})
