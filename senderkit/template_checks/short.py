"""What deserves a look in the short texts: subject, preheader, SMS, push and web push.

Lengths are those of the text that the sample values make, since that is what a reader gets.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from senderkit.domain import Channel, JsonObject
from senderkit.errors import TemplateLimitExceeded, TemplateSyntaxError
from senderkit.mustache import Budget, compile_template
from senderkit.sms_segments import Encoding, Segments, count_segments
from senderkit.template_checks.finding import Check, Level, Lines, quoted
from senderkit.template_checks.masks import MASKS, masked, unmasked
from senderkit.template_uses import Text

MAX_SUBJECT: Final = 78
MAX_PUSH_TITLE: Final = 65
MAX_PUSH_BODY: Final = 240
MAX_DATA_BYTES: Final = 4_096
_OPERATIONS: Final = 20_000
_OUTPUT_BYTES: Final = 100_000

_PLAINER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2018": "'",
        "\u2019": "'",
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\t": " ",
        "ç": "c",
        "`": "'",
    }
)


@dataclass(frozen=True, slots=True)
class Samples:
    """Values and blocks to fill short texts with."""

    values: JsonObject
    blocks: Mapping[str, str]

    def fill(self, text: Text) -> str | None:
        """What a reader gets; None when the text cannot be parsed. Without its tags when filling
        it takes more than a short text ever does."""
        budget = Budget(_OPERATIONS, _OUTPUT_BYTES)
        try:
            return compile_template(text.source).render(
                self.values, escape=str, partials=self.blocks.get, budget=budget, missing={}
            )
        except TemplateSyntaxError:
            return None
        except TemplateLimitExceeded:
            return unmasked(masked(text.source))


def check_texts(channel: Channel, texts: Iterable[Text], samples: Samples) -> Iterator[Check]:
    """Those that are short, in any language."""
    checks = _BY_FIELD.get(channel, {})
    for text in texts:
        check = checks.get(text.field)
        filled = samples.fill(text) if check else None
        if check is not None and filled is not None:
            yield from check(text, filled)


def check_presence(channel: Channel, content: JsonObject) -> Iterator[Check]:
    """What the template's own content lacks as a whole."""
    if channel is not Channel.EMAIL:
        return
    if _is_blank(content.get("subject")):
        yield _missing(Level.WARNING, "subject", "subject")
    if _is_blank(content.get("preheader")):
        yield _missing(Level.HINT, "preheader", "preheader")
    field = "mjml" if content.get("mjml") is not None else "html"
    if _is_blank(content.get(field)):
        message, advice = "The email says nothing.", "Write what people are to read."
        yield Check(Level.WARNING, field, None, None, message, advice, "html_missing")


def _missing(level: Level, field: str, what: str) -> Check:
    advice = {
        "subject": "Say in a few words what the mail is about.",
        "preheader": "Add the line that inboxes show behind the subject; without one they show "
        "the first words of the mail.",
    }[what]
    return Check(level, field, None, None, f"There is no {what}.", advice, f"{what}_missing")


def check_data(content: JsonObject, language: str | None) -> Iterator[Check]:
    """Push services refuse a message whose data is too large."""
    size = _json_bytes(content.get("data"))
    if size > MAX_DATA_BYTES:
        message = f"The data takes {size:,} bytes; push services take {MAX_DATA_BYTES:,} in all."
        advice = "Send an id and let the app fetch the rest."
        code = "data_size"
        yield Check(Level.WARNING, "data", None, None, message, advice, code, language)


def _json_bytes(data: Any) -> int:
    if not data:
        return 0
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))


def _is_blank(value: Any) -> bool:
    return not (isinstance(value, str) and value.strip())


def _whole(text: Text, level: Level, code: str, message: str, advice: str) -> Check:
    """About a text as a whole."""
    return Check(level, text.field, None, None, message, advice, code, text.language)


