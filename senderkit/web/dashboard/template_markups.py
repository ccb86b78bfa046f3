"""From HTML to MJML and back, when a person decides so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from senderkit.commands.issues import IssueCode
from senderkit.errors import InvalidRequest, Issue, TemplateError
from senderkit.mjml import NO_DEFAULTS, compile_mjml
from senderkit.themes import Theme, mjml_defaults

_BODY: Final = re.compile(r"<body(?=[\s>])[^<>]*>", re.I)
_END: Final = re.compile(r"</body\s*>", re.I)


def converted(form: Mapping[str, str], theme: Theme | None) -> dict[str, str]:
    """The fields of the other markup: `markup`, and the source by its name.

    MJML becomes the HTML that it compiles to; HTML becomes one text of an MJML document, to be
    taken apart by hand. Raises `InvalidRequest`.
    """
    if form.get("markup") == "mjml":
        return {"markup": "html", "html": _to_html(form.get("mjml", ""), theme)}
    return {"markup": "mjml", "mjml": _to_mjml(form.get("html", ""))}


def _to_html(source: str, theme: Theme | None) -> str:
    if not source.strip():
        return ""
    try:
        return compile_mjml(source, NO_DEFAULTS if theme is None else mjml_defaults(theme))
    except TemplateError as error:
        issue = Issue(IssueCode.INVALID_VALUE, ("content", "mjml"), str(error))
        raise InvalidRequest("This MJML cannot be compiled.", [issue]) from error


def _to_mjml(html: str) -> str:
    inner = _inside_body(html).strip() or "<p>Hello</p>"
    lines = "\n".join(f"          {line}".rstrip() for line in inner.splitlines())
    return (
        "<mjml>\n  <mj-body>\n    <mj-section>\n      <mj-column>\n        <mj-text>\n"
        f"{lines}\n"
        "        </mj-text>\n      </mj-column>\n    </mj-section>\n  </mj-body>\n</mjml>\n"
    )


def _inside_body(html: str) -> str:
    start, end = _BODY.search(html), _END.search(html)
    return html[start.end() if start else 0 : end.start() if end else len(html)]
