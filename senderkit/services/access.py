"""People and their sessions: set-up, sign-in, sign-out, passwords.

Each sign-in is a row, so that it can be ended from the server: a cookie is worth nothing once its
row is ended. Idle time travels in the signed cookie; the absolute limit counts from the row.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from senderkit import crypto
from senderkit.commands import AddMember, ChangePassword, SetUp, normalized_email
from senderkit.domain import new_public_id, new_uuid
from senderkit.errors import InvalidRequest, Issue, SenderKitError
from senderkit.models import Member, MemberSession, Workspace

SESSION_LIFETIME: Final = timedelta(days=30)
SESSION_IDLE_LIMIT: Final = timedelta(days=7)
_ONLY_WORKSPACE: Final = 1


class SetUpClosed(SenderKitError):
    """An owner exists already: set-up is closed for good."""


def is_set_up(session: Session) -> bool:
    """Whether the first owner exists."""
    statement = select(Workspace.id).where(Workspace.set_up_at.is_not(None)).limit(1)
    return session.scalars(statement).one_or_none() is not None


def find_workspace(session: Session) -> Workspace | None:
    """The one workspace, or None before set-up."""
    return session.scalars(select(Workspace).limit(1)).one_or_none()


def ensure_workspace(session: Session, *, now: datetime) -> Workspace:
    """The one workspace; made without an owner when there is none, so that keys can be declared
    before the set-up."""
    workspace = find_workspace(session)
    if workspace is not None:
        return workspace
    session.add(_workspace("Workspace", now))
    try:
        session.commit()
    except IntegrityError:  # another process was faster
        session.rollback()
    return session.scalars(select(Workspace).limit(1)).one()


def _workspace(name: str, now: datetime) -> Workspace:
    """The workspace's number is fixed, so that of racing requests the database lets one through."""
    return Workspace(
        id=_ONLY_WORKSPACE, uuid=new_uuid(), slug=_slug(name), name=name, created_at=now
    )


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:100] or "workspace"


def set_up(session: Session, command: SetUp, *, now: datetime) -> Member:
    """Name the workspace and make its owner. Raises `SetUpClosed` for everybody but the first."""
    session.rollback()  # no transaction waits for the hash
    password_hash = crypto.hash_password(command.password)
    ensure_workspace(session, now=now)
    claimed = session.execute(
        update(Workspace)
        .where(Workspace.id == _ONLY_WORKSPACE, Workspace.set_up_at.is_(None))
        .values(set_up_at=now, name=command.workspace, slug=_slug(command.workspace))
        .returning(Workspace.id)
    )
    if claimed.one_or_none() is None:
        session.rollback()
        raise SetUpClosed("This server is set up already.")
    owner = _member(_ONLY_WORKSPACE, command.email, password_hash, is_owner=True, now=now)
    session.add(owner)
    session.commit()
    return owner


def _member(
    workspace_id: int, email: str, password_hash: str, *, is_owner: bool, now: datetime
) -> Member:
    return Member(
        public_id=new_public_id("mem", now),
        workspace_id=workspace_id,
        email=email,
        password_hash=password_hash,
        is_owner=is_owner,
        livemode_shown=False,
        created_at=now,
    )


def add_member(session: Session, command: AddMember, *, now: datetime) -> Member:
    """Add a person to the workspace. Raises `InvalidRequest` when the address is taken."""
    password_hash = crypto.hash_password(command.password)
    workspace_id = session.scalars(select(Workspace.id).limit(1)).one()
    member = _member(workspace_id, command.email, password_hash, is_owner=False, now=now)
    session.add(member)
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        issue = Issue("taken", ("email",), "A member with this address exists already.")
        raise InvalidRequest(issue.message, [issue]) from error
    return member


def find_member(session: Session, email: str) -> Member | None:
    """By address, in any case."""
    try:
        wanted = normalized_email(email)
    except InvalidRequest:
        return None
    return session.scalars(select(Member).where(Member.email == wanted)).one_or_none()


def sign_in(
    session: Session, email: str, password: str, *, now: datetime
) -> tuple[Member, str] | None:
    """Start a session; the person and its token for the cookie, or None when the two do not fit.

    Takes as long for an unknown address as for a wrong password.
    """
    member = find_member(session, email)
    stored_hash = member.password_hash if member else None
    session.rollback()  # no transaction waits for the hash
    is_right = crypto.verify_password(stored_hash, password)
    if member is None or stored_hash is None or not is_right:
        return None
    if crypto.password_needs_rehash(stored_hash):
        member.password_hash = crypto.hash_password(password)
    return member, start_session(session, member, now=now)


def start_session(session: Session, member: Member, *, now: datetime) -> str:
    """Start a session for a person who has proved who they are; return its token."""
    token = crypto.new_secret()
    session.add(
        MemberSession(token_hash=crypto.hash_secret(token), member_id=member.id, created_at=now)
    )
    session.commit()
    return token


def find_session(
    session: Session, token: str, *, seen_at: datetime, now: datetime
) -> Member | None:
    """The person behind a cookie, or None when its session is ended, idle or too old."""
    if now - seen_at > SESSION_IDLE_LIMIT:
        return None
    statement = select(MemberSession).where(
        MemberSession.token_hash == crypto.hash_secret(token),
        MemberSession.ended_at.is_(None),
        MemberSession.created_at > now - SESSION_LIFETIME,
    )
    found = session.scalars(statement).unique().one_or_none()
    return found.member if found else None


def is_session_open(connection: Connection, token: str, *, now: datetime) -> bool:
    """Whether a session that was found goes on, for what takes longer than one request."""
    statement = select(MemberSession.id).where(
        MemberSession.token_hash == crypto.hash_secret(token),
        MemberSession.ended_at.is_(None),
        MemberSession.created_at > now - SESSION_LIFETIME,
    )
    return connection.execute(statement).one_or_none() is not None


def end_session(session: Session, token: str, *, now: datetime) -> None:
    """Sign out: the cookie is worth nothing from now on."""
    session.execute(
        update(MemberSession)
        .where(MemberSession.token_hash == crypto.hash_secret(token))
        .where(MemberSession.ended_at.is_(None))
        .values(ended_at=now)
    )
    session.commit()


def change_password(
    session: Session, member: Member, command: ChangePassword, *, now: datetime
) -> str:
    """Change a password and end every session of the person; return the token of a new one.

    Raises `InvalidRequest` when the current password is wrong.
    """
    stored_hash = member.password_hash
    session.rollback()  # no transaction waits for the hash
    if not crypto.verify_password(stored_hash, command.current):
        issue = Issue("invalid_value", ("current",), "This is not your current password.")
        raise InvalidRequest(issue.message, [issue])
    set_password(session, member, command.new, now=now)
    return start_session(session, member, now=now)


def set_password(session: Session, member: Member, password: str, *, now: datetime) -> None:
    """Set a password, checked before by `check_password`, and end the person's sessions."""
    session.rollback()  # no transaction waits for the hash
    member.password_hash = crypto.hash_password(password)
    session.execute(
        update(MemberSession)
        .where(MemberSession.member_id == member.id, MemberSession.ended_at.is_(None))
        .values(ended_at=now)
    )
    session.commit()


def show_mode(session: Session, member: Member, *, livemode: bool) -> None:
    """Remember which mode the person looks at."""
    member.livemode_shown = livemode
    session.commit()


def count_members(session: Session) -> int:
    return session.scalars(select(func.count(Member.id))).one()
