"""Themes: their style sheet, their page, how well their colours are read, what they may hold."""

from __future__ import annotations

import re
from typing import Any

import pytest

from senderkit.commands import parse_save_theme
from senderkit.domain import Channel, EmailBody
from senderkit.errors import InvalidRequest
from senderkit.rendering import Surroundings, compile_content
from senderkit.themes import (
    FONTS,
    READABLE,
    Theme,
    contrast,
    dressed,
    lightened,
    pairings,
    style_sheet,
)

FORM = {name: str(value) for name, value in Theme().stored().items()} | {
    "name": "Acme",
    "follows_dark": "",
}


def rendered(html: str, theme: Theme, **variables: Any) -> str:
    compiled = compile_content(Channel.EMAIL, {"subject": "", "html": html})
    body = compiled.render(variables, Surroundings(theme=theme)).body
    assert isinstance(body, EmailBody)
    return body.html


# -- what it does to an email -----------------------------------------------------------------


def test_a_fragment_is_set_into_a_page_and_a_page_stays_one() -> None:
    theme = Theme(width=640)
    assert 'class="container" width="640"' in dressed("<p>Hi</p>", theme)
    page = "<html><head><title>T</title></head><body><p>Hi</p></body></html>"
    assert "container" not in dressed(page, theme).replace(style_sheet(theme), "")
    assert dressed(page, theme).count("<head>") == 1
    assert "<head><style>" in dressed("<html><body>Hi</body></html>", theme)


def test_the_templates_own_style_has_the_last_word() -> None:
    html = rendered("<style>p { color: #00ff00; }</style><p>Hi</p>", Theme())
    found = re.search(r"<p style=\"([^\"]*)\"", html)
    assert found
    assert found[1].rindex("#00ff00") >= found[1].rfind(Theme().text)


def test_every_font_is_a_stack_that_ends_in_a_generic_one() -> None:
    assert all(stack.endswith(("serif", "sans-serif", "monospace")) for stack in FONTS.values())
    assert all(FONTS[name] in style_sheet(Theme(font=name)) for name in FONTS)


def test_the_dark_colours_stay_in_the_head_and_are_there_only_if_wanted() -> None:
    assert "prefers-color-scheme" not in rendered("<p>Hi</p>", Theme())
    html = rendered('<p>Hi</p><a class="button">Go</a>', Theme(follows_dark=True))
    assert "@media (prefers-color-scheme: dark)" in html
    assert 'name="color-scheme" content="light dark"' in html
    assert "!important" not in html.partition("<body")[2]


# -- contrast ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_what_wcag_says(one: str, other: str, expected: float) -> None:
    assert contrast(one, other) == pytest.approx(expected, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


def test_the_first_theme_reads_well_in_every_place() -> None:
    assert all(pair.is_readable for pair in pairings(Theme()))


def test_a_pale_accent_is_told_as_a_link_but_reads_well_as_a_button() -> None:
    found = {pair.name: pair.is_readable for pair in pairings(Theme(accent="#ffcc00"))}
    assert found == {"text": True, "muted": True, "accent": False, "on_accent": True}


def test_button_text_and_dark_links_are_readable_on_whatever_accent() -> None:
    steps = range(0, 256, 15)
    accents = [
        f"#{red:02x}{green:02x}{blue:02x}" for red in steps for green in steps for blue in steps
    ]
    assert all(contrast(Theme(accent=a).on_accent, a) >= READABLE for a in accents)
    assert all(contrast(lightened(a, "#1c1f26"), "#1c1f26") >= READABLE for a in accents[::7])


# -- what may stand in it ---------------------------------------------------------------------

HOSTILE = (
    "red",
    "#12345",
    "#1234567",
    "#12345g",
    "#fff; } body { display: none",
    "#ffffff</style><script>alert(1)</script>",
    "url(https://evil.example/x)",
    "expression(alert(1))",
    "#ffffff/**/",
    "\u0000#ffffff",
    "#\u0661\u0661\u0661\u0661\u0661\u0661",
    "var(--x)",
    "x" * 100_000,
)


@pytest.mark.parametrize("field", [name for name in FORM if name not in {"name", "follows_dark"}])
def test_no_hostile_value_becomes_part_of_a_style_sheet(field: str) -> None:
    for value in (*HOSTILE, "", "-1", "1e99", "9" * 50, "600px", "8; }", "\u0666\u0660\u0660"):
        with pytest.raises(InvalidRequest) as caught:
            parse_save_theme(FORM | {field: value})
        assert [issue.path for issue in caught.value.issues] == [(field,)], value


def test_a_hostile_name_reaches_no_email() -> None:
    theme = parse_save_theme(FORM | {"name": "</style><script>"}).theme
    assert "script" not in rendered("<p>Hi</p>", theme)


def test_short_colours_and_those_without_a_mark_are_taken() -> None:
    theme = parse_save_theme(FORM | {"accent": " #0A5 ", "text": "112233"}).theme
    assert (theme.accent, theme.text) == ("#00aa55", "#112233")


def test_what_was_stored_before_there_were_dark_colours_is_still_a_theme() -> None:
    values = Theme().stored()
    del values["follows_dark"]
    assert Theme.of(values) == Theme()
