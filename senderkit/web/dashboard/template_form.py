"""The editor's form, both ways: stored content -> text in its fields, what was typed -> a body.

A field that was left as it was shown keeps its stored value to the letter. So nothing is lost of a
version that was made over the API, where a text may be empty but given, or hold what a form field
cannot carry unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from senderkit.commands import check_template_content, parse_json
from senderkit.commands.issues import IssueCode, dotted
from senderkit.domain import Channel, JsonObject
from senderkit.errors import InvalidRequest, Issue
from senderkit.services import templates

Made = TypeVar("Made")

VARIABLES: Final = "variables"
_NUMBER: Final = re.compile(r"[0-9]{1,20}")


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class EditorField:
    """One field: its name in the form and in the content, and what to ask for when it is empty."""

    name: str
    wire: str
    kind: Kind = Kind.TEXT
    missing: str | None = None


_SUBJECT: Final = EditorField("subject", "subject", missing="Give a subject.")
_PREHEADER: Final = EditorField("preheader", "preheader")
_HTML: Final = EditorField("html", "html", missing="Give the HTML of the email.")
_MJML: Final = EditorField("mjml", "mjml", missing="Give the MJML of the email.")
_TEXT: Final = EditorField("text", "text")
_TITLE: Final = EditorField("title", "title", missing="Give a title.")
_BODY: Final = EditorField("body", "body", missing="Give the text.")
_BADGE: Final = EditorField("badge", "badge", Kind.NUMBER)
_DATA: Final = EditorField("data", "data", Kind.JSON)

_FIELDS: Final[Mapping[Channel, tuple[EditorField, ...]]] = {
    Channel.EMAIL: (_SUBJECT, _PREHEADER, _HTML, _TEXT),
    Channel.SMS: (_BODY,),
    Channel.PUSH: (_TITLE, _BODY, EditorField("sound", "sound"), _BADGE, _DATA),
    Channel.WEB_PUSH: (
        _TITLE,
        _BODY,
        EditorField("icon", "icon"),
        EditorField("click_url", "clickUrl"),
        _BADGE,
        _DATA,
    ),
}
_MJML_EMAIL: Final = (_SUBJECT, _PREHEADER, _MJML, _TEXT)


@dataclass(frozen=True, slots=True)
class Base:
    """The version that the words in the editor came from; empty for a new template."""

    content: JsonObject
    variables: tuple[JsonObject, ...] = ()


NOTHING: Final = Base({})


def fields_of(channel: Channel, content: JsonObject) -> tuple[EditorField, ...]:
    """The fields of a channel; an email that is written in MJML has that in place of HTML."""
    is_mjml = channel is Channel.EMAIL and content.get("mjml") is not None
    return _MJML_EMAIL if is_mjml else _FIELDS[channel]


# -- shown ------------------------------------------------------------------------------------


def shown_values(channel: Channel, base: Base) -> dict[str, str]:
    """What stands in the fields before anybody types."""
    values = {
        field.name: _shown(field, base.content.get(field.wire))
        for field in fields_of(channel, base.content)
    }
    return values | {VARIABLES: _shown_variables(base.variables)}


def _shown(field: EditorField, value: Any) -> str:
    if value is None:
        return ""
    return _pretty(value) if field.kind is Kind.JSON else str(value)


def _shown_variables(variables: tuple[JsonObject, ...]) -> str:
    """Without the keys that say nothing: null, and `required` when it is false."""
    told = [
        {
            name: value
            for name, value in variable.items()
            if value is not None and not (name == "required" and value is False)
        }
        for variable in variables
    ]
    return _pretty(told) if told else ""


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


# -- read -------------------------------------------------------------------------------------


def read_command(
    channel: Channel, form: Mapping[str, str], base: Base, parse: Callable[[dict[str, Any]], Made]
) -> Made:
    """What `parse` makes of the body that the form stands for.

    Raises `InvalidRequest` with all that is wrong at once: with the form's own fields, with the
    command, with the content and with its syntax; of one field only what is found first.
    """
    issues: list[Issue] = []
    body = _read_body(channel, form, base, issues)
    content = body["content"]
    command = _collect(lambda: parse(body), issues)
    _collect(lambda: check_template_content(channel, content), issues)
    _collect(lambda: templates.check_syntax(channel, content), issues)
    if issues or command is None:
        raise InvalidRequest("Some fields need another look.", issues)
    return command


def _collect(make: Callable[[], Made], issues: list[Issue]) -> Made | None:
    """What is made, or None with those reasons added whose field nobody complained of yet."""
    told = {issue.path[:2] for issue in issues}
    try:
        return make()
    except InvalidRequest as error:
        issues.extend(issue for issue in error.issues if issue.path[:2] not in told)
        return None


def _read_body(
    channel: Channel, form: Mapping[str, str], base: Base, issues: list[Issue]
) -> dict[str, Any]:
    """`content` and `variables` as the API takes them."""
    content: dict[str, Any] = {}
    shown = shown_values(channel, base)
    for field in fields_of(channel, base.content):
        typed = _typed(form, field.name)
        if field.wire in base.content and typed == _as_sent(shown[field.name]):
            content[field.wire] = base.content[field.wire]
        elif typed:
            _collect_value(field, typed, content, issues)
        elif field.missing:
            issues.append(Issue(IssueCode.REQUIRED, ("content", field.wire), field.missing))
    variables = _read_variables(_typed(form, VARIABLES), base, shown[VARIABLES], issues)
    return {"content": content, "variables": variables}


def _typed(form: Mapping[str, str], name: str) -> str:
    return _as_sent(form.get(name, ""))


def _as_sent(text: str) -> str:
    """Browsers send every line break as CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _collect_value(
    field: EditorField, typed: str, content: dict[str, Any], issues: list[Issue]
) -> None:
    path = ("content", field.wire)
    if field.kind is Kind.TEXT:
        content[field.wire] = typed
    elif field.kind is Kind.JSON:
        _collect_json(path, typed, content, issues)
    elif _NUMBER.fullmatch(typed.strip()):
        content[field.wire] = int(typed)
    else:
        issues.append(Issue(IssueCode.INVALID_VALUE, path, "Must be a whole number, 0 or more."))


