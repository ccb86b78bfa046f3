"""Every route of the application, ready to be asked: what the tests that enumerate walk over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Select, Table, select

from senderkit.commands import parse_save_block, parse_save_theme
from senderkit.domain import Channel, SuppressionReason
from senderkit.models import Base
from senderkit.services import blocks, themes
from senderkit.services.suppressions import suppress
from senderkit.themes import Theme
from senderkit.web.extensions import database
from tests.make import House, store_connection, store_endpoint

SUPPRESSED: Final = "eve@example.com"
_USES: Final = frozenset({"use_count", "last_used_at", "last_used_route", "last_used_address"})
_QUERIES: Final = {"suppressions.remove": {"channel": "email", "recipient": SUPPRESSED}}
"""What a page must be asked with to be there."""
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Route:
    """One method of one route, with values in its path that name existing things."""

    endpoint: str
    method: str
    path: str

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/v1/")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Furnished:
    """A house with one of everything that a path can name."""

    house: House
    values: Mapping[tuple[str, str], Any]

    def routes(self) -> list[Route]:
        """Every method of every route. A new kind of path needs a value in `furnish`."""
        return sorted(self._routes(), key=str)

    def changing(self) -> list[Route]:
        """The routes that a browser's forms post to."""
        routes = [route for route in self.routes() if route.method not in READING]
        return [route for route in routes if not route.is_api]

    def _routes(self) -> Iterator[Route]:
        adapter = self.house.app.url_map.bind("localhost")
        for rule in self.house.app.url_map.iter_rules():
            area = rule.endpoint.partition(".")[0]
            values = {name: self.values[area, name] for name in rule.arguments}
            values |= _QUERIES.get(rule.endpoint, {})
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                path = adapter.build(rule.endpoint, values, method=method)
                yield Route(rule.endpoint, method, path)


def furnish(house: House) -> Furnished:
    """Fill a house: a message, a template with a published version, a key, a connection,
    a webhook endpoint with a delivery, a suppressed recipient, a block, a theme."""
    house.template()
    message_id = house.api().send()
    house.deliver()
    connection_id = store_connection(house)
    endpoint_id, delivery_id = store_endpoint(house)
    with house.runtime.engine.begin() as connection:
        reason = SuppressionReason.MANUAL
        suppress(connection, 1, Channel.EMAIL, SUPPRESSED, reason=reason, now=house.clock())
    theme_id = house.in_app(lambda: _store_pieces(house))
    key_id = house.rows("SELECT public_id FROM api_keys")[0][0]
    values = {
        ("static", "filename"): "app.css",
        ("api", "public_id"): message_id,
        ("api", "slug"): "welcome",
        ("api", "number"): 1,
        ("messages", "public_id"): message_id,
        **{(f"template_{side}", "slug"): "welcome" for side in ("editor", "versions", "settings")},
        ("resends", "public_id"): message_id,
        ("exports", "kind"): "csv",
        ("blocks", "name"): "footer",
        ("blocks", "number"): 1,
        ("themes", "public_id"): theme_id,
        ("channels", "connection_id"): connection_id,
        ("channels", "provider"): "smtp",
        ("webhooks", "public_id"): endpoint_id,
        ("webhook_log", "public_id"): endpoint_id,
        ("webhook_log", "delivery_id"): delivery_id,
        ("keys", "public_id"): key_id,
        ("hooks", "provider"): "postmark",
        ("hooks", "connection_id"): "00000000-0000-4000-8000-000000000000",
        ("unsubscribe", "signed"): house.runtime.unsubscribe_signer.sign(message_id),
    }
    return Furnished(house, values)


def _store_pieces(house: House) -> str:
    """A block, and a theme whose id is returned."""
    session, now = database.session(), house.clock()
    block = parse_save_block(name="footer", content="<p>Acme Ltd</p>")
    blocks.create_block(session, 1, block, created_by_id=None, now=now)
    form = {name: str(value) for name, value in Theme().stored().items()}
    theme = parse_save_theme(form | {"name": "Acme"})
    return themes.create_theme(session, 1, theme, now=now).public_id


def stored(house: House) -> dict[str, list[Any]]:
    """Every row of every table, without the uses of keys, which are written in the background."""
    with house.runtime.reader.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(_rows(table))]
            for table in Base.metadata.sorted_tables
        }


def _rows(table: Table) -> Select[Any]:
    """In an order of its own: on Postgres a row that was written last is read last."""
    return select(*_columns(table)).order_by(*table.primary_key.columns)


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.name not in _USES]
