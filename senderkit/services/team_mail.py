"""Mail of our own to the team, through the connection of the environment where there is one.

Nothing of it is stored or tried again: whatever it tells stands on every page as well.
"""

from __future__ import annotations

import html

import structlog
from sqlalchemy import Engine, select

from senderkit.domain import Channel, Clock, EmailBody, Mode, Outgoing, new_public_id
from senderkit.errors import DeliveryError
from senderkit.models import Member
from senderkit.services.connections import Connections, Route

_log = structlog.get_logger(__name__)


class TeamMail:
    """Writes to every person of a workspace. Safe to share between threads."""

    def __init__(self, reader: Engine, connections: Connections, clock: Clock) -> None:
        self._reader = reader
        self._connections = connections
        self._clock = clock

    def send(self, workspace_id: int, subject: str, words: str) -> int:
        """Return to how many people it went; 0 without a connection of the environment."""
        route = self._connections.environment
        if route is None:
            return 0
        addresses = self._find_addresses(workspace_id)
        return sum(self._send_to(route, address, subject, words) for address in addresses)

    def _send_to(self, route: Route, address: str, subject: str, words: str) -> bool:
        try:
            self._connections.adapter(route).send(self._outgoing(address, subject, words))
        except DeliveryError as error:
            _log.warning("team_mail_not_sent", reason=str(error))
            return False
        return True

    def _outgoing(self, address: str, subject: str, words: str) -> Outgoing:
        message_id = new_public_id("msg", self._clock())
        body = EmailBody(subject, f"<p>{html.escape(words)}</p>", words)
        return Outgoing(Mode.LIVE, message_id, Channel.EMAIL, address, body)

    def _find_addresses(self, workspace_id: int) -> list[str]:
        statement = select(Member.email).where(Member.workspace_id == workspace_id)
        with self._reader.connect() as connection:
            return list(connection.scalars(statement.order_by(Member.id)))
