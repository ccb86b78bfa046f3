"""MJML to HTML, once for each version that is saved in it.

The library (extra `mjml`) parses by recursion: a few thousand levels overrun the stack and end the
process, so nothing reaches it before its tags have been counted. Mustache passes through it: tags
in texts and attributes as they are, sections around elements inside `<mj-raw>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final

from senderkit.errors import TemplateError

MAX_CHARACTERS: Final = 200_000
MAX_START_TAGS: Final = 1_000
MAX_HTML_CHARACTERS: Final = 1_000_000

_START_TAG: Final = re.compile(r"<[a-zA-Z]")
_HEAD: Final = re.compile(r"<mj-head(?:\s[^<>]*)?>")
_ROOT: Final = re.compile(r"<mjml(?:\s[^<>]*)?>")
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

    Raises `TemplateError` for one that is too large or cannot be parsed, and where the library is
    not installed.
    """
    if not is_installed():
        raise TemplateError("MJML needs its library: pip install 'senderkit-server[mjml]'.")
    if len(source) > MAX_CHARACTERS or len(_START_TAG.findall(source)) > MAX_START_TAGS:
        raise TemplateError(
            f"'mjml' has more than {MAX_START_TAGS:,} elements or {MAX_CHARACTERS:,} characters."
        )
    if _ROOT.search(source) is None:
        raise TemplateError("'mjml' must begin with <mjml>.")
    html = _compile(_with_defaults(source, defaults))
    if len(html) > MAX_HTML_CHARACTERS:
        raise TemplateError(f"The HTML of 'mjml' has more than {MAX_HTML_CHARACTERS:,} characters.")
    return html


def _compile(source: str) -> str:
    import mrml  # noqa: PLC0415 - an extra

    try:
        return mrml.to_html(source).content
    except OSError as error:  # what the library raises for what it cannot parse
        raise TemplateError(f"'mjml': {error}.") from error


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
