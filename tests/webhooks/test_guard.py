"""Which addresses a webhook may lead to: every hostile URL, and a canary on each local address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from senderkit.http_client import HttpClient, Timeouts
from senderkit.services.team_mail import TeamMail
from senderkit.webhook_dispatcher import WebhookDispatcher
from tests.hostile import HOSTILE, Canary, resolve_offline
from tests.make import Api, House
from tests.webhooks.conftest import listen


@pytest.fixture
def guarded(house: House) -> Iterator[WebhookDispatcher]:
    """A dispatcher where private addresses are not allowed, with a name system of the tests."""
    at_hand = house.runtime
    http = HttpClient(resolver=resolve_offline, timeouts=Timeouts(1, 1, 1))
    mail = TeamMail(at_hand.reader, at_hand.connections, house.clock)
    yield WebhookDispatcher(
        at_hand.engine, http, at_hand.endpoints, mail, house.clock, at_hand.metrics
    )
    http.close()


def test_no_hostile_url_is_reached_however_it_got_there(
    house: House, api: Api, guarded: WebhookDispatcher, canary: Canary
) -> None:
    for number, url in enumerate(HOSTILE):
        endpoint = listen(house, f"https://hooks.example/{number}")
        house.write(
            "UPDATE webhook_endpoints SET url = :url WHERE public_id = :id",
            url=url.replace("{port}", str(canary.port)),
            id=endpoint.public_id,
        )
    api.send()
    house.deliver()

    assert guarded.run_once() == len(HOSTILE)
    assert canary.heard() == 0
    answered = "SELECT count(*) FROM webhook_attempts WHERE status_code IS NOT NULL"
    assert house.rows(answered) == [(0,)]
    refused = "SELECT count(*) FROM webhook_attempts WHERE error IS NOT NULL"
    assert house.rows(refused) == [(len(HOSTILE),)]
