"""Receives mail."""

import json
import os

from senderkit import APIError, InboundMessage, SenderKit

said = {}
sk = SenderKit(api_key=os.environ["SENDERKIT_API_KEY"], base_url=os.environ["SENDERKIT_BASE_URL"])
try:
    address = sk.inbound.addresses.create(local_part="x", forward_to="team@example.com")
    addresses = sk.inbound.addresses.list()
    deleted = sk.inbound.addresses.delete(address.id)
    said["addresses"] = [address.address, [a.id for a in addresses], deleted]

    (summary,) = sk.inbound.messages.list(address=address.id, limit=5)
    message = sk.inbound.messages.get(summary.id)
    assert isinstance(message, InboundMessage)
    raw = sk.inbound.messages.raw(summary.id)
    attached = sk.inbound.messages.attachment(summary.id, 0)
    said["messages"] = [
        [summary.id, summary.from_],
        [message.text, message.attachments[0].filename],
        raw.content.decode(),
        [attached.content.decode(), attached.filename],
    ]

    domain = sk.inbound.domains.create("y.example")
    domains = sk.inbound.domains.list()
    gone = sk.inbound.domains.delete(domain.id)
    said["domains"] = [domain.records[0].type, [d.domain for d in domains], gone]
except APIError as error:
    said = {"refused": [error.status, error.code]}
sk.close()

print(json.dumps(said))
