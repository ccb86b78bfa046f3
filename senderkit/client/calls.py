"""Every operation of /v1 as a `Call`: which request it is, and how its answer is read."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from senderkit.client.answers import (
    CancelResult,
    Context,
    Message,
    MessageList,
    RenderResult,
    SendResult,
    TemplateDetail,
    TemplateSummary,
    TemplateVariable,
    TemplateVersion,
)
from senderkit.client.errors import SenderKitConflictError
from senderkit.client.exchange import Call, Reply, error_of
from senderkit.client.sends import (
    ChannelLike,
    Content,
    RawSend,
    Send,
    channel_of,
    json_body,
    send_body,
    wire_object,
    wire_value,
)

T = TypeVar("T")

Variables = Iterable[TemplateVariable | Mapping[str, Any]]
"""Declared variables, as `TemplateVariable` or as the wire has them."""

Translations = Mapping[str, Mapping[str, Any]]
"""By language tag, the fields of a template's content that differ in it, by the wire's names."""

_CONFLICT: Final = 409
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
JSON: Final[Mapping[bytes, bytes]] = {b"Content-Type": b"application/json"}


def read_object(read: Callable[[Any], T]) -> Callable[[Reply], T]:
    """A reader of replies from a reader of their JSON."""
    return lambda reply: read(reply.json())


def read_list(read: Callable[[Any], T], name: str = "data") -> Callable[[Reply], list[T]]:
    """The same for a list that the answer holds under `name`."""
    return lambda reply: [read(item) for item in reply.json()[name]]


def segment(name: str) -> str:
    """`name` as one step of a path, whatever is in it."""
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is no id and no slug")
    return quote(name, safe="")


def get_context() -> Call[Context]:
    return Call("GET", "/v1/context", read_object(Context.from_dict))


# -- sends --------------------------------------------------------------------------------------


def send(request: Send, idempotency_key: str | None = None) -> Call[SendResult]:
    """A send; the key given here wins over the request's own, and without any it gets a new one."""
    body = send_body(request)
    key = (idempotency_key or request.idempotency_key or "").strip() or new_idempotency_key()
    path = "/v1/send-raw" if isinstance(request, RawSend) else "/v1/send"
    headers = {**JSON, b"Idempotency-Key": _header_bytes(key)}
    return Call("POST", path, _read_sent, body, headers)


def new_idempotency_key() -> str:
    """128 random bits."""
    return secrets.token_hex(16)


def _header_bytes(key: str) -> bytes:
    if _CONTROLS.search(key):
        raise ValueError("idempotency_key must not hold line breaks or other control characters")
    return key.encode("utf-8")


def _read_sent(reply: Reply) -> SendResult:
    result = SendResult.from_dict(reply.json())
    result.replayed = reply.headers.get("idempotent-replayed") == "true"
    return result


# -- messages -----------------------------------------------------------------------------------


def messages_path(metadata: Mapping[str, Any] | None = None, **filters: object) -> str:
    """`/v1/messages` with these filters; one that is None filters nothing."""
    named = {**filters, **{f"metadata[{key}]": value for key, value in (metadata or {}).items()}}
    query = urlencode([(name, _text(value)) for name, value in named.items() if value is not None])
    return f"/v1/messages?{query}" if query else "/v1/messages"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def list_messages(path: str) -> Call[MessageList]:
    return Call("GET", path, read_object(MessageList.from_dict))


def get_message(public_id: str) -> Call[Message]:
    return Call("GET", f"/v1/messages/{segment(public_id)}", read_object(Message.from_dict))


def cancel_message(public_id: str) -> Call[CancelResult | SenderKitConflictError]:
    """A cancellation; a conflict that may be of our own making is handed back, not raised.

    The answer to a first attempt may be lost after the message was canceled, and then the second
    attempt meets a canceled message: `settled_cancel` tells that from a real conflict.
    """
    path = f"/v1/messages/{segment(public_id)}"
    return Call("DELETE", path, _read_canceled, takes=frozenset({_CONFLICT}))


def _read_canceled(reply: Reply) -> CancelResult | SenderKitConflictError:
    if reply.is_success:
        return CancelResult.from_dict(reply.json())
    conflict = error_of(reply)
    if isinstance(conflict, SenderKitConflictError) and reply.in_doubt:
        return conflict
    raise conflict


def settled_cancel(conflict: SenderKitConflictError, message: Message) -> CancelResult:
    """The result after all, when the message turns out to be canceled; else raises `conflict`."""
    if message.status != "canceled":
        raise conflict
    return CancelResult(message.public_id, message.status)


# -- templates ----------------------------------------------------------------------------------


def list_templates() -> Call[list[TemplateSummary]]:
    return Call("GET", "/v1/templates", read_list(TemplateSummary.from_dict))


def get_template(slug: str) -> Call[TemplateDetail]:
    return Call("GET", f"/v1/templates/{segment(slug)}", read_object(TemplateDetail.from_dict))


def render_template(
    slug: str, variables: Mapping[str, Any] | None, version: int | None
) -> Call[RenderResult]:
    path = f"/v1/templates/{segment(slug)}/render"
    fields = {"vars": dict(variables or {}), "version": version}
    return Call("POST", path, read_object(RenderResult.from_dict), body_of(**fields), JSON)


def create_template(
    slug: str,
    channel: ChannelLike | None,
    content: Content | Mapping[str, Any],
    description: str | None,
    variables: Variables | None,
    translations: Translations | None = None,
) -> Call[TemplateDetail]:
    body = body_of(
        slug=slug,
        channel=channel or channel_of(content),
        content=wire_value(content),
        description=description,
        variables=_declarations(variables),
        translations=_translations(translations),
    )
    read = read_object(TemplateDetail.from_dict)
    return Call("POST", "/v1/templates", read, body, JSON, is_repeatable=False)


def add_version(
    slug: str,
    content: Content | Mapping[str, Any],
    variables: Variables | None,
    translations: Translations | None = None,
) -> Call[int]:
    path = f"/v1/templates/{segment(slug)}/versions"
    body = body_of(
        content=wire_value(content),
        variables=_declarations(variables),
        translations=_translations(translations),
    )
    return Call("POST", path, _read_number, body, JSON, is_repeatable=False)


def _read_number(reply: Reply) -> int:
    number: int = reply.json()["versionNumber"]
    return number


def list_versions(slug: str) -> Call[list[TemplateVersion]]:
    path = f"/v1/templates/{segment(slug)}/versions"
    return Call("GET", path, read_list(TemplateVersion.from_dict))


def get_version(slug: str, number: int) -> Call[TemplateVersion]:
    path = f"/v1/templates/{segment(slug)}/versions/{int(number)}"
    return Call("GET", path, read_object(TemplateVersion.from_dict))


def describe_template(slug: str, description: str | None) -> Call[TemplateDetail]:
    path = f"/v1/templates/{segment(slug)}"
    body = json_body({"description": description})
    return Call("PATCH", path, read_object(TemplateDetail.from_dict), body, JSON)


def body_of(**fields: object) -> bytes:
    """A JSON body of these fields; those that are None are left out."""
    return json_body({name: value for name, value in fields.items() if value is not None})


def _translations(translations: Translations | None) -> dict[str, object] | None:
    """None for none at all: a server of an earlier release does not know them."""
    return {tag: dict(words) for tag, words in (translations or {}).items()} or None


def _declarations(variables: Variables | None) -> list[object] | None:
    if variables is None:
        return None
    return [dict(item) if isinstance(item, Mapping) else wire_object(item) for item in variables]
