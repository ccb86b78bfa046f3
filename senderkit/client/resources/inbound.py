"""`sk.inbound`: received mail, which only the hosted service has (`senderkit.client.inbound`)."""

from __future__ import annotations

import builtins

from senderkit.client import inbound as calls
from senderkit.client.inbound import (
    BeforeLike,
    InboundAddress,
    InboundBytes,
    InboundDomain,
    InboundMessage,
    InboundMessageSummary,
)
from senderkit.client.transport import AsyncTransport, Transport


class InboundAddresses:
    """Addresses that mail is received at."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> builtins.list[InboundAddress]:
        """Every address, oldest first."""
        return self._transport.run(calls.list_addresses())

    def create(
        self,
        *,
        local_part: str | None = None,
        description: str | None = None,
        forward_to: str | None = None,
        webhook_endpoint_id: str | None = None,
        domain_id: str | None = None,
        livemode: bool | None = None,
    ) -> InboundAddress:
        """A new address; `local_part` is made up unless given, and `*` catches all."""
        call = calls.create_address(
            localPart=local_part,
            description=description,
            forwardTo=forward_to,
            webhookEndpointId=webhook_endpoint_id,
            domainId=domain_id,
            livemode=livemode,
        )
        return self._transport.run(call)

    def delete(self, id: str) -> bool:
        """Take an address away; True."""
        return self._transport.run(calls.delete_address(id))


class InboundMessages:
    """Received mail."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        limit: int | None = None,
        before: BeforeLike | None = None,
        address: str | None = None,
    ) -> builtins.list[InboundMessageSummary]:
        """Summaries, newest first; older than `before`, if given."""
        return self._transport.run(calls.list_messages(limit, before, address))

    def get(self, id: str) -> InboundMessage:
        """One message with its text and its attachments' names."""
        return self._transport.run(calls.get_message(id))

    def raw(self, id: str) -> InboundBytes:
        """The source as it was received."""
        return self._transport.run(calls.get_source(id))

    def attachment(self, id: str, index: int) -> InboundBytes:
        """One attachment; `index` counts from 0."""
        return self._transport.run(calls.get_attachment(id, index))


class InboundDomains:
    """Domains that mail is received at."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> builtins.list[InboundDomain]:
        """Every domain."""
        return self._transport.run(calls.list_domains())

    def create(self, domain: str, *, acknowledge_existing_mx: bool | None = None) -> InboundDomain:
        """Claim a domain; the answer holds the DNS records to publish."""
        return self._transport.run(calls.create_domain(domain, acknowledge_existing_mx))

    def delete(self, id: str) -> bool:
        """Give a domain up; True."""
        return self._transport.run(calls.delete_domain(id))


class Inbound:
    """`addresses`, `messages` and `domains`."""

    def __init__(self, transport: Transport) -> None:
        self.addresses = InboundAddresses(transport)
        self.messages = InboundMessages(transport)
        self.domains = InboundDomains(transport)


class AsyncInboundAddresses:
    """`InboundAddresses` for asyncio."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> builtins.list[InboundAddress]:
        """As `InboundAddresses.list`."""
        return await self._transport.run(calls.list_addresses())

    async def create(
        self,
        *,
        local_part: str | None = None,
        description: str | None = None,
        forward_to: str | None = None,
        webhook_endpoint_id: str | None = None,
        domain_id: str | None = None,
        livemode: bool | None = None,
    ) -> InboundAddress:
        """As `InboundAddresses.create`."""
        call = calls.create_address(
            localPart=local_part,
            description=description,
            forwardTo=forward_to,
            webhookEndpointId=webhook_endpoint_id,
            domainId=domain_id,
            livemode=livemode,
        )
        return await self._transport.run(call)

    async def delete(self, id: str) -> bool:
        """As `InboundAddresses.delete`."""
        return await self._transport.run(calls.delete_address(id))


class AsyncInboundMessages:
    """`InboundMessages` for asyncio."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        limit: int | None = None,
        before: BeforeLike | None = None,
        address: str | None = None,
    ) -> builtins.list[InboundMessageSummary]:
        """As `InboundMessages.list`."""
        return await self._transport.run(calls.list_messages(limit, before, address))

    async def get(self, id: str) -> InboundMessage:
        """As `InboundMessages.get`."""
        return await self._transport.run(calls.get_message(id))

    async def raw(self, id: str) -> InboundBytes:
        """As `InboundMessages.raw`."""
        return await self._transport.run(calls.get_source(id))

    async def attachment(self, id: str, index: int) -> InboundBytes:
        """As `InboundMessages.attachment`."""
        return await self._transport.run(calls.get_attachment(id, index))


class AsyncInboundDomains:
    """`InboundDomains` for asyncio."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> builtins.list[InboundDomain]:
        """As `InboundDomains.list`."""
        return await self._transport.run(calls.list_domains())

    async def create(
        self, domain: str, *, acknowledge_existing_mx: bool | None = None
    ) -> InboundDomain:
        """As `InboundDomains.create`."""
        return await self._transport.run(calls.create_domain(domain, acknowledge_existing_mx))

    async def delete(self, id: str) -> bool:
        """As `InboundDomains.delete`."""
        return await self._transport.run(calls.delete_domain(id))


class AsyncInbound:
    """`addresses`, `messages` and `domains`, for asyncio."""

    def __init__(self, transport: AsyncTransport) -> None:
        self.addresses = AsyncInboundAddresses(transport)
        self.messages = AsyncInboundMessages(transport)
        self.domains = AsyncInboundDomains(transport)
