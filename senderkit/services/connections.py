"""Connections: which provider account a live message goes through, and its adapter.

A message goes through the template's own connection if it has one, else through those of the
channel's list, one after the other, else (email) through the connection of the environment.
Adapters are kept, so that sockets are reused; one is made anew when its row has changed.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, Row, bindparam, select, update
from sqlalchemy.orm import Session

from senderkit.crypto import Vault
from senderkit.domain import Channel, Clock
from senderkit.errors import AccountBroken, SealBroken, SettingsError
from senderkit.http_client import HttpClient
from senderkit.models import Connection, Message, Template
from senderkit.providers import PROVIDERS
from senderkit.providers.base import Adapter, Provider
from senderkit.providers.smtp import connection_fields_from_url
from senderkit.settings import Settings

ENVIRONMENT_ID: Final = str(uuid.uuid5(uuid.NAMESPACE_URL, "senderkit:environment"))
"""The id of the connection that the environment declares; the same on every server."""

ENVIRONMENT_NAME: Final = "Environment"
"""What the connection of the environment is called where others have a name."""


@dataclass(frozen=True, slots=True)
class Route:
    """The connection that a message goes through.

    Its credentials are sealed, but for the environment's, which are in `fields`. `version` is when
    they were last changed; the environment's do not change while the process lives.
    """

    connection_id: str
    name: str
    provider: str
    version: datetime | None
    broken_reason: str | None = None
    sealed_fields: bytes = field(default=b"", repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A connection whose provider reports what became of messages."""

    workspace_id: int
    channel: Channel
    connection_id: str
    provider: str


