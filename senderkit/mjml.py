"""MJML to HTML, once for each version that is saved in it.

The library (extra `mjml`) parses by recursion: a level takes up to 5 kB of the thread's stack, and
overrunning that ends the process, so nothing reaches it before its levels have been counted.
Mustache passes through it: tags in texts and attributes as they are, sections around elements
inside `<mj-raw>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final
from xml.parsers import expat

from senderkit.errors import TemplateError

MAX_CHARACTERS: Final = 200_000
MAX_START_TAGS: Final = 1_000
MAX_DEPTH: Final = 100
MAX_HTML_CHARACTERS: Final = 1_000_000

_START_TAG: Final = re.compile(r"<[a-zA-Z]")
# A comment, a whole tag, or one that is never closed.
_MARKUP: Final = re.compile(
    r"""<!--(?:.*?-->|.*)|<(/?)([a-zA-Z][^\s/>]*+)((?:[^>"']++|"[^"]*+"|'[^']*+')*+)>|<(?=/?[a-zA-Z])""",
    re.DOTALL,
)
# What the library takes for elements without an end; every other one is open until an end tag,
# whatever that names.
_VOID: Final = re.compile("area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr")
_HEAD: Final = re.compile(r"<mj-head(?:\s[^<>]*)?>")
_ROOT: Final = re.compile(r"<mjml(?:\s[^<>]*)?>")
_POSITION: Final = re.compile(r"at position ([0-9]{1,9}):[0-9]")
_DECLARATION: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.I)
_BODY: Final = re.compile(r"<mj-body((?:\s[^<>]*?)?)(/?)>")


@dataclass(frozen=True, slots=True)
class MjmlDefaults:
    """What a document takes where it does not say otherwise.

    `attributes` is what its `mj-attributes` begin with, `body` the attributes of its `mj-body`,
    which takes none from there.
    """

    attributes: str = ""
    body: Mapping[str, str] = field(default_factory=dict)


NO_DEFAULTS: Final = MjmlDefaults()


def is_installed() -> bool:
    return find_spec("mrml") is not None


def compile_mjml(source: str, defaults: MjmlDefaults = NO_DEFAULTS) -> str:
    """The HTML of an MJML document.

    Raises `TemplateError` for one that is too large or cannot be parsed, with the place of the
    fault, and where the library is not installed.
    """
    if not is_installed():
        raise TemplateError("MJML needs its library: pip install 'senderkit-server[mjml]'.")
    if len(source) > MAX_CHARACTERS or len(_START_TAG.findall(source)) > MAX_START_TAGS:
        raise TemplateError(
            f"'mjml' has more than {MAX_START_TAGS:,} elements or {MAX_CHARACTERS:,} characters."
        )
    if _ROOT.search(source) is None:
        raise TemplateError("'mjml' must begin with <mjml>.")
    _check_depth(source)
    html = _compile(_with_defaults(source, defaults), source)
    if len(html) > MAX_HTML_CHARACTERS:
        raise TemplateError(f"The HTML of 'mjml' has more than {MAX_HTML_CHARACTERS:,} characters.")
    return html


def _check_depth(source: str) -> None:
    """Counts as the library does, at least as many levels; stops at the first broken tag, since
    the library refuses it."""
    depth = 0
    for found in _MARKUP.finditer(source):
        if found[0] == "<":
            raise TemplateError(f"'mjml': this tag is never closed{_place_of(source, found)}.")
        if found[2] is None:
            continue
        if found[1]:
            depth -= 1
        elif not found[3].endswith("/") and not _VOID.fullmatch(found[2]):
            depth += 1
        if depth > MAX_DEPTH:
            place = _place_of(source, found)
            raise TemplateError(f"'mjml' is nested more than {MAX_DEPTH} deep{place}.")


def _place_of(source: str, found: re.Match[str]) -> str:
    line, start = source.count("\n", 0, found.start()) + 1, source.rfind("\n", 0, found.start())
    return _place_words("at", line, found.start() - start)


def _compile(document: str, source: str) -> str:
    """`document` is `source` with its defaults."""
    import mrml  # noqa: PLC0415 - an extra

    try:
        return mrml.to_html(document).content
    except OSError as error:  # what the library raises for what it cannot parse
        words, _, _ = str(error).partition(" in root template")
        place = _find_place(source)
        raise TemplateError(f"'mjml': {words}{place}.") from error


def _find_place(source: str) -> str:
    """Where the fault of a document is, in words: as the library says, else as an XML parser
    does, which is stricter and so is only near."""
    import mrml  # noqa: PLC0415 - an extra

    try:
        mrml.to_html(source)
    except OSError as error:
        if found := _POSITION.search(str(error)):
            before = source.encode()[: int(found[1])].decode("utf-8", "ignore")
            return _place_words("at", before.count("\n") + 1, len(before) - before.rfind("\n"))
    return _find_xml_place(source)


def _find_xml_place(source: str) -> str:
    if _DECLARATION.search(source):
        return ""
    parser = expat.ParserCreate()
    try:
        # Entities are HTML's here, which the parser does not know.
        parser.Parse(source.replace("&", "+"), True)
    except expat.ExpatError as error:
        return _place_words("near", error.lineno, error.offset + 1)
    return ""


def _place_words(word: str, line: int, column: int) -> str:
    return f" ({word} line {line}, column {column})"


def _with_defaults(source: str, defaults: MjmlDefaults) -> str:
    source = _BODY.sub(lambda body: _with_body(body, defaults.body), source, count=1)
    if not defaults.attributes:
        return source
    head = f"<mj-attributes>{defaults.attributes}</mj-attributes>"
    if found := _HEAD.search(source):
        return source[: found.end()] + head + source[found.end() :]
    return _ROOT.sub(lambda root: f"{root[0]}<mj-head>{head}</mj-head>", source, count=1)


def _with_body(body: re.Match[str], wanted: Mapping[str, str]) -> str:
    missing = {name: value for name, value in wanted.items() if f"{name}=" not in body[1]}
    added = "".join(f' {name}="{value}"' for name, value in missing.items())
    return f"<mj-body{body[1]}{added}{body[2]}>"
