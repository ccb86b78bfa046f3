"""What deserves a look in the HTML (or MJML) of an email, with its place in the source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from senderkit.template_checks.colours import Look, Looks
from senderkit.template_checks.finding import Check, Level, Lines, quoted
from senderkit.template_checks.markup import MAX_MARKS, Markup, Tag, Words
from senderkit.template_uses import Text
from senderkit.themes import Theme

CLIPPED_BYTES: Final = 102 * 1024
"""Gmail shows no more of a mail than this and hides the rest behind a link."""

_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_DROPPED_BY_BROWSERS: Final = re.compile(r"[\x00-\x20]+")
_SAFE: Final = frozenset({"https", "mailto", "tel", "sms"})
_RUNS_CODE: Final = frozenset({"javascript", "vbscript", "data"})
_LINKS: Final = frozenset({"a", "area", "mj-button"})
_MAYBE_LINKS: Final = frozenset({"mj-image", "mj-navbar-link", "mj-social-element"})
_IMAGES: Final = frozenset({"img", "mj-image"})
_DROPPED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "script": "Leave it out: no mail program runs scripts.",
        "form": "Link to a page with the form in its place.",
        "iframe": "Link to the page in its place.",
        "object": "Link to it in its place.",
        "embed": "Link to it in its place.",
        "video": "Show a picture that links to the video.",
        "audio": "Link to the recording.",
    }
)
_SHEET_ADVICE: Final = "Write the rules into a <style> element: they are set into the mail for you."
_HANDLER: Final = re.compile(r"on[a-z]{3,20}")
_CLOSED_BY_ITSELF: Final = frozenset(["p", "li", "td", "th", "tr", "option", "dt", "dd", "mj-text"])
_VOID: Final = frozenset(
    [
        "area",
        "base",
        "basefont",
        "bgsound",
        "br",
        "col",
        "embed",
        "frame",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "mj-image",
        "mj-divider",
        "mj-spacer",
    ]
)


def check_html(text: Text, theme: Theme | None) -> list[Check]:
    """Linear in the length of the source, whatever it is. `theme` is the one it is rendered in."""
    return _Reading(text, theme).checks()


@dataclass(frozen=True, slots=True)
class _Element:
    name: str
    look: Look


class _Reading:
    def __init__(self, text: Text, theme: Theme | None) -> None:
        self._text = text
        self._markup = Markup(text.source)
        self._lines = Lines(text.source)
        is_mjml = text.field == "mjml"
        sheets = [self._of(w) for w in self._words() if w.raw in ("style", "mj-style")]
        self._looks = Looks(self._markup, sheets, None if is_mjml else theme)

    def checks(self) -> list[Check]:
        found = [
            check
            for mark in self._markup.marks
            for check in (self._of_tag(mark) if isinstance(mark, Tag) else self._of_words(mark))
        ]
        found.extend(self._contrasts())
        if not self._markup.is_whole:
            found.append(self._unread())
        return found

    def _words(self) -> Iterator[Words]:
        return (mark for mark in self._markup.marks if isinstance(mark, Words))

    def _of(self, words: Words) -> str:
        return self._markup.masked[words.start : words.end]

    def _check(self, level: Level, at: int, code: str, message: str, advice: str) -> Check:
        line, column = self._lines.place(at)
        field, language = self._text.field, self._text.language
        return Check(level, field, line, column, message, advice, code, language)

    def _unread(self) -> Check:
        return Check(
            Level.WARNING,
            self._text.field,
            None,
            None,
            f"Only the first {MAX_MARKS:,} tags and attributes were checked.",
            "Make it shorter: no mail program shows that much.",
            "not_checked",
            self._text.language,
        )

    # -- one tag at a time --

    def _of_tag(self, tag: Tag) -> Iterator[Check]:
        if tag.is_end:
            return
        if tag.name in _IMAGES:
            yield from self._of_image(tag)
        if tag.name in _LINKS or (tag.name in _MAYBE_LINKS and "href" in tag.attributes):
            yield from self._of_link(tag)
        yield from self._of_dropped(tag)

    def _of_image(self, tag: Tag) -> Iterator[Check]:
        if "alt" not in tag.attributes and not tag.is_open:
            yield self._check(
                Level.WARNING,
                tag.start,
                "image_alt",
                "This image has no alternative text.",
                'Add alt="…" with what it shows, or alt="" if it is for decoration only: many '
                "people never load images.",
            )
        if source := self._address(tag, "src"):
            yield from self._of_image_address(tag, source)

    def _of_image_address(self, tag: Tag, source: str) -> Iterator[Check]:
        scheme = _scheme_of(source)
        if scheme in ("https", "cid"):
            return
        message = f"The image {quoted(source)} is not loaded by https."
        advice = "Give its whole address, beginning with https://."
        if scheme == "data":
            message = "This image is inside of the HTML; Gmail and Outlook do not show it."
            advice = "Put it on a server and give its address, beginning with https://."
        yield self._check(Level.WARNING, tag.start, "image_address", message, advice)

    def _of_link(self, tag: Tag) -> Iterator[Check]:
        value = self._markup.value(tag, "href")
        is_anchor = tag.name == "a" and ("name" in tag.attributes or "id" in tag.attributes)
        if value is None and (tag.is_open or is_anchor):
            return
        if value is None or (value.text.strip() in ("", "#") and not value.is_made):
            yield self._check(
                Level.WARNING,
                tag.start,
                "link_empty",
                "This link leads nowhere.",
                'Give it an address: href="https://…" or href="{{url}}".',
            )
        elif address := self._address(tag, "href"):
            yield from self._of_link_address(tag, address)

    def _of_link_address(self, tag: Tag, address: str) -> Iterator[Check]:
        scheme = _scheme_of(address)
        level, code, advice = Level.WARNING, "link_address", "Use an address with https://."
        if scheme in _SAFE or address.startswith("#"):
            return
        if scheme in _RUNS_CODE:
            level, code = Level.ERROR, "link_script"
            message = f"This link is {quoted(scheme + ':')}, which mail programs take out."
        elif scheme:
            message = f"This link uses {quoted(scheme + ':')} rather than https."
        else:
            message = f"{quoted(address)} is no whole address: in a mail it leads nowhere."
            advice = "Begin it with https:// and the name of your site."
        yield self._check(level, tag.start, code, message, advice)

    def _address(self, tag: Tag, attribute: str) -> str:
        """What an attribute leads to; empty when there is none or Mustache decides it."""
        value = self._markup.value(tag, attribute)
        if value is None:
            return ""
        if value.is_made and not _is_decided(_DROPPED_BY_BROWSERS.sub("", value.beginning)):
            return ""
        return _DROPPED_BY_BROWSERS.sub("", value.text)

    def _of_dropped(self, tag: Tag) -> Iterator[Check]:
        advice = _DROPPED.get(tag.name)
        what = f"<{tag.name}>"
        if tag.name == "link":
            value = self._markup.value(tag, "rel")
            if value and "stylesheet" in value.text.lower().split():
                what, advice = "A linked style sheet", _SHEET_ADVICE
        handler = next((name for name in tag.attributes if _HANDLER.fullmatch(name)), None)
        if advice is None and handler:
            what, advice = quoted(handler), _DROPPED["script"]
        if advice:
            message = f"{what} is dropped by mail programs."
            yield self._check(Level.HINT, tag.start, "dropped", message, advice)

    def _of_words(self, words: Words) -> Iterator[Check]:
        if words.raw in ("style", "mj-style"):
            at = self._of(words).lower().find("@import")
            if at >= 0:
                message = "A style sheet that is imported is dropped by mail programs."
                yield self._check(Level.HINT, words.start + at, "dropped", message, _SHEET_ADVICE)

    # -- contrast --

    def _contrasts(self) -> Iterator[Check]:
        """Each pair of colours once, where it is set first."""
        seen: set[tuple[str | None, str | None]] = set()
        for words, look in self._looks_of_words():
            pair = look.colour, look.background
            ratio = None if pair in seen else look.contrast
            if ratio is None or ratio >= look.least_contrast:
                continue
            if self._markup.says_something(words):
                seen.add(pair)
                yield self._contrast(words, look, ratio)

    def _contrast(self, words: Words, look: Look, ratio: float) -> Check:
        return self._check(
            Level.WARNING,
            words.start if look.set_at is None else look.set_at,
            "contrast",
            f"Text of {look.colour} on {look.background} is hard to read: its contrast is "
            f"{int(ratio * 10) / 10}:1.",
            f"Make one of them darker or lighter, to {look.least_contrast:g}:1 or more.",
        )

    def _looks_of_words(self) -> Iterator[tuple[Words, Look]]:
        opened: list[_Element] = []
        count: dict[str, int] = {}
        for mark in self._markup.marks:
            look = opened[-1].look if opened else self._looks.outermost
            if isinstance(mark, Words):
                if mark.raw is None:
                    yield mark, look
            elif mark.is_end:
                _close(mark.name, opened, count)
            elif mark.name not in _VOID:
                if mark.name in _CLOSED_BY_ITSELF and opened and opened[-1].name == mark.name:
                    _close(mark.name, opened, count)
                    look = opened[-1].look if opened else self._looks.outermost
                opened.append(_Element(mark.name, self._looks.inside(mark, look)))
                count[mark.name] = count.get(mark.name, 0) + 1


def _close(name: str, opened: list[_Element], count: dict[str, int]) -> None:
    """Close the innermost `name` and all within; an end tag of nothing open is passed over."""
    while count.get(name, 0) > 0:
        last = opened.pop()
        count[last.name] -= 1
        if last.name == name:
            return


def _scheme_of(address: str) -> str:
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def _is_decided(beginning: str) -> bool:
    """Whether what stands there before Mustache's part says where it leads."""
    return beginning.startswith("#") or bool(_SCHEME.match(beginning)) or "/" in beginning
