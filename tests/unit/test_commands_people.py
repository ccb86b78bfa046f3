"""Keys and people: from forms and the shell."""

from __future__ import annotations

from typing import Any

import pytest

from senderkit.commands import (
    check_password,
    normalized_email,
    parse_add_member,
    parse_change_password,
    parse_create_key,
    parse_set_up,
)
from senderkit.domain import Mode, Scope
from senderkit.errors import InvalidRequest

GOOD = "correct horse battery"


def paths(caught: pytest.ExceptionInfo[InvalidRequest]) -> set[tuple[str | int, ...]]:
    return {issue.path for issue in caught.value.issues}


def test_a_key_has_a_name_a_mode_and_scopes() -> None:
    command = parse_create_key("  CI ", "test", ["read", "send", "read"])
    assert (command.name, command.mode) == ("CI", Mode.TEST)
    assert command.scopes == {Scope.READ, Scope.SEND}


def test_a_key_without_scopes_is_unscoped() -> None:
    assert parse_create_key("n" * 100, "live", []).scopes == frozenset()


@pytest.mark.parametrize(
    ("name", "mode", "scopes", "bad"),
    [
        ("", "live", [], "name"),
        (" ", "live", [], "name"),
        ("n" * 101, "live", [], "name"),
        ("a\nb", "live", [], "name"),
        ("a\0", "live", [], "name"),
        ("a\ud800", "live", [], "name"),
        ("a", "", [], "mode"),
        ("a", "LIVE", [], "mode"),
        ("a", "live", ["admin"], "scopes"),
        ("a", "live", ["read", ""], "scopes"),
        ("a", "live", ["Read"], "scopes"),
    ],
)
def test_a_bad_key_is_refused(name: str, mode: str, scopes: list[str], bad: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_create_key(name, mode, scopes)
    assert paths(caught) == {(bad,)}


def test_every_fault_of_a_key_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_create_key("", "x", ["a", "b"])
    assert [issue.path for issue in caught.value.issues] == [
        *(("name",), ("mode",), ("scopes",), ("scopes",))
    ]


def set_up(**changes: Any) -> Any:
    given = {"workspace": "Acme", "email": "Ada@Example.com", "password": GOOD}
    return parse_set_up(**(given | changes))


def test_set_up_takes_a_workspace_an_owner_and_a_password() -> None:
    command = set_up(workspace=" Acme Inc. ", email=" Ada@Example.com ")
    assert (command.workspace, command.email) == ("Acme Inc.", "ada@example.com")
    assert command.password == GOOD


@pytest.mark.parametrize(
    ("changes", "bad"),
    [
        ({"workspace": ""}, {("workspace",)}),
        ({"workspace": "w" * 101}, {("workspace",)}),
        ({"workspace": "a\r\nb"}, {("workspace",)}),
        ({"email": "ada"}, {("email",)}),
        ({"email": ""}, {("email",)}),
        ({"email": "Ada <ada@example.com>"}, {("email",)}),
        ({"email": "a@b.example\nx"}, {("email",)}),
        ({"email": "a" * 600 + "@b.example"}, {("email",)}),
        ({"password": "short"}, {("password",)}),
        (
            {"workspace": "", "email": "", "password": ""},
            {("workspace",), ("email",), ("password",)},
        ),
    ],
)
def test_a_bad_set_up_is_refused(changes: dict[str, str], bad: set[tuple[str]]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        set_up(**changes)
    assert paths(caught) == bad


@pytest.mark.parametrize("email", ["ada", "ada@", "a b@c.example", "", "a@b.example, c@d.example"])
def test_a_person_is_told_what_an_address_looks_like(email: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        set_up(email=email)
    [issue] = caught.value.issues
    assert issue.message == "Must be an email address such as ada@example.com."


@pytest.mark.parametrize(
    "password",
    [
        *("", "x" * 11, "x" * 1_025, "ADA@example.com", "ada@example.com ", "The Acme Company"),
        "\ud800" * 20,
    ],
)
def test_a_weak_password_is_refused_everywhere(password: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_password(password, email="ada@example.com", workspace="the acme company")
    assert paths(caught) == {("password",)}
    with pytest.raises(InvalidRequest):
        set_up(password=password, workspace="The Acme Company")
    with pytest.raises(InvalidRequest):
        parse_add_member(email="ada@example.com", password=password, workspace="The Acme Company")
    with pytest.raises(InvalidRequest) as caught:
        parse_change_password(
            current=GOOD, new=password, email="ada@example.com", workspace="The Acme Company"
        )
    assert paths(caught) == {("new",)}


@pytest.mark.parametrize("password", ["x" * 12, "x" * 1_024, "пароль пароль", " " * 12])
def test_any_other_password_is_accepted_as_given(password: str) -> None:
    check_password(password, email="ada@example.com", workspace="Acme")
    assert set_up(password=password).password == password


def test_a_password_is_changed_to_another_one() -> None:
    context = {"email": "a@b.example", "workspace": "Acme"}
    assert parse_change_password(current="old", new=GOOD, **context).new == GOOD
    for current, bad in (("", "current"), ("x" * 1_025, "current"), (GOOD, "new")):
        with pytest.raises(InvalidRequest) as caught:
            parse_change_password(current=current, new=GOOD, **context)
        assert paths(caught) == {(bad,)}


def test_passwords_stay_out_of_logs() -> None:
    member = parse_add_member(email="a@b.example", password=GOOD, workspace="Acme")
    change = parse_change_password(current="old" * 9, new=GOOD, email="", workspace="")
    assert GOOD not in f"{set_up()!r} {member!r} {change!r}"
    assert "old" not in repr(change)


def test_an_address_is_looked_up_as_it_is_stored() -> None:
    assert normalized_email(" ADA@Bücher.Example ") == "ada@xn--bcher-kva.example"
    assert normalized_email("root@localhost") == "root@localhost"
    with pytest.raises(InvalidRequest):
        normalized_email("nobody")
