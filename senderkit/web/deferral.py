"""Answers that are held back until a send is durable, without a thread that waits for it.

The answer to a send is known before its commit: its id is made here. So the view prepares it and
ends; the front holds it until the commit, and sends another one in its place if the send was not
stored or an earlier one had its idempotency key. Under a server that is not ours the view waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Response, g, request

from senderkit.acceptance import Accepted, Pending, wait_for
from senderkit.web.errors import response_for

DEFERRAL: Final = "senderkit.deferral"
"""In the WSGI environment: the front's `Deferral`, where there is one."""

Submit = Callable[[Callable[[], None]], Pending]
Respond = Callable[[Accepted], Response]


class Deferral:
    """Room for one answer that the front holds back. `notify` is called when it may go out."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._held: tuple[Pending, Respond, str] | None = None

    @property
    def is_holding(self) -> bool:
        return self._held is not None

    def hold(self, submit: Submit, respond: Respond) -> Response:
        """The answer that is expected, to be held back."""
        pending = submit(self._notify)
        self._held = pending, respond, g.request_id
        return respond(pending.expected)

    def find_other_answer(self) -> Response | None:
        """What is to be answered instead; None when it came as expected."""
        assert self._held is not None  # noqa: S101 - the front asks only while it holds one
        pending, respond, request_id = self._held
        try:
            accepted = pending.result()
            return None if accepted == pending.expected else respond(accepted)
        except Exception as error:  # noqa: BLE001 - becomes the answer, as in a view
            return response_for(error, request_id)


def answer_when_stored(submit: Submit, respond: Respond) -> Response:
    """Answer with what `respond` makes of the send that `submit` hands in, after its commit."""
    deferral: Deferral | None = request.environ.get(DEFERRAL)
    return respond(wait_for(submit)) if deferral is None else deferral.hold(submit, respond)
