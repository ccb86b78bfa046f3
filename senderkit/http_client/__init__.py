"""The one outbound HTTP client: nothing else of this product opens a connection by HTTP.

::

    messages    Request and Reply: what goes out, what comes back
    addresses   which addresses may be called at all
    network     look-up, connection, TLS, and an end to every wait
    pool        idle connections, kept for the next call
    client      HttpClient: one call, and what its failure means
"""

from __future__ import annotations

from senderkit.http_client.addresses import check_url
from senderkit.http_client.client import MOST_REPLY_BYTES, USER_AGENT, HttpClient
from senderkit.http_client.messages import FormFile, Reply, Request
from senderkit.http_client.network import Timeouts

__all__ = [
    "MOST_REPLY_BYTES",
    "USER_AGENT",
    "FormFile",
    "HttpClient",
    "Reply",
    "Request",
    "Timeouts",
    "check_url",
]
