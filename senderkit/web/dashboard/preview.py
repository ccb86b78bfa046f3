"""An email's HTML as a mail program would show it, for the sandboxed frame of its page.

The frame's own policy is what keeps it harmless: nothing in it can run. Here it is only made quiet:
what no mail program takes (scripts, frames, forms, linked styles) would be refused by that policy
one by one, and pictures from elsewhere tell their server that somebody looked.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

import nh3

from senderkit.html_mail import is_cheap_to_parse
from senderkit.services.details import InlineImage

_MAX_IMAGES_BYTES: Final = 20_000_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS: Final = _words(
    """a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col
    colgroup dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header
    hgroup hr i img ins kbd li main mark nav ol p pre q rp rt ruby s samp section small span strike
    strong style sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr"""
)
_UNREAD: Final = _words(
    "script title noscript template iframe object embed svg math select textarea"
)
_ATTRIBUTES: Final = _words(
    """abbr align alt background bgcolor border cellpadding cellspacing class color cols colspan
    datetime dir face headers height hidden href id lang nowrap open reversed role rowspan scope
    size span src start style summary title type valign value width"""
)
_PICTURES: Final = frozenset({"src", "background"})
_BODY: Final = re.compile(r"<body(?=[\s>])", re.I)
_REST_OF_TAG: Final = re.compile(r"""((?:[^>"']++|"[^"]*+"|'[^']*+')*+)>""")
_STYLE: Final = re.compile(r"(<style[^>]*+>)(.*?)(?=</style)", re.I | re.DOTALL)
_IN_CSS: Final = re.compile(
    r"@import[^;]*+;?|@font-face\s*+\{[^}]*+\}?|url\(\s*+([\"']?)([^()\"']*+)\1\s*+\)", re.I
)
_FROM_ELSEWHERE: Final = re.compile(
    r"(?:src|background)\s*+=\s*+[\"']?\s*+https?:|url\(\s*+[\"']?\s*+https?:", re.I
)


def shows_pictures_from_elsewhere(html: str) -> bool:
    """Whether a mail program would fetch anything to show it."""
    return _FROM_ELSEWHERE.search(html) is not None


def shown_html(html: str, images: Mapping[str, InlineImage], *, from_elsewhere: bool) -> str:
    """The html with the pictures that came with it (by content id), and others if `from_elsewhere`.

    Html that would cost too much to parse is shown as it is.
    """
    if not is_cheap_to_parse(html):
        return html
    quiet = _Quiet(images, ("data:", "https:") if from_elsewhere else ("data:",))
    division = quiet.clean(f"<div{_body_attributes(html)}></div>")
    start = f"<body{division.removeprefix('<div').removesuffix('</div>')}"
    return f"<!doctype html>{start}{quiet.clean(html)}</body>"


def _body_attributes(html: str) -> str:
    """As they stand in the first body tag: the cleaner drops that tag with its background."""
    name = _BODY.search(html)
    rest = _REST_OF_TAG.match(html, name.end()) if name else None
    return rest[1] if rest else ""


class _Quiet:
    """Takes out what the frame's policy would refuse; pictures may have addresses that begin so."""

    def __init__(self, images: Mapping[str, InlineImage], schemes: tuple[str, ...]) -> None:
        self._images = images
        self._schemes = schemes
        self._budget = _MAX_IMAGES_BYTES

    def clean(self, html: str) -> str:
        cleaned = nh3.clean(
            html.encode("utf-8", "replace").decode(),
            tags=set(_TAGS),
            clean_content_tags=set(_UNREAD),
            attributes={"*": set(_ATTRIBUTES)},
            attribute_filter=self._kept,
            url_schemes={"http", "https", "mailto", "tel", "data", "cid"},
            link_rel=None,
        )
        return _STYLE.sub(lambda found: found[1] + self._css(found[2]), cleaned)

    def _kept(self, _tag: str, name: str, value: str) -> str | None:
        if name in _PICTURES:
            return self._picture(value.strip())
        return self._css(value) if name == "style" else value

    def _picture(self, address: str) -> str | None:
        """A picture that is named over and over is put in while the page stays below a limit."""
        image = self._images.get(address.removeprefix("cid:"))
        if image is None or not address.startswith("cid:"):
            return address if address.lower().startswith(self._schemes) else None
        self._budget -= len(image.content)
        if self._budget < 0:
            return None
        return f"data:{image.content_type};base64,{b64encode(image.content).decode('ascii')}"

    def _css(self, css: str) -> str:
        return _IN_CSS.sub(self._css_address, css)

    def _css_address(self, found: re.Match[str]) -> str:
        address = found[2]
        if address is None:  # @import and @font-face
            return ""
        return found[0] if address.strip().lower().startswith(self._schemes) else "none"
