"""Template versions compiled in all their languages, kept by their id: none is given twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Engine, select

from senderkit.commands import merge_translation
from senderkit.domain import Channel, JsonObject
from senderkit.mjml import NO_DEFAULTS, compile_mjml
from senderkit.models import Template, TemplateVersion
from senderkit.rendering import CompiledContent, compile_content
from senderkit.themes import Theme, mjml_defaults

_KEPT_VERSIONS: Final = 512
_OWN: Final = ""


def wanted_language(locale: str | None, variables: JsonObject) -> str | None:
    """What a send asks for: its `locale`, else the text of `vars.locale`."""
    named = variables.get("locale")
    return locale or (named if isinstance(named, str) else None)


@dataclass(frozen=True, slots=True)
class CompiledVersion:
    """A version: its own content, and the whole content by language tag in lower case."""

    own: CompiledContent
    translations: Mapping[str, CompiledContent]

    def in_language(self, tag: str | None) -> CompiledContent:
        """The nearest there is: `pt-BR`, else `pt`, else the version's own."""
        wanted = (tag or "").lower().replace("_", "-")
        while wanted:
            if wanted in self.translations:
                return self.translations[wanted]
            wanted = wanted.rpartition("-")[0]
        return self.own


def compile_version(
    channel: Channel,
    content: JsonObject,
    translations: Mapping[str, JsonObject] | None,
    markup: Mapping[str, str] | None,
) -> CompiledVersion:
    """`markup` is what `compiled_markup` made when the version was saved.

    Raises `TemplateError` for a version that cannot be compiled.
    """
    if markup is None:
        markup = compiled_markup(content, translations or {}, None) or {}
    own = compile_content(channel, _with_html(content, markup.get(_OWN)))
    return CompiledVersion(
        own,
        {
            tag: compile_content(channel, _translated(content, fields, markup, tag))
            for tag, fields in (translations or {}).items()
        },
    )


def _translated(
    content: JsonObject, fields: JsonObject, markup: Mapping[str, str], tag: str
) -> JsonObject:
    """With the HTML of its own MJML, or of the content's when it has no markup."""
    merged = merge_translation(content, fields)
    return _with_html(merged, markup.get(tag if "mjml" in fields else _OWN))


def _with_html(content: JsonObject, html: str | None) -> JsonObject:
    return content if content.get("mjml") is None else {**content, "html": html}


def compiled_markup(
    content: JsonObject, translations: Mapping[str, JsonObject], theme: Theme | None
) -> dict[str, Any] | None:
    """The HTML of each MJML of a version, by language, `""` for its own; None without any.

    Raises `TemplateError`.
    """
    defaults = NO_DEFAULTS if theme is None else mjml_defaults(theme)
    sources = {_OWN: content.get("mjml")}
    sources |= {tag: fields.get("mjml") for tag, fields in translations.items()}
    found = {
        tag: compile_mjml(source, defaults) for tag, source in sources.items() if source is not None
    }
    return found or None


class CompiledVersions:
    """Compiled versions by id, shared between threads; the oldest used fall out."""

    def __init__(self, reader: Engine) -> None:
        self._reader = reader
        self._load = lru_cache(maxsize=_KEPT_VERSIONS)(self._compile)

    def get(self, version_id: int) -> CompiledVersion:
        """Raises `TemplateError` for a version that cannot be compiled."""
        return self._load(version_id)

    def _compile(self, version_id: int) -> CompiledVersion:
        statement = (
            select(
                Template.channel,
                TemplateVersion.content,
                TemplateVersion.translations,
                TemplateVersion.compiled,
            )
            .join(Template, Template.id == TemplateVersion.template_id)
            .where(TemplateVersion.id == version_id)
        )
        with self._reader.connect() as connection:
            channel, content, translations, markup = connection.execute(statement).one()
        return compile_version(Channel(channel), content, translations, markup)
