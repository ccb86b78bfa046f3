"""Drafting, describing and rendering templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, RootModel

from senderkit.commands.content import (
    EmailTemplateContent,
    PushContent,
    SmsContent,
    WebPushContent,
)
from senderkit.commands.fields import ChannelName, Command, Vars, Version, Wire, WireBody
from senderkit.commands.issues import Body, IssueCode, Path, collect, flaw, flaws, refuse
from senderkit.commands.limits import (
    MAX_DESCRIPTION,
    MAX_NOTE,
    MAX_SLUG,
    MAX_VARIABLE_NAME,
    MAX_VARIABLES,
)
from senderkit.commands.translations import TranslationBodies, check_translations
from senderkit.domain import Channel, JsonObject
from senderkit.errors import Issue

SLUG_PATTERN: Final = rf"[a-z0-9][a-z0-9._-]{{0,{MAX_SLUG - 1}}}"
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLUG: Final = re.compile(SLUG_PATTERN)
_VARIABLE_NAME: Final = re.compile(r"[^\s{}\x00-\x1f\x7f]+")


def is_slug(text: str) -> bool:
    """Whether it may name a template."""
    return _SLUG.fullmatch(text) is not None


def _check_slug(text: str) -> str:
    if not is_slug(text):
        message = (
            f"Must be 1 to {MAX_SLUG} lower-case letters, digits, '-', '_' or '.', "
            "and begin with a letter or digit."
        )
        raise flaw(IssueCode.INVALID_VALUE, message)
    return text


def is_variable_name(text: str) -> bool:
    """Whether a variable of this name may be declared."""
    return len(text) <= MAX_VARIABLE_NAME and _VARIABLE_NAME.fullmatch(text) is not None


def _check_variable_name(text: str) -> str:
    if not _VARIABLE_NAME.fullmatch(text):
        raise flaw(IssueCode.INVALID_VALUE, "Must be a name without spaces or braces.")
    return text


# -- over the wire ------------------------------------------------------------------------------


class VariableBody(Wire):
    """A declared variable: it documents and feeds previews, it does not gate sends."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_VARIABLE_NAME,
            examples=["user.name"],
            json_schema_extra={"pattern": rf"^{_VARIABLE_NAME.pattern}$"},
        ),
        AfterValidator(_check_variable_name),
    ]
    type: Literal["string", "number", "boolean", "array", "object"]
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] | None = None
    required: bool | None = None
    example: Any = None

    def stored(self) -> dict[str, Any]:
        return {**self.model_dump(), "required": bool(self.required)}


def _check_distinct(variables: list[VariableBody]) -> list[VariableBody]:
    repeated = list(_repeated_names(variables))
    if repeated:
        raise flaws(repeated)
    return variables


def _repeated_names(variables: list[VariableBody]) -> Iterator[tuple[Path, IssueCode, str]]:
    seen: set[str] = set()
    for i, variable in enumerate(variables):
        if variable.name in seen:
            yield (i, "name"), IssueCode.DUPLICATE, "Another variable has this name."
        seen.add(variable.name)


VariableBodies = Annotated[
    list[VariableBody],
    Field(max_length=MAX_VARIABLES, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_check_distinct),
]
Description = Annotated[str, Field(max_length=MAX_DESCRIPTION)]


class _CreateTemplateBody(WireBody):
    slug: Annotated[
        str,
        AfterValidator(_check_slug),
        Field(examples=["welcome"], json_schema_extra={"pattern": f"^{SLUG_PATTERN}$"}),
    ]
    description: Description | None = None
    variables: VariableBodies | None = None
    translations: TranslationBodies | None = None


class CreateEmailTemplateBody(_CreateTemplateBody):
    channel: Literal["email"]
    content: EmailTemplateContent


class CreateSmsTemplateBody(_CreateTemplateBody):
    channel: Literal["sms"]
    content: SmsContent


class CreatePushTemplateBody(_CreateTemplateBody):
    channel: Literal["push"]
    content: PushContent


class CreateWebPushTemplateBody(_CreateTemplateBody):
    channel: Literal["web-push"]
    content: WebPushContent


class UnknownChannelTemplateBody(_CreateTemplateBody):
    """What can be checked of a new template whose channel is missing or unknown."""

    channel: ChannelName
    content: dict[str, Any]


AnyCreateTemplateBody = (
    CreateEmailTemplateBody
    | CreateSmsTemplateBody
    | CreatePushTemplateBody
    | CreateWebPushTemplateBody
)

_CREATE_BODIES: Final[Mapping[str, type[AnyCreateTemplateBody]]] = {
    Channel.EMAIL.value: CreateEmailTemplateBody,
    Channel.SMS.value: CreateSmsTemplateBody,
    Channel.PUSH.value: CreatePushTemplateBody,
    Channel.WEB_PUSH.value: CreateWebPushTemplateBody,
}


class CreateTemplateBody(
    RootModel[Annotated[AnyCreateTemplateBody, Field(discriminator="channel")]]
):
    """A new template with its first draft version. For the OpenAPI document."""


