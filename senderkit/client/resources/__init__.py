"""The namespaces of a client: `messages`, `templates` and `inbound`, each in both kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senderkit.client.resources.messages import AsyncMessages, Messages
from senderkit.client.resources.templates import AsyncTemplates, Templates

if TYPE_CHECKING:
    from senderkit.client.resources.inbound import AsyncInbound, Inbound

__all__ = [
    "AsyncInbound",
    "AsyncMessages",
    "AsyncTemplates",
    "Inbound",
    "Messages",
    "Templates",
]


def __getattr__(name: str) -> Any:
    # Few use it, and importing the client stays quick.
    if name in {"AsyncInbound", "Inbound"}:
        from senderkit.client.resources import inbound  # noqa: PLC0415

        return getattr(inbound, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
