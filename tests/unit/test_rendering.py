"""From content to body: escaping, headers, CSS, preheader, text part, the wire's output."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderkit.domain import Body, Channel, EmailBody, PushBody, SmsBody, WebPushBody
from senderkit.errors import TemplateError, TemplateLimitExceeded, TemplateSyntaxError
from senderkit.html_mail import (
    MAX_FINAL_CHARACTERS,
    MAX_INLINED_CHARACTERS,
    MAX_INLINED_START_TAGS,
    MAX_TEXT_SOURCE_CHARACTERS,
    html_to_text,
    inline_css,
    insert_preheader,
)
from senderkit.rendering import (
    Surroundings,
    body_from_output,
    compile_content,
    literal_body,
    one_line,
    render_output,
)

HOSTILE_SECONDS = 4.0
"""Far above what any case takes (under a second), far below what an unbounded one takes."""


def email(html: str = "", **fields: str) -> dict[str, str]:
    return {"subject": "", "html": html, **fields}


def render_email(content: dict[str, str], variables: dict[str, Any] | None = None) -> EmailBody:
    body = compile_content(Channel.EMAIL, content).render(variables or {}).body
    assert isinstance(body, EmailBody)
    return body


@pytest.fixture
def _quickly() -> Iterator[None]:
    start = time.thread_time()
    yield
    assert time.thread_time() - start < HOSTILE_SECONDS


# -- templates --------------------------------------------------------------------------------


def test_only_the_html_of_an_email_is_escaped() -> None:
    content = email("{{x}}{{{x}}}", subject="{{x}}", preheader="{{x}}", text="{{x}}")
    body = render_email(content, {"x": "<&'\""})
    assert body.html.endswith("&lt;&amp;&#x27;&quot;<&'\"")
    assert (body.subject, body.preheader, body.text) == ("<&'\"",) * 3


def test_other_channels_are_never_escaped() -> None:
    content = {"title": "{{x}}", "body": "{{x}}"}
    body = compile_content(Channel.PUSH, content).render({"x": "<&"}).body
    assert body == PushBody("<&", "<&")
    sms = compile_content(Channel.SMS, {"body": "{{x}}"}).render({"x": "<&"}).body
    assert sms == SmsBody("<&")


def test_all_strings_of_a_web_push_are_rendered_and_nothing_else_changes() -> None:
    content = {
        "title": "T {{n}}",
        "body": "B {{n}}",
        "icon": "https://i.test/{{n}}",
        "clickUrl": "https://c.test/{{n}}?a&b",
        "badge": 3,
        "data": {"{{n}}": "{{n}}", "deep": [{"x": "{{n}}"}, 1, None, True]},
    }
    body = compile_content(Channel.WEB_PUSH, content).render({"n": 7}).body
    assert body == WebPushBody(
        "T 7",
        "B 7",
        "https://i.test/7",
        "https://c.test/7?a&b",
        3,
        {"{{n}}": "7", "deep": [{"x": "7"}, 1, None, True]},
    )


def test_the_data_of_a_push_is_rendered() -> None:
    content = {"title": "", "body": "", "data": {"id": "{{id}}"}, "badge": 0, "sound": "ping"}
    body = compile_content(Channel.PUSH, content).render({"id": 5}).body
    assert body == PushBody("", "", {"id": "5"}, 0, "ping")


def test_missing_paths_of_all_fields_come_once_in_field_order() -> None:
    content = email("{{b}}{{a}}", subject="{{a}}", text="{{c}}", preheader="{{p}}")
    assert compile_content(Channel.EMAIL, content).render({}).missing == ("a", "p", "b", "c")


def test_blocks_share_the_variables() -> None:
    rendered = compile_content(Channel.SMS, {"body": "Hi. {{> foot}}{{> gone}}"}).render(
        {"n": "Ann"}, Surroundings({"foot": "Bye {{n}} {{x}}"}.get)
    )
    assert (rendered.body, rendered.missing) == (SmsBody("Hi. Bye Ann "), ("x",))


def test_one_compiled_content_serves_many_threads() -> None:
    compiled = compile_content(Channel.SMS, {"body": "{{#l}}{{n}}{{.}} {{/l}}"})
    seen: dict[int, Body] = {}

    def work(n: int) -> None:
        seen[n] = compiled.render({"n": n, "l": list(range(50))}).body

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {n: SmsBody("".join(f"{n}{i} " for i in range(50))) for n in range(8)}


@pytest.mark.parametrize(
    ("content", "field"),
    [(email("{{"), "html"), (email(text="{{"), "text"), (email(subject="{{"), "subject")],
)
def test_a_syntax_error_names_its_field(content: dict[str, str], field: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=rf"^{field}: .* \(line 1, column 1\)$"):
        compile_content(Channel.EMAIL, content)


def test_a_syntax_error_names_its_key_of_data() -> None:
    content = {"title": "", "body": "", "data": {"a": ["{{x}}", "{{"]}}
    with pytest.raises(TemplateSyntaxError, match=r"^data\.a\.1: "):
        compile_content(Channel.WEB_PUSH, content)


def test_data_nested_too_deep_is_refused() -> None:
    data: dict[str, Any] = {}
    for _ in range(100_000):
        data = {"a": data}
    with pytest.raises(TemplateLimitExceeded, match="'data' is nested"):
        compile_content(Channel.WEB_PUSH, {"title": "", "body": "", "data": data})


def test_a_template_without_html_cannot_be_rendered_and_says_so() -> None:
    compiled = compile_content(Channel.EMAIL, {"subject": "", "mjml": "<mjml></mjml>"})
    with pytest.raises(TemplateError, match="MJML"):
        compiled.render({})


def test_the_output_limit_counts_all_fields_of_a_message() -> None:
    content = email("{{x}}", text="{{x}}")
    with pytest.raises(TemplateLimitExceeded):
        render_email(content, {"x": "y" * 600_000})


# -- header fields ----------------------------------------------------------------------------

CONTROLS = ["\r\n", "\n", "\r", "\0", "\t", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u2029"]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("tag", ["{{x}}", "{{{x}}}", "{{&x}}", "{{> block}}"])
def test_control_characters_become_one_space_in_a_subject(tag: str, control: str) -> None:
    compiled = compile_content(Channel.EMAIL, email("<pre>{{x}}", subject=f"a {tag} b"))
    value = f"x{control}Bcc: y"
    surroundings = Surroundings({"block": value}.get)
    bodies = [compiled.render({"x": value}, surroundings).body]
    if tag != "{{> block}}":  # raw content has no blocks
        bodies.append(compiled.interpolate({"x": value}).body)
    for body in bodies:
        assert isinstance(body, EmailBody)
        assert body.subject == "a x Bcc: y b"
        assert control in body.html


def test_control_characters_stay_in_the_body_of_other_channels() -> None:
    body = compile_content(Channel.SMS, {"body": "{{x}}"}).render({"x": "a\r\nb"}).body
    assert body == SmsBody("a\r\nb")


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


# -- CSS --------------------------------------------------------------------------------------


def test_css_is_inlined_after_mustache_so_loops_in_tables_work() -> None:
    html = (
        "<style>td{color:{{color}}}</style><table>{{#rows}}<tr><td>{{.}}</td></tr>{{/rows}}</table>"
    )
    body = render_email(email(html), {"color": "red", "rows": ["a", "b"]})
    cells = '<tr><td style="color: red;">a</td></tr><tr><td style="color: red;">b</td></tr>'
    assert f"<table><tbody>{cells}</tbody></table>" in body.html


def test_media_queries_hover_rules_and_links_to_stylesheets_are_kept() -> None:
    html = (
        '<!DOCTYPE html><html><head><link rel="stylesheet" href="https://fonts.test/x.css">'
        "<style>p{color:red} a:hover{color:green} @media (max-width:9px){p{color:blue}}</style>"
        "</head><body><p>x</p><a>y</a></body></html>"
    )
    inlined = inline_css(html)
    assert inlined.startswith("<!DOCTYPE html>")
    assert '<p style="color: red;">x</p>' in inlined
    assert "https://fonts.test/x.css" in inlined
    assert "a:hover" in inlined
    assert "@media (max-width:9px)" in inlined


def test_html_without_a_style_element_is_left_alone() -> None:
    html = "<p class=x>Hi<br>{there}"
    assert render_email(email(html)).html == html


@pytest.mark.parametrize("href", ["{path}", "file://{path}"])
def test_no_local_file_is_read(tmp_path: Path, href: str) -> None:
    sheet = tmp_path / "secret.css"
    sheet.write_text("p{content:'planted'}")
    link = f'<link rel="stylesheet" href="{href.format(path=sheet)}">'
    inlined = inline_css(f"<style>p{{color:red}}</style>{link}<p>x</p>")
    assert 'style="color: red;"' in inlined
    assert "planted" not in inlined


def test_braces_in_a_style_element_do_not_fail_the_send() -> None:
    html = "<style>{{{css}}} p{color:red}</style><p style='{{{css}}}'>x</p>"
    body = render_email(email(html), {"css": "{{gone}}"})
    assert body.html == html.replace("{{{css}}}", "{{gone}}")


DEEP = [
    "<div>",
    "<div><!-- </div> -->",
    "<div></p>",
    "<div></x>",
    '<div a="</div>">',
    "<x-y>",
    "<x\0>",
    "<xé>",
    "<o:p>",
    "<span>",
    "<svg><g>",
    "<svg><g><desc><div>",
    "<noscript><div>",
    "<template><div>",
    "<select><div>",
    "<table><td>",
    "<ul><li>",
    "<div><button>",
    "<iframe></iframe><div>",
    "<title></title><div>",
    "<textarea></textarea><div>",
    "<image><div>",
    "<DIV>",
]


def in_a_small_thread(work: Callable[[], None]) -> None:
    """Run `work` on a stack of 256 kB; a native overrun of it would end the test run."""
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()


@pytest.mark.parametrize("unit", DEEP)
@pytest.mark.parametrize("count", [45, 90, 180, 1_400])
def test_deep_html_does_not_overrun_a_small_stack(unit: str, count: int) -> None:
    done = []
    html = "<style>div{color:red}</style>" + unit * count
    in_a_small_thread(lambda: done.append(html_to_text(inline_css(html))))
    assert done


@pytest.mark.parametrize(
    "html",
    [
        "<style>p{color:red}</style>" + "<p>" * MAX_INLINED_START_TAGS,
        "<style>p{color:red}</style><p>" + "x" * MAX_INLINED_CHARACTERS,
        "<style>p{color:red}</style>" + "</p>" * 20_000,
        "<style>" + "p{color:red}" * 10_000 + "</style>" + "<p></p>" * 2_900,
        "<style>" + "p," * 60_000 + "p{color:red}</style>" + "<p></p>" * 2_900,
        "<style>p{--a:" + "x" * 50_000 + "}</style>" + "<p></p>" * 2_900,
        "<style>p{--a:" + "x" * 50_000 + "}</style>" + "<p></p>" * 30,
        "<style>p{" + "".join(f"--a{n}:r;" for n in range(3_000)) + "}</style>" + "<p></p>" * 2_900,
        "<style>b{color:red}</style><p>"
        + "".join(f"<b id={n}>" for n in range(1_490))
        + "<p>x" * 1_490,
        "<style>b{color:red}</style><p><b id='" + "x" * 100_000 + "'>" + "<p>x" * 2_800,
        "<style>b{color:red}</style><p><a id='" + "x" * 100_000 + "'>" + "<p>x" * 2_800,
        "<style>*{" + "".join(f"--a{n}:r;" for n in range(400)) + "}</style><p>"
        "" + "".join(f"<b id={n}>" for n in range(100)) + "<p>x" * 2_700,
        "<style>p{" + "".join(f"--a{n}:r;" for n in range(8_000)) + "}</style>" + "<p></p>" * 300,
        "<style>p{color:red}</style>\ud800",
        *("<style>p{color:red}</style>" + unit * 2_900 for unit in DEEP),
    ],
    ids=range(14 + len(DEEP)),
)
@pytest.mark.usefixtures("_quickly")
def test_html_that_would_cost_too_much_goes_out_as_it_is(html: str) -> None:
    assert inline_css(html) == html


@pytest.mark.parametrize(
    "html",
    [
        "<style>b{color:red}</style><p><b id='" + "x" * 100_000 + "'>" + "<p>x" * 2_800,
        "<style>b{color:red}</style><p><a id='" + "x" * 100_000 + "'>" + "<p>x" * 2_800,
        "<style>p{--a:" + "x" * 100_000 + "}</style>" + "<p></p>" * 2_900,
    ],
    ids=["b", "a", "style"],
)
def test_html_that_a_parser_or_inliner_would_multiply_takes_little_memory(html: str) -> None:
    # In a process of its own: the highest use of this one is that of all tests before.
    program = (
        "import resource, sys\n"
        "from senderkit.html_mail import inline_css\n"
        "html = sys.stdin.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert inline_css(html) == html\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], input=html, capture_output=True, text=True, check=True
    )
    kilobytes = int(run.stdout) // (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 100_000


def test_an_ordinary_long_mail_is_inlined() -> None:
    row = '<tr><td><b style="color:#333">Tea</b></td><td><a href="https://x.test/1">2</a></td></tr>'
    css = "".join(f".c{n}{{color:red;padding:0}}" for n in range(150))
    html = f"<style>td{{color:red}}{css}</style><table>{row * 150}</table>"
    assert inline_css(html).count('<td style="color: red;">') == 300


# -- preheader --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "start"),
    [
        ("<p>x", ""),
        ("<html><body><p>x", "<html><body>"),
        ('<BODY class="a>b"\n>x', '<BODY class="a>b"\n>'),
        ("<!--[if mso]><body><![endif]--><body>x", "<!--[if mso]><body><![endif]--><body>"),
        ("<!-- <body> x", ""),
        ("<bodyguard>x", ""),
        ('<body class="x', ""),
    ],
)
def test_the_preheader_is_hidden_at_the_start_of_the_body(html: str, start: str) -> None:
    with_preheader = insert_preheader(html, "a <b>")
    assert with_preheader.startswith(start + '<div style="display:none')
    assert with_preheader.endswith(">a &lt;b&gt;</div>" + html.removeprefix(start))


def test_an_email_shows_its_preheader_in_the_html_only() -> None:
    html = "<style>p{color:red}</style><p>Hi</p>"
    body = render_email(email(html, preheader="See {{x}}"), {"x": "&"})
    assert body.preheader == "See &"
    assert "<body><div style=" in body.html
    assert "See &amp;</div><p style=" in body.html
    assert body.text == "Hi"


@pytest.mark.parametrize("preheader", ["", " \n", "{{gone}}"])
def test_a_blank_preheader_adds_nothing(preheader: str) -> None:
    assert render_email(email("<p>x", preheader=preheader)).html == "<p>x"


# -- raw content ------------------------------------------------------------------------------

RAW = "<style>p{color:red}</style><P>{{x}}"


def test_raw_content_goes_out_exactly_as_given() -> None:
    body = literal_body(Channel.EMAIL, email(RAW, subject="{{x}}", preheader="pre"))
    assert body == EmailBody("{{x}}", RAW, "{{x}}", "pre")


def test_interpolated_raw_content_is_changed_by_mustache_alone() -> None:
    content = email(RAW, subject="{{x}}", preheader="pre {{x}}")
    rendered = compile_content(Channel.EMAIL, content).interpolate({"x": "<b>"})
    html = "<style>p{color:red}</style><P>&lt;b&gt;"
    assert rendered.body == EmailBody("<b>", html, "<b>", "pre <b>")


@pytest.mark.parametrize("text", ["", "given  text\n"])
def test_a_text_part_that_was_given_is_kept(text: str) -> None:
    assert render_email(email("<p>x", text=text)).text == text
    literal = literal_body(Channel.EMAIL, email("<p>x", text=text))
    assert isinstance(literal, EmailBody)
    assert literal.text == text


def test_unknown_fields_of_content_are_left_out() -> None:
    content = {"body": "{{x}}", "other": "{{"}
    assert compile_content(Channel.SMS, content).render({"x": 1}).body == SmsBody("1")
    assert literal_body(Channel.SMS, content) == SmsBody("{{x}}")


# -- output -----------------------------------------------------------------------------------

OUTPUTS: list[tuple[Channel, Body, dict[str, Any]]] = [
    (
        Channel.EMAIL,
        EmailBody("s", "<p>h", "t"),
        {"subject": "s", "preheader": None, "html": "<p>h", "text": "t"},
    ),
    (Channel.SMS, SmsBody("b"), {"body": "b"}),
    (
        Channel.PUSH,
        PushBody("t", "b"),
        {"title": "t", "body": "b", "data": {}, "badge": None, "sound": None},
    ),
    (
        Channel.WEB_PUSH,
        WebPushBody("t", "b", "i", "c", 2, {"k": [1]}),
        {
            "title": "t",
            "body": "b",
            "icon": "i",
            "clickUrl": "c",
            "badge": 2,
            "data": {"k": [1]},
        },
    ),
]


@pytest.mark.parametrize(("channel", "body", "output"), OUTPUTS)
def test_the_output_holds_every_key_and_reads_back(
    channel: Channel, body: Body, output: dict[str, Any]
) -> None:
    assert render_output(body) == output
    assert body_from_output(channel, output) == body


# -- html to text -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain  text\n with lines", "plain text with lines"),
        ("<p>a</p><p>b<br>c</p>d", "a\n\nb\nc\n\nd"),
        ("<h1>Hello</h1>Dear <b>Ann</b>,<h2>x</h2>y", "Hello\n\nDear Ann,\n\nx\n\ny"),
        ("a<b>b</b> <i>c </i>d<em> e</em>", "ab c d e"),
        ("a&nbsp;&amp;&lt;b&gt;&copy;", "a &<b>©"),
        ("a<br><br><br><br>b", "a\n\nb"),
        ("a<hr>b", "a\n\n-----\n\nb"),
        ("<div>a<div>b</div></div>c", "a\nb\nc"),
        ("<main>a</main><section>b</section>", "a\nb"),
        (
            'see <a href="https://x.test/?a=1&amp;b=2">this</a>.',
            "see this (https://x.test/?a=1&b=2).",
        ),
        ('<a href="https://x.test">https://x.test</a>', "https://x.test"),
        ('<a href="mailto:a@b.test">a@b.test</a>', "a@b.test"),
        ('<a href="tel:+15551">call</a>', "call (tel:+15551)"),
        ('<a href="#top">top</a> <a>no</a>', "top no"),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ('a <a href="https://x.test"></a>', "a https://x.test"),
        ('<a href="https://x.test"><img alt="Logo" src="x"></a>', "Logo (https://x.test)"),
        ('<a href="https://x.test"><p>a</p></a>b', "a (https://x.test)\n\nb"),
        ('<img src="x">a <img alt="cat">', "a cat"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>d", "- a\n- b\n  - c\n\nd"),
        ("<ol start=3><li>a<li>b</ol>", "3. a\n4. b"),
        ("<ul><li></li><li><p>a</p></li></ul>", "- a"),
        ("<li>a", "- a"),
        (
            "<table><tr><th>Item</th> <th>Price</th></tr>\n<tr><td>Tea</td>\n<td>2</table>x",
            "Item | Price\nTea | 2\nx",
        ),
        (
            "<table><tr><td><table><tr><td><p>a</p></td><td><p>b</p></td></tr></table></table>",
            "a\n\nb",
        ),
        (
            "<html><head><title>t</title><style>s</style></head><body>a<script>x</script></body>",
            "a",
        ),
        ("a<!-- c --><noscript>n</noscript><template>t</template>b", "ab"),
        ('a<div style="color:red; DISPLAY : none">h<p>h</p><br></div><i hidden>!</i>b', "ab"),
        ("<p hidden>h<img alt=h></p>b", "b"),
        ("\ud800a", "?a"),
        ("1 < 2 <b", "1 < 2"),
    ],
)
def test_html_reads_well_as_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_embedded_images_do_not_use_up_what_is_read() -> None:
    image = "<img src='data:image/png;base64," + "A" * MAX_TEXT_SOURCE_CHARACTERS + "'>"
    assert html_to_text(image + "<p>after") == "after"


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize(
    "unit",
    [
        "<!--",
        "<a",
        "<a ",
        '<a ="',
        "<div>",
        "<p>",
        "</p>",
        "<ul><li>x",
        "<a href=/x>y",
        "<x-a href=/x>y",
        "<table><tr><td>",
        "<b><p>",
        "<div hidden>",
        "<style>",
        "<body <!--",
        '<body "',
        "&",
        "<",
        "data:",
        "data:;base64,",
        "x ",
    ],
)
def test_hostile_html_is_read_in_bounded_time(unit: str) -> None:
    html = "<style>p{color:red}</style>" + unit * 100_000
    assert len(html_to_text(html)) <= 2 * MAX_TEXT_SOURCE_CHARACTERS
    assert len(insert_preheader(inline_css(html), "p")) <= max(len(html), MAX_FINAL_CHARACTERS) + 99


@pytest.mark.usefixtures("_quickly")
def test_unclosed_formatting_elements_do_not_multiply() -> None:
    html = "<p>" + "".join(f"<b id={n}>" for n in range(5_000)) + "<p>x" * 5_000
    assert html_to_text(html).split() == ["x"] * 5_000


html_texts = st.lists(
    st.sampled_from(
        [
            "<p>",
            "</p>",
            "<a\thref=/x>",
            "</a>",
            "<ul>",
            "<li>",
            "</ul>",
            "<ol>",
            "<table>",
            "<tr>",
            "<td>",
            "</table>",
            "<div\thidden>",
            "</div>",
            "<b>",
            "</b>",
            "<br>",
            "<!--",
            "-->",
            "<style>",
            "</style>",
            "<x-a>",
            "</x-a>",
            "<body>",
            "<svg>",
            "p{color:red}",
        ]
    )
    | st.text(max_size=5)
).map("".join)


@given(html=html_texts)
def test_any_html_ends_in_tidy_text(html: str) -> None:
    text = html_to_text(html)
    assert text == text.strip("\n")
    assert "\n\n\n" not in text


@given(html=html_texts, value=st.text(), preheader=st.text())
def test_any_email_template_ends_in_a_body_or_a_template_error(
    html: str, value: str, preheader: str
) -> None:
    content = email(html + "{{x}}{{{x}}}", subject="{{x}}", preheader=preheader)
    with contextlib.suppress(TemplateError):
        body = render_email(content, {"x": value})
        assert body_from_output(Channel.EMAIL, render_output(body)) == body
