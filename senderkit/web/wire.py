"""Model -> JSON: the only place that knows the names of the wire's answers.

Each answer is a `TypedDict`: the type checker holds the functions to it, and the OpenAPI document
is written from it, so what is promised and what is sent cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final, NotRequired, cast

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from senderkit.acceptance import Accepted
from senderkit.domain import (
    Channel,
    MessageStatus,
    Mode,
    TemplateStatus,
    TimelineEvent,
    shown_moment,
)
from senderkit.errors import ApiError, InvalidRequest, Issue, RateLimited
from senderkit.models import Template, TemplateVersion
from senderkit.rendering import Output, Rendered, render_output
from senderkit.services.api_keys import Principal
from senderkit.services.reports import MessageView, Page, TimelineRow
from senderkit.services.templates import status_of


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return None if value is None else shown_moment(value)


# -- words ------------------------------------------------------------------------------------


def _one_of(values: Iterable[str], **more: Any) -> Any:
    return Field(json_schema_extra={"enum": [str(value) for value in values], **more})


Moment = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        json_schema_extra={"format": "date-time"},
        examples=["2026-11-24T10:00:00.000Z"],
    ),
]
EXAMPLE_MESSAGE_ID: Final = "msg_01kb3m0v5c8e9rt2x4a6q7w1yz"
PublicId = Annotated[str, Field(pattern="^msg_[0-9a-z]{26}$", examples=[EXAMPLE_MESSAGE_ID])]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Slug = Annotated[str, Field(examples=["welcome"])]
ChannelWord = Annotated[str, _one_of(Channel)]
StatusWord = Annotated[str, _one_of(MessageStatus)]

# -- sends and messages -----------------------------------------------------------------------


class AcceptedJson(TypedDict):
    """The send is stored; delivery follows in the background."""

    id: PublicId
    status: Annotated[str, _one_of((MessageStatus.QUEUED, MessageStatus.SCHEDULED))]
    livemode: Annotated[bool, Field(description="False for a test key: nothing is delivered.")]


@with_config(ConfigDict(extra="allow"))
class StepJson(TypedDict):
    """One step of a message's life, with extra fields of its own."""

    t: Moment
    e: Annotated[str, _one_of(TimelineEvent)]


class MessageJson(TypedDict):
    """A message as it stands now. Rendered content is not part of it."""

    id: Uuid
    workspaceId: Uuid
    publicId: PublicId
    templateSlug: Annotated[str | None, Field(description="Null for a raw send.")]
    templateVersion: Annotated[int | None, Field(description="Pinned when the send was accepted.")]
    channel: ChannelWord
    status: StatusWord
    livemode: bool
    recipient: str
    vars: dict[str, Any]
    metadata: dict[str, str | int | float | bool]
    fromOverride: Annotated[str | None, Field(description="The sender that the send asked for.")]
    provider: Annotated[str | None, Field(description="Who delivered it, or is trying to.")]
    providerConnectionId: Uuid | None
    providerMessageId: Annotated[str | None, Field(description="The provider's own id.")]
    latencyMs: Annotated[
        int | None,
        Field(description="Milliseconds from acceptance to the provider's.", ge=0),
    ]
    error: Annotated[str | None, Field(description="Why it failed, or why it waits.")]
    timeline: Annotated[list[StepJson], Field(description="Every step, oldest first.")]
    scheduledAt: Moment | None
    openedAt: Annotated[Moment | None, Field(description="The first open.")]
    clickedAt: Annotated[Moment | None, Field(description="The first click.")]
    createdAt: Moment


class MessagePageJson(TypedDict):
    """One page, newest first."""

    data: list[MessageJson]
    nextCursor: Annotated[
        str | None, Field(description="Give it as `cursor` for the next page; null on the last.")
    ]


class CanceledJson(TypedDict):
    """The message will not be sent."""

    id: PublicId
    status: Annotated[str, _one_of((MessageStatus.CANCELED,))]


def accepted_json(accepted: Accepted, mode: Mode) -> AcceptedJson:
    return {"id": accepted.public_id, "status": accepted.status, "livemode": mode.livemode}


def message_json(view: MessageView, workspace_uuid: str) -> MessageJson:
    row = view.row
    return {
        "id": row.uuid,
        "workspaceId": workspace_uuid,
        "publicId": row.public_id,
        "templateSlug": row.template_slug,
        "templateVersion": row.template_version,
        "channel": row.channel,
        "status": row.status,
        "livemode": row.livemode,
        "recipient": row.recipient,
        "vars": row.vars,
        "metadata": row.metadata,
        "fromOverride": row.from_override,
        "provider": row.provider,
        "providerConnectionId": row.connection_id,
        "providerMessageId": row.provider_message_id,
        "latencyMs": row.latency_ms,
        "error": row.error,
        "timeline": [step_json(entry) for entry in view.timeline],
        "scheduledAt": moment(row.scheduled_at),
        "openedAt": moment(row.opened_at),
        "clickedAt": moment(row.clicked_at),
        "createdAt": shown_moment(row.created_at),
    }


def step_json(entry: TimelineRow) -> StepJson:
    step: StepJson = {"t": shown_moment(entry.at), "e": entry.event}
    return cast(StepJson, {**step, **entry.detail})


def page_json(page: Page, workspace_uuid: str) -> MessagePageJson:
    return {
        "data": [message_json(view, workspace_uuid) for view in page.messages],
        "nextCursor": page.older,
    }


