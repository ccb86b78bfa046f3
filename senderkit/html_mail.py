"""The HTML of an email: its CSS inlined, the preheader put in, the text part derived.

The native libraries can be driven to exhaust memory or crash; nothing reaches them before it has
been measured here.
"""

from __future__ import annotations

import html as html_entities
import re
from collections.abc import Mapping
from itertools import accumulate, islice
from typing import Final

import css_inline
import nh3

# -- finishing a template's html --------------------------------------------------------------

MAX_INLINED_CHARACTERS: Final = 200_000
MAX_INLINED_START_TAGS: Final = 3_000
MAX_INLINED_TAGS: Final = 6_000
MAX_INLINED_DEPTH: Final = 100
MAX_INLINED_GROWTH: Final = 10
MAX_FINAL_CHARACTERS: Final = 1_000_000
_MAX_REOPENED_CHARACTERS: Final = 5_000_000
_MAX_INLINED_STYLE: Final = 40_000_000
_MAX_INLINER_STEPS: Final = 500_000_000

_START_TAG: Final = re.compile(r"<[a-zA-Z]")
_TAG: Final = re.compile(r"</?[a-zA-Z]")
_TAG_NAME: Final = re.compile(r"<([a-zA-Z][^\s/>]*+)")
_PLAIN_NAME: Final = re.compile(r"[a-z][a-z0-9:-]*")
_CLEAN_TAG: Final = re.compile(r"<(/?[a-z][a-z0-9:-]*)")
_STYLE: Final = re.compile(r"<style(?=[\s/>])(.*?)(?:</style(?=[\s/>])|\Z)", re.DOTALL | re.I)


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Elements that a browser opens again in every later block when they are not closed.
_FORMATTING: Final = _tags("a b big code em font i nobr s small strike strong tt u")
_FORMATTING_NAME: Final = re.compile(rf"(</?)((?:{'|'.join(sorted(_FORMATTING))})(?=[\s/>]))", re.I)
_FORMATTING_TAG: Final = re.compile(
    rf"<({'|'.join(sorted(_FORMATTING))})(?=[\s/])"
    r"""(?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+')|["'=])*+""",
    re.I,
)
_VOID: Final = _tags(
    "area base basefont bgsound br col embed frame hr image img input keygen link meta param "
    "source track wbr"
)
_RAW: Final = _tags("style script")
_IMPLIED: Final = _tags("tbody tr colgroup p br img")
# Elements whose content parsers take differently, by their version or settings.
_UNMEASURED: Final = _tags("svg math template noscript select frameset")
_BODY_NAME: Final = re.compile(r"<body(?=[\s/>])", re.I)
_REST_OF_TAG: Final = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")

# At-rules and rules such as `:hover` cannot be inlined and stay in the head.
_INLINER: Final = css_inline.CSSInliner(
    load_remote_stylesheets=False,
    keep_link_tags=True,
    keep_style_tags=True,
    keep_at_rules=True,
    remove_inlined_selectors=True,
)


def inline_css(html: str) -> str:
    """`html` with the rules of its style elements in style attributes.

    Nothing is fetched or read. Html without style elements, that the inliner refuses, or that
    would cost it too much comes back as it is.
    """
    if not _STYLE.search(html) or not is_cheap_to_parse(html):
        return html
    try:
        inlined = _INLINER.inline(html)
    except (css_inline.InlineError, UnicodeEncodeError):
        return html
    allowed = min(MAX_INLINED_GROWTH * len(html), MAX_FINAL_CHARACTERS)
    return inlined if len(inlined) <= allowed else html


def is_cheap_to_parse(html: str) -> bool:
    """Whether a native library parses (and inlines) `html` in well under a second and 100 MB.

    Every limit was found by measuring: depth overruns a small thread's stack (0.8 kB a level)
    and ends the process, unclosed formatting elements multiply with blocks, rules and
    declarations multiply with elements.
    """
    start_tags = len(_START_TAG.findall(html))
    if (
        len(html) > MAX_INLINED_CHARACTERS
        or start_tags > MAX_INLINED_START_TAGS
        or len(_TAG.findall(html)) > MAX_INLINED_TAGS
        or _reopened_characters(html) * start_tags > _MAX_REOPENED_CHARACTERS
    ):
        return False
    styles = _STYLE.findall(html)
    rules = sum(style.count(mark) for style in styles for mark in "{;,")
    elements, depth = _measure(html, start_tags)
    return (
        depth <= MAX_INLINED_DEPTH
        and sum(map(len, styles)) * elements <= _MAX_INLINED_STYLE
        and rules * rules * elements <= _MAX_INLINER_STEPS
    )


