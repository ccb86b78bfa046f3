"""Webhook endpoints as people arrange them: add, edit, rotate the secret, switch, remove, test."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from senderkit.commands import DescribeEndpoint
from senderkit.crypto import Vault
from senderkit.domain import (
    WEBHOOK_CHOICES,
    Channel,
    MessageStatus,
    WebhookEventType,
    new_public_id,
    shown_moment,
)
from senderkit.errors import (
    DestinationRefused,
    InvalidRequest,
    Issue,
    NotFound,
    SealBroken,
    SenderKitError,
)
from senderkit.http_client import HttpClient
from senderkit.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from senderkit.services.webhook_events import delivery_row, event_text
from senderkit.services.webhook_results import give_up_waiting
from senderkit.webhook_signing import SigningSecrets, new_webhook_secret

OVERLAP: Final = timedelta(hours=24)
"""How long the secret before a rotation still signs as well."""

_REMOVED_AT_ONCE: Final = 1000


class SecretShown(SenderKitError):
    """The form was sent before: what it made exists, and its secret cannot be shown again."""


class WebhookEndpoints:
    """Keeps endpoints, their secrets sealed. `http` says which addresses may be called."""

    def __init__(self, vault: Vault, http: HttpClient) -> None:
        self._vault = vault
        self._http = http

    def add(
        self,
        session: Session,
        workspace_id: int,
        command: DescribeEndpoint,
        *,
        nonce: str | None,
        now: datetime,
    ) -> tuple[WebhookEndpoint, str]:
        """Store an endpoint; return it and its secret, which is never shown again.

        `nonce` is the form's single-use number. Raises `InvalidRequest` for an address that this
        server does not call, and `SecretShown` when the form was sent before.
        """
        self._check_url(command.url)
        secret = new_webhook_secret()
        endpoint = WebhookEndpoint(
            public_id=new_public_id("whe", now),
            workspace_id=workspace_id,
            url=command.url,
            events=_stored_events(command.events),
            sealed_secret=self._vault.seal({"secret": secret}),
            creation_nonce=nonce,
            is_enabled=True,
            created_at=now,
        )
        session.add(endpoint)
        try:
            session.commit()
        except IntegrityError as error:
            session.rollback()
            raise SecretShown("This form was sent before; its endpoint exists already.") from error
        return endpoint, secret

    def edit(
        self, session: Session, workspace_id: int, public_id: str, command: DescribeEndpoint
    ) -> WebhookEndpoint:
        """Give it another address and other events. Raises as `add` does, and `NotFound`."""
        self._check_url(command.url)
        endpoint = get_endpoint(session, workspace_id, public_id)
        endpoint.url = command.url
        endpoint.events = _stored_events(command.events)
        session.commit()
        return endpoint

    def rotate(
        self,
        session: Session,
        workspace_id: int,
        public_id: str,
        *,
        nonce: str | None,
        now: datetime,
    ) -> tuple[WebhookEndpoint, str]:
        """A new secret beside the old one, which signs on for `OVERLAP`; one older than that ends.

        Raises `NotFound`, and `SecretShown` when the form was sent before.
        """
        endpoint = _lock(session, workspace_id, public_id)
        if nonce is not None and endpoint.rotation_nonce == nonce:
            session.rollback()
            raise SecretShown("This form was sent before; the secret is rotated already.")
        secret = new_webhook_secret()
        previous = self._find_secret(endpoint)
        fields = {"secret": secret} | ({} if previous is None else {"previous": previous})
        endpoint.sealed_secret = self._vault.seal(fields)
        endpoint.overlap_until = None if previous is None else now + OVERLAP
        endpoint.rotation_nonce = nonce
        session.commit()
        return endpoint, secret

    def end_overlap(self, session: Session, workspace_id: int, public_id: str) -> WebhookEndpoint:
        """Forget the old secret now. Raises `NotFound`."""
        endpoint = _lock(session, workspace_id, public_id)
        secret = self._find_secret(endpoint)
        if secret is not None:
            endpoint.sealed_secret = self._vault.seal({"secret": secret})
            endpoint.overlap_until = None
        session.commit()
        return endpoint

    def open_secrets(
        self, sealed: bytes, overlap_until: datetime | None, now: datetime
    ) -> SigningSecrets:
        """What signs at this moment. Raises `SealBroken`."""
        fields = self._vault.unseal(sealed)
        is_over = overlap_until is None or overlap_until <= now
        return SigningSecrets(fields["secret"], None if is_over else fields.get("previous"))

    def _find_secret(self, endpoint: WebhookEndpoint) -> str | None:
        """None when no key opens it."""
        try:
            return self._vault.unseal(endpoint.sealed_secret)["secret"]
        except SealBroken:
            return None

    def _check_url(self, url: str) -> None:
        try:
            self._http.check_url(url)
        except DestinationRefused as error:
            issue = Issue("invalid_value", ("url",), str(error))
            raise InvalidRequest(issue.message, [issue]) from error


def list_endpoints(session: Session, workspace_id: int) -> list[WebhookEndpoint]:
    """All of a workspace, the oldest first."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.workspace_id == workspace_id)
    return list(session.scalars(statement.order_by(WebhookEndpoint.id)))


