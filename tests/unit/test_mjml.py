"""MJML: its defaults, the place of what is wrong with it, its limits."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import pytest

from senderkit import mjml
from senderkit.errors import TemplateError
from senderkit.mjml import MjmlDefaults, compile_mjml
from senderkit.themes import Theme, mjml_defaults

HOSTILE_SECONDS = 4.0


def document(inside: str) -> str:
    return (
        f"<mjml><mj-body><mj-section><mj-column>{inside}</mj-column></mj-section></mj-body></mjml>"
    )


def fault(source: str) -> str:
    with pytest.raises(TemplateError) as caught:
        compile_mjml(source)
    return str(caught.value)


# -- defaults ---------------------------------------------------------------------------------


def test_a_theme_gives_what_the_document_does_not_say() -> None:
    theme = Theme(font="georgia", accent="#aa0055", background="#101010", width=640, radius=3)
    html = compile_mjml(
        document('<mj-text>T</mj-text><mj-button href="#">B</mj-button>'), mjml_defaults(theme)
    )
    for part in ("Georgia", "#aa0055", "#101010", "640px", "border-radius:3px"):
        assert part in html


def test_the_document_has_the_last_word() -> None:
    source = document('<mj-button href="#" background-color="#00ff00">B</mj-button>')
    source = source.replace("<mj-body>", '<mj-body width="500px">')
    html = compile_mjml(source, mjml_defaults(Theme()))
    assert "#00ff00" in html
    assert Theme().accent not in html
    assert "500px" in html
    assert "600px" not in html


@pytest.mark.parametrize(
    "head", ["", "<mj-head></mj-head>", "<mj-head><mj-title>T</mj-title></mj-head>"]
)
def test_a_document_with_or_without_a_head_takes_the_defaults(head: str) -> None:
    source = document("<mj-text>T</mj-text>").replace("<mjml>", f"<mjml>{head}")
    assert "#123456" in compile_mjml(source, MjmlDefaults('<mj-text color="#123456"/>'))


def test_mustache_passes_through() -> None:
    inside = '<mj-text>Hi {{name}} {{{raw}}}</mj-text><mj-button href="{{url}}">Go</mj-button>'
    raw = "<mj-raw>{{#items}}</mj-raw><mj-text>{{.}}</mj-text><mj-raw>{{/items}}</mj-raw>"
    html = compile_mjml(document(inside + raw))
    for tag in ("{{name}}", "{{{raw}}}", 'href="{{url}}"', "{{#items}}", "{{/items}}"):
        assert tag in html


# -- places -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("<mjml>\nhello<mj-body></mj-body></mjml>", "(at line 1, column 7)"),
        ("<mjml>\n<mj-body>\n<mj-section>\n</mj-body></mjml>", "(near line 4, column 3)"),
        ("<mjml>\n<mj-body a='></mj-body></mjml>", "never closed (at line 2, column 1)"),
        ("<mjml>\n <mj-body a=1></mj-body></mjml>", "(near line 2, column 13)"),
        ("<mjml>\n <mj-body>é &nbsp; <mj-text a=1></mj-text></mj-body></mjml>", "line 2, column"),
        ("<mjml><mj-body>", "(near line 1, column 16)"),
    ],
)
def test_a_fault_is_told_with_its_place(source: str, place: str) -> None:
    assert place in fault(source)


def test_the_place_is_that_of_what_was_written_not_of_what_a_theme_adds() -> None:
    source = "<mjml>\nhello<mj-body></mj-body></mjml>"
    with pytest.raises(TemplateError, match="line 1, column 7"):
        compile_mjml(source, mjml_defaults(Theme()))


def test_without_the_library_the_fault_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "mrml", raising=False)
    monkeypatch.setattr(sys, "path", [])
    assert "pip install 'senderkit-server[mjml]'" in fault(document(""))


# -- limits -----------------------------------------------------------------------------------

BOMBS = {
    "deep": "<mjml><mj-body>" + "<mj-section>" * 100_000,
    "wide": document("<mj-text>x</mj-text>" * 50_000),
    "deep in few characters": "<mjml><mj-body>" + "<a>" * 990 + "</a>" * 990,
    "as wide as allowed": document("<mj-text>x</mj-text>" * 900),
    "entities": '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + document("&b;"),
    "a file": document('<mj-include path="/etc/passwd"/>'),
    "an address": document('<mj-include path="http://127.0.0.1:9/x"/>'),
    "attributes": document(
        "<mj-text " + " ".join(f'a{n}="x"' for n in range(10_000)) + ">x</mj-text>"
    ),
    "one attribute": document(f'<mj-text color="{"x" * 190_000}">x</mj-text>'),
    "open tags": "<mjml>" + "<" * 150_000,
    "comments": document("<!--" * 40_000),
    "classes": "<mjml><mj-head><mj-attributes>"
    + "".join(f'<mj-class name="c{n}" color="red"/>' for n in range(400))
    + "</mj-attributes></mj-head><mj-body>"
    + f'<mj-text mj-class="{" ".join(f"c{n}" for n in range(400))}">x</mj-text>' * 400
    + "</mj-body></mjml>",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_within_its_limits(name: str) -> None:
    began_at, memory = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        html = compile_mjml(BOMBS[name], mjml_defaults(Theme()))
    except TemplateError:
        html = ""
    assert len(html) <= mjml.MAX_HTML_CHARACTERS
    assert "root:" not in html
    assert time.thread_time() - began_at < HOSTILE_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000  # kilobytes


def test_what_is_nested_too_deep_is_told_with_its_place() -> None:
    assert "nested more than 100 deep (at line 1, column" in fault("<mjml>" + "<p>" * 101)


def test_many_elements_without_an_end_are_not_deep() -> None:
    inside = "<mj-text>" + "<br>" * 300 + '<img alt="">' * 300 + "</mj-text>"
    assert "<br" in compile_mjml(document(inside))


LEVELS = {
    "as deep as allowed": "<mj-wrapper>" * 95 + "</mj-wrapper>" * 95,
    "far too deep": "<mj-wrapper>" * 990,
    **{
        f"deep behind {trick}": f"<mj-wrapper>{trick}" * 400 + "</mj-wrapper>" * 400
        for trick in (
            *("<!-- </a> -->", "<!--></a><!-- -->", "<a b='</a>'/>", '<a b="</a>"/>'),
            *("<![CDATA[</a>]]>", "<? </a> ?>", "<mj-raw></a></mj-raw>", "<mj-style></a>"),
            *("</a/>", "</ a>", "<BR></BR>", "<basefont>", "<frame>", "</\u00e9>", "<br/></br>"),
            *("{{! </a> }}", "<a/b></a>", "<a / >", "</a b='>'>", "<!DOCTYPE a></a>"),
        )
    },
}


@pytest.mark.parametrize("name", LEVELS)
def test_no_document_overruns_the_stack_of_a_small_thread(name: str) -> None:
    """Some systems give a thread 1 MB, ours here has half of that. Overrunning it ends the
    process, so this is tried in another one."""
    program = (
        "import sys, threading\n"
        "from senderkit.errors import TemplateError\n"
        "from senderkit.mjml import compile_mjml\n"
        "def work():\n"
        "    try:\n"
        "        compile_mjml(sys.argv[1])\n"
        "    except TemplateError:\n"
        "        pass\n"
        "    print('ended well')\n"
        "threading.stack_size(512 * 1024)\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    source = f"<mjml><mj-body>{LEVELS[name]}</mj-body></mjml>"
    done = subprocess.run(
        [sys.executable, "-c", program, source], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ended well\n"), done.stderr
