"""Received mail, as the hosted service has it: what the calls are and what they answer.

A self-hosted server receives no mail and answers each of these with 404. They are here so that a
program written for the published client runs unchanged wherever it is pointed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlencode

from senderkit.client.calls import JSON, body_of, read_list, read_object, segment
from senderkit.client.exchange import Call, Reply

Json = Mapping[str, Any]
BeforeLike = str | datetime

_EXTENDED_NAME: Final = re.compile(r"filename\*\s*=\s*(?:[\w-]*'[^']*')?([^;]+)", re.IGNORECASE)
_PLAIN_NAME: Final = re.compile(r'filename\s*=\s*(?:"([^"]*)"|([^;]+))', re.IGNORECASE)


# -- answers ------------------------------------------------------------------------------------


@dataclass
class InboundAddress:
    """An address that mail is received at."""

    id: str
    address: str
    description: str | None
    forward_to: str | None
    active: bool
    livemode: bool
    created_at: str

    @classmethod
    def from_dict(cls, d: Json) -> InboundAddress:
        return cls(
            d["id"],
            d["address"],
            d.get("description"),
            d.get("forwardTo"),
            bool(d.get("active")),
            bool(d.get("livemode")),
            d["createdAt"],
        )


@dataclass
class InboundMessageSummary:
    """A received message as a list shows it."""

    id: str
    status: str
    from_: str | None
    subject: str | None
    plus_tag: str | None
    size_bytes: int
    received_at: str

    @classmethod
    def from_dict(cls, d: Json) -> InboundMessageSummary:
        return cls(
            d["id"],
            d["status"],
            d.get("from"),
            d.get("subject"),
            d.get("plusTag"),
            d.get("sizeBytes") or 0,
            d["receivedAt"],
        )


@dataclass
class InboundAttachment:
    """An attachment's description; `size` is in bytes, `index` counts from 0."""

    index: int
    filename: str | None
    content_type: str
    size: int
    url: str

    @classmethod
    def from_dict(cls, d: Json) -> InboundAttachment:
        return cls(d["index"], d.get("filename"), d["contentType"], d["size"], d["url"])


@dataclass
class InboundMessage:
    """A received message; `raw` is the whole answer, with headers and verdicts."""

    id: str
    status: str
    channel: str
    address: str | None
    subject: str | None
    text: str | None
    html: str | None
    stripped_reply: str | None
    size_bytes: int
    received_at: str
    raw_url: str
    attachments: list[InboundAttachment] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, d: Json) -> InboundMessage:
        return cls(
            id=d["id"],
            status=d["status"],
            channel=d.get("channel", ""),
            address=d.get("address"),
            subject=d.get("subject"),
            text=d.get("text"),
            html=d.get("html"),
            stripped_reply=d.get("strippedReply"),
            size_bytes=d.get("sizeBytes") or 0,
            received_at=d["receivedAt"],
            raw_url=d.get("rawUrl", ""),
            attachments=[InboundAttachment.from_dict(a) for a in d.get("attachments") or []],
            raw=dict(d),
        )


@dataclass
class InboundBytes:
    """A message's source or an attachment, as it was received."""

    content: bytes
    content_type: str
    filename: str | None = None


@dataclass
class InboundDnsRecord:
    """A record that a domain must publish before mail is received at it."""

    type: str
    name: str
    value: str
    purpose: str
    priority: int | None = None

    @classmethod
    def from_dict(cls, d: Json) -> InboundDnsRecord:
        return cls(d["type"], d["name"], d["value"], d["purpose"], d.get("priority"))


@dataclass
class InboundDomain:
    """A domain that mail is received at."""

    id: str
    domain: str
    kind: str
    status: str
    verified_at: str | None
    created_at: str
    records: list[InboundDnsRecord] = field(default_factory=list)

    @classmethod
    def from_dict(cls, d: Json) -> InboundDomain:
        return cls(
            d["id"],
            d["domain"],
            d["kind"],
            d["status"],
            d.get("verifiedAt"),
            d["createdAt"],
            [InboundDnsRecord.from_dict(record) for record in d.get("records") or []],
        )


# -- calls --------------------------------------------------------------------------------------


def list_addresses() -> Call[list[InboundAddress]]:
    read = read_list(InboundAddress.from_dict, "addresses")
    return Call("GET", "/v1/inbound/addresses", read)


def create_address(**fields: object) -> Call[InboundAddress]:
    """`fields` by their wire names."""
    read = read_object(InboundAddress.from_dict)
    body = body_of(**fields)
    return Call("POST", "/v1/inbound/addresses", read, body, JSON, is_repeatable=False)


def delete_address(address_id: str) -> Call[bool]:
    return Call("DELETE", f"/v1/inbound/addresses/{segment(address_id)}", _read_deleted)


def list_messages(
    limit: int | None, before: BeforeLike | None, address: str | None
) -> Call[list[InboundMessageSummary]]:
    moment = before.isoformat() if isinstance(before, datetime) else before
    given = {"limit": limit, "before": moment, "address": address}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    path = f"/v1/inbound/messages?{query}" if query else "/v1/inbound/messages"
    return Call("GET", path, read_list(InboundMessageSummary.from_dict, "messages"))


def get_message(message_id: str) -> Call[InboundMessage]:
    path = f"/v1/inbound/messages/{segment(message_id)}"
    return Call("GET", path, read_object(InboundMessage.from_dict))


def get_source(message_id: str) -> Call[InboundBytes]:
    path = f"/v1/inbound/messages/{segment(message_id)}/raw"
    return Call("GET", path, _read_bytes, headers={b"Accept": b"message/rfc822"})


def get_attachment(message_id: str, index: int) -> Call[InboundBytes]:
    path = f"/v1/inbound/messages/{segment(message_id)}/attachments/{int(index)}"
    return Call("GET", path, _read_bytes, headers={b"Accept": b"application/octet-stream"})


def list_domains() -> Call[list[InboundDomain]]:
    return Call("GET", "/v1/inbound/domains", read_list(InboundDomain.from_dict, "domains"))


def create_domain(domain: str, acknowledge_existing_mx: bool | None) -> Call[InboundDomain]:
    if not domain:
        raise ValueError("domain is required")
    body = body_of(domain=domain, acknowledgeExistingMx=acknowledge_existing_mx)
    read = read_object(InboundDomain.from_dict)
    return Call("POST", "/v1/inbound/domains", read, body, JSON, is_repeatable=False)


def delete_domain(domain_id: str) -> Call[bool]:
    return Call("DELETE", f"/v1/inbound/domains/{segment(domain_id)}", _read_deleted)


def _read_deleted(reply: Reply) -> bool:
    return bool(reply.json()["deleted"])


def _read_bytes(reply: Reply) -> InboundBytes:
    content_type = reply.headers.get("content-type", "application/octet-stream")
    name = _file_name(reply.headers.get("content-disposition", ""))
    return InboundBytes(reply.body, content_type, name)


def _file_name(disposition: str) -> str | None:
    """The name in a `Content-Disposition`; the extended form, which knows all letters, wins."""
    extended = _EXTENDED_NAME.search(disposition)
    if extended:
        return unquote(extended[1].strip())
    plain = _PLAIN_NAME.search(disposition)
    return (plain[1] or plain[2] or "").strip() or None if plain else None
