"""Creating an API key, from the dashboard's form or the shell."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic_core import PydanticCustomError

from senderkit.commands.fields import Command, check_single_line
from senderkit.commands.issues import IssueCode, flaw, issue_of, refuse, short_text
from senderkit.commands.limits import MAX_KEY_NAME
from senderkit.domain import Mode, Scope
from senderkit.errors import Issue


class CreateKey(Command):
    """No scopes at all means full access."""

    name: str
    mode: Mode
    scopes: frozenset[Scope]


def parse_create_key(name: str, mode: str, scopes: Iterable[str]) -> CreateKey:
    """Plain values from a form or the shell. Raises `InvalidRequest` with every issue."""
    issues: list[Issue] = []
    asked = sorted(set(scopes))
    try:
        name = checked_name(name, MAX_KEY_NAME)
    except PydanticCustomError as error:
        issues.append(issue_of(error, ("name",)))
    if mode not in set(Mode):
        message = f"Must be {' or '.join(Mode)}."
        issues.append(Issue(IssueCode.INVALID_VALUE, ("mode",), message))
    for scope in asked:
        if scope not in set(Scope):
            message = f"'{short_text(scope)}' is no scope. Known: {', '.join(Scope)}."
            issues.append(Issue(IssueCode.INVALID_VALUE, ("scopes",), message))
    if issues:
        refuse(issues)
    return CreateKey(name=name, mode=Mode(mode), scopes=frozenset(Scope(scope) for scope in asked))


def checked_name(text: str, longest: int) -> str:
    """`text` without spaces around it, on one line. Raises a flaw."""
    name = text.strip()
    if not name:
        raise flaw(IssueCode.REQUIRED, "Give a name.")
    if len(name) > longest:
        raise flaw(IssueCode.TOO_LONG, f"Must have at most {longest} characters.")
    return check_single_line(name)