def get_endpoint(session: Session, workspace_id: int, public_id: str) -> WebhookEndpoint:
    """Raises `NotFound`."""
    return _found(session, _statement(workspace_id, public_id))


def get_created(session: Session, workspace_id: int, nonce: str) -> WebhookEndpoint:
    """The endpoint that a form made. Raises `NotFound` when it is removed since."""
    statement = select(WebhookEndpoint).where(
        WebhookEndpoint.workspace_id == workspace_id, WebhookEndpoint.creation_nonce == nonce
    )
    return _found(session, statement)


def switch_on(session: Session, workspace_id: int, public_id: str) -> WebhookEndpoint:
    """Events are told from now on; what made the server switch it off is forgotten."""
    endpoint = _lock(session, workspace_id, public_id)
    endpoint.is_enabled = True
    endpoint.disabled_reason = None
    endpoint.failing_since = None
    session.commit()
    return endpoint


def switch_off(
    session: Session, workspace_id: int, public_id: str, *, now: datetime
) -> WebhookEndpoint:
    """No events are told, and what waits is given up. It counts as a person's own decision."""
    endpoint = _lock(session, workspace_id, public_id)
    endpoint.is_enabled = False
    endpoint.disabled_reason = None
    session.flush()
    give_up_waiting(session.connection(), endpoint.id, now=now)
    session.commit()
    return endpoint


def remove(session: Session, workspace_id: int, public_id: str, *, now: datetime) -> str:
    """Forget an endpoint, its secrets and its log; return its address. Raises `NotFound`.

    The log goes first, some at a time, so that no message waits for the end of it.
    """
    endpoint = switch_off(session, workspace_id, public_id, now=now)
    endpoint_id, url = endpoint.id, endpoint.url
    while _remove_some(session, endpoint_id):
        session.commit()
    session.execute(delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id))
    session.commit()
    return url


def _remove_some(session: Session, endpoint_id: int) -> bool:
    """Some deliveries, and their events unless others hear of them; whether there were any."""
    of_endpoint = WebhookDelivery.endpoint_id == endpoint_id
    columns = select(WebhookDelivery.id, WebhookDelivery.event_id).where(of_endpoint)
    rows = session.execute(columns.limit(_REMOVED_AT_ONCE)).all()
    ids, event_ids = [row[0] for row in rows], [row[1] for row in rows]
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(ids)))
    is_told = exists().where(WebhookDelivery.event_id == WebhookEvent.id)
    session.execute(delete(WebhookEvent).where(WebhookEvent.id.in_(event_ids), ~is_told))
    return bool(rows)


def send_test(session: Session, workspace_id: int, public_id: str, *, now: datetime) -> str:
    """Make a test event for one endpoint, switched on or not; return the id of its delivery.

    Raises `NotFound`.
    """
    endpoint = get_endpoint(session, workspace_id, public_id)
    event_id = new_public_id("evt", now)
    data = {"message": _sample_message(now)}
    event = WebhookEvent(
        public_id=event_id,
        workspace_id=workspace_id,
        type=WebhookEventType.TEST.value,
        body=event_text(event_id, WebhookEventType.TEST, now, data, livemode=False),
        created_at=now,
    )
    session.add(event)
    session.flush()
    delivery = WebhookDelivery(**delivery_row(event.id, endpoint.id, now))
    session.add(delivery)
    session.commit()
    return delivery.public_id


def _sample_message(now: datetime) -> dict[str, Any]:
    """A message that never was, in the shape of every event."""
    return {
        "id": "msg_00000000000000000000000000",
        "status": MessageStatus.DELIVERED.value,
        "channel": Channel.EMAIL.value,
        "recipient": "ada@example.com",
        "provider": None,
        "metadata": {"example": True},
        "error": None,
        "openedAt": None,
        "clickedAt": None,
        "createdAt": shown_moment(now),
    }


def _stored_events(events: Iterable[WebhookEventType]) -> str:
    """Every type counts as none chosen: a type that a later release adds is told as well."""
    chosen = set(events)
    everything = chosen == set(WEBHOOK_CHOICES)
    return "" if everything else " ".join(kind for kind in WEBHOOK_CHOICES if kind in chosen)


def _lock(session: Session, workspace_id: int, public_id: str) -> WebhookEndpoint:
    """As it stands under its lock, which waits for results that are being stored."""
    statement = _statement(workspace_id, public_id).with_for_update(key_share=True)
    return _found(session, statement.execution_options(populate_existing=True))


def _statement(workspace_id: int, public_id: str) -> Select[WebhookEndpoint]:
    return select(WebhookEndpoint).where(
        WebhookEndpoint.workspace_id == workspace_id, WebhookEndpoint.public_id == public_id
    )


def _found(session: Session, statement: Select[WebhookEndpoint]) -> WebhookEndpoint:
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found
