"""Compiled versions and blocks are kept: none is ever given for another's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from senderkit.domain import SmsBody
from senderkit.services.compiled import CompiledVersions
from senderkit.services.surroundings import find_surroundings
from tests.make import House, email_content

WORDS = ("ours", "theirs")


@pytest.fixture
def two_workspaces(house: House) -> House:
    """A second workspace with the same slugs, version numbers and block names as the first."""
    house.write(
        "INSERT INTO workspaces (id, uuid, slug, name, created_at) SELECT 2, "
        "'00000000-0000-4000-8000-000000000002', 'other', 'Other', created_at FROM workspaces"
    )
    for workspace_id, word in enumerate(WORDS, 1):
        _store_block(house, workspace_id, f"block of {word}")
        _store_template(house, workspace_id, {"body": f"{word} {{{{> sign}}}}"})
    return house


def _store_block(house: House, workspace_id: int, content: str) -> None:
    house.write(
        "INSERT INTO blocks (id, public_id, workspace_id, name, created_at, updated_at) "
        "SELECT :id, :public_id, :id, 'sign', created_at, created_at FROM workspaces "
        "WHERE id = :id",
        id=workspace_id,
        public_id=f"blk_{workspace_id}",
    )
    house.write(
        "INSERT INTO block_versions (id, block_id, number, content, created_at) "
        "SELECT :id, :id, 1, :content, created_at FROM blocks WHERE id = :id",
        id=workspace_id,
        content=content,
    )
    house.write("UPDATE blocks SET current_version_id = id WHERE id = :id", id=workspace_id)


def _store_template(house: House, workspace_id: int, content: dict[str, Any]) -> None:
    house.write(
        "INSERT INTO templates (id, public_id, workspace_id, slug, channel, is_essential, "
        "created_at, updated_at) SELECT :id, :public_id, :id, 'code', 'sms', :no, created_at, "
        "created_at FROM workspaces WHERE id = :id",
        id=workspace_id,
        public_id=f"tpl_{workspace_id}",
        no=False,
    )
    house.write(
        "INSERT INTO template_versions (id, template_id, number, content, variables, created_at) "
        "SELECT :id, :id, 1, :content, '[]', created_at FROM templates WHERE id = :id",
        id=workspace_id,
        content=json.dumps(content),
    )


def rendered(house: House, cache: CompiledVersions, version_id: int) -> str:
    with house.runtime.reader.connect() as connection:
        around = find_surroundings(connection, [1, 2])[version_id]
    body = cache.get(version_id).own.render({}, around).body
    assert isinstance(body, SmsBody)
    return body.body


def test_two_workspaces_with_the_same_names_never_see_each_others_words(
    two_workspaces: House,
) -> None:
    cache = CompiledVersions(two_workspaces.runtime.reader)
    for _ in range(3):
        assert rendered(two_workspaces, cache, 1) == "ours block of ours"
        assert rendered(two_workspaces, cache, 2) == "theirs block of theirs"
    two_workspaces.write("UPDATE block_versions SET content = 'block of theirs' WHERE id = 1")
    assert rendered(two_workspaces, cache, 1) == "ours block of theirs"


def test_a_version_is_compiled_once(two_workspaces: House) -> None:
    cache = CompiledVersions(two_workspaces.runtime.reader)
    assert cache.get(1) is cache.get(1)
    with two_workspaces.database_uses() as uses:
        cache.get(1)
        assert uses == []


@pytest.fixture
def many_versions(house: House) -> House:
    house.template("code", channel="sms", content={"body": "1"})
    statement = (
        "INSERT INTO template_versions (id, template_id, number, content, variables, created_at) "
        "SELECT :id, template_id, :id, :content, '[]', created_at FROM template_versions "
        "WHERE number = 1"
    )
    rows = [{"id": id_, "content": json.dumps({"body": str(id_)})} for id_ in range(2, 1301)]
    with house.runtime.engine.begin() as connection:
        connection.execute(text(statement), rows)
    return house


def test_each_of_more_versions_than_are_kept_is_itself(many_versions: House) -> None:
    """1,300 versions, 512 of them kept, asked for three times over in different orders."""
    cache = CompiledVersions(many_versions.runtime.reader)
    [[first]] = many_versions.rows("SELECT id FROM template_versions WHERE number = 1")
    ids = [first, *range(2, 1301)]
    numbers = {id_: "1" if id_ == first else str(id_) for id_ in ids}
    for order in (ids, ids[::-1], ids[::3]):
        for id_ in order:
            body = cache.get(id_).own.render({}).body
            assert body == SmsBody(numbers[id_])


def test_a_send_is_rendered_by_the_version_that_it_was_accepted_with(house: House) -> None:
    house.template(content=email_content(subject="One"))
    api = house.api()
    ids = [api.send(template="welcome", to="ada@example.com")]
    content = email_content(subject="Two")
    api.post("/v1/templates/welcome/versions", {"content": content})
    ids.append(api.send(template="welcome", to="ada@example.com"))
    house.deliver()

    rows = house.rows(
        "SELECT public_id, rendered FROM messages JOIN message_contents ON message_id = messages.id"
    )
    found = {row[0]: json.loads(row[1]) if isinstance(row[1], str) else row[1] for row in rows}
    assert [found[id_]["subject"] for id_ in ids] == ["One", "Two"]
