"""Who may see a page and whose form is taken: before every request outside /v1.

Everything needs a login but what `PUBLIC` lists; every form needs a CSRF token and must come from
this very server but what `FOREIGN_FORMS` lists. /v1 has its own guard and takes no cookie.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from flask import g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, NotFound, RequestEntityTooLarge, UnsupportedMediaType

from senderkit.services import access
from senderkit.web.auth import is_api_path
from senderkit.web.bodies import MAX_PAGE_BODY_BYTES
from senderkit.web.dashboard import sessions
from senderkit.web.exchanges import note_member
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

PUBLIC: Final = frozenset(
    {
        "static",
        "healthz",
        "readyz",
        "metrics",
        "openapi",
        "docs",
        "access.setup",
        "access.set_up",
        "access.login",
        "access.log_in",
        "unsubscribe.show",
        "unsubscribe.one_click",
        "hooks.take",
    }
)
"""The endpoints that need no login."""

FOREIGN_FORMS: Final = frozenset({"unsubscribe.one_click", "hooks.take"})
"""What may be posted from anywhere, without a CSRF token: its own signature is the proof."""

BACKGROUND: Final = frozenset({"message_stream.stream"})
"""What a page asks for by itself: to nobody's login it answers nothing, where a person would be
asked to log in. A browser takes that as the end of a stream, and does not come back."""

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_URL_ENCODED: Final = "application/x-www-form-urlencoded"
_FORMS: Final = frozenset({_URL_ENCODED, "multipart/form-data"})
_MAX_FIELDS: Final = 1_200
"""The editor of a template has five for each of 200 variables."""


class ForeignForm(BadRequest):
    """A form that another site, or another address of this one, has sent."""


def guard() -> ResponseReturnValue | None:
    """None to go on, or the answer instead. Raises `ForeignForm` and other HTTP errors."""
    if is_api_path(request.path) or request.endpoint is None:
        return None
    if "\0" in request.path:
        raise NotFound
    if request.method not in _READING and request.endpoint not in FOREIGN_FORMS:
        _check_is_form()
        _check_is_ours()
    if request.endpoint in PUBLIC:
        return None
    return _check_login()


def _check_is_form() -> None:
    """Scripts of other sites may send text/plain without asking; we take forms only.

    The library counts the fields of a multipart form; those of the other kind are counted here.
    """
    if request.mimetype not in _FORMS:
        raise UnsupportedMediaType
    request.max_content_length = MAX_PAGE_BODY_BYTES
    if request.mimetype == _URL_ENCODED and request.get_data().count(b"&") >= _MAX_FIELDS:
        raise RequestEntityTooLarge


def _check_is_ours() -> None:
    """A browser says where a form stood; what says nothing must still know the CSRF token.

    Compares host and port but not the scheme: behind a proxy that ends TLS we cannot see it.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise ForeignForm
    source = request.headers.get("Origin") or request.headers.get("Referer")
    ours = {request.host, _host_of(runtime().settings.public_url)}
    if source is not None and _host_of(source) not in ours:
        raise ForeignForm


def _host_of(address: str) -> str | None:
    """Host and port of an address, or None of what is no address, such as `null`."""
    try:
        return urlsplit(address).netloc or None
    except ValueError:
        return None


def _check_login() -> ResponseReturnValue | None:
    signed_in = sessions.find_signed_in()
    if signed_in is None:
        return ("", HTTPStatus.NO_CONTENT) if request.endpoint in BACKGROUND else _ask_to_log_in()
    g.member = signed_in.member
    note_member(signed_in.member.public_id)
    sessions.note_seen()
    return None


def _ask_to_log_in() -> ResponseReturnValue:
    if not access.is_set_up(session()):
        return redirect(url_for("access.setup"))
    wanted = request.full_path.removesuffix("?") if request.method == "GET" else "/"
    return redirect(url_for("access.login", next=wanted if wanted != "/" else None))
