"""From content and variables to the body that goes out, for each channel.

A template's content is compiled once (`compile_content`) and rendered for each message: Mustache
first, then, for email, CSS is inlined, the preheader is put in and the text part is derived. Raw
content is used as given (`literal_body`) or with Mustache alone (`CompiledContent.interpolate`).
"""

from __future__ import annotations

import html as html_entities
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from typing_extensions import TypedDict

from senderkit.domain import (
    Body,
    Channel,
    EmailBody,
    JsonObject,
    PushBody,
    SmsBody,
    WebPushBody,
)
from senderkit.errors import TemplateError, TemplateLimitExceeded
from senderkit.html_mail import html_to_text, inline_css, insert_preheader
from senderkit.mustache import (
    Budget,
    Compiled,
    MissingPaths,
    Partials,
    ReferenceKind,
    compile_template,
)
from senderkit.themes import Theme, dressed

MAX_DATA_DEPTH: Final = 50

_FIELDS: Final[Mapping[Channel, tuple[str, ...]]] = {
    Channel.EMAIL: ("subject", "preheader", "html", "text"),
    Channel.SMS: ("body",),
    Channel.PUSH: ("title", "body", "data", "badge", "sound"),
    Channel.WEB_PUSH: ("title", "body", "icon", "clickUrl", "badge", "data"),
}

_NO_HTML: Final = "It has no HTML: the MJML it is written in could not be compiled."
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished body, and the paths that its template named but its variables did not have."""

    body: Body
    missing: tuple[str, ...]


def no_partials(name: str) -> None:
    """The `Partials` of a place without synced blocks."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a template is rendered in at the moment: the current blocks, and its theme."""

    partials: Partials = no_partials
    theme: Theme | None = None


BARE: Final = Surroundings()


def one_line(text: str) -> str:
    """`text` with each run of control characters made one space: fit for a header field."""
    return _CONTROL_CHARACTERS.sub(" ", text)


# -- content ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CompiledContent:
    """The parsed content of one template version (or raw send): immutable, shareable.

    `fields` has the channel's fields in their order of appearance; each string in them is a
    `Compiled`, everything else is as it was.
    """

    channel: Channel
    fields: Mapping[str, Any]

    @property
    def block_names(self) -> frozenset[str]:
        """The blocks that it names; what those name in turn is not followed."""
        return frozenset(
            reference.path
            for compiled in _all_compiled(self.fields.values())
            for reference in compiled.references()
            if reference.kind is ReferenceKind.PARTIAL
        )

    def render(self, variables: JsonObject, surroundings: Surroundings = BARE) -> Rendered:
        """The body of a template send. Raises TemplateError."""
        filled, missing = self._fill(variables, surroundings.partials)
        if self.channel is Channel.EMAIL:
            if filled["html"] is None:
                raise TemplateError(_NO_HTML)
            theme = surroundings.theme
            html = filled["html"] if theme is None else dressed(filled["html"], theme)
            inlined = inline_css(html)
            filled["html"] = insert_preheader(inlined, filled["preheader"] or "")
        return Rendered(literal_body(self.channel, filled), missing)

    def interpolate(self, variables: JsonObject) -> Rendered:
        """The body of a raw send: variables filled in, nothing else touched. Raises
        TemplateError."""
        filled, missing = self._fill(variables, no_partials)
        return Rendered(literal_body(self.channel, filled), missing)

    def _fill(
        self, variables: JsonObject, partials: Partials
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        budget = Budget()
        missing: MissingPaths = {}

        def fill(value: Any, field: str) -> Any:
            if isinstance(value, Compiled):
                text = value.render(
                    variables,
                    escape=html_entities.escape if field == "html" else str,
                    partials=partials,
                    budget=budget,
                    missing=missing,
                )
                return one_line(text) if field == "subject" else text
            if isinstance(value, dict):
                return {key: fill(item, field) for key, item in value.items()}
            return [fill(item, field) for item in value] if isinstance(value, list) else value

        filled = {field: fill(value, field) for field, value in self.fields.items()}
        return filled, tuple(missing)


def _all_compiled(values: Iterable[Any]) -> Iterator[Compiled]:
    for value in values:
        if isinstance(value, Compiled):
            yield value
        elif isinstance(value, Mapping):
            yield from _all_compiled(value.values())
        elif isinstance(value, list):
            yield from _all_compiled(value)


def compile_content(channel: Channel, content: JsonObject) -> CompiledContent:
    """Parse every string of `content` (its keys are the wire's; others are left out).

    Raises TemplateSyntaxError, which names the field, or TemplateLimitExceeded when `data` is
    nested too deep.
    """
    fields = {field: _compile(content.get(field), field, 0) for field in _FIELDS[channel]}
    return CompiledContent(channel, fields)


def _compile(value: Any, name: str, depth: int) -> Any:
    if depth > MAX_DATA_DEPTH:
        raise TemplateLimitExceeded(f"'data' is nested more than {MAX_DATA_DEPTH} deep.")
    if isinstance(value, str):
        return compile_template(value, name=name)
    if isinstance(value, Mapping):
        return {key: _compile(item, f"{name}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_compile(item, f"{name}.{i}", depth + 1) for i, item in enumerate(value)]
    return value


def literal_body(channel: Channel, content: JsonObject) -> Body:
    """The body of raw content as given; only a text part that is not given is derived."""
    match channel:
        case Channel.EMAIL:
            text = content.get("text")
            return EmailBody(
                subject=content["subject"],
                html=content["html"],
                text=html_to_text(content["html"]) if text is None else text,
                preheader=content.get("preheader"),
            )
        case Channel.SMS:
            return SmsBody(content["body"])
        case Channel.PUSH:
            return PushBody(
                title=content["title"],
                body=content["body"],
                data=content.get("data") or {},
                badge=content.get("badge"),
                sound=content.get("sound"),
            )
        case Channel.WEB_PUSH:
            return WebPushBody(
                title=content["title"],
                body=content["body"],
                icon=content.get("icon"),
                click_url=content.get("clickUrl"),
                badge=content.get("badge"),
                data=content.get("data") or {},
            )
    assert_never(channel)


class EmailOutput(TypedDict):
    subject: str
    preheader: str | None
    html: str
    text: str


class SmsOutput(TypedDict):
    body: str


class PushOutput(TypedDict):
    title: str
    body: str
    data: dict[str, str]
    badge: int | None
    sound: str | None


class WebPushOutput(TypedDict):
    title: str
    body: str
    icon: str | None
    clickUrl: str | None
    badge: int | None
    data: dict[str, Any]


Output = EmailOutput | SmsOutput | PushOutput | WebPushOutput


def render_output(body: Body) -> Output:
    """The wire's `output` of a body, for answers and for storing: every key is present."""
    match body:
        case EmailBody():
            return {
                "subject": body.subject,
                "preheader": body.preheader,
                "html": body.html,
                "text": body.text,
            }
        case SmsBody():
            return {"body": body.body}
        case PushBody():
            return {
                "title": body.title,
                "body": body.body,
                "data": dict(body.data),
                "badge": body.badge,
                "sound": body.sound,
            }
        case WebPushBody():
            return {
                "title": body.title,
                "body": body.body,
                "icon": body.icon,
                "clickUrl": body.click_url,
                "badge": body.badge,
                "data": dict(body.data),
            }
    assert_never(body)


def body_from_output(channel: Channel, output: JsonObject) -> Body:
    """The body that `render_output` made `output` of."""
    return literal_body(channel, output)
