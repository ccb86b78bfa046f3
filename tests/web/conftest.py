"""What the tests of the web share."""

from __future__ import annotations

import pytest

from tests.make import Api, House


@pytest.fixture
def api(house: House) -> Api:
    """An app with a test key that may do everything."""
    return house.api()
