"""What the API answers, one class for each of its shapes.

`from_dict` reads the wire's JSON (its argument has the name that the published client gave it):
fields that later servers add are ignored, and a required field
that is missing raises `KeyError`, which the caller sees as a `SenderKitApiError`: an answer of
some other server is never taken for a success. `raw` is the answer itself, by the wire's names;
two answers that say the same are equal whatever else is in it. Times are ISO 8601 text in UTC
(`datetime.fromisoformat` reads them). None means that there is no value (yet).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Mapping[str, Any]

FINAL_STATUSES: Final = frozenset(
    {"delivered", "failed", "canceled", "opted_out", "suppressed", "blocked"}
)
"""Statuses after which nothing more is done about a message."""

PROGRESS: Final = ("scheduled", "queued", "rendered", "sent", "delivered")
"""The way of a message that goes well, in order."""


@dataclass
class SendResult:
    """An accepted send: `id` is the message's, `status` is `queued` or `scheduled`.

    `livemode` says whether the key was a live one. `replayed` is true when the idempotency key had
    been used before: this is the first answer again, and nothing new was stored.
    """

    id: str
    status: str
    livemode: bool
    replayed: bool = False
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_dict(cls, d: Json) -> SendResult:
        return cls(d["id"], d["status"], d["livemode"], raw=d)


@dataclass
class BatchResult:
    """One entry of `send_batch`: `index` is the position in the input.

    Exactly one of `result` and `error` is there, as `ok` says.
    """

    ok: bool
    index: int
    result: SendResult | None = None
    error: Exception | None = None


@dataclass
class Message:
    """A message as it stands now.

    `id` is a UUID; `public_id` (`msg_…`) is what `send` returned and other calls take.
    `latency_ms` runs from acceptance to the hand-over to the provider. `opened_at` and
    `clicked_at` are those of the first open and click.
    """

    id: str
    public_id: str
    status: str
    channel: str
    template_slug: str | None
    recipient: str
    created_at: str
    opened_at: str | None = None
    clicked_at: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    workspace_id: str | None = None
    template_version: int | None = None
    livemode: bool | None = None
    vars: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    from_override: str | None = None
    provider: str | None = None
    provider_connection_id: str | None = None
    provider_message_id: str | None = None
    latency_ms: int | None = None
    error: str | None = None
    timeline: list[dict[str, Any]] = field(default_factory=list)
    scheduled_at: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will be done about it."""
        return self.status in FINAL_STATUSES

    @classmethod
    def from_dict(cls, d: Json) -> Message:
        return cls(
            id=d["id"],
            public_id=d["publicId"],
            status=d["status"],
            channel=d["channel"],
            template_slug=d.get("templateSlug"),
            recipient=d["recipient"],
            created_at=d["createdAt"],
            opened_at=d.get("openedAt"),
            clicked_at=d.get("clickedAt"),
            raw=dict(d),
            workspace_id=d.get("workspaceId"),
            template_version=d.get("templateVersion"),
            livemode=d.get("livemode"),
            vars=d.get("vars") or {},
            metadata=d.get("metadata") or {},
            from_override=d.get("fromOverride"),
            provider=d.get("provider"),
            provider_connection_id=d.get("providerConnectionId"),
            provider_message_id=d.get("providerMessageId"),
            latency_ms=d.get("latencyMs"),
            error=d.get("error"),
            timeline=d.get("timeline") or [],
            scheduled_at=d.get("scheduledAt"),
        )


@dataclass
class MessageList:
    """One page, newest first; `next_cursor` leads to the next and is None on the last."""

    data: list[Message]
    next_cursor: str | None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_dict(cls, d: Json) -> MessageList:
        return cls([Message.from_dict(item) for item in d["data"]], d["nextCursor"], d)


@dataclass
class CancelResult:
    """A canceled message: `id` is its public id, `status` is `canceled`."""

    id: str
    status: str
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_dict(cls, d: Json) -> CancelResult:
        return cls(d["id"], d["status"], d)


@dataclass
class TemplateVariable:
    """A declared variable; `type` is string, number, boolean, array or object."""

    name: str
    type: str
    description: str | None = None
    required: bool = False
    example: Any = None

    @classmethod
    def from_dict(cls, d: Json) -> TemplateVariable:
        return cls(
            d["name"],
            d["type"],
            d.get("description"),
            bool(d.get("required")),
            d.get("example"),
        )


@dataclass
class TemplateVersion:
    """One version of a template; `published_at` is None for one that never was.

    `content` is there only when a single version was asked for; `created_at` and `note` come
    with the list of versions and with a single one.
    """

    version_number: int
    variables: list[TemplateVariable]
    published_at: str | None
    created_at: str | None = None
    note: str | None = None
    content: dict[str, Any] | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_dict(cls, d: Json) -> TemplateVersion:
        return cls(
            d["versionNumber"],
            [TemplateVariable.from_dict(item) for item in d.get("variables") or []],
            d["publishedAt"],
            d.get("createdAt"),
            d.get("note"),
            d.get("content"),
            d,
        )


@dataclass
class TemplateSummary:
    """A template as a list shows it; `status` is `active`, `draft` or `archived`."""

    slug: str
    channel: str
    description: str | None
    status: str
    updated_at: str
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_dict(cls, d: Json) -> TemplateSummary:
        return cls(
            d["slug"],
            d["channel"],
            d.get("description"),
            d["status"],
            d["updatedAt"],
            d,
        )


@dataclass
class TemplateDetail:
    """A template and its published version, None before the first is published."""

    slug: str
    channel: str
    description: str | None
    status: str
    updated_at: str
    current_version: TemplateVersion | None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_dict(cls, d: Json) -> TemplateDetail:
        current = d["currentVersion"]
        return cls(
            d["slug"],
            d["channel"],
            d.get("description"),
            d["status"],
            d["updatedAt"],
            None if current is None else TemplateVersion.from_dict(current),
            d,
        )


@dataclass
class RenderResult:
    """What a template becomes: `output` by the channel's field names (`subject`, `html`, …).

    `missing` names the variables that it refers to and that were not given.
    """

    channel: str
    output: dict[str, Any]
    missing: list[str]
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_dict(cls, d: Json) -> RenderResult:
        return cls(d["channel"], d["output"], list(d["missing"]), d)


@dataclass
class Workspace:
    """The workspace that a key belongs to."""

    id: str
    slug: str
    name: str

    @classmethod
    def from_dict(cls, d: Json) -> Workspace:
        return cls(d["id"], d["slug"], d["name"])


@dataclass
class Context:
    """What a key works in; `mode` is `live` or `test`."""

    workspace: Workspace
    mode: str
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_dict(cls, d: Json) -> Context:
        return cls(Workspace.from_dict(d["workspace"]), d["mode"], d)
