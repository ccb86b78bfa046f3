"""The query of the overview: which time, and of which messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from senderkit.commands.fields import Command
from senderkit.commands.issues import IssueCode, refuse
from senderkit.commands.limits import MAX_SLUG
from senderkit.domain import Channel
from senderkit.errors import Issue

KEY_ID: Final = re.compile(r"key_[0-9a-z]{1,36}")
PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_UNSTORABLE: Final = re.compile("[\\x00\ud800-\udfff]")


class Period(StrEnum):
    """How much of the past is shown: by the hour, or by the day."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


class ViewOverview(Command):
    """What to count; None filters nothing. `key` is the public id of the key that sent them."""

    period: Period = Period.DAY
    channel: Channel | None = None
    template: str | None = None
    provider: str | None = None
    key: str | None = None


def parse_view_overview(query: Mapping[str, str]) -> ViewOverview:
    """`query` holds the values by name: period, channel, template, provider, key.

    Empty ones count as not given, other names are left alone. Raises `InvalidRequest` with every
    issue.
    """
    given = {name: query[name] for name in _CHECKS if query.get(name)}
    issues = [
        Issue(IssueCode.INVALID_VALUE, (name,), _CHECKS[name][1])
        for name, value in given.items()
        if not _is_well_formed(name, value)
    ]
    if issues:
        refuse(issues)
    # Strict: the text itself is no member.
    found: dict[str, object] = dict(given)
    if "period" in given:
        found["period"] = Period(given["period"])
    if "channel" in given:
        found["channel"] = Channel(given["channel"])
    return ViewOverview.model_validate(found)


def _is_well_formed(name: str, value: str) -> bool:
    return re.fullmatch(_CHECKS[name][0], value) is not None and not _UNSTORABLE.search(value)


_CHECKS: Final[Mapping[str, tuple[str | re.Pattern[str], str]]] = {
    "period": ("|".join(Period), f"Must be one of {', '.join(Period)}."),
    "channel": ("|".join(Channel), "Must be one of the choices under Channel."),
    "template": (f".{{1,{MAX_SLUG}}}", f"Must have at most {MAX_SLUG} characters."),
    "provider": (PROVIDER, "Must be one of the choices under Provider."),
    "key": (KEY_ID, "Must be the id of an API key, such as key_01h…"),
}