def _of_subject(text: Text, filled: str) -> Iterator[Check]:
    length = len(" ".join(filled.split()))
    if text.language is not None and not text.source.strip():
        yield _whole(
            text,
            Level.WARNING,
            "subject_missing",
            "There is no subject.",
            "Translate it, or leave it out of this language to use the default one.",
        )
    if length > MAX_SUBJECT:
        message = f"The subject has {length:,} characters; phones show about 40."
        advice = f"Keep it below {MAX_SUBJECT}, with what matters first."
        yield _whole(text, Level.WARNING, "subject_long", message, advice)


# -- SMS --------------------------------------------------------------------------------------


def _of_sms(text: Text, filled: str) -> Iterator[Check]:
    if not text.source.strip():
        message, advice = "The SMS says nothing.", "Write what people are to read."
        yield _whole(text, Level.ERROR, "sms_empty", message, advice)
        return
    segments = count_segments(filled)
    if segments.count > 1:
        message = (
            f"It takes {segments.count:,} segments ({segments.units:,} units of "
            f"{segments.encoding}), and each is paid."
        )
        alone = 160 if segments.encoding is Encoding.GSM_7 else 70
        advice = f"One segment has {alone} characters."
        yield _whole(text, Level.HINT, "sms_segments", message, advice)
    if segments.forced_by:
        yield _of_ucs_2(text, segments)


def _of_ucs_2(text: Text, segments: Segments) -> Check:
    """At the first such character of the text itself; without a place when a value has it."""
    source = masked(text.source)
    places = {each.character: source.find(each.character) for each in segments.forced_by[:100]}
    own = {character: at for character, at in places.items() if at >= 0 and character not in MASKS}
    character = min(own, key=own.__getitem__) if own else segments.forced_by[0].character
    line, column = Lines(text.source).place(own[character]) if own else (None, None)
    others = len(segments.forced_by) - 1
    message = (
        f"{_described(character)} makes a segment 70 characters long instead of 160"
        f"{f'; so do {others:,} others' if others else ''}."
    )
    return Check(
        Level.HINT,
        text.field,
        line,
        column,
        message,
        _advice_for(character),
        "sms_ucs2",
        text.language,
    )


def _described(character: str) -> str:
    code = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "")
    shown = f"'{character}' " if character.isprintable() else ""
    return f"{shown}({code}{f' {name}' if name else ''})"


def _advice_for(character: str) -> str:
    if plainer := _PLAINER.get(character):
        return f"Write {quoted(plainer)} in its place."
    return "Leave it out, or accept more segments: the SMS alphabet (GSM-7) does not have it."


# -- push -------------------------------------------------------------------------------------


def _of_push(text: Text, filled: str) -> Iterator[Check]:
    longest = MAX_PUSH_TITLE if text.field == "title" else MAX_PUSH_BODY
    if not text.source.strip():
        message = f"The {text.field} says nothing."
        advice = "Write what people are to read."
        yield _whole(text, Level.WARNING, "push_empty", message, advice)
    if len(filled) > longest:
        message = f"The {text.field} has {len(filled):,} characters; devices cut it."
        advice = f"Keep it below {longest}, with what matters first."
        yield _whole(text, Level.HINT, "push_long", message, advice)


def _of_address(text: Text, filled: str) -> Iterator[Check]:
    begins_made = masked(text.source).lstrip().startswith(tuple(MASKS))
    address = filled.strip()
    if address and not begins_made and not address.lower().startswith("https://"):
        message = f"{quoted(address)} is no address with https."
        advice = "Give the whole address, beginning with https://."
        yield _whole(text, Level.WARNING, "address_not_https", message, advice)


_BY_FIELD: Final[Mapping[Channel, Mapping[str, Callable[[Text, str], Iterator[Check]]]]] = {
    Channel.EMAIL: {"subject": _of_subject},
    Channel.SMS: {"body": _of_sms},
    Channel.PUSH: {"title": _of_push, "body": _of_push},
    Channel.WEB_PUSH: {
        "title": _of_push,
        "body": _of_push,
        "icon": _of_address,
        "clickUrl": _of_address,
    },
}
