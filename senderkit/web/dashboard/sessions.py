"""The cookie of a person who is logged in: the session's token and when it was last seen.

The cookie is signed, its session is a row: what the cookie says counts only while the row lives.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from flask import Flask, Request
from flask import session as cookie
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from senderkit.models import Member
from senderkit.services import access
from senderkit.web.auth import is_api_path
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

_SEEN_AT: Final = "seen_at"
_SEEN_EVERY: Final = timedelta(hours=1)

login_manager = LoginManager()
# It compares addresses and user agents, which change for honest people.
login_manager.session_protection = None


class PageCookies(SecureCookieSessionInterface):
    """The cookie of the pages. /v1 knows none: nothing is read for it, and nothing can be set."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return None if is_api_path(request.path) else super().open_session(app, request)


class SignedIn(UserMixin):
    """What Flask-Login keeps of a person: the token of their session, never their number."""

    def __init__(self, member: Member, token: str) -> None:
        self.member = member
        self.token = token

    def get_id(self) -> str:
        return self.token


@login_manager.user_loader
def _load(token: str) -> SignedIn | None:
    seen_at = _find_seen_at()
    if seen_at is None:
        return None
    member = access.find_session(session(), token, seen_at=seen_at, now=runtime().clock())
    return SignedIn(member, token) if member else None


def _find_seen_at() -> datetime | None:
    seconds = cookie.get(_SEEN_AT)
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None


def find_signed_in() -> SignedIn | None:
    """The person behind this request's cookie, or None."""
    return current_user._get_current_object() if current_user.is_authenticated else None


def get_signed_in() -> SignedIn:
    """The same, on pages behind the login."""
    signed_in = find_signed_in()
    assert signed_in is not None  # noqa: S101 - the guard let nobody else through
    return signed_in


def remember(member: Member, token: str) -> None:
    """Give the browser a fresh cookie for a session that has just begun.

    Nothing of the cookie before stays, so that nobody can plant a CSRF token on a person.
    """
    cookie.clear()
    cookie.permanent = True
    cookie[_SEEN_AT] = _now_seconds()
    login_user(SignedIn(member, token))


def note_seen() -> None:
    """Move the idle limit on, at most once an hour so that few answers set the cookie."""
    seen_at = _find_seen_at()
    if seen_at is None or runtime().clock() - seen_at >= _SEEN_EVERY:
        cookie[_SEEN_AT] = _now_seconds()


def forget() -> None:
    """Take the cookie away; the caller ends the session's row."""
    logout_user()
    cookie.clear()


def _now_seconds() -> int:
    return int(runtime().clock().timestamp())
