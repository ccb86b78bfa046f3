"""The security headers of every response, errors and static files included."""

from __future__ import annotations

from typing import Final

from flask import Response, request

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
PREVIEW_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; "
    "frame-ancestors 'self'"
)
"""Of the one URL that shows a message's own HTML: an opaque origin without scripts."""


def as_preview(response: Response) -> Response:
    """Mark a response as the preview frame's content."""
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY
    return response


def add_security_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    if request.endpoint != "static":
        headers["Cache-Control"] = "no-store"
        response.vary.add("Cookie")
    return response
