"""Colours of a text and of what is behind it, as far as a template says them beside its elements.

Only what is certain counts: a colour that Mustache writes, that is translucent or that a style
sheet may have changed is unknown, and so is a background with an image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from senderkit.template_checks.markup import Markup, Tag
from senderkit.template_checks.masks import MASKS, PRINTED, unmasked
from senderkit.themes import Theme, contrast, style_sheet

MIN_CONTRAST: Final = 4.5
MIN_CONTRAST_LARGE: Final = 3.0
_LARGE_PIXELS: Final = 24.0
_LARGE_BOLD_PIXELS: Final = 18.66
_BOLD: Final = 700
_LARGE_TAGS: Final = frozenset({"h1", "h2"})
_BOLD_TAGS: Final = frozenset(["b", "strong", "th", "h1", "h2", "h3", "h4", "h5", "h6"])

_HEX: Final = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{4}|[0-9a-f]{6}|[0-9a-f]{8})")
_BETWEEN: Final = r"(?:\s*+,\s*+|\s++)"
_RGB: Final = re.compile(
    rf"rgba?\(\s*+(\d{{1,3}}){_BETWEEN}(\d{{1,3}}){_BETWEEN}(\d{{1,3}})"
    r"\s*+(?:[,/]\s*+([\d.]+%?)\s*+)?\)",
    re.ASCII,
)
_SIZE: Final = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,5})?)(px|pt|em|rem|%)?")
_PIXELS: Final = {"px": 1.0, "pt": 4 / 3, "rem": 16.0, "": 1.0}
_IN_SHEET: Final = re.compile(r"[a-z0-9_-]+")
_RULE: Final = re.compile(r"([^{}]+)\{([^{}]*+)\}")
_CLASS: Final = re.compile(r"\.([a-z][a-z-]*)")
_DOCUMENT: Final = frozenset({"html", "head", "body"})
_PICTURE: Final = ("url(", "gradient(", "image(")

_NAMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "black": "#000000",
        "silver": "#c0c0c0",
        "gray": "#808080",
        "grey": "#808080",
        "white": "#ffffff",
        "maroon": "#800000",
        "red": "#ff0000",
        "purple": "#800080",
        "fuchsia": "#ff00ff",
        "magenta": "#ff00ff",
        "green": "#008000",
        "lime": "#00ff00",
        "olive": "#808000",
        "yellow": "#ffff00",
        "navy": "#000080",
        "blue": "#0000ff",
        "teal": "#008080",
        "aqua": "#00ffff",
        "cyan": "#00ffff",
        "orange": "#ffa500",
        "pink": "#ffc0cb",
        "gold": "#ffd700",
        "tomato": "#ff6347",
        "crimson": "#dc143c",
        "indigo": "#4b0082",
        "darkblue": "#00008b",
        "darkgreen": "#006400",
        "darkred": "#8b0000",
        "darkgray": "#a9a9a9",
        "darkgrey": "#a9a9a9",
        "dimgray": "#696969",
        "dimgrey": "#696969",
        "lightgray": "#d3d3d3",
        "lightgrey": "#d3d3d3",
        "lightblue": "#add8e6",
        "whitesmoke": "#f5f5f5",
        "gainsboro": "#dcdcdc",
        "slategray": "#708090",
        "slategrey": "#708090",
        "steelblue": "#4682b4",
    }
)
"""Of the names of CSS those that mails use; another is unknown."""


def parse_colour(text: str) -> str | None:
    """`#rrggbb` of a CSS colour, None for one that is unknown or lets something through."""
    text = text.strip().lower()
    if text in _NAMED:
        return _NAMED[text]
    if found := _HEX.fullmatch(text):
        return _of_hex(found[1])
    if found := _RGB.fullmatch(text):
        channels = [int(found[i]) for i in (1, 2, 3)]
        is_opaque = found[4] in (None, "1", "1.0", "100%")
        if is_opaque and max(channels) <= 255:
            return "#{:02x}{:02x}{:02x}".format(*channels)
    return None


def _of_hex(digits: str) -> str | None:
    full = digits if len(digits) >= 6 else "".join(digit * 2 for digit in digits)
    return f"#{full[:6]}" if full[6:] in ("", "ff") else None


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks in an element. `set_at` is the index of the tag that set its colour or its
    background last; None values are unknown."""

    colour: str | None = None
    background: str | None = None
    pixels: float | None = 16.0
    is_bold: bool = False
    is_hidden: bool = False
    is_large: bool = False
    is_styled: bool = False
    set_at: int | None = None

    @property
    def contrast(self) -> float | None:
        if self.is_hidden or self.colour is None or self.background is None:
            return None
        return contrast(self.colour, self.background)

    @property
    def least_contrast(self) -> float:
        """What WCAG 2 asks for: less for large text, for which text of unknown size may pass."""
        is_large = self.is_large
        if self.pixels is not None and not is_large:
            is_large = self.pixels >= (_LARGE_BOLD_PIXELS if self.is_bold else _LARGE_PIXELS)
        return MIN_CONTRAST_LARGE if is_large or self.pixels is None else MIN_CONTRAST


