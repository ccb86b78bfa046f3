"""The fields of a channel's words: their names in the form and on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from senderkit.domain import Channel, JsonObject


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class EditorField:
    """One field: its name in the form and in the content, and what to ask for when it is empty."""

    name: str
    wire: str
    kind: Kind = Kind.TEXT
    missing: str | None = None
    is_translated: bool = True


_SUBJECT: Final = EditorField("subject", "subject", missing="Give a subject.")
_PREHEADER: Final = EditorField("preheader", "preheader")
_HTML: Final = EditorField("html", "html", missing="Give the HTML of the email.")
_MJML: Final = EditorField("mjml", "mjml", missing="Give the MJML of the email.")
_TEXT: Final = EditorField("text", "text")
_TITLE: Final = EditorField("title", "title", missing="Give a title.")
_BODY: Final = EditorField("body", "body", missing="Give the text.")
_BADGE: Final = EditorField("badge", "badge", Kind.NUMBER, is_translated=False)
_DATA: Final = EditorField("data", "data", Kind.JSON)
_CLICK_URL: Final = EditorField("click_url", "clickUrl")
_ICON: Final = EditorField("icon", "icon")
_SOUND: Final = EditorField("sound", "sound")

_FIELDS: Final[Mapping[Channel, tuple[EditorField, ...]]] = {
    Channel.EMAIL: (_SUBJECT, _PREHEADER, _HTML, _TEXT),
    Channel.SMS: (_BODY,),
    Channel.PUSH: (_TITLE, _BODY, _SOUND, _BADGE, _DATA),
    Channel.WEB_PUSH: (_TITLE, _BODY, _ICON, _CLICK_URL, _BADGE, _DATA),
}
_MJML_EMAIL: Final = (_SUBJECT, _PREHEADER, _MJML, _TEXT)

MARKUPS: Final = ("html", "mjml")


def fields_of(
    channel: Channel, words: JsonObject, *, language: str = ""
) -> tuple[EditorField, ...]:
    """The fields of a channel; an email whose words are in MJML has that in place of HTML.

    In a `language` only those that can be translated.
    """
    is_mjml = channel is Channel.EMAIL and words.get("mjml") is not None
    fields = _MJML_EMAIL if is_mjml else _FIELDS[channel]
    return tuple(field for field in fields if field.is_translated) if language else fields


def names_by_wire(channel: Channel) -> dict[str, str]:
    """The form's name of each field that the channel may have, by its wire name."""
    found = (*_FIELDS[channel], *(_MJML_EMAIL if channel is Channel.EMAIL else ()))
    return {field.wire: field.name for field in found}
