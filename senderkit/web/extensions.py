"""The Flask extensions, made once and bound to each application by `create_app`."""

from __future__ import annotations

from typing import Any

from flask import Request, has_request_context, request
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from flask_wtf import CSRFProtect
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from senderkit.database import read_only
from senderkit.models import Base

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_READING_FORMS = frozenset({"template_preview.frame", "template_preview.live"})
"""What is posted for its length alone and changes nothing; an editor sends one after each pause."""


class RequestSession(FlaskSession):
    """A session whose transactions only read while the request only reads."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        bind = super().get_bind(*args, **kwargs)
        return read_only(bind) if isinstance(bind, Engine) and _only_reads() else bind


def _only_reads() -> bool:
    if not has_request_context():
        return False
    return request.method in _READING or request.endpoint in _READING_FORMS


database = SQLAlchemy(model_class=Base, session_options={"class_": RequestSession})
migrate = Migrate()
csrf = CSRFProtect()


def session() -> Session:
    """The session of this request."""
    return database.session()


def current_request() -> Request:
    """The request itself: what is read through Flask's stand-in costs a look-up each time."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found
