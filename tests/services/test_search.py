"""Search finds exactly what the slow way finds, whatever the index holds by then."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import select, text

from senderkit.commands import (
    BrowseMessages,
    ListMessages,
    parse_browse_messages,
    parse_list_messages,
)
from senderkit.models import Message
from senderkit.services import searching
from senderkit.services.browsing import browse_messages
from senderkit.services.reports import list_messages
from senderkit.services.search_documents import coverage_of
from tests.make import Api, House

WORKSPACE: Final = 1
LETTERS: Final = "abAB%_\\\"'-* éÉßİıΣσςKkſ中文字𝒳\n@.1"  # noqa: RUF001 - they lower oddly
RECIPIENTS: Final = ("ada@example.com", "ADA@Example.com", "grace_h%x@example.com", "i.o@zürich.ch")


@pytest.fixture(params=["looked at first", "looked up"])
def plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both plans on few messages: usually the first pages are looked at, message by message."""
    if request.param == "looked up":
        monkeypatch.setattr(searching, "_LOOKED_AT_FIRST", 1)
        monkeypatch.setattr(searching, "_LOOKED_AT_MOST", 3)
        monkeypatch.setattr(searching, "_LOOKED_AT_FOR_EACH", 0)
    plan: str = request.param
    return plan


def catch_up(house: House) -> None:
    house.runtime.followers.catch_up()


def is_indexed(house: House) -> bool:
    with house.runtime.reader.connect() as connection:
        return coverage_of(connection).is_there


def drop_index(house: House) -> None:
    """As where the database has no trigrams."""
    if not is_indexed(house):
        return
    if house.runtime.engine.dialect.name == "sqlite":
        for trigger in ("added", "removed"):
            house.write(f"DROP TRIGGER message_documents_{trigger}")
        house.write("DROP TABLE message_documents_index")
    else:
        house.write("DROP INDEX message_documents_index")


def store(house: House, number: int, **texts: str) -> None:
    """A message with these texts, which the API would not take all, behind the product's back."""
    with house.runtime.engine.begin() as connection:
        seq = connection.execute(
            text("UPDATE change_counter SET value = value + 1 RETURNING value")
        ).scalar_one()
        connection.execute(
            text(
                "INSERT INTO messages (id, public_id, uuid, workspace_id, livemode, channel, "
                "status, recipient, recipient_key, template_slug, vars, metadata, created_at, "
                "change_seq, attempts) SELECT :id, :public_id, :uuid, 1, :live, 'email', "
                "'failed', :recipient, 'k', :slug, '{}', '{}', created_at, :id, 0 "
                "FROM workspaces"
            ),
            {
                "id": seq,
                "public_id": f"msg_{number:026}",
                "uuid": f"00000000-0000-4000-8000-{number:012}",
                "live": number % 3 == 0,
                "recipient": texts["recipient"],
                "slug": texts.get("slug"),
            },
        )
        connection.execute(
            text(
                "INSERT INTO timeline_entries (change_seq, message_id, at, event, detail) "
                "SELECT :id, :id, created_at, 'queued', '{}' FROM workspaces"
            ),
            {"id": seq},
        )
        connection.execute(
            text(
                "INSERT INTO message_metadata (message_id, key, workspace_id, livemode, lookup, "
                "kind, value, created_at) SELECT :id, :key, 1, :live, 'x', 's', :value, "
                "created_at FROM workspaces"
            ),
            {
                "id": seq,
                "key": texts["key"],
                "value": texts["value"],
                "live": number % 3 == 0,
            },
        )


def word(of: random.Random, longest: int = 8) -> str:
    return "".join(of.choice(LETTERS) for _ in range(of.randint(1, longest)))


def found(house: House, search: str, *, livemode: bool) -> list[str]:
    """Public ids over all pages of seven, older and older, by the dashboard's list."""
    ids: list[str] = []
    cursor = None
    with house.runtime.reader.connect() as connection:
        while True:
            listing = ListMessages(limit=7, search=search, cursor=cursor)
            query = BrowseMessages(listing=listing)
            page = browse_messages(connection, WORKSPACE, livemode, query)
            ids += [row.public_id for row in page.rows]
            cursor = page.older
            if cursor is None:
                return ids


def found_slowly(house: House, search: str, *, livemode: bool) -> list[str]:
    """By the condition alone, on every message."""
    condition = searching.search_condition(search)
    statement = (
        select(Message.public_id)
        .where(condition, Message.livemode == livemode)
        .order_by(Message.created_at.desc(), Message.id.desc())
    )
    with house.runtime.reader.connect() as connection:
        return list(connection.execute(statement).scalars())


@pytest.mark.parametrize("seed", range(2))
def test_any_text_is_found_as_by_looking_at_every_message(
    house: House, plan: str, seed: int
) -> None:
    of = random.Random(seed)  # noqa: S311 - it only varies a test
    texts: list[str] = []
    for number in range(24):
        one = {name: word(of, 12) for name in ("recipient", "slug", "key", "value")}
        texts += one.values()
        store(house, number, **one)
        if number == 12:
            catch_up(house)
    pieces = [each[start : start + 5] for each in texts for start in (0, 2)]
    terms = [*of.sample(pieces, 25), *(word(of, 5) for _ in range(10)), "msg_", "0000-4000", "a\nb"]
    terms = [term for term in terms if term]
    terms += [term.swapcase() for term in terms[::3]]
    for state in ("half", "all"):
        if state == "all":
            catch_up(house)
        for term, livemode in itertools.product(terms, (True, False)):
            slowly = found_slowly(house, term, livemode=livemode)
            assert found(house, term, livemode=livemode) == slowly, (state, term)


