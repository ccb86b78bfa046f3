"""Themes: how a workspace's emails look, as few values that say it all.

A theme reaches HTML as a style sheet before the template's own, which is inlined when a message is
rendered; a fragment without `<html>` or `<body>` is set into a page of the theme's width. It
reaches MJML as defaults of its attributes, when a version is saved.

Mail programs with a dark mode mostly change the colours by themselves, and cannot be stopped. A few
(Apple Mail, Outlook for Mac) leave that to the email: a theme that follows the dark mode gives
those a second set of colours, worked out of the first. It is no default: a template with colours of
its own may be hard to read in the dark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from types import MappingProxyType
from typing import Any, Final

from senderkit.mjml import MjmlDefaults

FONTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "system": "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, "
        "sans-serif",
        "helvetica": "Helvetica, Arial, sans-serif",
        "verdana": "Verdana, Geneva, sans-serif",
        "georgia": "Georgia, 'Times New Roman', serif",
        "courier": "'Courier New', Courier, monospace",
    }
)
"""Stacks that mail programs have, by the name that a theme stores."""

MIN_WIDTH: Final = 320
MAX_WIDTH: Final = 800
MAX_RADIUS: Final = 24

_DOCUMENT: Final = re.compile(r"<(?:!doctype|html|head|body)(?=[\s/>])", re.I)
_HEAD: Final = re.compile(r"<head(?=[\s/>])[^<>]*>", re.I)
_HTML: Final = re.compile(r"<html(?=[\s/>])[^<>]*>", re.I)
_LIGHT_ENOUGH: Final = 0.179
_SCHEMES: Final = (
    '<meta name="color-scheme" content="light dark">'
    '<meta name="supported-color-schemes" content="light dark">'
)


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours are `#rrggbb`, `width` and `radius` are pixels, `font` is a name of `FONTS`.

    `follows_dark`: mail programs that ask for dark colours get them.
    """

    font: str = "system"
    text: str = "#1f2328"
    muted: str = "#59636e"
    background: str = "#f4f5f7"
    surface: str = "#ffffff"
    accent: str = "#4338ca"
    width: int = 600
    radius: int = 8
    follows_dark: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Theme:
        """The theme that `values` were stored of."""
        return cls(**values)

    def stored(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def on_accent(self) -> str:
        """Black or white, whichever is read better on the accent."""
        return "#000000" if luminance(self.accent) > _LIGHT_ENOUGH else "#ffffff"


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 to 1, as WCAG 2 defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21, as WCAG 2 defines it."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


# -- contrast ---------------------------------------------------------------------------------

READABLE: Final = 4.5
"""The least contrast of ordinary text, by WCAG 2."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two colours of a theme that meet in every email: the names of both, and their contrast."""

    name: str
    on: str
    contrast: float

    @property
    def is_readable(self) -> bool:
        return self.contrast >= READABLE


def pairings(theme: Theme) -> tuple[Pairing, ...]:
    """Wherever text stands on a colour of the theme."""
    pairs = (
        ("text", "surface", theme.text, theme.surface),
        ("text", "background", theme.text, theme.background),
        ("muted", "surface", theme.muted, theme.surface),
        ("accent", "surface", theme.accent, theme.surface),
        ("on_accent", "accent", theme.on_accent, theme.accent),
    )
    return tuple(Pairing(name, on, contrast(one, other)) for name, on, one, other in pairs)


# -- style sheet ------------------------------------------------------------------------------

_DARK: Final = MappingProxyType(
    {"text": "#eceef2", "muted": "#a3abb8", "background": "#111318", "surface": "#1c1f26"}
)
_LIGHTER_STEPS: Final = 20


def lightened(colour: str, surface: str) -> str:
    """`colour` with as much white in it as makes it readable on a dark `surface`."""
    for step in range(_LIGHTER_STEPS):
        mixed = _with_white(colour, step / _LIGHTER_STEPS)
        if contrast(mixed, surface) >= READABLE:
            return mixed
    return "#ffffff"


def _with_white(colour: str, share: float) -> str:
    channels = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return "#" + "".join(f"{round(value + (255 - value) * share):02x}" for value in channels)


def _dark_rules(theme: Theme) -> str:
    """Each is important: what they change is inlined by then."""
    link = lightened(theme.accent, _DARK["surface"])
    return f"""
@media (prefers-color-scheme: dark) {{
body, body > table {{ background: {_DARK["background"]} !important; }}
.container {{ background: {_DARK["surface"]} !important; }}
body, td, th, p, li, h1, h2, h3 {{ color: {_DARK["text"]} !important; }}
.muted, .muted p, .muted td {{ color: {_DARK["muted"]} !important; }}
a {{ color: {link} !important; }}
.button {{ background: {theme.accent} !important; color: {theme.on_accent} !important; }}
.panel {{ background: {_DARK["background"]} !important; }}
.rows td, .rows th {{ border-color: {_DARK["background"]} !important; }}
}}"""


def style_sheet(theme: Theme) -> str:
    """The rules of a theme: for elements, and for the classes that starters use."""
    font = FONTS[theme.font]
    return f"""
body {{ margin: 0; padding: 0; background: {theme.background}; }}
body, td, p, li {{ font-family: {font}; color: {theme.text}; font-size: 16px; line-height: 1.5; }}
h1, h2, h3 {{ font-family: {font}; color: {theme.text}; line-height: 1.25; margin: 0 0 16px; }}
h1 {{ font-size: 24px; }}
h2 {{ font-size: 20px; }}
h3 {{ font-size: 16px; }}
p {{ margin: 0 0 16px; }}
a {{ color: {theme.accent}; }}
.container {{ max-width: {theme.width}px; background: {theme.surface};
  border-radius: {theme.radius}px; }}
.button {{ display: inline-block; padding: 12px 20px; background: {theme.accent};
  color: {theme.on_accent}; border-radius: {theme.radius}px; font-weight: 600;
  text-decoration: none; }}
.code {{ font-family: {FONTS["courier"]}; font-size: 28px; font-weight: 700; letter-spacing: 4px; }}
.panel {{ background: {theme.background}; border-radius: {theme.radius}px; padding: 16px; }}
.muted, .muted p, .muted td {{ color: {theme.muted}; font-size: 14px; }}
.rows {{ width: 100%; border-collapse: collapse; }}
.rows td, .rows th {{ padding: 8px 0; border-bottom: 1px solid {theme.background};
  text-align: left; }}
.rows .number {{ text-align: right; }}
{_dark_rules(theme) if theme.follows_dark else ""}""".strip()


def dressed(html: str, theme: Theme) -> str:
    """`html` in a theme: with its style sheet first, and in its page if it is a fragment."""
    style = f"{_SCHEMES if theme.follows_dark else ''}<style>{style_sheet(theme)}</style>"
    if not _DOCUMENT.search(html):
        return _page(html, style, theme)
    if found := _HEAD.search(html):
        return html[: found.end()] + style + html[found.end() :]
    if found := _HTML.search(html):
        return f"{html[: found.end()]}<head>{style}</head>{html[found.end() :]}"
    return style + html


def _page(html: str, style: str, theme: Theme) -> str:
    """Tables, since that is what every mail program lays out alike."""
    return (
        '<!doctype html><html><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{style}</head><body>"
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">'
        '<tr><td align="center" style="padding:24px 12px">'
        f'<table role="presentation" class="container" width="{theme.width}" cellpadding="0" '
        'cellspacing="0" border="0" style="width:100%">'
        f'<tr><td style="padding:32px 24px;text-align:left">{html}</td></tr></table>'
        "</td></tr></table></body></html>"
    )


def mjml_defaults(theme: Theme) -> MjmlDefaults:
    """What an MJML document of this theme takes where it does not say otherwise."""
    font = escape(FONTS[theme.font])
    attributes = (
        f'<mj-all font-family="{font}"/>'
        f'<mj-text color="{theme.text}" font-size="16px" line-height="1.5"/>'
        f'<mj-section background-color="{theme.surface}"/>'
        f'<mj-button background-color="{theme.accent}" color="{theme.on_accent}" '
        f'border-radius="{theme.radius}px"/>'
    )
    body = {"background-color": theme.background, "width": f"{theme.width}px"}
    return MjmlDefaults(attributes, body)