class Looks:
    """Works out the look of each element from that of the element around it.

    `sheets` are the texts of the document's own style elements: what they name by tag, class or id
    is unknown where the element does not say it itself. `theme` is the one that it is rendered in.
    """

    def __init__(self, markup: Markup, sheets: Iterable[str], theme: Theme | None) -> None:
        self._markup = markup
        self._named = set(_IN_SHEET.findall(" ".join(sheets).lower()))
        self._of_theme: dict[str, str] = {}
        self._classes: dict[str, bool] = {}
        self.outermost = Look()
        if theme is not None:
            self._of_theme = dict.fromkeys(("td", "p", "li", "h1", "h2", "h3"), theme.text)
            self._of_theme["a"] = theme.accent
            self._classes = _classes_in(style_sheet(theme))
            is_page = any(tag.name in _DOCUMENT for tag in markup.marks if isinstance(tag, Tag))
            self.outermost = Look(theme.text, theme.background if is_page else theme.surface)

    def inside(self, tag: Tag, around: Look) -> Look:
        """The look within `tag`, which stands in `around`."""
        look = self._by_sheets(tag, around)
        if tag.name in _BOLD_TAGS:
            is_large = look.is_large or tag.name in _LARGE_TAGS
            look = replace(look, is_bold=True, is_large=is_large)
        declared = self._declared(tag)
        if tag.is_open and "style" not in tag.attributes:
            return replace(look, colour=None, background=None)
        return _with(look, declared, tag) if declared else look

    def _by_sheets(self, tag: Tag, around: Look) -> Look:
        """What the style sheets of browser, theme and document leave known."""
        if self._is_named(tag):
            return replace(around, colour=None, background=None, pixels=None, is_styled=True)
        classes = self._named_by(tag, "class") if self._classes else []
        of_theme = [self._classes[name] for name in classes if name in self._classes]
        if of_theme:
            background = None if any(of_theme) else around.background
            return replace(around, colour=None, background=background, pixels=None, is_styled=True)
        if tag.name in self._of_theme and not around.is_styled:
            return replace(around, colour=self._of_theme[tag.name])
        return replace(around, colour=None) if tag.name == "a" else around

    def _is_named(self, tag: Tag) -> bool:
        """Whether a style sheet of the document may be about `tag`, or Mustache names its class."""
        if "mj-class" in tag.attributes:
            return True
        if "class" not in tag.attributes and "id" not in tag.attributes:
            return tag.name in self._named
        names = self._named_by(tag, "class") + self._named_by(tag, "id")
        is_made = PRINTED in self._markup.raw_value(tag, "class")
        return is_made or not self._named.isdisjoint({tag.name, *names})

    def _named_by(self, tag: Tag, attribute: str) -> list[str]:
        return _IN_SHEET.findall(self._markup.raw_value(tag, attribute).lower())

    def _declared(self, tag: Tag) -> dict[str, str]:
        """What `tag` says of itself by CSS property; a Mustache tag in it is left masked."""
        found = self._attributes(tag)
        for declaration in self._markup.raw_value(tag, "style").split(";"):
            name, colon, value = declaration.partition(":")
            if colon:
                masks = "".join(mask for mask in MASKS if mask in name)
                plain = unmasked(name).strip().lower()
                found[plain] = masks + value.lower().replace("!important", "").strip()
        return found

    def _attributes(self, tag: Tag) -> dict[str, str]:
        old = {"background-color": "bgcolor"}
        if tag.name == "font":
            old["color"] = "color"
        elif tag.name == "body":
            old["color"] = "text"
        elif tag.name.startswith("mj-"):
            same = ("color", "background-color", "font-size", "font-weight", "background-url")
            old = {name: name for name in same}
        found = {name: self._markup.raw_value(tag, old[name]).lower() for name in old}
        return {name: value.strip() for name, value in found.items() if value}


