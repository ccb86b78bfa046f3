"""One installation as several processes share it: database, data folder, mail server, two keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import NullPool, create_engine, text

from senderkit.domain import PENDING, Mode
from senderkit.keys import MintedKey, mint
from tests.fakes import FakeSmtp
from tests.make import wait_until
from tests.serving import SENDERKIT, Server, serving

_CUT_OFF: Final = (
    "SELECT messages.recipient, attempts.number FROM attempts "
    "JOIN messages ON messages.id = attempts.message_id WHERE attempts.outcome IS NULL"
)
_DOUBTS: Final = (
    "SELECT messages.recipient FROM timeline_entries "
    "JOIN messages ON messages.id = timeline_entries.message_id WHERE event = 'in_doubt'"
)
_SESSIONS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True)
class Installation:
    """Its servers are started with `serving`; most of the rest looks at what they left.

    The look keeps no connection open: after a death SQLite has nobody but the next server to
    recover its journal.
    """

    data_dir: Path
    database_url: str
    smtp: FakeSmtp
    live: MintedKey = field(default_factory=lambda: mint(Mode.LIVE))
    test: MintedKey = field(default_factory=lambda: mint(Mode.TEST))

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @contextmanager
    def serving(self, module: Sequence[str] = SENDERKIT, **settings: str) -> Iterator[Server]:
        """A server for the time of a `with` block, which may end it as it likes."""
        with serving(self.data_dir, module, **(self._settings() | settings)) as server:
            yield server

    def _settings(self) -> dict[str, str]:
        seeds = [
            f"{mode}:{mode}:{key.token_hash}:{key.last_four}"
            for mode, key in ((Mode.LIVE, self.live), (Mode.TEST, self.test))
        ]
        return {
            "DATABASE_URL": self.database_url,
            "SEED_KEYS": ",".join(seeds),
            "SMTP_URL": f"smtp://127.0.0.1:{self.smtp.port}",
            "MAIL_FROM": "Acme <hello@acme.example>",
            "THREADS": "8",
            "WORKERS": "8",
        }

    # -- what the servers left ------------------------------------------------------------------

    def rows(self, statement: str, **values: Any) -> list[Any]:
        engine = create_engine(self.database_url, poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def write(self, statement: str, **values: Any) -> None:
        engine = create_engine(self.database_url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text(statement), values)

    def messages(self) -> dict[str, tuple[str, str]]:
        """The id and status by recipient. Fails when a recipient has two messages."""
        rows = self.rows("SELECT recipient, public_id, status FROM messages")
        found = {recipient: (public_id, status) for recipient, public_id, status in rows}
        assert len(found) == len(rows), "a send was stored twice"
        return found

    def received(self) -> Counter[str]:
        """How often the mail server was given each recipient's message."""
        return Counter(received.recipients[0] for received in list(self.smtp.messages))

    def cut_off_attempts(self) -> set[tuple[str, int]]:
        """Attempts without an outcome, by recipient and number."""
        return {(recipient, number) for recipient, number in self.rows(_CUT_OFF)}

    def doubts(self) -> Counter[str]:
        """How often each recipient's message is marked as in doubt."""
        return Counter(row[0] for row in self.rows(_DOUBTS))

    def end_leases(self) -> None:
        """What time would do: whatever a dead process holds may be claimed."""
        self.write("UPDATE messages SET lease_until = created_at WHERE lease_until IS NOT NULL")

    def wait_until_unused(self) -> None:
        """Postgres may still be about to commit for a process that has just died."""
        if not self.is_sqlite:
            wait_until(lambda: self.rows(_SESSIONS) == [(0,)])

    def wait_until_done(self, *, seconds: float = 60) -> None:
        """Until every message has a final status."""
        wait_until(lambda: not self._statuses() & PENDING, seconds=seconds)

    def _statuses(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT DISTINCT status FROM messages")}
