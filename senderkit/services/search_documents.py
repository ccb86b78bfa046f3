"""What messages are searched by, written a little behind: one document for each message.

A document is every text that a search looks into, in lower case, each on a line of its own. The
database keeps an index over all of them; it is made by the migration where trigrams are to be had.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    bindparam,
    column,
    func,
    insert,
    literal,
    select,
    table,
)

from senderkit.followers import Span, Write
from senderkit.models import ChangeFollower, Message, MessageDocument, MessageMetadata

_TRIGRAM: Final = {
    "sqlite": re.compile(r".{3}", re.DOTALL),
    "postgresql": re.compile(r"[^\W_]{3}"),  # pg_trgm leaves out all but letters and digits
}

_NAME: Final = "search"
_INDEX: Final = "message_documents_index"
_LINE: Final = literal("\n")


class SearchDocuments:
    """Follows the changes: each message is written down once, after it was accepted."""

    name: Final = _NAME

    def follow(self, reader: Connection, span: Span) -> Write:
        """A message's id is the number of its first change, and what is searched never changes."""
        found = reader.execute(_OF_SPAN, {"after": span.after, "last": span.last})
        documents = [dict(row) for row in found.mappings()]

        def write(connection: Connection) -> None:
            if documents:
                connection.execute(_WRITE, documents)

        return write


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the index holds: nothing when it `is_there` not, else all messages up to `last_id`."""

    is_there: bool
    last_id: int


def can_be_looked_up(dialect: str, text: str) -> bool:
    """Whether a text has three characters in a row by which the index finds it."""
    return _TRIGRAM[dialect].search(text) is not None


def coverage_of(connection: Connection) -> Coverage:
    """What can be found by the index now. Only more can be later."""
    row = connection.execute(_COVERAGE[connection.dialect.name]).one()
    return Coverage(row[0] is not None, row[1] or 0)


def documents_with(dialect: str, pattern: str, text: str) -> ColumnElement[bool]:
    """The condition of the documents that hold `text`, in lower case; `pattern` is it for LIKE."""
    if dialect == "sqlite":
        quoted = '"' + text.replace('"', '""') + '"'
        rowid: ColumnElement[int] = column("rowid")
        # The name of the table alone stands for all that it indexes.
        matches = column(_INDEX).op("MATCH")(quoted)
        found = select(rowid).select_from(table(_INDEX)).where(matches)
        return MessageDocument.message_id.in_(found)
    return MessageDocument.document.like(pattern, escape="\\")


# -- statements -------------------------------------------------------------------------------


def _joined_metadata() -> Any:
    lines = func.lower(MessageMetadata.key) + _LINE + func.lower(MessageMetadata.value)
    return (
        select(func.aggregate_strings(lines, "\n"))
        .where(MessageMetadata.message_id == Message.id)
        .scalar_subquery()
    )


def _document() -> Any:
    """The fields that `reports` looks into. Whatever it finds in one of them stands here too."""
    always = (Message.public_id, Message.uuid, Message.recipient)
    text: Any = func.lower(always[0])
    for each in always[1:]:
        text = text + _LINE + func.lower(each)
    for other in (func.lower(Message.template_slug), _joined_metadata()):
        text = text + func.coalesce(_LINE + other, literal("", Text()))
    return text


_OF_SPAN: Final = select(
    Message.id.label("message_id"),
    Message.workspace_id,
    Message.livemode,
    Message.created_at,
    _document().label("document"),
).where(Message.id > bindparam("after"), Message.id <= bindparam("last"))
_WRITE: Final = insert(MessageDocument)
_POSITION: Final = (
    select(ChangeFollower.position).where(ChangeFollower.name == _NAME).scalar_subquery()
)
_MASTER: Final = table("sqlite_master", column("name"))
_COVERAGE: Final = {
    "sqlite": select(
        select(_MASTER.c.name).where(_MASTER.c.name == _INDEX).scalar_subquery(), _POSITION
    ),
    "postgresql": select(func.to_regclass(_INDEX), _POSITION),
}
