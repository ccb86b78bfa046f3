"""API keys: create, list, revoke, authenticate, and remember when they were last used.

Authentication reads the key's row on every request, so a revocation made in any process counts from
the next request on. Last use is gathered in memory and written now and then by `UsageRecorder`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Engine, Update, bindparam, case, literal, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session, joinedload

from senderkit import keys
from senderkit.commands import CreateKey
from senderkit.database import Lookup
from senderkit.domain import Clock, Mode, Scope, new_public_id
from senderkit.errors import NotFound, SenderKitError
from senderkit.models import ApiKey, Workspace
from senderkit.seed_keys import SeedKey

_log = structlog.get_logger(__name__)

_FLUSH_SECONDS: Final = 5.0
_MAX_ADDRESS: Final = 64


class AlreadyCreated(SenderKitError):
    """The form was sent before: its key exists and its secret cannot be shown again."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request to /v1. No scopes at all means full access."""

    key_id: int
    key_public_id: str
    workspace_id: int
    workspace_uuid: str
    workspace_slug: str
    workspace_name: str
    mode: Mode
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        return not self.scopes or scope.value in self.scopes


_PRINCIPAL: Final = Lookup(
    select(
        ApiKey.id,
        ApiKey.public_id,
        ApiKey.livemode,
        ApiKey.scopes,
        ApiKey.revoked_at,
        Workspace.id,
        Workspace.uuid,
        Workspace.slug,
        Workspace.name,
    )
    .join(Workspace, Workspace.id == ApiKey.workspace_id)
    .where(ApiKey.token_hash == bindparam("token_hash"))
)


def find_principal(reader: Engine, token: str) -> Principal | None:
    """Whom `token` belongs to, or None: malformed, unknown and revoked look the same.

    A token whose checksum is wrong costs no database read.
    """
    if not keys.is_well_formed(token):
        return None
    row = _PRINCIPAL.find(reader, keys.hash_token(token))
    if row is None or row[4] is not None or row[2] != keys.mode_of(token).livemode:
        return None
    return Principal(
        key_id=row[0],
        key_public_id=row[1],
        mode=Mode.of(row[2]),
        scopes=frozenset(row[3].split()),
        workspace_id=row[5],
        workspace_uuid=row[6],
        workspace_slug=row[7],
        workspace_name=row[8],
    )


def _stored_scopes(scopes: Iterable[str]) -> str:
    chosen = set(scopes)
    return " ".join(scope.value for scope in Scope if scope.value in chosen)


def create_key(
    session: Session,
    command: CreateKey,
    *,
    workspace_id: int,
    created_by_id: int | None,
    nonce: str | None,
    now: datetime,
) -> tuple[ApiKey, str]:
    """Make a key; return its row and its token, which is never to be had again.

    `nonce` is the form's single-use number. Raises `AlreadyCreated` when it was used before.
    """
    minted = keys.mint(command.mode)
    key = ApiKey(
        public_id=new_public_id("key", now),
        workspace_id=workspace_id,
        name=command.name,
        livemode=command.mode.livemode,
        token_hash=minted.token_hash,
        prefix=minted.prefix,
        last_four=minted.last_four,
        scopes=_stored_scopes(command.scopes),
        created_at=now,
        created_by_id=created_by_id,
        creation_nonce=nonce,
        use_count=0,
    )
    session.add(key)
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise AlreadyCreated("This form was sent before; its key exists already.") from error
    return key, minted.token


def list_keys(session: Session, workspace_id: int, *, livemode: bool | None = None) -> list[ApiKey]:
    """All keys of a workspace, newest first; of one mode when `livemode` is given."""
    statement = (
        select(ApiKey)
        .where(ApiKey.workspace_id == workspace_id)
        .options(joinedload(ApiKey.created_by), joinedload(ApiKey.revoked_by))
        .order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
    )
    if livemode is not None:
        statement = statement.where(ApiKey.livemode == livemode)
    return list(session.scalars(statement))