def test_a_message_is_found_before_and_after_it_is_in_the_index(house: House, plan: str) -> None:
    api = house.api()
    first = api.send(to="rare.one@example.com")
    catch_up(house)
    second = api.send(to="rare.two@example.com")

    both = [second, first]
    assert [row["publicId"] for row in api.messages("?search=RARE.")] == both
    catch_up(house)
    assert [row["publicId"] for row in api.messages("?search=RARE.")] == both
    assert [row["publicId"] for row in api.messages("?search=rare.one")] == [first]


def test_what_is_looked_up_goes_with_every_other_filter(house: House, plan: str) -> None:
    house.template("welcome")
    api = house.api()
    for number in range(12):
        to = RECIPIENTS[number % 4]
        metadata = {"plan": "pro" if number % 2 else "free", "n": number}
        if number % 3:
            api.send(template="welcome", to=to, metadata=metadata)
        else:
            api.send(to=to, metadata=metadata)
        house.clock.advance(seconds=1)
    catch_up(house)
    everything = api.messages("?limit=200")
    expected: dict[str, Callable[[dict[str, Any]], bool]] = {
        "search=EXAMPLE&metadata[plan]=pro": lambda m: m["metadata"]["plan"] == "pro",
        "search=example&template=welcome": lambda m: m["templateSlug"] == "welcome",
        "search=example&status=failed": lambda m: m["status"] == "failed",
        "search=example&channel=email&metadata[plan]=free&metadata[n]=4": (
            lambda m: m["metadata"] == {"plan": "free", "n": 4}
        ),
        "search=h%25x": lambda m: "h%x" in m["recipient"],
        "search=Z%C3%9CRICH": lambda m: "zürich" in m["recipient"],
    }
    for query, fits in expected.items():
        holding = [
            m
            for m in everything
            if "example" not in query.lower() or "example" in m["recipient"].lower()
        ]
        assert all_ids(api, query) == [m["publicId"] for m in holding if fits(m)], query


def all_ids(api: Api, query: str) -> list[str]:
    """Over all pages of two."""
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer: Any = api.get(f"/v1/messages?limit=2&{query}{cursor}").json
        ids += [m["publicId"] for m in answer["data"]]
        cursor = answer["nextCursor"] and f"&cursor={answer['nextCursor']}"
    return ids


def test_pages_lead_newer_again_through_what_was_looked_up(house: House, plan: str) -> None:
    api = house.api()
    sent = [api.send(to=f"rare{number}@example.com") for number in range(7)][::-1]
    catch_up(house)

    with house.runtime.reader.connect() as connection:

        def page(**place: str) -> tuple[list[str], str | None, str | None]:
            query = parse_browse_messages({"q": "rare", **place})
            listing = query.listing.model_copy(update={"limit": 3})
            query = query.model_copy(update={"listing": listing})
            shown = browse_messages(connection, WORKSPACE, False, query)
            return [row.public_id for row in shown.rows], shown.newer, shown.older

        ids, _, older = page()
        assert ids == sent[:3]
        ids, newer, older = page(before=str(older))
        assert ids == sent[3:6]
        assert page(before=str(older))[0] == sent[6:]
        assert page(after=str(newer))[0] == sent[:3]


def test_without_an_index_everything_is_found_as_before(house: House) -> None:
    api = house.api()
    message_id = api.send(to="rare@example.com", metadata={"order": "A-1234"})
    drop_index(house)
    catch_up(house)
    api.send(to="other@example.com")

    assert [row["publicId"] for row in api.messages("?search=a-123")] == [message_id]


def test_a_message_that_is_deleted_takes_its_document_along(house: House) -> None:
    api = house.api()
    gone, kept = api.send(to="rare.gone@example.com"), api.send(to="rare.kept@example.com")
    catch_up(house)

    house.write("DELETE FROM messages WHERE public_id = :id", id=gone)

    assert house.rows("SELECT count(*) FROM message_documents") == [(1,)]
    if house.runtime.engine.dialect.name == "sqlite":
        matching = "SELECT rowid FROM message_documents_index WHERE message_documents_index MATCH "
        assert house.rows(f"{matching} 'gone'") == []
        assert len(house.rows(f"{matching} 'kept'")) == 1
        house.write(
            "INSERT INTO message_documents_index (message_documents_index, rank) "
            "VALUES ('integrity-check', 1)"
        )
    assert [row["publicId"] for row in api.messages("?search=rare")] == [kept]


def test_an_installation_that_has_messages_already_is_indexed_from_the_first(house: House) -> None:
    api = house.api()
    for number in range(5):
        api.send(to=f"old{number}@example.com")
    house.deliver()
    catch_up(house)

    counted = house.rows("SELECT count(*), count(DISTINCT message_id) FROM message_documents")
    assert counted == [(5, 5)]
    with house.runtime.reader.connect() as connection:
        listing = parse_list_messages([("search", "old3")])
        assert len(list_messages(connection, WORKSPACE, False, listing).messages) == 1
