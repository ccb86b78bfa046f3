"""The values that a template's preview is filled with, as JSON that a person may edit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from senderkit.commands import parse_json_object
from senderkit.commands.issues import IssueCode
from senderkit.domain import JsonObject
from senderkit.errors import InvalidRequest, Issue
from senderkit.models import Template
from senderkit.services.drafts import shown_values

SAMPLE: Final = "sample"
MAX_CHARACTERS: Final = 200_000

Variables = tuple[JsonObject, ...]


def shown_sample(template: Template, variables: Variables) -> str:
    """What stands in the field before anybody types."""
    return _pretty(shown_values(template, variables))


def _pretty(values: JsonObject) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2)


def read_sample(
    form: Mapping[str, str], template: Template, stored: Variables, current: Variables
) -> JsonObject:
    """The values that the form holds.

    Those that nobody has touched follow the examples of the `current` declarations, which may be
    others by now than the `stored` ones. Raises `InvalidRequest`.
    """
    typed = form.get(SAMPLE, "").replace("\r\n", "\n")
    is_untouched = typed.strip() == shown_sample(template, stored).strip()
    if not typed.strip() or is_untouched:
        return shown_values(template, current)
    if len(typed) > MAX_CHARACTERS:
        raise _refused(f"At most {MAX_CHARACTERS:,} characters.")
    try:
        return parse_json_object(typed.encode("utf-8", "surrogatepass"))
    except InvalidRequest as error:
        raise _refused(_words_of(error)) from error


def _words_of(error: InvalidRequest) -> str:
    told = [f"{'.'.join(map(str, issue.path))}: {issue.message}" for issue in error.issues[:3]]
    return " ".join(told) or error.message.replace("The body", "This")


def _refused(words: str) -> InvalidRequest:
    message = f"The sample values cannot be used. {words}"
    return InvalidRequest(message, [Issue(IssueCode.INVALID_VALUE, (SAMPLE,), message)])
