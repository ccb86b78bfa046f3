"""What is counted of webhook calls."""

from __future__ import annotations

from tests.fakes_http import Answer
from tests.fakes_http import FakeProvider as Receiver
from tests.figures import figures
from tests.make import House
from tests.webhooks.conftest import PATH, Endpoint, listen, send_test, tell


def calls(house: House, outcome: str) -> float:
    return figures(house).value("webhook_call_duration_seconds_count", outcome=outcome)


def test_each_way_a_webhook_call_ends_is_counted(
    house: House, endpoint: Endpoint, receiver: Receiver
) -> None:
    send_test(house, endpoint)
    tell(house)
    receiver.answer(f"POST {PATH}", Answer(500, body=b"no"))
    send_test(house, endpoint)
    tell(house)
    send_test(house, listen(house, "http://127.0.0.1:9/nobody"))
    tell(house)

    counted = {name: calls(house, name) for name in ("delivered", "refused", "no_answer")}
    assert counted == {"delivered": 1, "refused": 1, "no_answer": 1}
