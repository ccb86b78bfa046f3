"""What is found in a template while it is edited, where, and that no input holds it up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senderkit.domain import Channel
from senderkit.template_checks import Check, Level, check_template
from senderkit.template_checks.colours import parse_colour
from senderkit.template_checks.finding import MAX_OF_A_KIND
from senderkit.template_checks.markup import MAX_MARKS
from senderkit.template_uses import MAX_CHARACTERS
from senderkit.themes import Theme

HOSTILE_SECONDS = 3.0
"""Far above what any case takes (about half a second), far below what an unbounded one takes."""

Variables = list[Mapping[str, Any]]


def string(name: str, kind: str = "string") -> Mapping[str, Any]:
    return {"name": name, "type": kind}


def email(html: str, **given: Any) -> list[Check]:
    content = {"subject": "Hello", "preheader": "Good to see you", "html": html}
    return check_template(Channel.EMAIL, content, **given)


def found(checks: list[Check], code: str) -> list[tuple[int | None, int | None]]:
    return [(check.line, check.column) for check in checks if check.code == code]


def named(checks: list[Check], code: str) -> list[str]:
    return [check.message.split("'")[1] for check in checks if check.code == code]


def codes(checks: list[Check]) -> list[str]:
    return [check.code for check in checks]


def test_a_sound_template_has_no_findings() -> None:
    html = (
        '<h1>Hi {{user.name}}</h1><img src="https://a.test/l.png" alt="">'
        '{{#items}}<p style="color:#333;background:#fff">{{name}}: {{price}}</p>{{/items}}'
        '{{^items}}<p>Nothing.</p>{{/items}}<a href="https://a.test/{{id}}">Open</a>{{> footer}}'
    )
    variables = [string("user.name"), string("items", "array"), string("id")]
    assert email(html, variables=variables, blocks={"footer": "Bye {{user.name}}"}) == []


# -- variables --------------------------------------------------------------------------------


def test_undeclared_variables_are_told_once_at_their_first_place() -> None:
    checks = email("<p>\n {{name}} {{ given }}</p>{{name}}", variables=[string("given")])
    assert named(checks, "variable_undeclared") == ["name"]
    assert found(checks, "variable_undeclared") == [(2, 2)]


@pytest.mark.parametrize(
    ("html", "variables", "undeclared"),
    [
        ("{{#items}}{{name}}{{/items}}", [string("items", "array")], []),
        ("{{#items}}{{lines.0.sku}}{{/items}}", [string("items", "array")], []),
        ("{{items.0.name}}", [string("items", "array")], []),
        ("{{#user}}{{name}}{{/user}}", [string("user.name")], []),
        ("{{#user}}{{mail}}{{/user}}", [string("user.name")], ["user.mail"]),
        ("{{user.mail}}", [string("user.name")], ["user.mail"]),
        ("{{user.mail}}", [string("user", "object")], []),
        ("{{name.length}}", [string("name")], ["name.length"]),
        ("{{#isNew}}{{name}}{{/isNew}}", [string("isNew", "boolean")], ["name"]),
        ("{{#isNew}}{{name}}{{/isNew}}", [string("isNew", "boolean"), string("name")], []),
        ("{{#items}}{{company}}{{/items}}", [string("items", "array"), string("company")], []),
        ("{{#lines}}{{name}}{{/lines}}", [], ["lines"]),
        ("{{#lines}}{{#parts}}{{x}}{{/parts}}{{/lines}}", [], ["lines"]),
        ("{{#a}}{{#.}}{{.}}{{/.}}{{/a}}", [string("a", "array")], []),
        ("{{^missing}}none{{/missing}}", [], ["missing"]),
        ("{{.}}", [], []),
    ],
)
def test_sections_decide_what_a_name_belongs_to(
    html: str, variables: Variables, undeclared: list[str]
) -> None:
    checks = email(html, variables=variables)
    assert named(checks, "variable_undeclared") == undeclared
    assert undeclared or named(checks, "variable_unused") == []


def test_declarations_that_nothing_uses_are_told() -> None:
    variables = [string("name"), string("old"), string("user.name"), string("user.age")]
    checks = email("{{name}} {{user.name}}", variables=variables)
    assert named(checks, "variable_unused") == ["old", "user.age"]
    assert {c.field for c in checks} == {"variables"}


def test_a_variable_used_in_a_block_alone_is_used() -> None:
    given: dict[str, Any] = {"blocks": {"foot": "{{> inner}}", "inner": "{{legal}}"}}
    assert email("{{> foot}}", variables=[string("legal")], **given) == []
    checks = email("<p>\n{{> foot}}", **given)
    assert found(checks, "variable_undeclared") == [(2, 1)]
    assert "block 'inner'" in checks[0].message


def test_a_block_within_a_section_sees_the_item() -> None:
    checks = email("{{#items}}{{> row}}{{/items}}", blocks={"row": "{{name}}"})
    assert named(checks, "variable_undeclared") == ["items"]


def test_nothing_is_called_unused_while_a_text_cannot_be_read() -> None:
    checks = email("{{#broken}} {{name}}", variables=[string("name")])
    assert codes(checks) == ["template_syntax"]


def test_a_name_that_cannot_be_declared_is_told_as_such() -> None:
    assert "variable_name" in codes(email("{{first name}}"))


@pytest.mark.parametrize(
    ("html", "kind", "count"),
    [
        ("{{#x}}shown{{/x}}", "string", 1),
        ("{{#x}}shown{{/x}}", "number", 1),
        ("{{#x}}shown{{/x}}", "boolean", 0),
        ("{{#x}}, {{x}}{{/x}}", "string", 0),
        ("{{x}}", "array", 1),
        ("{{x}}", "object", 1),
        ("{{#x}}{{.}}{{/x}}", "array", 0),
        ("{{x.name}}", "object", 0),
        ("{{^x}}none{{/x}}", "string", 0),
    ],
)
def test_uses_that_do_not_fit_the_type_are_hints(html: str, kind: str, count: int) -> None:
    checks = email(html, variables=[string("x", kind)])
    assert codes(checks) == ["variable_type"] * count
    assert {check.level for check in checks} <= {Level.HINT}


def test_what_is_printed_unescaped_is_listed_with_each_place() -> None:
    checks = email("{{{a}}}\n {{& a}} {{a}}", variables=[string("a")])
    assert found(checks, "variable_unescaped") == [(1, 1), (2, 2)]
    content = {"subject": "{{{a}}}", "preheader": "p", "html": "x", "text": "{{{a}}}"}
    assert check_template(Channel.EMAIL, content, variables=[string("a")]) == []


def test_variables_of_one_translation_only_are_told() -> None:
    content = {"subject": "Hi {{name}}", "preheader": "p", "html": "{{amount}}"}
    translations = {"de": {"subject": "Hallo {{nachname}}"}, "fr": {"html": "{{amount}}"}}
    variables = [string("name"), string("nachname"), string("amount")]
    checks = check_template(Channel.EMAIL, content, translations=translations, variables=variables)
    told = [(c.language, c.field, c.line, c.column, c.message.split("'")[1]) for c in checks]
    assert told == [("de", "subject", None, None, "name"), ("de", "subject", 1, 7, "nachname")]
    assert set(codes(checks)) == {"variable_language"}


# -- syntax and blocks ------------------------------------------------------------------------


def test_every_field_that_cannot_be_parsed_is_told_with_its_place() -> None:
    content = {"subject": "{{a", "preheader": "p", "html": "<p>\n  {{#items}}</p>"}
    checks = check_template(Channel.EMAIL, content, translations={"de": {"html": "{{/x}}"}})
    told = [(c.field, c.language, c.line, c.column) for c in checks if c.level is Level.ERROR]
    assert told == [
        ("subject", None, 1, 1),
        ("html", None, 2, 3),
        ("html", "de", 1, 1),
    ]
    assert "(line" not in checks[0].message


def test_html_is_checked_also_where_mustache_is_broken() -> None:
    checks = email('{{/oops}}<a href="{{url}}">x</a><img src="{{ a > b }}">')
    assert found(checks, "image_alt") == [(1, 33)]
    assert "link_address" not in codes(checks)


def test_unknown_blocks_are_told() -> None:
    checks = email("<p>\n {{> nope}}{{> foot}}", blocks={"foot": "{{> gone}}"})
    assert "'nope'" in checks[0].message
    assert found(checks, "block_unknown") == [(2, 2), (2, 12)]
    assert "'gone'" in checks[1].message


def test_a_block_that_is_named_often_is_told_once_for_each_text() -> None:
    checks = email("{{> nope}}{{> nope}}", translations={"de": {"html": "{{> nope}}"}})
    assert [check.language for check in checks if check.code == "block_unknown"] == [None, "de"]


def test_blocks_in_a_circle_are_told() -> None:
    checks = email("{{> a}}{{> c}}", blocks={"a": "{{> b}}", "b": "{{> a}}", "c": "fine"})
    assert named(checks, "block_circle") == ["a"]


def test_blocks_that_share_a_block_are_no_circle() -> None:
    blocks = {"a": "{{> b}}{{> c}}", "b": "{{> d}}", "c": "{{> b}}{{> d}}", "d": "x"}
    assert email("{{> a}}{{> b}}", blocks=blocks) == []


def test_blocks_may_be_as_deep_as_rendering_allows() -> None:
    chain = {f"b{i}": f"{{{{> b{i + 1}}}}}" for i in range(1, 40)} | {"b40": "end"}
    assert email("{{> b21}}", blocks=chain) == []
    assert codes(email("{{> b20}}", blocks=chain)) == ["block_depth"]


def test_a_broken_block_is_told_where_it_is_named() -> None:
    checks = email("\n{{> foot}}", blocks={"foot": "{{#a}}"})
    assert found(checks, "template_syntax") == [(2, 1)]


# -- html -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "place"),
    [
        ('<img src="https://a.test/a.png">', (1, 1)),
        ('<p>\n  <IMG\n src="{{ url }}" title="a > b">', (2, 3)),
        ("{{> row}}<img src='{{#a}}\"{{/a}}'>", (1, 10)),
        ('{{! <img> "}}\n<br/><img src=x{{y}}>', (2, 6)),
        ('<img src="{{a}}" alt>', None),
        ('<img alt="">', None),
        ('<img {{> attributes}} src="https://a.test/">', None),
        ('<!-- <img> --><title><img></title><script>"<img>"</script>', None),
        ("<img src='https://a.test/", None),
        ("{{=<% %>=}}<img alt='<%a%>'><img>", (1, 29)),
    ],
)
def test_images_need_alternative_text(html: str, place: tuple[int, int] | None) -> None:
    blocks = {"row": "x", "attributes": "x"}
    assert found(email(html, blocks=blocks), "image_alt") == ([place] if place else [])


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ('href="https://a.test/"', None),
        ('href="mailto:a@a.test"', None),
        ('href="tel:+15550100"', None),
        ('href="sms:+15550100"', None),
        ('href="#top"', None),
        ('href="{{url}}"', None),
        ("href={{url}}", None),
        ('href="{{base}}/orders"', None),
        ('href="https://a.test/{{id}}"', None),
        ('href="http{{s}}://a.test"', None),
        ('name="top"', None),
        ('{{#x}}href="{{url}}"{{/x}}', None),
        ('href="HTTPS://A.TEST"', None),
        ('href="http://a.test"', "link_address"),
        ('href="http://a.test/{{id}}"', "link_address"),
        ('href="ftp://a.test"', "link_address"),
        ('href="www.a.test"', "link_address"),
        ('href="/orders/{{id}}"', "link_address"),
        ('href="//a.test"', "link_address"),
        ('href=""', "link_empty"),
        ('href="  "', "link_empty"),
        ("href", "link_empty"),
        ('href="#"', "link_empty"),
        ('class="x"', "link_empty"),
        ('href="javascript:alert(1)"', "link_script"),
        ('href=" JavaScript:alert(1)"', "link_script"),
        ('href="java\nscript:alert(1)"', "link_script"),
        ('href="&#106;avascript:alert(1)"', "link_script"),
        ('href="data:text/html,x"', "link_script"),
        ('onclick="x()" href="https://a.test"', "dropped"),
    ],
)
def test_links_lead_somewhere_by_https(attributes: str, code: str | None) -> None:
    checks = email(f"<p>\n<a {attributes}>x</a>")
    told = [c for c in checks if not c.code.startswith("variable_")]
    assert [(c.code, c.line, c.column) for c in told] == ([(code, 2, 1)] if code else [])


@pytest.mark.parametrize(
    ("source", "is_told"),
    [
        ("https://a.test/a.png", False),
        ("cid:logo", False),
        ("{{logo}}", False),
        ("http://a.test/a.png", True),
        ("logo.png", True),
        ("data:image/png;base64,AAAA", True),
    ],
)
def test_images_are_loaded_by_https(source: str, is_told: bool) -> None:
    assert ("image_address" in codes(email(f'<img alt="" src="{source}">'))) is is_told


@pytest.mark.parametrize(
    ("html", "place"),
    [
        ("<p>\n<script>1</script>", (2, 1)),
        ('<form action="https://a.test">', (1, 1)),
        ('<link rel="preload stylesheet" href="https://a.test/a.css">', (1, 1)),
        ("<style>\n@import 'a.css';</style>", (2, 1)),
        ("<iframe src='https://a.test'></iframe>", (1, 1)),
        ('<link rel="icon" href="https://a.test/a.png">', None),
        ("<style>p { color: red }</style>", None),
    ],
)
def test_what_mail_programs_drop_is_a_hint(html: str, place: tuple[int, int] | None) -> None:
    checks = email(html)
    assert found(checks, "dropped") == ([place] if place else [])
    assert {check.level for check in checks} <= {Level.HINT}


def test_mjml_is_checked_as_html_is() -> None:
    content = {
        "subject": "s",
        "preheader": "p",
        "mjml": '<mjml><mj-body>\n<mj-image src="https://a.test/a.png" />'
        '<mj-button href="#">x</mj-button>'
        '<mj-section background-color="#fff">\n<mj-text color="#ccc">x</mj-text></mj-section>',
    }
    checks = check_template(Channel.EMAIL, content)
    told = [(c.code, c.field, c.line, c.column) for c in checks]
    assert told == [
        ("image_alt", "mjml", 2, 1),
        ("link_empty", "mjml", 2, 40),
        ("contrast", "mjml", 3, 1),
    ]


# -- contrast ---------------------------------------------------------------------------------

GREY_ON_WHITE = "color:#999;background:#fff"


@pytest.mark.parametrize(
    "html",
    [
        f'<p style="{GREY_ON_WHITE}">x</p>',
        f'<p style="{GREY_ON_WHITE}">{{{{name}}}}</p>',
        '<P STYLE="Color : #999 !important; BACKGROUND:#FFF">x</P>',
        '<div style="background:white"><p><b style="color:rgb(153, 153, 153)">x</b></p></div>',
        '<td bgcolor="#ffffff"><font color="#999999">x</font></td>',
        '<p style="color:#999;background:#fff;font-size:18px">x</p>',
        '<h2 style="color:#bbb;background:#fff">x</h2>',
        '<p style="background:#fff"><br><img alt=""><i style="color:#999">x',
        '<p style="background:#fff">x<p style="background:#fff;color:#999">y',
    ],
)
def test_text_that_is_hard_to_read_is_told(html: str) -> None:
    assert len(found(email(html), "contrast")) == 1


@pytest.mark.parametrize(
    "html",
    [
        '<p style="color:#666;background:#fff">x</p>',
        f'<p style="{GREY_ON_WHITE};display:none">x</p>',
        f'<p style="{GREY_ON_WHITE}"> &nbsp;&zwnj; </p>',
        f'<p style="{GREY_ON_WHITE}">{{{{#a}}}} {{{{/a}}}}</p>',
        '<p style="color:#999">x</p>',
        '<p style="color:{{c}};background:#fff">x</p>',
        '<p style="{{#dark}}color:#999;{{/dark}}background:#fff">x</p>',
        '<p style="color:#999;background:#fff url(https://a.test/a.png)">x</p>',
        '<p style="color:rgba(0,0,0,.1);background:#fff">x</p>',
        '<p style="color:#888;background:#fff;font-size:24px">x</p>',
        '<h1 style="color:#888;background:#fff">x</h1>',
        '<p style="color:#888;background:#fff;font-size:14pt;font-weight:700">x</p>',
        '<style>.note{background:#000}</style><div style="background:#fff"><p class="note" '
        'style="color:#999">x</p></div>',
        '<style>a{color:#000}</style><p style="color:#999;background:#fff"><a href="#a">x</a></p>',
        f'<p style="{GREY_ON_WHITE}"><span style="color:#333">x</span></p>',
        f'<p style="{GREY_ON_WHITE}"></p>outside',
    ],
)
def test_text_of_enough_or_unknown_contrast_is_not(html: str) -> None:
    assert found(email(html), "contrast") == []


def test_contrast_is_told_where_the_colour_is_set_and_once_for_each_pair() -> None:
    html = f'<div>\n<p style="{GREY_ON_WHITE}"><b>x</b> y</p><p style="{GREY_ON_WHITE}">z</p></div>'
    checks = email(html)
    assert found(checks, "contrast") == [(2, 1)]
    assert "2.8:1" in checks[0].message
    assert "4.5:1" in checks[0].advice


def test_a_theme_says_what_is_behind_and_what_colours_are_set() -> None:
    theme = Theme()
    assert found(email('<p style="color:#999">x</p>', theme=theme), "contrast") == [(1, 1)]
    # The theme colours every paragraph: one on a dark cell stays dark.
    on_dark = '<td style="background:#111;color:#fff"><p>x</p></td>'
    assert found(email(on_dark, theme=theme), "contrast") == [(1, 1)]
    assert email(on_dark) == []
    fine = '<p>x <a class="button" href="#a">y</a></p><div class="muted"><p>z</p></div>'
    assert email(fine, theme=theme) == []


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        (" #Abc ", "#aabbcc"),
        ("#aabbccff", "#aabbcc"),
        ("#abcf", "#aabbcc"),
        ("rgb(1 2 3)", "#010203"),
        ("rgba(1,2,3,1)", "#010203"),
        ("White", "#ffffff"),
        ("#aabbcc80", None),
        ("rgba(1,2,3,.5)", None),
        ("rgb(300,0,0)", None),
        ("var(--x)", None),
        ("", None),
    ],
)
def test_colours_are_read_as_css_has_them(text: str, colour: str | None) -> None:
    assert parse_colour(text) == colour


# -- whole fields -----------------------------------------------------------------------------


def test_an_email_without_subject_preheader_or_text_is_told() -> None:
    checks = check_template(Channel.EMAIL, {"subject": " ", "html": ""})
    assert [(c.level, c.field, c.code) for c in checks] == [
        (Level.WARNING, "subject", "subject_missing"),
        (Level.WARNING, "html", "html_missing"),
        (Level.HINT, "preheader", "preheader_missing"),
    ]


def test_a_subject_is_measured_with_its_sample_values() -> None:
    content = {"subject": "For {{name}}", "preheader": "p", "html": "x"}

    def with_name(example: str) -> list[Check]:
        variables = [{"name": "name", "type": "string", "example": example}]
        return check_template(Channel.EMAIL, content, variables=variables)

    assert with_name("x" * 74) == []
    assert codes(with_name("x" * 75)) == ["subject_long"]


def test_html_that_gmail_clips_is_told_by_the_size_of_the_rendered_sample() -> None:
    assert codes(email("é" * 52_225)) == ["html_size"]
    assert email("é" * 52_224) == []
    assert codes(email("x", rendered_html="x" * 104_449)) == ["html_size"]
    assert email("x" * 200_000, rendered_html="x") == []


def test_an_sms_tells_its_segments_and_what_makes_them_short() -> None:
    def sms(body: str) -> list[Check]:
        return check_template(Channel.SMS, {"body": body}, variables=[string("code")])

    assert sms("Your code is {{code}}") == []
    assert codes(sms("x" * 161 + "{{code}}")) == ["sms_segments"]
    told = sms("Dear you,\nit\u2019s {{code}} “now”")
    assert [(c.code, c.line, c.column) for c in told] == [("sms_ucs2", 2, 3)]
    assert "U+2019 RIGHT SINGLE QUOTATION MARK" in told[0].message
    assert "2 others" in told[0].message
    assert told[0].advice == "Write ''' in its place."


def test_an_sms_made_longer_by_a_value_has_no_place() -> None:
    variables = [{"name": "name", "type": "string", "example": "Жанна"}]
    checks = check_template(Channel.SMS, {"body": "Hi {{name}}"}, variables=variables)
    assert found(checks, "sms_ucs2") == [(None, None)]


def test_an_empty_sms_is_an_error() -> None:
    checks = check_template(Channel.SMS, {"body": " \n"})
    assert [(c.level, c.code) for c in checks] == [(Level.ERROR, "sms_empty")]


def test_push_texts_that_devices_cut_are_hints() -> None:
    for channel in (Channel.PUSH, Channel.WEB_PUSH):
        assert check_template(channel, {"title": "t" * 65, "body": "b" * 240}) == []
        checks = check_template(channel, {"title": "t" * 66, "body": "b" * 241})
        assert [(c.level, c.field) for c in checks] == [
            (Level.HINT, "title"),
            (Level.HINT, "body"),
        ]
        assert codes(check_template(channel, {"title": "", "body": " "})) == ["push_empty"] * 2


def test_data_larger_than_push_services_take_is_a_warning() -> None:
    def push(size: int) -> list[Check]:
        # {"k":"…"} has 8 bytes around the text.
        content = {"title": "t", "body": "b", "data": {"k": "x" * (size - 8)}}
        return check_template(Channel.PUSH, content)

    assert push(4_096) == []
    assert [(c.level, c.field, c.code) for c in push(4_097)] == [
        (Level.WARNING, "data", "data_size")
    ]


def test_texts_in_data_are_checked_by_their_own_path() -> None:
    content = {"title": "t", "body": "b", "data": {"order": "{{id}}", "deep": [{"x": "{{#a}}"}]}}
    checks = check_template(Channel.WEB_PUSH, content)
    assert [(c.field, c.code) for c in checks] == [
        ("data.deep.0.x", "template_syntax"),
        ("data.order", "variable_undeclared"),
    ]


def test_addresses_of_web_push_are_https() -> None:
    def push(icon: str, click: str) -> list[str]:
        content = {"title": "t", "body": "b", "icon": icon, "clickUrl": click}
        checks = check_template(Channel.WEB_PUSH, content, variables=[string("url")])
        return [check.field for check in checks if check.code == "address_not_https"]

    assert push("https://a.test/i.png", "https://a.test/{{url}}") == []
    assert push("", "{{url}}") == []
    assert push("http://a.test/i.png", "/orders") == ["icon", "clickUrl"]


# -- order and limits -------------------------------------------------------------------------


def test_the_worst_comes_first_and_then_the_order_of_the_page() -> None:
    content = {"subject": "{{b}} {{a}}", "html": "<script></script>{{> gone}}\n{{c}}"}
    checks = check_template(Channel.EMAIL, content, translations={"de": {"html": "{{> gone}}"}})
    levels = [list(Level).index(check.level) for check in checks]
    assert levels == sorted(levels)
    assert [c.language for c in checks if c.code == "block_unknown"] == [None, "de"]
    undeclared = [c for c in checks if c.code == "variable_undeclared"]
    assert [(c.field, c.column) for c in undeclared] == [
        ("subject", 1),
        ("subject", 7),
        ("html", 1),
    ]


def test_many_of_a_kind_are_summed_up() -> None:
    checks = email("<img>" * (MAX_OF_A_KIND + 30))
    assert len(checks) == MAX_OF_A_KIND + 1
    assert checks[-1].message.startswith("30 more")


def test_what_is_beyond_the_limits_is_told_as_not_checked() -> None:
    assert "not_checked" in codes(email("<p>" * (MAX_MARKS + 1)))
    long = {"html": "x" * (MAX_CHARACTERS // 4)}
    checks = email("x", translations={f"x{i}": long for i in range(5)})
    assert [c.language for c in checks if c.code == "not_checked"] == ["x3", "x4"]


@pytest.fixture
def _quickly() -> Iterator[None]:
    start = time.thread_time()
    yield
    assert time.thread_time() - start < HOSTILE_SECONDS


def million(part: str) -> str:
    return (part * (1_000_000 // len(part)))[:1_000_000]


HOSTILE = {
    "comments": "<!--" * 40_000,
    "unfinished tags": million("<a "),
    "unfinished quotes": million('<a href="'),
    "nested": million("<div>"),
    "nested colours": million('<p style="color:#999;background:#fff">x'),
    "images": million("<img>"),
    "brackets": million("<"),
    "attributes": "<a " + "b " * 490_000 + ">",
    "tags with attributes": million("<a b c d e f g h>"),
    "equals": "<a" + "=" * 990_000,
    "blanks": "<a" + " " * 990_000,
    "entities": million("&#x26;"),
    "entities in an address": '<a href="' + "&amp" * 240_000 + '">',
    "style elements": million("<style>"),
    "rules": million("<style>a{b:c}"),
    "classes": million('<p class="' + "a " * 2_000 + '">'),
    "colours with blanks": million('<p style="color:rgb(' + " " * 4_000 + '">'),
    "end tags": million("<b>" * 100 + "</i>" * 100 + "</b>" * 50),
    "lines": million("\n"),
    "braces": million("{{"),
    "sections": "{{#a}}" * 50 + "{{b}}" * 9_000 + "{{/a}}" * 50,
    "long names": "{{#" + ".".join("a" * 100) + "}}" + ("{{" + ".".join("b" * 100) + "}}") * 4_800,
    "different names": "".join(f"{{{{v{i}.x}}}}" for i in range(9_999)),
    "masked attributes": "<p {{x}}>" * 9_999,
}


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE)
def test_hostile_html_is_checked_within_a_second(html: str) -> None:
    email(html, variables=[string("a.a"), string("c", "array")], theme=Theme())


@pytest.mark.usefixtures("_quickly")
def test_blocks_that_multiply_are_read_once_in_each_place() -> None:
    fan = {f"b{i}": f"{{{{#s}}}}{{{{> b{i + 1}}}}}{{{{/s}}}}{{{{> b{i + 1}}}}}" for i in range(19)}
    told = codes(email("{{> b0}}", blocks=fan))
    assert "block_unknown" in told
    assert "not_checked" not in told
    wide = {f"w{i}": "".join(f"{{{{> w{j}}}}}" for j in range(100)) for i in range(100)}
    told = codes(email("{{> w0}}", blocks=wide))
    assert "block_circle" in told
    assert "not_checked" not in told


@pytest.mark.usefixtures("_quickly")
def test_more_tags_than_the_limit_are_told_as_not_checked() -> None:
    blocks = {f"b{i}": "{{x}}" * 5_000 for i in range(100)}
    html = "".join(f"{{{{> b{i}}}}}" for i in range(100))
    checks = email(html, blocks=blocks, variables=[string("unseen")])
    assert "not_checked" in codes(checks)
    assert "variable_unused" not in codes(checks), "what was not read may use it"


@pytest.mark.usefixtures("_quickly")
def test_a_hundred_translations_are_read_within_limits() -> None:
    names = "".join(f"{{{{v{i}}}}}" for i in range(150))
    translations = {f"x{i}": {"html": names.replace("v", f"w{i}_")} for i in range(100)}
    assert len(email(names, translations=translations, variables=[])) > 100


FRAGMENTS = st.sampled_from(
    [
        "<img ", "<a href=", '"', "'", ">", "/>", "</a>", "<!--", "-->", "<style>", "</style>",
        "{{", "}}", "{{#a}}", "{{/a}}", "{{^b}}", "{{{c}}}", "{{> row}}", "{{.}}", "{{a.b}}",
        "style='color:#999;background:#fff'", "javascript:", "http://", "\n", "\r", " ", "x",
        "&amp;", "é", "😀", "\ud800", "\x00", "\x01", "{{=<% %>=}}", "<%", "%>", "<p>", "<td",
    ]
)  # fmt: skip
SOURCES = st.lists(FRAGMENTS, max_size=40).map("".join) | st.text(max_size=60)


@settings(deadline=None, max_examples=300)
@given(SOURCES, SOURCES, SOURCES, st.sampled_from([None, Theme()]))
def test_whatever_is_typed_places_are_in_the_text(
    html: str, subject: str, block: str, theme: Theme | None
) -> None:
    content = {"subject": subject, "html": html, "text": block}
    translations = {"de": {"html": subject, "preheader": html}}
    checks = check_template(
        Channel.EMAIL,
        content,
        translations=translations,
        variables=[string("a", "array"), string("a.b"), string("d")],
        blocks={"row": block},
        theme=theme,
    )
    for check in checks:
        assert check.message
        assert check.advice
        if check.line is not None and check.column is not None:
            fields = translations["de"] if check.language else content
            line = fields[check.field].split("\n")[check.line - 1]
            assert 1 <= check.column <= len(line) + 1


@settings(deadline=None)
@given(
    st.sampled_from([Channel.SMS, Channel.PUSH, Channel.WEB_PUSH]),
    st.dictionaries(
        st.sampled_from(["title", "body", "data", "icon", "clickUrl", "sound", "badge"]),
        SOURCES
        | st.none()
        | st.integers()
        | st.dictionaries(st.text(max_size=5), SOURCES | st.lists(SOURCES, max_size=3), max_size=3),
    ),
)
def test_content_of_any_shape_is_checked(channel: Channel, content: dict[str, Any]) -> None:
    for check in check_template(channel, content):
        assert check.message
