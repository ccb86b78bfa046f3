"""A rendered body for the sandboxed frame in which blocks and themes are looked at."""

from __future__ import annotations

import re
from typing import Final

from flask import Response

from senderkit.domain import Body, EmailBody, SmsBody
from senderkit.web.dashboard.preview import shown_html
from senderkit.web.headers import as_preview

_IN_THE_DARK: Final = re.compile(r"@media\s*\(prefers-color-scheme:\s*dark\)", re.I)


def body_answer(body: Body, *, from_elsewhere: bool = False, is_dark: bool = False) -> Response:
    """An email as a mail program shows it, anything else as its words.

    Pictures from other servers only if `from_elsewhere`; `is_dark` as in the dark mode of a
    program that leaves its colours to the email.
    """
    if not isinstance(body, EmailBody):
        return _answer(_words(body), "text/plain")
    html = _IN_THE_DARK.sub("@media all", body.html) if is_dark else body.html
    return _answer(shown_html(html, {}, from_elsewhere=from_elsewhere), "text/html")


def _words(body: Body) -> str:
    if isinstance(body, SmsBody):
        return body.body
    return "" if isinstance(body, EmailBody) else f"{body.title}\n\n{body.body}"


def reason_answer(reason: str) -> Response:
    """Why there is nothing to see yet."""
    return _answer(f"There is no preview yet.\n\n{reason}", "text/plain")


def _answer(text: str, mimetype: str) -> Response:
    return as_preview(Response(text, mimetype=mimetype))
