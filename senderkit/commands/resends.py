"""Sending messages again: which ones, why, and with which words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from senderkit.commands.fields import Command
from senderkit.commands.issues import IssueCode, refuse
from senderkit.commands.limits import MAX_REASON, MAX_RESENDS
from senderkit.errors import Issue

_MESSAGE_ID: Final = re.compile(r"msg_[0-9a-z]{26}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_VERSIONS: Final = frozenset({"then", "now"})


class SendAgain(Command):
    """Messages by their public ids, each named once, and the reason that is kept with the new ones.

    A template is rendered in the version that was used then, or in the one that a send would take
    now.
    """

    ids: tuple[str, ...]
    reason: str
    takes_current_version: bool = False


def parse_send_again(ids: Sequence[str], reason: str, version: str = "then") -> SendAgain:
    """`version` is `then` or `now`. Raises `InvalidRequest` with every issue."""
    issues: list[Issue] = []
    wanted = tuple(dict.fromkeys(ids))
    issues.extend(_issues_of_ids(wanted))
    words = _CONTROLS.sub(" ", reason).strip()
    if not words:
        issues.append(Issue(IssueCode.REQUIRED, ("reason",), "Say why, in a few words."))
    if len(words) > MAX_REASON:
        message = f"Must have at most {MAX_REASON} characters."
        issues.append(Issue(IssueCode.TOO_LONG, ("reason",), message))
    if version not in _VERSIONS:
        message = "Choose the version to send."
        issues.append(Issue(IssueCode.INVALID_VALUE, ("version",), message))
    if issues:
        refuse(issues)
    return SendAgain(ids=wanted, reason=words, takes_current_version=version == "now")


def _issues_of_ids(ids: Sequence[str]) -> list[Issue]:
    if not ids:
        return [Issue(IssueCode.REQUIRED, ("ids",), "Name at least one message.")]
    if len(ids) > MAX_RESENDS:
        message = f"At most {MAX_RESENDS:,} messages are sent again at a time."
        return [Issue(IssueCode.TOO_LONG, ("ids",), message)]
    wrong = next((each for each in ids if not _MESSAGE_ID.fullmatch(each)), None)
    if wrong is None:
        return []
    message = f"'{wrong[:40]}' is no message's id: they read msg_ and 26 characters."
    return [Issue(IssueCode.INVALID_VALUE, ("ids",), message)]