class UncheckedVersionBody(WireBody):
    """A version while the channel of its template is not known yet."""

    content: dict[str, Any]
    variables: VariableBodies | None = None
    translations: TranslationBodies | None = None


class AddVersionBody(WireBody):
    """The next draft version; publishing it is a person's doing. For the OpenAPI document."""

    content: EmailTemplateContent | SmsContent | PushContent | WebPushContent = Field(
        description="As the template's channel has it."
    )
    variables: VariableBodies | None = None
    translations: TranslationBodies | None = None


class DescribeTemplateBody(WireBody):
    """A new description; null clears it."""

    description: Description | None


class RenderTemplateBody(WireBody):
    """What to render with; everything may be left out, the body too."""

    vars: Vars | None = None
    version: Version | None = Field(None, description="By default the published one.")


# -- commands -----------------------------------------------------------------------------------


class CreateTemplate(Command):
    """`content` is ready to store; `variables` are the declarations, every key present."""

    slug: str
    channel: Channel
    description: str | None
    is_essential: bool = False
    content: JsonObject
    variables: tuple[JsonObject, ...]
    translations: Mapping[str, JsonObject]
    note: str | None = None


class AddVersion(Command):
    """`content` and `translations` are unread, for want of a channel: `check_template_content` and
    `check_translations` read them."""

    content: JsonObject
    variables: tuple[JsonObject, ...]
    translations: Mapping[str, JsonObject]
    note: str | None = None


class DescribeTemplate(Command):
    description: str | None


class ChangeTemplate(Command):
    """What a person may change of a template beside its words.

    `connection_id` is the UUID of the connection that it goes through, None for its channel's list.
    """

    description: str | None
    is_essential: bool
    connection_id: str | None = None


class RenderTemplate(Command):
    """`version` None means the published one."""

    vars: JsonObject
    version: int | None


def parse_create_template(
    body: dict[str, Any], *, is_essential: bool = False, note: str = ""
) -> CreateTemplate:
    """The body of `POST /v1/templates`. Raises `InvalidRequest`.

    Only a person calls a template essential or leaves a note, so those are no part of the body.
    """
    name = body.get("channel")
    model = _CREATE_BODIES.get(name) if isinstance(name, str) else None
    if model is None:
        issues: list[Issue] = []
        collect(UnknownChannelTemplateBody, body, issues)
        refuse(issues)
    parsed = _parse(model, body)
    channel, content = Channel(parsed.channel), parsed.content
    return CreateTemplate(
        slug=parsed.slug,
        channel=channel,
        description=parsed.description,
        is_essential=is_essential,
        content=content.stored(),
        variables=_stored(parsed.variables),
        translations=check_translations(channel, parsed.translations or {}),
        note=_read_note(note),
    )


def parse_add_version(body: dict[str, Any], *, note: str = "") -> AddVersion:
    """The body of `POST /v1/templates/{slug}/versions`, and a person's note. Raises
    `InvalidRequest`."""
    parsed = _parse(UncheckedVersionBody, body)
    return AddVersion(
        content=parsed.content,
        variables=_stored(parsed.variables),
        translations=parsed.translations or {},
        note=_read_note(note),
    )


def _read_note(note: str) -> str | None:
    text = note.strip()
    if len(text) > MAX_NOTE:
        refuse([Issue(IssueCode.TOO_LONG, ("note",), f"Must have at most {MAX_NOTE} characters.")])
    return text or None


def parse_describe_template(body: dict[str, Any]) -> DescribeTemplate:
    """The body of `PATCH /v1/templates/{slug}`. Raises `InvalidRequest`."""
    return DescribeTemplate(description=_parse(DescribeTemplateBody, body).description)


def parse_change_template(
    *, description: str, is_essential: bool, connection_id: str = ""
) -> ChangeTemplate:
    """Plain values from a form; an empty one clears what it is for. Raises `InvalidRequest`."""
    described = parse_describe_template({"description": description.strip() or None})
    if connection_id and not _UUID.fullmatch(connection_id):
        issue = Issue(IssueCode.INVALID_VALUE, ("connection_id",), "Choose one of the list.")
        refuse([issue])
    return ChangeTemplate(
        description=described.description,
        is_essential=is_essential,
        connection_id=connection_id or None,
    )


def parse_render_template(body: dict[str, Any] | None) -> RenderTemplate:
    """The body of `POST /v1/templates/{slug}/render`, None without one. Raises `InvalidRequest`."""
    parsed = _parse(RenderTemplateBody, body or {})
    return RenderTemplate(vars=parsed.vars or {}, version=parsed.version)


def _parse(model: type[Body], body: dict[str, Any]) -> Body:
    issues: list[Issue] = []
    parsed = collect(model, body, issues)
    if parsed is None:
        refuse(issues)
    return parsed


def _stored(variables: list[VariableBody] | None) -> tuple[JsonObject, ...]:
    return tuple(variable.stored() for variable in variables or ())