def get_key(session: Session, workspace_id: int, public_id: str) -> ApiKey:
    """Raises `NotFound`."""
    statement = select(ApiKey).where(
        ApiKey.workspace_id == workspace_id, ApiKey.public_id == public_id
    )
    key = session.scalars(statement).one_or_none()
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def get_key_by_nonce(session: Session, workspace_id: int, nonce: str) -> ApiKey:
    """The key that a form with this single-use number has made. Raises `NotFound`."""
    statement = select(ApiKey).where(
        ApiKey.workspace_id == workspace_id, ApiKey.creation_nonce == nonce
    )
    key = session.scalars(statement).one_or_none()
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def revoke_key(
    session: Session, workspace_id: int, public_id: str, *, revoked_by_id: int | None, now: datetime
) -> ApiKey:
    """Revoke a key from the next request on. One that is revoked already stays as it was."""
    key = get_key(session, workspace_id, public_id)
    if key.revoked_at is None:
        key.revoked_at = now
        key.revoked_by_id = revoked_by_id
    session.commit()
    return key


def seed_keys(
    session: Session, workspace_id: int, declared: Iterable[SeedKey], now: datetime
) -> None:
    """Add the keys that the settings declare by hash; those that exist stay as they are."""
    for seed in declared:
        known = select(ApiKey.id).where(ApiKey.token_hash == seed.token_hash)
        if session.scalars(known).one_or_none() is not None:
            continue
        try:
            with session.begin_nested():
                session.add(_seeded(seed, workspace_id, now))
        except IntegrityError:
            continue  # another process was faster
    session.commit()


def _seeded(seed: SeedKey, workspace_id: int, now: datetime) -> ApiKey:
    return ApiKey(
        public_id=new_public_id("key", now),
        workspace_id=workspace_id,
        name=seed.name,
        livemode=seed.mode.livemode,
        token_hash=seed.token_hash,
        prefix=keys.prefix_of(seed.mode),
        last_four=seed.last_four,
        scopes=_stored_scopes(seed.scopes),
        created_at=now,
        use_count=0,
    )


@dataclass(slots=True)
class _Use:
    count: int
    at: datetime
    route: str
    address: str


def _use_written(key_id: int, use: _Use) -> Update:
    """Several processes write: the latest use stays the last one."""
    is_older = ApiKey.last_used_at > use.at
    used_at = literal(use.at, ApiKey.last_used_at.type)
    return (
        update(ApiKey)
        .where(ApiKey.id == key_id)
        .values(
            use_count=ApiKey.use_count + use.count,
            last_used_at=case((is_older, ApiKey.last_used_at), else_=used_at),
            last_used_route=case((is_older, ApiKey.last_used_route), else_=use.route),
            last_used_address=case((is_older, ApiKey.last_used_address), else_=use.address),
        )
    )


class UsageRecorder:
    """Gathers uses of keys and writes them every few seconds, so that no request waits for it.

    Its thread starts with the first use, under whatever server. A crash loses the count of those
    seconds, never a message.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._uses: dict[int, _Use] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def record(self, key_id: int, route: str, address: str) -> None:
        """Remember one request by the key, at the route's pattern, from an address."""
        now = self._clock()
        with self._lock:
            use = self._uses.get(key_id)
            count = 1 if use is None else use.count + 1
            self._uses[key_id] = _Use(count, now, route, address[:_MAX_ADDRESS])
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="key-usage", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write what was gathered."""
        with self._lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        with self._engine.begin() as connection:
            for key_id, use in sorted(uses.items()):
                connection.execute(_use_written(key_id, use))

    def close(self) -> None:
        """End the thread, write what was gathered."""
        with self._lock:
            self._stopping.set()
            thread = self._thread
        if thread is not None:
            thread.join()
        self._flush_or_log()

    def _run(self) -> None:
        while not self._stopping.wait(_FLUSH_SECONDS):
            self._flush_or_log()

    def _flush_or_log(self) -> None:
        try:
            self.flush()
        except SQLAlchemyError as error:
            _log.warning("key_usage_not_written", error=type(error).__name__)
