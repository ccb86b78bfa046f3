"""The form of a connection, both ways, made from the fields that its provider declares.

A secret is never shown again: at most its last four characters are, and an empty field keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from werkzeug.datastructures import FileStorage

from senderkit.commands import (
    MAX_CREDENTIAL,
    DescribeConnection,
    Place,
    parse_describe_connection,
)
from senderkit.errors import InvalidRequest, Issue
from senderkit.providers.base import Field, FieldType, Provider

PREFIX: Final = "field-"
_FILE: Final = "-file"
_CLEAR: Final = "-clear"
_LEAST_SHOWN: Final = 16
"""Of a shorter secret not even the last characters are shown: they would be too much of it."""

Texts = Mapping[str, str]
Files = Mapping[str, FileStorage]


@dataclass(frozen=True, slots=True)
class FormField:
    """One declared field as the form shows it.

    `kept` says what is known of a stored secret, None when there is none. `is_advanced` fields have
    a default that few people change.
    """

    name: str
    label: str
    help: str
    type: str
    value: str
    options: tuple[tuple[str, str], ...]
    is_secret: bool
    is_required: bool
    is_advanced: bool
    kept: str | None
    can_clear: bool


def form_fields(provider: Provider, values: Texts, stored: Texts) -> list[FormField]:
    """The fields in their order. `values` are by field, `stored` what the connection has."""
    return [_form_field(field, values, stored.get(field.name, "")) for field in provider.fields]


def _form_field(field: Field, values: Texts, stored: str) -> FormField:
    kept = _hint_of(field, stored) if field.is_secret and stored else None
    return FormField(
        name=PREFIX + field.name,
        label=field.label,
        help=field.help,
        type=field.type.value,
        value="" if field.is_secret else values.get(field.name, field.default),
        options=_options(field),
        is_secret=field.is_secret,
        is_required=field.is_required and kept is None,
        is_advanced=field.type is FieldType.URL and bool(field.default),
        kept=kept,
        can_clear=kept is not None and not field.is_required,
    )


def _options(field: Field) -> tuple[tuple[str, str], ...]:
    """Value and words of each choice; an optional one may be left open."""
    nothing = () if field.is_required else (("", "Not chosen"),)
    return (*nothing, *((choice, choice) for choice in field.choices))


def _hint_of(field: Field, secret: str) -> str:
    is_token = len(secret) >= _LEAST_SHOWN and secret.isascii() and secret.isprintable()
    if field.type is FieldType.FILE or not is_token or " " in secret:
        return "stored"
    return f"stored, ends in {secret[-4:]}"


def typed_values(provider: Provider, form: Texts) -> dict[str, str]:
    """What was typed into the fields that may be shown again."""
    return {
        field.name: form.get(PREFIX + field.name, "")
        for field in provider.fields
        if not field.is_secret
    }


def read_form(
    provider: Provider, form: Texts, files: Files, stored: Texts
) -> tuple[DescribeConnection, dict[str, str]]:
    """The command, and the credentials with what was left untouched filled in from `stored`.

    Raises `InvalidRequest` with every issue, at the names of the form.
    """
    issues: list[Issue] = []
    command = DescribeConnection(name="", place=Place.NAMED)
    try:
        command = parse_describe_connection(
            form.get("name", ""), form.get("place", Place.AUTOMATIC)
        )
    except InvalidRequest as error:
        issues.extend(error.issues)
    credentials = {
        field.name: _read(field, form, files, stored.get(field.name, ""), issues)
        for field in provider.fields
    }
    issues.extend(_issues_of(provider, credentials, {issue.path for issue in issues}))
    if issues:
        raise InvalidRequest("Some fields need another look.", issues)
    return command, credentials


def _read(field: Field, form: Texts, files: Files, stored: str, issues: list[Issue]) -> str:
    name = PREFIX + field.name
    text = form.get(name, "")
    if field.type is FieldType.FILE:
        text = _uploaded(name, files.get(name + _FILE), issues) or text.replace("\r\n", "\n")
    if len(text) > MAX_CREDENTIAL:
        issues.append(Issue("too_long", (name,), f"Must have at most {MAX_CREDENTIAL} characters."))
        return ""
    is_kept = field.is_secret and not text and (name + _CLEAR) not in form
    return stored if is_kept else text


def _uploaded(name: str, file: FileStorage | None, issues: list[Issue]) -> str:
    """The text of a file, empty when none was chosen."""
    if file is None or not file.filename:
        return ""
    content = file.stream.read(MAX_CREDENTIAL + 1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        issues.append(Issue("invalid", (name,), "This file is no text: choose the key file."))
        return ""
    if not text.strip():
        issues.append(Issue("invalid", (name,), "This file is empty."))
    return text


def _issues_of(
    provider: Provider, credentials: Texts, told: set[tuple[str | int, ...]]
) -> list[Issue]:
    try:
        provider.validate(credentials)
    except InvalidRequest as error:
        found = [
            Issue(issue.code, (f"{PREFIX}{issue.path[0]}",), issue.message)
            for issue in error.issues
        ]
        return [issue for issue in found if issue.path not in told]
    return []
