"""Setting the server up, joining it and changing one's password: from forms or the shell."""

from __future__ import annotations

from pydantic import Field
from pydantic_core import PydanticCustomError

from senderkit.commands.fields import Command
from senderkit.commands.issues import IssueCode, Path, flaw, issue_of, refuse
from senderkit.commands.keys import checked_name
from senderkit.commands.limits import (
    MAX_ADDRESS_TEXT,
    MAX_PASSWORD,
    MAX_WORKSPACE_NAME,
    MIN_PASSWORD,
)
from senderkit.commands.recipients import read_address
from senderkit.errors import Issue


class SetUp(Command):
    """The first start: the workspace and its owner. `email` is lower-case."""

    workspace: str
    email: str
    password: str = Field(repr=False)


class AddMember(Command):
    """A person more. `email` is lower-case."""

    email: str
    password: str = Field(repr=False)


class ChangePassword(Command):
    current: str = Field(repr=False)
    new: str = Field(repr=False)


def parse_set_up(*, workspace: str, email: str, password: str) -> SetUp:
    """Raises `InvalidRequest` with every issue, at `workspace`, `email` and `password`."""
    issues: list[Issue] = []
    try:
        workspace = checked_name(workspace, MAX_WORKSPACE_NAME)
    except PydanticCustomError as error:
        issues.append(issue_of(error, ("workspace",)))
    email = _collect_email(email, issues)
    _collect_password(password, (email, workspace), ("password",), issues)
    if issues:
        refuse(issues)
    return SetUp(workspace=workspace, email=email, password=password)


def parse_add_member(*, email: str, password: str, workspace: str) -> AddMember:
    """Raises `InvalidRequest` with every issue, at `email` and `password`."""
    issues: list[Issue] = []
    email = _collect_email(email, issues)
    _collect_password(password, (email, workspace), ("password",), issues)
    if issues:
        refuse(issues)
    return AddMember(email=email, password=password)


def parse_change_password(*, current: str, new: str, email: str, workspace: str) -> ChangePassword:
    """Raises `InvalidRequest` with every issue, at `current` and `new`."""
    issues: list[Issue] = []
    if not 1 <= len(current) <= MAX_PASSWORD:
        message = "Give your current password."
        issues.append(Issue(IssueCode.REQUIRED, ("current",), message))
    _collect_password(new, (email, workspace), ("new",), issues)
    if not issues and new == current:
        message = "Must differ from your current password."
        issues.append(Issue(IssueCode.INVALID_VALUE, ("new",), message))
    if issues:
        refuse(issues)
    return ChangePassword(current=current, new=new)


def check_password(password: str, *, email: str, workspace: str) -> None:
    """The rule for a new password. Raises `InvalidRequest` with an issue at `password`."""
    issues: list[Issue] = []
    _collect_password(password, (email, workspace), ("password",), issues)
    if issues:
        refuse(issues)


def normalized_email(email: str) -> str:
    """A person's address as it is stored and looked up: bare, lower-case, ASCII domain.

    Raises `InvalidRequest` with an issue at `email`.
    """
    issues: list[Issue] = []
    email = _collect_email(email, issues)
    if issues:
        refuse(issues)
    return email


def _collect_email(text: str, issues: list[Issue]) -> str:
    try:
        return _read_email(text)
    except PydanticCustomError as error:
        issues.append(issue_of(error, ("email",)))
        return text


def _read_email(text: str) -> str:
    bare = text.strip()
    if bare.endswith(">"):
        raise flaw(IssueCode.INVALID_VALUE, "Must be the bare email address, without a name.")
    if len(bare) > MAX_ADDRESS_TEXT:
        raise flaw(IssueCode.TOO_LONG, f"Must have at most {MAX_ADDRESS_TEXT} characters.")
    try:
        # Inside a company or on one machine, a host name alone is a fine domain.
        return read_address(bare, needs_dot=False).key
    except PydanticCustomError as error:
        message = "Must be an email address such as ada@example.com."
        raise flaw(IssueCode.INVALID_VALUE, message) from error


def _collect_password(
    password: str, too_easy: tuple[str, ...], path: Path, issues: list[Issue]
) -> None:
    message = _find_password_fault(password, too_easy)
    if message:
        issues.append(Issue(IssueCode.INVALID_VALUE, path, message))


def _find_password_fault(password: str, too_easy: tuple[str, ...]) -> str | None:
    if len(password) < MIN_PASSWORD:
        return f"Must have at least {MIN_PASSWORD} characters."
    if len(password) > MAX_PASSWORD:
        return f"Must have at most {MAX_PASSWORD:,} characters."
    if any("\ud800" <= character <= "\udfff" for character in password):
        return "Must be text without lone surrogates."
    if password.strip().casefold() in {text.strip().casefold() for text in too_easy}:
        return "Must not be your email address or the workspace's name."
    return None