class Connections:
    """Finds routes and keeps their adapters. Safe to share between threads."""

    def __init__(
        self,
        vault: Vault,
        clock: Clock,
        smtp_url: str | None,
        mail_from: str | None,
        http: HttpClient,
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._http = http
        self._environment = _environment_route(smtp_url, mail_from)
        self._adapters: dict[str, tuple[datetime | None, Adapter]] = {}
        self._lock = threading.Lock()

    @property
    def environment(self) -> Route | None:
        """The connection that the environment declares, for email."""
        return self._environment

    @property
    def has_environment(self) -> bool:
        """Whether the environment declares a connection."""
        return self._environment is not None

    def find_route(
        self,
        connection: DatabaseConnection,
        workspace_id: int,
        channel: Channel,
        template_slug: str | None = None,
    ) -> Route | None:
        """The first route of a message sent now, or None when nothing can deliver that channel."""
        own = _find_template_route(connection, workspace_id, template_slug)
        if own is not None:
            return own
        values = {"of_workspace": workspace_id, "of_channel": channel.value}
        row = connection.execute(_DEFAULT_ROUTE, values).one_or_none()
        if row is not None:
            return Route(*row)
        return self._environment if channel is Channel.EMAIL else None

    def find_routes(
        self,
        connection: DatabaseConnection,
        workspace_id: int,
        channel: Channel,
        template_slug: str | None = None,
    ) -> tuple[Route, ...]:
        """Every route that a message may take now, in the order in which they are tried."""
        own = _find_template_route(connection, workspace_id, template_slug)
        values = {"of_workspace": workspace_id, "of_channel": channel.value}
        listed = [Route(*row) for row in connection.execute(_LISTED_ROUTES, values)]
        if not listed and channel is Channel.EMAIL and self._environment is not None:
            listed = [self._environment]
        if own is None:
            return tuple(listed)
        others = (route for route in listed if route.connection_id != own.connection_id)
        return (own, *others)

    def find_source(
        self, connection: DatabaseConnection, provider: str, connection_id: str
    ) -> tuple[Source, Route] | None:
        """The connection that reports at `/hooks/<provider>/<connection>`; None when there is none.

        One whose credentials are broken may still report.
        """
        values = {"of_id": connection_id, "of_provider": provider}
        row = connection.execute(_SOURCE, values).one_or_none()
        return None if row is None or provider not in PROVIDERS else _source_of(row)

    def find_sources(
        self, connection: DatabaseConnection, providers: Sequence[str]
    ) -> list[tuple[Source, Route]]:
        """Every connection of these providers, for those that must be asked what they report."""
        if not providers:
            return []
        rows = connection.execute(_SOURCES.where(Connection.provider.in_(providers)))
        return [_source_of(row) for row in rows]

    def adapter(self, route: Route) -> Adapter:
        """The adapter of a route. Raises `AccountBroken` when its credentials cannot be used."""
        with self._lock:
            version, adapter = self._adapters.get(route.connection_id, (None, None))
            if adapter is not None and version == route.version:
                return adapter
            kind = _provider(route.provider)
            made = kind.connect(self._fields(route), self._clock, self._http)
            self._adapters[route.connection_id] = (route.version, made)
        if adapter is not None:
            adapter.close()
        return made

    def close(self) -> None:
        """Close every kept adapter and its sockets."""
        with self._lock:
            adapters = [adapter for _, adapter in self._adapters.values()]
            self._adapters.clear()
        for adapter in adapters:
            adapter.close()

    def _fields(self, route: Route) -> Mapping[str, str]:
        if not route.sealed_fields:
            return route.fields
        try:
            return self._vault.unseal(route.sealed_fields)
        except SealBroken as error:
            raise AccountBroken(
                "The stored credentials do not open: the encryption key has changed."
            ) from error


def find_listed(session: Session, workspace_id: int, channel: Channel) -> list[str]:
    """The ids of the connections in a channel's list, the default first."""
    statement = select(Connection.uuid).where(
        Connection.workspace_id == workspace_id,
        Connection.channel == channel.value,
        Connection.position.is_not(None),
    )
    return list(session.scalars(statement.order_by(Connection.position)))


def put_in_order(
    session: Session, workspace_id: int, channel: Channel, connection_ids: Sequence[str]
) -> None:
    """Make these the list of a channel, in this order; others are out of it. Does not commit."""
    of_channel = update(Connection).where(
        Connection.workspace_id == workspace_id, Connection.channel == channel.value
    )
    # All places are free for a moment, so that no two connections ever have the same.
    session.execute(of_channel.values(position=None))
    for place, connection_id in enumerate(connection_ids, 1):
        session.execute(of_channel.where(Connection.uuid == connection_id).values(position=place))


def _provider(name: str) -> Provider:
    if name not in PROVIDERS:
        raise AccountBroken(f"This server has no provider '{name}'.")
    return PROVIDERS[name]


_ROUTE: Final = select(
    Connection.uuid,
    Connection.name,
    Connection.provider,
    Connection.updated_at,
    Connection.broken_reason,
    Connection.sealed_fields,
)
_LISTED_ROUTES: Final = _ROUTE.where(
    Connection.workspace_id == bindparam("of_workspace"),
    Connection.channel == bindparam("of_channel"),
    Connection.position.is_not(None),
).order_by(Connection.position)
_DEFAULT_ROUTE: Final = _LISTED_ROUTES.limit(1)
_TEMPLATE_ROUTE: Final = _ROUTE.join(Template, Template.connection_id == Connection.id).where(
    Template.workspace_id == bindparam("of_workspace"), Template.slug == bindparam("of_slug")
)


_SOURCES: Final = _ROUTE.with_only_columns(
    Connection.workspace_id, Connection.channel, *_ROUTE.selected_columns
)
_SOURCE: Final = _SOURCES.where(
    Connection.uuid == bindparam("of_id"), Connection.provider == bindparam("of_provider")
)


def _source_of(row: Row[*tuple[Any, ...]]) -> tuple[Source, Route]:
    workspace_id, channel, *columns = row
    route = Route(*columns)
    return Source(workspace_id, Channel(channel), route.connection_id, route.provider), route


def _find_template_route(
    connection: DatabaseConnection, workspace_id: int, template_slug: str | None
) -> Route | None:
    if template_slug is None:
        return None
    values = {"of_workspace": workspace_id, "of_slug": template_slug}
    row = connection.execute(_TEMPLATE_ROUTE, values).one_or_none()
    return None if row is None else Route(*row)


def _environment_route(smtp_url: str | None, mail_from: str | None) -> Route | None:
    if smtp_url is None or mail_from is None:
        return None
    fields = connection_fields_from_url(smtp_url, mail_from)
    return Route(ENVIRONMENT_ID, ENVIRONMENT_NAME, PROVIDERS["smtp"].name, None, fields=fields)


def problems_of(settings: Settings) -> tuple[str, ...]:
    """What is wrong with the connection that the settings describe, for `load_settings`."""
    try:
        _environment_route(settings.smtp_url, settings.mail_from)
    except SettingsError as error:
        return error.problems
    return ()


def mark_broken(engine: Engine, route: Route, reason: str) -> None:
    """Nothing more goes through this connection until a person repairs it.

    Unless somebody just did: the mark is for the credentials that failed. The environment's
    connection has no row: it counts as broken while messages are held for it.
    """
    with engine.begin() as connection:
        connection.execute(
            update(Connection)
            .where(Connection.uuid == route.connection_id, Connection.updated_at == route.version)
            .values(broken_reason=reason)
        )


def find_environment_fault(connection: DatabaseConnection, workspace_id: int) -> str | None:
    """Why messages are held for the environment's connection, or None while it is not broken."""
    statement = select(Message.held_reason).where(
        Message.connection_id == ENVIRONMENT_ID,
        Message.held_reason.is_not(None),
        Message.workspace_id == workspace_id,
    )
    return connection.execute(statement.limit(1)).scalar_one_or_none()


def forget_broken(
    connection: DatabaseConnection, workspace_id: int, connection_id: str | None
) -> None:
    """Let a connection be tried again; all of the workspace's when none is named."""
    statement = update(Connection).where(Connection.workspace_id == workspace_id)
    if connection_id is not None:
        statement = statement.where(Connection.uuid == connection_id)
    connection.execute(statement.values(broken_reason=None))
