"""A connection as a person describes it: its name and its place, from a form or the shell.

The fields of a provider are checked by the provider itself.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic_core import PydanticCustomError

from senderkit.commands.fields import Command
from senderkit.commands.issues import IssueCode, issue_of, refuse
from senderkit.commands.keys import checked_name
from senderkit.commands.limits import MAX_CONNECTION_NAME
from senderkit.errors import Issue


class Place(StrEnum):
    """Where a new connection stands in the list of its channel.

    `AUTOMATIC` is the first place for the first connection of a channel, and none for others.
    """

    FIRST = "first"
    LAST = "last"
    NAMED = "named"
    AUTOMATIC = "automatic"


class DescribeConnection(Command):
    """`place` is for a new connection; a stored one is moved on its own."""

    name: str
    place: Place


def parse_describe_connection(name: str, place: str = Place.AUTOMATIC) -> DescribeConnection:
    """Plain values from a form or the shell. Raises `InvalidRequest` with every issue."""
    issues: list[Issue] = []
    try:
        name = checked_name(name, MAX_CONNECTION_NAME)
    except PydanticCustomError as error:
        issues.append(issue_of(error, ("name",)))
    if place not in set(Place):
        issues.append(Issue(IssueCode.INVALID_VALUE, ("place",), "Choose when it is used."))
    if issues:
        refuse(issues)
    return DescribeConnection(name=name, place=Place(place))
