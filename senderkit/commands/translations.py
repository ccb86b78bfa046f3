"""Translations of a template version: by language tag, the content's fields that differ in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator

from senderkit.commands.content import Content, Source
from senderkit.commands.fields import LOCALE_PATTERN, Subject, is_locale
from senderkit.commands.issues import IssueCode, Path, collect, flaws, refuse
from senderkit.commands.limits import MAX_LOCALE, MAX_TEMPLATE_FIELD, MAX_TRANSLATIONS
from senderkit.domain import Channel, JsonObject
from senderkit.errors import Issue


class EmailTranslation(Content):
    """What differs of an email; in place of `html` it may give `mjml`, and the other way round."""

    subject: Subject | None = None
    mjml: Source | None = None
    html: Source | None = None
    preheader: Source | None = None
    text: Source | None = None

    @model_validator(mode="after")
    def _check_one_markup(self) -> EmailTranslation:
        if self.html is not None and self.mjml is not None:
            message = "Give 'html' or 'mjml', not both."
            raise flaws([(("html",), IssueCode.INVALID_VALUE, message)])
        return self


class SmsTranslation(Content):
    body: Annotated[str, Field(min_length=1, max_length=MAX_TEMPLATE_FIELD)] | None = None


class PushTranslation(Content):
    title: Source | None = None
    body: Source | None = None
    data: dict[str, str] | None = None
    sound: Source | None = None


class WebPushTranslation(Content):
    title: Source | None = None
    body: Source | None = None
    icon: Source | None = None
    click_url: Source | None = Field(None, alias="clickUrl")
    data: dict[str, Any] | None = None


_TRANSLATIONS: Final[Mapping[Channel, type[Content]]] = {
    Channel.EMAIL: EmailTranslation,
    Channel.SMS: SmsTranslation,
    Channel.PUSH: PushTranslation,
    Channel.WEB_PUSH: WebPushTranslation,
}


def _check_tags(translations: dict[str, Any]) -> dict[str, Any]:
    found = list(_bad_tags(translations))
    if found:
        raise flaws(found)
    return translations


def _bad_tags(translations: Mapping[str, Any]) -> list[tuple[Path, IssueCode, str]]:
    message = "Must be a language tag such as de or pt-BR."
    bad = [tag for tag in translations if len(tag) > MAX_LOCALE or not is_locale(tag)]
    lowered = [tag.lower() for tag in translations]
    twice = [tag for tag in translations if lowered.count(tag.lower()) > 1]
    return [
        *(((tag,), IssueCode.INVALID_VALUE, message) for tag in bad),
        *(((tag,), IssueCode.DUPLICATE, "Another tag differs by case alone.") for tag in twice),
    ]


TranslationBodies = Annotated[
    dict[str, dict[str, Any]],
    Field(
        max_length=MAX_TRANSLATIONS,
        description="By language tag, the fields of `content` that differ in that language; what "
        "a translation lacks is taken from `content`. A send picks one by `locale` or "
        "`vars.locale`: `pt-BR`, else `pt`, else `content` itself.",
        examples=[{"de": {"subject": "Hallo {{name}}"}}],
        json_schema_extra={"propertyNames": {"pattern": f"^{LOCALE_PATTERN}$"}},
    ),
    AfterValidator(_check_tags),
]


def check_translations(
    channel: Channel, translations: Mapping[str, JsonObject]
) -> dict[str, JsonObject]:
    """`translations` as a version of a `channel` template stores them: tags in lower case.

    Raises `InvalidRequest` with issues below `translations`. Mustache syntax is not looked at.
    """
    issues: list[Issue] = []
    checked: dict[str, JsonObject] = {}
    for tag, fields in translations.items():
        found = collect(_TRANSLATIONS[channel], fields, issues, at=("translations", tag))
        if found is not None:
            checked[tag.lower()] = found.stored()
    if issues:
        refuse(issues)
    return checked


def merge_translation(content: JsonObject, translation: JsonObject) -> JsonObject:
    """The whole content in a language: what the translation lacks is the content's own.

    HTML takes the place of MJML and the other way round; the text part of another language is
    never kept beside translated markup, since it is what a reader without HTML would see.
    """
    is_markup = "html" in translation or "mjml" in translation
    replaced = {"html", "mjml", "text"} if is_markup else set[str]()
    kept = {name: value for name, value in content.items() if name not in replaced}
    return {**kept, **translation}
