"""A live message from the API to a provider's own server, with nothing of ours replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from senderkit.commands import Place, parse_describe_connection
from senderkit.services import access
from senderkit.web.extensions import database
from tests.conftest import MakeApp
from tests.make import FakeClock, House
from tests.providers.benches.base import SECRET
from tests.providers.benches.postmark import POSTMARK_ID, PostmarkBench


@pytest.fixture
def bench() -> Iterator[PostmarkBench]:
    bench = PostmarkBench()
    with bench.running():
        yield bench


def set_up(make_app: MakeApp, clock: FakeClock, bench: PostmarkBench, **settings: Any) -> House:
    """A house whose email goes through Postmark."""
    house = House(make_app(**settings), clock)
    house.set_up()

    def connect() -> None:
        session = database.session()
        workspace = access.find_workspace(session)
        assert workspace is not None
        command = parse_describe_connection("Transactional", Place.FIRST)
        house.runtime.channels.add(
            session, workspace.id, "postmark", command, bench.credentials, now=clock()
        )

    house.in_app(connect)
    return house


def test_a_live_message_reaches_the_provider(
    make_app: MakeApp, clock: FakeClock, bench: PostmarkBench
) -> None:
    house = set_up(make_app, clock, bench, ALLOW_PRIVATE_ADDRESSES="1")
    api = house.api("live")
    message_id = api.send()
    house.deliver()
    message = api.message(message_id)
    assert (message["status"], message["provider"]) == ("sent", "postmark")
    assert message["providerMessageId"] == POSTMARK_ID
    [request] = bench.sends
    assert request.json["Metadata"] == {"senderkit_message": message_id}
    assert "/unsubscribe/" in str(request.json["Headers"])


def test_a_test_message_does_not(make_app: MakeApp, clock: FakeClock, bench: PostmarkBench) -> None:
    house = set_up(make_app, clock, bench, ALLOW_PRIVATE_ADDRESSES="1")
    house.api("test").send()
    house.deliver()
    assert bench.server.connections == 0


def test_a_base_url_inside_holds_the_message_unless_the_operator_allows_it(
    make_app: MakeApp, clock: FakeClock, bench: PostmarkBench
) -> None:
    house = set_up(make_app, clock, bench)
    api = house.api("live")
    message_id = api.send()
    house.deliver()
    message = api.message(message_id)
    assert message["status"] == "rendered"
    assert "held" in [step["e"] for step in message["timeline"]]
    assert "must begin with https" in str(message["timeline"])
    assert SECRET not in str(message)
    assert bench.server.connections == 0
