"""What all adapters of HTTP APIs share: the account, the call, and errors in words for people."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from senderkit.domain import Clock
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    OutcomeUnknown,
    Refused,
    Suppressed,
    Unavailable,
)
from senderkit.http_client import HttpClient, Reply, Request
from senderkit.providers.base import Adapter, Field, FieldType, Provider, readable

BASE_URL: Final = Field(
    "base_url",
    "API address",
    "Leave it empty, unless a proxy of yours stands in.",
    type=FieldType.URL,
)
"""For a provider whose own address follows from another field, such as the region."""

BY_STATUS: Final[Mapping[int, type[DeliveryError]]] = {
    400: Refused,
    401: AccountBroken,
    402: AccountBroken,
    403: AccountBroken,
    404: AccountBroken,
    405: AccountBroken,
    407: AccountBroken,
    408: Unavailable,
    413: Refused,
    415: Refused,
    422: Refused,
    425: Unavailable,
    429: Unavailable,
}
"""What an HTTP status means where the provider's own code does not say more."""

BY_CLASS: Final[Mapping[int, type[DeliveryError]]] = {
    2: OutcomeUnknown,  # it answered yes, in words that are not the provider's
    3: AccountBroken,  # nobody moves an API by a redirect: the base URL is wrong
    4: Refused,
    5: Unavailable,
}

_VERDICTS: Final[Mapping[type[DeliveryError], str]] = {
    Refused: "refused the message",
    Suppressed: "does not send to this recipient",
    AccountBroken: "does not accept this connection's account or settings",
    Unavailable: "cannot take the message now",
    OutcomeUnknown: "gave an answer that cannot be read",
}

_PLAIN_TEXT_LIMIT: Final = 200
_SHORTEST_LINE: Final = 8


class Credentials(Mapping[str, str]):
    """The validated fields of a connection. Printing it shows none of them."""

    def __init__(self, provider: Provider, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        names = [field.name for field in provider.fields if field.is_secret]
        secrets = {form for name in names for form in _forms_of(self._values[name])}
        # The longest first: a secret may be a part of another's form.
        self._secrets = sorted(secrets, key=len, reverse=True)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self._values)})"

    def hide(self, *more: str) -> None:
        """Keep these out of every text as well: what was made from a secret, such as a login."""
        self._secrets = sorted({*self._secrets, *filter(None, more)}, key=len, reverse=True)

    def stop_hiding(self, *expired: str) -> None:
        """These are worth nothing any more: an adapter that lives for years mints many tokens."""
        self._secrets = [secret for secret in self._secrets if secret not in expired]

    def readable(self, text: str) -> str:
        """Text from outside, made fit to show and without any of our secrets."""
        return readable(text, self._secrets)


def _forms_of(secret: str) -> Iterator[str]:
    """The shapes in which a server may repeat a secret. A key file is hidden line by line.

    A line such as a lone bracket is no secret, and hiding it would spoil what a server says.
    """
    lines = (line for line in secret.splitlines() if len(line) >= _SHORTEST_LINE)
    for text in {secret, *lines} - {""}:
        yield text
        yield quote(text, safe="")
        yield b64encode(text.encode()).decode("ascii")


def basic_auth(credentials: Credentials, user: str, password: str) -> str:
    """The value of an `Authorization` header; it is kept out of every text from now on."""
    token = b64encode(f"{user}:{password}".encode()).decode("ascii")
    credentials.hide(token)
    return f"Basic {token}"


class HttpAdapter(Adapter):
    """An adapter that talks to its provider through the one HTTP client."""

    def __init__(
        self, provider: Provider, values: Mapping[str, str], clock: Clock, http: HttpClient
    ) -> None:
        self._label = provider.label
        self._credentials = Credentials(provider, values)
        self._clock = clock
        self._http = http

    def close(self) -> None:
        """Nothing to let go of: idle connections are the client's, and all adapters share them."""

    def _call(self, request: Request) -> Reply:
        """Raises `Unavailable`, `OutcomeUnknown` or `DestinationRefused`; see `HttpClient.send`."""
        return self._http.send(request)

    def _url(self, path: str) -> str:
        """An address below the connection's base URL; `path` begins with a slash."""
        return self._base_url().rstrip("/") + path

    def _base_url(self) -> str:
        """The field of that name; a provider with regions knows one where it was left empty."""
        return self._credentials["base_url"]

    def _error_by_status(self, reply: Reply, said: str = "") -> DeliveryError:
        """The error that a reply means by its HTTP status alone."""
        kind = BY_STATUS.get(reply.status) or BY_CLASS.get(reply.status // 100, OutcomeUnknown)
        return self._error(kind, reply, said)

    def _error(self, kind: type[DeliveryError], reply: Reply, said: str = "") -> DeliveryError:
        """An error of this kind: `said` are the provider's own words, with its code."""
        words = said or _plain_words(reply)
        sentence = f"{self._label} {_VERDICTS[kind]} (HTTP {reply.status})"
        text = self._credentials.readable(f"{sentence}: {words}" if words else f"{sentence}.")
        if kind is Unavailable:
            hint = reply.find_retry_after_seconds(self._clock())
            return Unavailable(text, retry_after_seconds=hint)
        return kind(text)


def _plain_words(reply: Reply) -> str:
    """The reply itself where it is plain text; markup and data are nothing to show."""
    is_plain = reply.headers.get("content-type", "").startswith("text/plain")
    return reply.text()[:_PLAIN_TEXT_LIMIT] if is_plain else ""
