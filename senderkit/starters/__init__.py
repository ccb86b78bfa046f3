"""Templates to begin with, in the format of `senderkit.template_folders`: a folder for each.

Their HTML is a fragment for a theme: its page, and the classes button, code, panel, muted and rows,
come from `senderkit.themes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from senderkit.template_folders import FILES, TemplateFolder, from_files

_HERE: Final = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Starter:
    """One of them: `group` is what it is for; `is_essential` is what a person would mostly say."""

    name: str
    title: str
    group: str
    is_essential: bool = False

    @property
    def folder(self) -> TemplateFolder:
        """The template, its slug being the starter's name."""
        return _read(self.name)


STARTERS: Final = (
    Starter("welcome", "Welcome", "Accounts"),
    Starter("verify-email", "Verify email", "Accounts", True),
    Starter("password-reset", "Password reset", "Accounts", True),
    Starter("magic-link", "Magic link", "Accounts", True),
    Starter("one-time-code", "One-time code", "Accounts", True),
    Starter("one-time-code-sms", "One-time code", "Accounts", True),
    Starter("receipt", "Receipt", "Payments and orders", True),
    Starter("invoice", "Invoice", "Payments and orders", True),
    Starter("shipping", "Shipping", "Payments and orders", True),
    Starter("shipping-sms", "Shipping", "Payments and orders", True),
    Starter("trial-ending", "Trial ending", "Payments and orders"),
    Starter("team-invite", "Team invite", "Working together"),
    Starter("comment", "Comment", "Working together"),
    Starter("comment-push", "Comment", "Working together"),
    Starter("incident", "Incident", "Working together"),
    Starter("incident-push", "Incident", "Working together"),
)
"""In the order that a gallery shows them in."""


def find_starter(name: str) -> Starter | None:
    return next((starter for starter in STARTERS if starter.name == name), None)


@cache
def _read(name: str) -> TemplateFolder:
    place = _HERE / name
    files = {file: place / file for file in FILES if (place / file).is_file()}
    return from_files(name, {file: path.read_text("utf-8") for file, path in files.items()})
