"""Who may go on listening: the leave to hear a stream lasts, so it is looked at again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from senderkit import crypto
from senderkit.models import ApiKey, Member, MemberSession
from senderkit.services.access import SESSION_LIFETIME


@dataclass(frozen=True, slots=True)
class KeyTicket:
    """An API key's leave to listen, for as long as it is not revoked."""

    key_id: int


@dataclass(frozen=True, slots=True)
class SessionTicket:
    """A person's, for as long as their session lasts and shows this mode."""

    token_hash: str
    livemode: bool


Ticket = KeyTicket | SessionTicket


def session_ticket(token: str, *, livemode: bool) -> SessionTicket:
    """Of the session behind a cookie's token, while it shows that mode."""
    return SessionTicket(crypto.hash_secret(token), livemode)


def find_valid(connection: Connection, tickets: Iterable[Ticket], now: datetime) -> set[Ticket]:
    """The tickets that still count."""
    given = set(tickets)
    keys = {ticket.key_id for ticket in given if isinstance(ticket, KeyTicket)}
    hashes = {ticket.token_hash for ticket in given if isinstance(ticket, SessionTicket)}
    valid: set[Ticket] = set()
    if keys:
        valid |= _valid_keys(connection, keys)
    if hashes:
        valid |= _valid_sessions(connection, hashes, now)
    return valid & given


def _valid_keys(connection: Connection, key_ids: set[int]) -> set[Ticket]:
    statement = select(ApiKey.id).where(ApiKey.id.in_(key_ids), ApiKey.revoked_at.is_(None))
    return {KeyTicket(key_id) for key_id in connection.execute(statement).scalars()}


def _valid_sessions(connection: Connection, hashes: set[str], now: datetime) -> set[Ticket]:
    statement = (
        select(MemberSession.token_hash, Member.livemode_shown)
        .join(Member, Member.id == MemberSession.member_id)
        .where(
            MemberSession.token_hash.in_(hashes),
            MemberSession.ended_at.is_(None),
            MemberSession.created_at > now - SESSION_LIFETIME,
        )
    )
    return {SessionTicket(row[0], row[1]) for row in connection.execute(statement)}
