"""The security headers of every response, errors and static files included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
PREVIEW_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; "
    "frame-ancestors 'self'"
)
"""Of the URLs that show the HTML of messages and templates: an opaque origin without scripts."""

_POLICY: Final = "Content-Security-Policy"
_EVERYWHERE: Final = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
]
_NEVER_CACHED: Final = [("Cache-Control", "no-store"), ("Vary", "Cookie")]
"""Of every answer that does not say itself how long it may be kept, as static files do."""


def with_style_nonce(response: Response, nonce: str) -> Response:
    """Let a page's own scripts add style elements that carry `nonce`: the code editor does."""
    policy = PAGE_POLICY.replace("style-src 'self'", f"style-src 'self' 'nonce-{nonce}'")
    response.headers[_POLICY] = policy
    return response


def as_preview(response: Response) -> Response:
    """Mark a response as the preview frame's content."""
    response.headers[_POLICY] = PREVIEW_POLICY
    return response


class SecurityHeaders:
    """The WSGI application around Flask that adds them, last of all and to whatever is answered."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
            return start_response(status, [*headers, *_missing(headers)], exc_info)

        return self._app(environ, start)


def _missing(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    given = {name.lower() for name, _ in headers}
    missing = list(_EVERYWHERE)
    if _POLICY.lower() not in given:
        missing.append((_POLICY, PAGE_POLICY))
    if "cache-control" not in given:
        missing += [pair for pair in _NEVER_CACHED if pair[0].lower() not in given]
    return missing