def canceled_json(public_id: str) -> CanceledJson:
    return {"id": public_id, "status": MessageStatus.CANCELED.value}


# -- templates --------------------------------------------------------------------------------


class TemplateJson(TypedDict):
    """A template without its words."""

    slug: Slug
    channel: ChannelWord
    description: str | None
    status: Annotated[str, _one_of(TemplateStatus)]
    updatedAt: Moment


class VariableJson(TypedDict):
    """A declared variable."""

    name: str
    type: str
    description: str | None
    required: bool
    example: Any


class VersionJson(TypedDict):
    """A version without its words."""

    versionNumber: Annotated[int, Field(ge=1)]
    variables: list[VariableJson]
    publishedAt: Moment | None


class ListedVersionJson(VersionJson):
    """A version without its words, with where it came from."""

    createdAt: Moment
    note: str | None


class FullVersionJson(ListedVersionJson):
    """A version with its words."""

    content: Annotated[dict[str, Any], Field(description="As the template's channel has it.")]
    translations: Annotated[
        dict[str, dict[str, Any]],
        Field(
            description="By language tag in lower case, the fields of `content` that differ in it."
        ),
    ]


class TemplateDetailJson(TemplateJson):
    """A template and what it sends in live mode."""

    currentVersion: Annotated[
        VersionJson | None, Field(description="The published version; null without one.")
    ]


class TemplateListJson(TypedDict):
    """Every template, archived ones too, by slug."""

    data: list[TemplateJson]


class VersionListJson(TypedDict):
    """Every version, newest first."""

    data: list[ListedVersionJson]


class AddedVersionJson(TypedDict):
    """The new draft version."""

    versionNumber: Annotated[int, Field(ge=1)]


class RenderedJson(TypedDict):
    """What a send would hand to the provider."""

    channel: ChannelWord
    output: Output
    missing: Annotated[
        list[str], Field(description="Variables that the template names and nobody gave.")
    ]


def template_json(template: Template) -> TemplateJson:
    return {
        "slug": template.slug,
        "channel": template.channel,
        "description": template.description,
        "status": status_of(template).value,
        "updatedAt": shown_moment(template.updated_at),
    }


def template_list_json(templates: Iterable[Template]) -> TemplateListJson:
    return {"data": [template_json(template) for template in templates]}


def template_detail_json(template: Template) -> TemplateDetailJson:
    published = template.published_version if template.archived_at is None else None
    current = None if published is None else version_json(published)
    return {**template_json(template), "currentVersion": current}


def version_json(version: TemplateVersion) -> VersionJson:
    return {
        "versionNumber": version.number,
        "variables": version.variables,
        "publishedAt": moment(version.published_at),
    }


def listed_version_json(version: TemplateVersion) -> ListedVersionJson:
    return {
        **version_json(version),
        "createdAt": shown_moment(version.created_at),
        "note": version.note,
    }


def version_list_json(versions: Iterable[TemplateVersion]) -> VersionListJson:
    return {"data": [listed_version_json(version) for version in versions]}


def full_version_json(version: TemplateVersion) -> FullVersionJson:
    words = listed_version_json(version)
    translations = version.translations or {}
    return {**words, "content": version.content, "translations": translations}


def added_version_json(version: TemplateVersion) -> AddedVersionJson:
    return {"versionNumber": version.number}


def rendered_json(channel: Channel, rendered: Rendered) -> RenderedJson:
    return {
        "channel": channel.value,
        "output": render_output(rendered.body),
        "missing": list(rendered.missing),
    }


# -- the key's own room -----------------------------------------------------------------------


class WorkspaceJson(TypedDict):
    id: Uuid
    slug: str
    name: str


class ContextJson(TypedDict):
    """Whose key this is."""

    workspace: WorkspaceJson
    mode: Annotated[str, _one_of(Mode)]


def context_json(principal: Principal) -> ContextJson:
    return {
        "workspace": {
            "id": principal.workspace_uuid,
            "slug": principal.workspace_slug,
            "name": principal.workspace_name,
        },
        "mode": principal.mode.value,
    }


# -- errors -----------------------------------------------------------------------------------


class IssueJson(TypedDict):
    """One bad field."""

    code: str
    path: Annotated[
        list[str | int],
        Field(description="Where in the body or query.", examples=[["content", "subject"]]),
    ]
    message: str


class ErrorDetailJson(TypedDict):
    code: Annotated[str, Field(pattern="^[a-z_]+$", description="Stable; the message is not.")]
    message: Annotated[str, Field(description="For people.")]
    issues: NotRequired[Annotated[list[IssueJson], Field(description="Every bad field at once.")]]
    limit: NotRequired[
        Annotated[
            int,
            Field(description="With `rate_limited`: requests a minute, or streams at once.", ge=1),
        ]
    ]


class ErrorJson(TypedDict):
    """What went wrong."""

    error: ErrorDetailJson


def issue_json(issue: Issue) -> IssueJson:
    return {"code": issue.code, "path": list(issue.path), "message": issue.message}


def error_json(error: ApiError) -> ErrorJson:
    detail: ErrorDetailJson = {"code": error.code, "message": error.message}
    if isinstance(error, InvalidRequest) and error.issues:
        detail["issues"] = [issue_json(issue) for issue in error.issues]
    if isinstance(error, RateLimited):
        detail["limit"] = error.limit
    return {"error": detail}