def _collect_json(
    path: tuple[str, ...], typed: str, into: dict[str, Any], issues: list[Issue]
) -> None:
    """Put what was typed under the last name of its path."""
    try:
        into[path[-1]] = parse_json(typed.encode("utf-8"))
    except InvalidRequest as error:
        issues.extend(_below(path, error))


def _read_variables(typed: str, base: Base, shown: str, issues: list[Issue]) -> Any:
    """What stands in the field, unread but for its JSON; None without any."""
    if base.variables and typed == _as_sent(shown):
        return list(base.variables)
    found: dict[str, Any] = {}
    if typed.strip():
        _collect_json((VARIABLES,), typed, found, issues)
    return found.get(VARIABLES)


def _below(path: tuple[str, ...], error: InvalidRequest) -> Iterator[Issue]:
    """The issues of a field's JSON as issues of the whole form."""
    if not error.issues:
        message = error.message.replace("The body", "This")
        yield Issue(IssueCode.INVALID_VALUE, path, message)
    for issue in error.issues:
        yield Issue(issue.code, (*path, *issue.path), issue.message)


# -- told -------------------------------------------------------------------------------------


def editor_errors(channel: Channel, error: InvalidRequest) -> dict[str, str]:
    """Field of the form -> all that is wrong with it; `form` for the form as a whole."""
    names = {
        field.wire: field.name for fields in (_FIELDS[channel], _MJML_EMAIL) for field in fields
    }
    found: dict[str, list[str]] = {}
    for issue in error.issues:
        name, rest = _place(issue, names)
        text = f"{rest}: {issue.message}" if rest else issue.message
        if text not in found.setdefault(name, []):
            found[name].append(text)
    return {name: " ".join(texts) for name, texts in found.items()} or {"form": error.message}


def _place(issue: Issue, names: Mapping[str, str]) -> tuple[str, str]:
    """The form's field, and where in it."""
    if not issue.path:
        return "form", ""
    first, *rest = issue.path
    if first == VARIABLES:
        return VARIABLES, dotted((VARIABLES, *rest)) if rest else ""
    if first == "content" and rest:
        wire, *deeper = rest
        return names.get(str(wire), "form"), dotted((str(wire), *deeper)) if deeper else ""
    return str(first), ""
