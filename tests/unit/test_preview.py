"""The preview of an email: quiet, true to its looks, with pictures from elsewhere only if asked."""

from __future__ import annotations

import time

import pytest

from senderkit.services.details import InlineImage
from senderkit.web.dashboard.preview import shown_html, shows_pictures_from_elsewhere

PIXEL = InlineImage("image/gif", b"GIF89a")
EMBEDDED = "data:image/gif;base64,R0lGODlh"
QUICK_SECONDS = 2.0


def shown(html: str, *, from_elsewhere: bool = False, **images: InlineImage) -> str:
    return shown_html(html, images, from_elsewhere=from_elsewhere)


def inside(html: str, **images: InlineImage) -> str:
    text = shown_html(html, images, from_elsewhere=False)
    assert text.startswith("<!doctype html><body>"), text
    return text.removeprefix("<!doctype html><body>").removesuffix("</body>")


@pytest.mark.parametrize(
    "html",
    [
        '<table width="600" bgcolor="#fff" cellpadding="0" align="center"><tbody><tr>'
        '<td valign="top" colspan="2" style="padding:8px">A</td></tr></tbody></table>',
        "<style>.a > b { color: red } @media (max-width: 600px) { .a { width: 100% } }</style>"
        '<p class="a" id="b">x <b>y</b></p>',
        '<a href="https://acme.example/?a=1&amp;b=2">Track</a>',
        '<a href="mailto:ada@example.com">Mail</a>',
        '<img src="data:image/png;base64,aGk=" alt="A" width="1">',
        '<center><font face="Arial" size="2" color="red">Old</font></center>',
        "Plain text, no tags at all: 1 &lt; 2",
    ],
)
def test_what_mail_programs_show_is_kept_as_it_is(html: str) -> None:
    assert inside(html) == html


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("<script>alert(1)</script>x", "x"),
        ("<p onclick=alert(1)>x</p>", "<p>x</p>"),
        ("<iframe src=https://evil.example></iframe>x", "x"),
        ("<object data=x></object><embed src=x>x", "x"),
        ("<svg onload=alert(1)></svg>x", "x"),
        ("<base href=https://evil.example/><link rel=stylesheet href=https://evil.example>x", "x"),
        ("<meta http-equiv=refresh content='0;url=https://evil.example/'>x", "x"),
        ("<form action=https://evil.example><input name=a><button>b</button></form>", "b"),
        ("<a href=javascript:alert(1)>x</a>", "<a>x</a>"),
        ("<img src=x onerror=alert(1)>", "<img>"),
        ("<img src=http://evil.example/x>", "<img>"),
        ("<img src=//evil.example/x>", "<img>"),
        ("<img src=cid:unknown>", "<img>"),
        ("<img src=file:///etc/passwd>", "<img>"),
        ("<title>T</title>x<!-- comment -->", "x"),
        ("<style>@import url(https://evil.example);b{}</style>", "<style>b{}</style>"),
        ("<style>@import 'x';b{}</style>", "<style>b{}</style>"),
        ("<style>@font-face{src:url(https://evil.example)}b{}</style>", "<style>b{}</style>"),
        ("<style>b{background:url(x)}</style>", "<style>b{background:none}</style>"),
        ('<p style="background:url(//evil.example)">', '<p style="background:none"></p>'),
    ],
)
def test_what_the_frame_would_refuse_is_taken_out(html: str, left: str) -> None:
    assert inside(html) == left


def test_the_looks_of_the_body_are_kept() -> None:
    html = (
        "<html><head><title>T</title></head>"
        """<body onload="alert(1)" bgcolor='#eee' style="margin:0;background:url(x)">"""
        "<p>x</p></body></html>"
    )
    body = '<body bgcolor="#eee" style="margin:0;background:none"><p>x</p></body>'
    assert shown(html) == f"<!doctype html>{body}"


@pytest.mark.parametrize("html", ["<body", "<body a='", '<body "><p>', "<bodyguard a>"])
def test_a_body_that_never_begins_is_none(html: str) -> None:
    assert shown(html + "<p>x</p>").startswith("<!doctype html><body")


ELSEWHERE = [
    '<img src="https://cdn.example/a.png">',
    '<table background="https://cdn.example/a.png"><tbody></tbody></table>',
    '<p style="background:url(https://cdn.example/a.png)"></p>',
    '<style>b{background:url("https://cdn.example/a.png")}</style>',
]


@pytest.mark.parametrize("html", ELSEWHERE)
def test_pictures_from_elsewhere_are_loaded_when_asked_for(html: str) -> None:
    assert shows_pictures_from_elsewhere(html)
    assert "cdn.example" not in shown(html)
    assert html in shown(html, from_elsewhere=True)


@pytest.mark.parametrize(
    "html", ["<a href=https://a.example>", "<img src='data:image/png;base64,'>"]
)
def test_a_link_is_no_picture(html: str) -> None:
    assert not shows_pictures_from_elsewhere(html)


def test_pictures_that_came_with_the_email_are_put_in() -> None:
    html = '<img src="cid:a"><img src="CID:a"><img src="cid:ab"><img src=cid:a>'
    assert inside(html, a=PIXEL).count(EMBEDDED) == 2


def test_one_picture_named_over_and_over_does_not_fill_the_memory() -> None:
    big = InlineImage("image/gif", b"x" * 10_000_000)
    assert len(shown("<img src=cid:a>" * 1000, a=big)) < 40_000_000


def test_html_that_costs_too_much_is_shown_as_it_is() -> None:
    html = "<div>" * 5000
    assert shown(html) == html


@pytest.mark.parametrize(
    "unit",
    [
        "<style>",
        "<style>a{url(",
        "url(",
        "url('",
        "<body ",
        '<body "',
        "@import ",
        "@font-face{",
        "<img src=https:",
        "src=" + " " * 20,
        "<!--",
        "<style><!--",
        "<p style='url(",
    ],
)
def test_hostile_html_ends_soon(unit: str) -> None:
    html = unit * (190_000 // len(unit))
    start = time.thread_time()
    shown(html)
    shown(f"<style>{html}</style>", from_elsewhere=True)
    shows_pictures_from_elsewhere(html * 5)
    assert time.thread_time() - start < QUICK_SECONDS