def _reopened_characters(html: str) -> int:
    """The length of all formatting tags with attributes, which a later block may repeat. Of
    links only the longest counts: a new one closes the one before."""
    links, others = 0, 0
    for tag in _FORMATTING_TAG.finditer(html):
        length = tag.end() - tag.start()
        if tag[1].lower() == "a":
            links = max(links, length)
        else:
            others += length
    return links + others


def _measure(html: str, start_tags: int) -> tuple[int, int]:
    """At least as many elements, and levels of them, as a parser makes of `html`.

    The cleaner parses as the inliner does but without recursion, and what it writes is
    well-formed. Where the two might differ the bounds are worked out from the start tags alone.
    """
    names = {name.lower() for name in _TAG_NAME.findall(html)}
    if not names.isdisjoint(_UNMEASURED) or not all(map(_PLAIN_NAME.fullmatch, names)):
        return start_tags * start_tags, 2 * start_tags
    known = {*names, *_IMPLIED} - _RAW
    encodable = html.encode("utf-8", "replace").decode()
    cleaned = nh3.clean(
        encodable, tags=known, clean_content_tags=set(_RAW), attributes={}, link_rel=None
    )
    tags = [name for name in _CLEAN_TAG.findall(cleaned) if name not in _VOID]
    levels = accumulate(-1 if name.startswith("/") else 1 for name in tags)
    return max(start_tags, len(tags) // 2), max(levels, default=0)


def insert_preheader(html: str, preheader: str) -> str:
    """`html` with `preheader`, plain text, hidden at the start of its body."""
    if not preheader.strip():
        return html
    hidden = (
        '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">'
        f"{html_entities.escape(preheader)}</div>"
    )
    start = _body_start(html)
    return html[:start] + hidden + html[start:]


def _body_start(html: str) -> int:
    """The place after the body's start tag, those in comments aside; 0 without one."""
    position = 0
    while name := _BODY_NAME.search(html, position):
        comment = html.find("<!--", position, name.start())
        if comment < 0:
            rest = _REST_OF_TAG.match(html, name.end())
            return rest.end() if rest else 0
        position = html.find("-->", comment)
        if position < 0:
            break
    return 0


# -- html to text -----------------------------------------------------------------------------

MAX_TEXT_SOURCE_CHARACTERS: Final = 200_000
MAX_TEXT_SOURCE_TAGS: Final = 12_000

_DATA_URL: Final = re.compile(r"data:[a-z0-9/+.-]*+;base64,[A-Za-z0-9+/=]++", re.I)

# Formatting elements are renamed before parsing: unclosed ones would multiply.
_LINK: Final = "x-a"
_BLANK_LINE: Final = _tags("p h1 h2 h3 h4 h5 h6 blockquote pre")
_LISTS: Final = _tags("ul ol")
_NEW_LINE: Final = _tags(
    "address article aside caption center dd details div dl dt figcaption figure footer header "
    "hgroup li main nav section summary table tr"
)
_UNREAD: Final = _tags("title style script noscript template iframe object")
_NO_DISPLAY: Final = re.compile(r"display\s*+:\s*+none", re.I)
_SMALL_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_MAX_LIST_INDENT: Final = 6

_CLEANER: Final = nh3.Cleaner(
    tags={*nh3.ALLOWED_TAGS, *_NEW_LINE, *(f"x-{tag}" for tag in _FORMATTING)} - _FORMATTING,
    clean_content_tags=set(_UNREAD),
    attributes={_LINK: {"href"}, "img": {"alt"}, "ol": {"start"}, "*": {"style", "hidden"}},
    link_rel=None,
)


def html_to_text(html: str) -> str:
    """The readable text of `html`, for the text part of an email.

    Links keep their URL (`text (url)`), lists their bullets, table rows a line with ` | `
    between cells, images their alternative text. Hidden elements are left out. Of very long
    html only the start is read (`MAX_TEXT_SOURCE_CHARACTERS`, embedded images not counted, and
    `MAX_TEXT_SOURCE_TAGS`): the cleaner's time grows with the square of some inputs.
    """
    short = _DATA_URL.sub("data:,", html)[:MAX_TEXT_SOURCE_CHARACTERS]
    start = short.encode("utf-8", "replace").decode()
    first_unread = next(islice(_TAG.finditer(start), MAX_TEXT_SOURCE_TAGS, None), None)
    readable = start[: first_unread.start()] if first_unread else start
    writer = _TextWriter()
    writer.write(_CLEANER.clean(_FORMATTING_NAME.sub(r"\1x-\2", readable)))
    return writer.text()


# What the cleaner writes: `<name attribute="value">`, `</name>`, and text, all else escaped. A
# parser for whatever html takes four times as long.
_CLEAN_PIECE: Final = re.compile(
    r"""<(/?)([a-z][a-z0-9-]*)((?:\s[^\s="<>]+="[^"]*")*)\s?/?>|([^<]+)"""
)
_CLEAN_ATTRIBUTE: Final = re.compile(r"""\s([^\s="<>]+)="([^"]*)\"""")


def _attributes(text: str) -> dict[str, str]:
    """The first of each name."""
    found = _CLEAN_ATTRIBUTE.findall(text)
    return {name: html_entities.unescape(value) for name, value in reversed(found)}


class _TextWriter:
    """Writes clean, well-formed html as text. Breaks, spaces, bullets and cell separators wait
    until there is text to put them before."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._breaks = 0
        self._has_space = False
        self._has_cell = False
        self._bullet = ""
        self._hidden_depth = 0
        self._lists: list[int | None] = []
        self._links: list[tuple[str, int]] = []

    def text(self) -> str:
        return "".join(self._parts)

    def write(self, clean: str) -> None:
        for end, tag, attributes, text in _CLEAN_PIECE.findall(clean):
            if text:
                self._take_text(html_entities.unescape(text) if "&" in text else text)
            elif end:
                self._take_end(tag)
            else:
                self._take_start(tag, _attributes(attributes) if attributes else {})

    def _take_text(self, data: str) -> None:
        if self._hidden_depth:
            return
        words = data.split()
        self._has_space |= data[:1].isspace()
        if words:
            self._write(" ".join(words))
            self._has_space = data[-1:].isspace()

    def _take_start(self, tag: str, given: Mapping[str, str]) -> None:
        is_hidden = "hidden" in given or _NO_DISPLAY.search(given.get("style", ""))
        if self._hidden_depth or is_hidden:
            self._hidden_depth += tag not in _VOID
            return
        self._break(self._break_of(tag))
        if tag == "br":
            self._breaks = min(self._breaks + 1, 2)
        elif tag == "img":
            self._take_text(given.get("alt", ""))
        elif tag == "hr":
            self._write_rule()
        elif tag in ("td", "th"):
            self._has_cell = True
        elif tag == _LINK:
            self._links.append(("".join(given.get("href", "").split()), len(self._parts)))
        else:
            self._start_list_part(tag, given)

    def _take_end(self, tag: str) -> None:
        if self._hidden_depth:
            self._hidden_depth -= 1
            return
        if tag == _LINK:
            self._write_url(*self._links.pop())
        elif tag in _LISTS:
            self._lists.pop()
        elif tag == "li":
            self._bullet = ""
        self._break(self._break_of(tag))

    def _break_of(self, tag: str) -> int:
        if tag in _BLANK_LINE or (tag in _LISTS and not self._lists):
            return 2
        return int(tag in _NEW_LINE or tag in _LISTS)

    def _break(self, lines: int) -> None:
        self._breaks = max(self._breaks, lines)

    def _start_list_part(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "ul":
            self._lists.append(None)
        elif tag == "ol":
            start = attributes.get("start", "")
            self._lists.append(int(start) if _SMALL_NUMBER.fullmatch(start) else 1)
        elif tag == "li":
            self._bullet = self._next_bullet()

    def _next_bullet(self) -> str:
        number = self._lists[-1] if self._lists else None
        indent = "  " * min(len(self._lists) - 1, _MAX_LIST_INDENT)
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _write(self, text: str) -> None:
        self._parts.append(self._separator() + text)
        self._breaks, self._has_space, self._has_cell, self._bullet = 0, False, False, ""

    def _separator(self) -> str:
        if self._breaks or not self._parts:
            return "\n" * (self._breaks if self._parts else 0) + self._bullet
        if self._has_cell:
            return " | "
        return " " if self._has_space else ""

    def _write_rule(self) -> None:
        self._break(2)
        self._write("-----")
        self._break(2)

    def _write_url(self, url: str, start: int) -> None:
        """Close a link whose text began at part `start`; inside another link nothing is added,
        so that the time stays linear."""
        if not url or url.startswith("#") or self._links:
            return
        text = "".join(self._parts[start:]).strip(" |\n")
        if not text:
            self._write(url)
        elif url.removeprefix("mailto:").removeprefix("tel:") != text:
            self._parts.append(f" ({url})")
