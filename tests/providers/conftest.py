from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from senderkit.domain import Channel, Outgoing
from senderkit.http_client import HttpClient
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter
from senderkit.providers.smtp import SmtpAdapter, SmtpProvider, mail_server
from senderkit.providers.smtp_pool import Pool
from senderkit.providers.smtp_sessions import MailServer
from tests.fakes import Authority, FakeSmtp
from tests.fakes_http import FakeProvider
from tests.fakes_sns import fake_sns, resolver_to
from tests.providers import samples

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)

HELLO = "hello@acme.example"

MakeEmail = Callable[..., Outgoing]
StartSmtp = Callable[..., FakeSmtp]
Connect = Callable[..., Adapter]


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """A client that may call this machine."""
    client = HttpClient(allow_private_addresses=True)
    yield client
    client.close()


@pytest.fixture
def sns(trusted: Authority) -> Iterator[FakeProvider]:
    """Amazon SNS, which `http_with_sns` finds under its own name."""
    with fake_sns(trusted) as server:
        yield server


@pytest.fixture
def http_with_sns(sns: FakeProvider) -> Iterator[HttpClient]:
    """A client that may call this machine and takes `sns` for Amazon's."""
    client = HttpClient(allow_private_addresses=True, resolver=resolver_to(sns))
    yield client
    client.close()


@pytest.fixture
def make_email() -> MakeEmail:
    """Makes an `Outgoing` for an email; keywords replace its parts."""

    def make(**changes: Any) -> Outgoing:
        return samples.outgoing(**({"channel": Channel.EMAIL} | changes))

    return make


@pytest.fixture
def start_smtp() -> Iterator[StartSmtp]:
    """Starts fake mail servers that stop with the test."""
    with ExitStack() as servers:
        yield lambda **options: servers.enter_context(FakeSmtp(**options))


@pytest.fixture
def connect(http: HttpClient) -> Iterator[Connect]:
    """Makes adapters for a fake mail server, without TLS unless told otherwise."""
    with ExitStack() as adapters:

        def make(server: FakeSmtp, **fields: str) -> Adapter:
            given = plain_fields(server) | fields
            adapter = get_provider("smtp").connect(given, lambda: NOON, http)
            adapters.callback(adapter.close)
            return adapter

        yield make


def plain_fields(server: FakeSmtp) -> dict[str, str]:
    """What a person would enter to use this server without TLS or login."""
    return {"host": server.host, "port": str(server.port), "security": "none", "from": HELLO}


def address_of(server: FakeSmtp) -> MailServer:
    """The server as a session sees it."""
    return mail_server(SmtpProvider().validate(plain_fields(server)))


def adapter_through(pool: Pool, server: MailServer) -> SmtpAdapter:
    """An adapter over a pool of the test's own making."""
    return SmtpAdapter(server, HELLO, lambda: NOON, pool)
