"""What deserves a look in a template that is being edited: each finding with its place and what to
do about it.

Nothing here refuses anything: a template with findings may be saved, published and sent. Whatever
the input, an answer comes within about a second: texts beyond the limits of
`senderkit.template_uses` are told as not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from senderkit.domain import Channel, JsonObject
from senderkit.template_checks.finding import Check, Level, in_order
from senderkit.template_checks.html import CLIPPED_BYTES, check_html
from senderkit.template_checks.names import check_names
from senderkit.template_checks.short import Samples, check_data, check_presence, check_texts
from senderkit.template_samples import sample_values
from senderkit.template_uses import FIELDS, MAX_CHARACTERS, MAX_USES, Text, Uses, read_uses
from senderkit.themes import Theme

__all__ = ["Check", "Level", "check_template"]

_MARKUP: Final = ("html", "mjml")
_NONE: Final[Mapping[str, JsonObject]] = MappingProxyType({})
_NO_BLOCKS: Final[Mapping[str, str]] = MappingProxyType({})


def check_template(
    channel: Channel,
    content: JsonObject,
    *,
    translations: Mapping[str, JsonObject] = _NONE,
    variables: Sequence[JsonObject] = (),
    blocks: Mapping[str, str] = _NO_BLOCKS,
    theme: Theme | None = None,
    samples: JsonObject | None = None,
    rendered_html: str | None = None,
) -> list[Check]:
    """What is found, the worst first, then by language, field and place.

    `content` and `translations` have the wire's names with their strings not rendered; `variables`
    are declarations in the wire's form; `blocks` are the sources of all of the workspace's blocks
    by name. `theme` is what the email is rendered in. `samples` fill the short texts, by default
    those that the declarations make. `rendered_html` is the finished sample, whose size counts.
    """
    uses = read_uses(channel, content, translations, blocks)
    values = sample_values(variables) if samples is None else samples
    found = [
        *check_names(uses, content, translations, variables, blocks),
        *check_presence(channel, content),
        *check_texts(channel, uses.texts, Samples(values, blocks)),
        *_of_markup(uses, theme),
        *_of_size(content, rendered_html),
        *_of_data(channel, content, translations),
        *_unread(uses),
    ]
    return in_order(found, FIELDS[channel])


def _of_markup(uses: Uses, theme: Theme | None) -> Iterator[Check]:
    for text in uses.texts:
        if text.field in _MARKUP:
            yield from check_html(text, theme)


def _of_size(content: JsonObject, rendered_html: str | None) -> Iterator[Check]:
    html = content.get("html") if rendered_html is None else rendered_html
    size = len(html.encode("utf-8", "surrogatepass")) if isinstance(html, str) else 0
    if size > CLIPPED_BYTES:
        field = "html" if content.get("mjml") is None else "mjml"
        message = f"The HTML takes {size // 1024:,} KB: Gmail cuts a mail off after 102 KB."
        advice = "Make it shorter, or move repeated styles into classes."
        yield Check(Level.WARNING, field, None, None, message, advice, "html_size")


def _of_data(
    channel: Channel, content: JsonObject, translations: Mapping[str, JsonObject]
) -> Iterator[Check]:
    if channel in (Channel.PUSH, Channel.WEB_PUSH):
        yield from check_data(content, None)
        for tag, fields in translations.items():
            yield from check_data(fields, tag)


def _unread(uses: Uses) -> Iterator[Check]:
    advice = "Make the template shorter; what is beyond was not looked at."
    if uses.unread:
        for text in uses.unread:
            yield _not_checked(text, f"Only {MAX_CHARACTERS:,} characters are checked.", advice)
    elif not uses.is_whole and uses.texts:
        yield _not_checked(uses.texts[-1], f"Only {MAX_USES:,} tags are checked.", advice)


def _not_checked(text: Text, message: str, advice: str) -> Check:
    level, code = Level.WARNING, "not_checked"
    return Check(level, text.field, None, None, message, advice, code, text.language)