def _classes_in(sheet: str) -> dict[str, bool]:
    """The classes that a style sheet names, and whether it gives them a background."""
    found: dict[str, bool] = {}
    for selector, rule in _RULE.findall(sheet):
        for name in _CLASS.findall(selector):
            found[name] = found.get(name, False) or "background:" in rule
    return found


def _with(look: Look, declared: Mapping[str, str], tag: Tag) -> Look:
    """`look` with the declarations of `tag`, which win."""
    colour, background = look.colour, look.background
    if "color" in declared and declared["color"] != "inherit":
        colour = parse_colour(declared["color"])
    for name in ("background", "background-color"):
        if name in declared:
            background = _background(declared[name], background)
    is_picture = declared.get("background-image", "none") != "none"
    if is_picture or "background-url" in declared:
        background = None
    if declared.get("opacity", "1") not in ("1", "1.0"):
        colour = None
    is_new = (colour, background) != (look.colour, look.background)
    return Look(
        colour,
        background,
        _pixels(declared, look.pixels),
        _is_bold(declared, look.is_bold),
        look.is_hidden or _hides(declared),
        look.is_large and "font-size" not in declared,
        look.is_styled and "color" not in declared,
        tag.start if is_new or look.set_at is None else look.set_at,
    )


def _background(value: str, behind: str | None) -> str | None:
    if value in ("transparent", "none", "inherit", "unset", "initial"):
        return behind
    if any(picture in value for picture in _PICTURE):
        return None
    whole = parse_colour(value)
    if whole is not None:
        return whole
    known = [colour for word in value.split()[:20] if (colour := parse_colour(word))]
    is_made = any(mask in value for mask in MASKS)
    return known[0] if len(known) == 1 and not is_made else None


def _pixels(declared: Mapping[str, str], around: float | None) -> float | None:
    if "font" in declared:
        return None
    if "font-size" not in declared:
        return around
    found = _SIZE.fullmatch(declared["font-size"])
    if found is None:
        return None
    number, unit = float(found[1]), found[2] or ""
    if unit in ("em", "%"):
        share = number / 100 if unit == "%" else number
        return None if around is None else around * share
    return number * _PIXELS[unit]


def _is_bold(declared: Mapping[str, str], around: bool) -> bool:
    weight = declared.get("font-weight")
    if weight is None:
        return around
    is_heavy = weight.isascii() and weight.isdigit() and len(weight) < 5 and int(weight) >= _BOLD
    return weight in ("bold", "bolder") or is_heavy


def _hides(declared: Mapping[str, str]) -> bool:
    """Whether readers are not meant to see it, as with text for the preview of an inbox."""
    nothing = ("0", "0px", "0.0", "1px")
    return (
        declared.get("display") == "none"
        or declared.get("visibility") == "hidden"
        or declared.get("mso-hide") == "all"
        or declared.get("font-size") in nothing
        or declared.get("opacity") == "0"
        or declared.get("max-height") in ("0", "0px")
    )
