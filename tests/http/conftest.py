from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from senderkit.http_client import HttpClient, Timeouts
from tests.fakes_http import FakeProvider

MakeClient = Callable[..., HttpClient]

QUICK = Timeouts(connect_seconds=1, read_seconds=1, total_seconds=1)
"""For tests in which something never answers."""


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Makes clients that may call this machine unless told otherwise; they close with the test."""
    with ExitStack() as clients:

        def make(**options: Any) -> HttpClient:
            client = HttpClient(**({"allow_private_addresses": True} | options))
            clients.callback(client.close)
            return client

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> HttpClient:
    return make_client()


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider
