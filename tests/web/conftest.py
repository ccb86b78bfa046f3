"""What the tests of the web share."""

from __future__ import annotations

import pytest

from tests.conftest import MakeApp
from tests.make import Api, FakeClock, House


@pytest.fixture
def api(house: House) -> Api:
    """An app with a test key that may do everything."""
    return house.api()


@pytest.fixture
def live_house(make_app: MakeApp, clock: FakeClock) -> House:
    """A house that can accept live email; nothing delivers it."""
    app = make_app(SMTP_URL="smtp://127.0.0.1:9", MAIL_FROM="Acme <hello@acme.example>")
    house = House(app, clock)
    house.set_up()
    return house
