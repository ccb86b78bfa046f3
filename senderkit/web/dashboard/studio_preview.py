"""A rendered body for the sandboxed frame in which templates, blocks and themes are looked at."""

from __future__ import annotations

import re
from typing import Final

from flask import Response

from senderkit.domain import Body, EmailBody, SmsBody
from senderkit.web.dashboard.preview import shown_html
from senderkit.web.headers import as_preview

_STYLE: Final = re.compile(r"(<style[^>]*+>)(.*?)(?=</style)", re.I | re.DOTALL)
_PREFERRED: Final = re.compile(r"\(\s*+prefers-color-scheme\s*+:\s*+(dark|light)\s*+\)", re.I)
_DOCTYPE: Final = "<!doctype html>"
_TRUE, _FALSE = "(min-width: 0px)", "(min-width: 100000px)"


def body_answer(body: Body, *, from_elsewhere: bool = False, is_dark: bool = False) -> Response:
    """An email as a mail program shows it, in light or dark; anything else as its words.

    Pictures from other servers only if `from_elsewhere`.
    """
    if not isinstance(body, EmailBody):
        return _answer(_words(body), "text/plain")
    html = shown_html(body.html, {}, from_elsewhere=from_elsewhere)
    return _answer(_with_scheme(html, "dark" if is_dark else "light"), "text/html")


def _with_scheme(html: str, scheme: str) -> str:
    """`html` as a mail program in the light or dark scheme shows it, whatever this browser is in.

    Its own rules for a scheme hold or not by what is asked; what it leaves open is the browser's.
    """

    def answered(style: re.Match[str]) -> str:
        css = _PREFERRED.sub(lambda wish: _TRUE if wish[1].lower() == scheme else _FALSE, style[2])
        return style[1] + css

    head = f'{_DOCTYPE}<meta charset="utf-8"><meta name="color-scheme" content="{scheme}">'
    return head + _STYLE.sub(answered, html).removeprefix(_DOCTYPE)


def _words(body: Body) -> str:
    if isinstance(body, SmsBody):
        return body.body
    return "" if isinstance(body, EmailBody) else f"{body.title}\n\n{body.body}"


def reason_answer(reason: str) -> Response:
    """Why there is nothing to see yet."""
    return _answer(f"There is no preview yet.\n\n{reason}", "text/plain")


def _answer(text: str, mimetype: str) -> Response:
    return as_preview(Response(text, mimetype=mimetype))
