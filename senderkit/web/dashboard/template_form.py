"""The editor's form, both ways: stored content -> text in its fields, what was typed -> a body.

A field that was left as it was shown keeps its stored value to the letter. So nothing is lost of a
version that was made over the API, where a text may be empty but given, or hold what a form field
cannot carry unchanged. The form has the words of one language; those of the others come from the
version that it was opened with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from senderkit.commands import (
    check_template_content,
    check_translations,
    merge_translation,
    parse_add_version,
    parse_json,
)
from senderkit.commands.issues import IssueCode, dotted
from senderkit.domain import Channel, JsonObject
from senderkit.errors import InvalidRequest, Issue
from senderkit.services import templates
from senderkit.services.drafts import Draft
from senderkit.web.dashboard.template_fields import (
    MARKUPS,
    EditorField,
    Kind,
    fields_of,
    names_by_wire,
)
from senderkit.web.dashboard.variable_rows import ROW, about_rows, read_rows, typed_rows

Made = TypeVar("Made")

VARIABLES: Final = "variables"
_NUMBER: Final = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Base:
    """The version that the words in the editor came from; empty for a new template.

    `language` is the one whose words the form has, empty for the content's own.
    """

    content: JsonObject
    variables: tuple[JsonObject, ...] = ()
    translations: Mapping[str, JsonObject] = field(default_factory=dict)
    language: str = ""

    @property
    def stored(self) -> JsonObject:
        """The words of that language alone."""
        return self.translations.get(self.language, {}) if self.language else self.content

    @property
    def whole(self) -> JsonObject:
        """The same with what is not translated."""
        return merge_translation(self.content, self.stored)


NOTHING: Final = Base({})


# -- shown ------------------------------------------------------------------------------------


def shown_values(channel: Channel, base: Base) -> dict[str, str]:
    """What stands in the fields before anybody types."""
    fields = fields_of(channel, base.whole, language=base.language)
    values = {each.name: _shown(each, base.stored.get(each.wire)) for each in fields}
    return values | {VARIABLES: _shown_variables(base.variables)}


def fallback_values(channel: Channel, base: Base) -> dict[str, str]:
    """What a field says that is not translated; nothing for the content's own words."""
    if not base.language:
        return {}
    fields = fields_of(channel, base.content, language=base.language)
    return {each.name: _shown(each, base.content.get(each.wire)) for each in fields}


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
    body, indices = _read_body(channel, form, base, issues)
    command = _collect(lambda: parse(body), issues)
    content, translations = body["content"], body.get("translations", {})
    _collect(lambda: check_template_content(channel, content), issues)
    _collect(lambda: check_translations(channel, translations), issues)
    _collect(lambda: templates.check_syntax(channel, content, translations), issues)
    if issues or command is None:
        raise InvalidRequest("Some fields need another look.", about_rows(issues, indices))
    return command


def read_draft(channel: Channel, form: Mapping[str, str], base: Base) -> tuple[Draft, list[Issue]]:
    """What can be made of a form that is not saved yet, and what stands in the way of saving it.

    A field that is not well-formed is left out of the draft.
    """
    issues: list[Issue] = []
    body, indices = _read_body(channel, form, base, issues)
    translations = body.get("translations", {})
    _collect(lambda: check_template_content(channel, body["content"]), issues)
    _collect(lambda: check_translations(channel, translations), issues)
    bad = {issue.path for issue in issues}
    draft = Draft(
        channel=channel,
        content=_without(body["content"], ("content",), bad),
        variables=_well_formed(_listed(body[VARIABLES]), issues),
        translations={
            tag: _without(words, ("translations", tag), bad) for tag, words in translations.items()
        },
        language=base.language,
    )
    return draft, about_rows(issues, indices)


def _without(
    words: JsonObject, place: tuple[str, ...], bad: set[tuple[str | int, ...]]
) -> JsonObject:
    depth = len(place) + 1
    names = {path[depth - 1] for path in bad if path[: depth - 1] == place and len(path) >= depth}
    return {name: value for name, value in words.items() if name not in names}


def _well_formed(variables: list[JsonObject], issues: list[Issue]) -> tuple[JsonObject, ...]:
    """The declarations that can be read, each name once."""
    parsed = _collect(lambda: _parse_variables(variables), issues)
    if parsed is not None:
        return parsed
    found: dict[str, JsonObject] = {}
    for variable in variables:
        with suppress(InvalidRequest):  # it was told of above
            (alone,) = _parse_variables([variable])
            found.setdefault(alone["name"], alone)
    return tuple(found.values())


def _listed(variables: Any) -> list[JsonObject]:
    return variables if isinstance(variables, list) else []


def _parse_variables(variables: Any) -> tuple[JsonObject, ...]:
    return parse_add_version({"content": {}, VARIABLES: variables}).variables


def _collect(make: Callable[[], Made], issues: list[Issue]) -> Made | None:
    """What is made, or None with those reasons added whose field nobody complained of yet."""
    told = {_field_of(issue) for issue in issues}
    try:
        return make()
    except InvalidRequest as error:
        issues.extend(issue for issue in error.issues if _field_of(issue) not in told)
        return None


def _field_of(issue: Issue) -> tuple[str | int, ...]:
    return issue.path[: 3 if issue.path[:1] == ("translations",) else 2]


def _read_body(
    channel: Channel, form: Mapping[str, str], base: Base, issues: list[Issue]
) -> tuple[dict[str, Any], list[int]]:
    """`content`, `variables` and `translations` as the API takes them, and the index of the row
    that each variable stands in."""
    words = _read_words(channel, form, base, issues)
    variables, indices = _read_variables(channel, form, base, issues)
    body: dict[str, Any] = {"content": words, VARIABLES: variables}
    if base.language:
        body["content"] = base.content
        body["translations"] = {**base.translations, base.language: words}
    elif base.translations:
        body["translations"] = dict(base.translations)
    return body, indices


def _read_words(
    channel: Channel, form: Mapping[str, str], base: Base, issues: list[Issue]
) -> dict[str, Any]:
    words: dict[str, Any] = {}
    place = ("translations", base.language) if base.language else ("content",)
    shown = shown_values(channel, base)
    for each in _asked(channel, form, base):
        typed = _typed(form, _name_in(form, each))
        if each.wire in base.stored and typed == _as_sent(shown.get(each.name, "")):
            words[each.wire] = base.stored[each.wire]
        elif typed:
            _collect_value(each, typed, (*place, each.wire), words, issues)
        elif each.missing and not base.language:
            issues.append(Issue(IssueCode.REQUIRED, (*place, each.wire), each.missing))
    if base.language and not words and not issues:
        message = "Translate at least one field, or remove the language."
        issues.append(Issue(IssueCode.REQUIRED, place, message))
    return words


def _asked(channel: Channel, form: Mapping[str, str], base: Base) -> tuple[EditorField, ...]:
    """The fields that the form has: it may say itself what an email is written in."""
    markup = form.get("markup", "")
    is_said = channel is Channel.EMAIL and markup in MARKUPS
    words = {markup: ""} if is_said else base.whole
    return fields_of(channel, words, language=base.language)


def _name_in(form: Mapping[str, str], field: EditorField) -> str:
    """A new email has one field for its source, whatever it is chosen to be written in."""
    if field.name in MARKUPS and field.name not in form:
        return next((name for name in MARKUPS if name in form), field.name)
    return field.name


def _typed(form: Mapping[str, str], name: str) -> str:
    return _as_sent(form.get(name, ""))


def _as_sent(text: str) -> str:
    """Browsers send every line break as CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _collect_value(
    field: EditorField,
    typed: str,
    path: tuple[str, ...],
    words: dict[str, Any],
    issues: list[Issue],
) -> None:
    if field.kind is Kind.TEXT:
        words[field.wire] = typed
    elif field.kind is Kind.JSON:
        _collect_json(path, typed, words, issues)
    elif _NUMBER.fullmatch(typed.strip()):
        words[field.wire] = int(typed)
    else:
        issues.append(Issue(IssueCode.INVALID_VALUE, path, "Must be a whole number, 0 or more."))


def _collect_json(
    path: tuple[str, ...], typed: str, into: dict[str, Any], issues: list[Issue]
) -> None:
    """Put what was typed under the last name of its path."""
    try:
        into[path[-1]] = parse_json(typed.encode("utf-8", "surrogatepass"))
    except InvalidRequest as error:
        issues.extend(_below(path, error))


def _read_variables(
    channel: Channel, form: Mapping[str, str], base: Base, issues: list[Issue]
) -> tuple[Any, list[int]]:
    """What stands in the rows, or unread in the field for JSON; None without any."""
    if VARIABLES not in form:
        variables, indices = read_rows(typed_rows(form), base.variables, issues)
        return variables or None, indices
    typed, shown = _typed(form, VARIABLES), shown_values(channel, base)[VARIABLES]
    if base.variables and typed == _as_sent(shown):
        return list(base.variables), []
    found: dict[str, Any] = {}
    if typed.strip():
        _collect_json((VARIABLES,), typed, found, issues)
    return found.get(VARIABLES), []


def _below(path: tuple[str, ...], error: InvalidRequest) -> Iterator[Issue]:
    """The issues of a field's JSON as issues of the whole form."""
    if not error.issues:
        message = error.message.replace("The body", "This")
        yield Issue(IssueCode.INVALID_VALUE, path, message)
    for issue in error.issues:
        yield Issue(issue.code, (*path, *issue.path), issue.message)


# -- told -------------------------------------------------------------------------------------


def editor_errors(channel: Channel, error: InvalidRequest, language: str = "") -> dict[str, str]:
    """Field of the form -> all that is wrong with it; `form` for the form as a whole.

    `language` is the one whose words the form has.
    """
    names = names_by_wire(channel)
    found: dict[str, list[str]] = {}
    for issue in error.issues:
        name, rest = _place(issue, names, language)
        text = f"{rest}: {issue.message}" if rest else issue.message
        if text not in found.setdefault(name, []):
            found[name].append(text)
    return {name: " ".join(texts) for name, texts in found.items()} or {"form": error.message}


def _place(issue: Issue, names: Mapping[str, str], language: str) -> tuple[str, str]:
    """The form's field, and where in it."""
    if not issue.path:
        return "form", ""
    first, *rest = issue.path
    if first == VARIABLES:
        return VARIABLES, dotted((VARIABLES, *rest)) if rest else ""
    if first == ROW:
        return "-".join(map(str, issue.path)), ""
    if first == "translations":
        return (
            _place_in_words(rest[1:], names) if rest[:1] == [language] else ("form", _dotted(rest))
        )
    if first == "content":
        return ("form", _dotted(rest)) if language else _place_in_words(rest, names)
    return str(first), ""


def _dotted(path: list[str | int]) -> str:
    return dotted(tuple(path)) if path else ""


def _place_in_words(path: list[str | int], names: Mapping[str, str]) -> tuple[str, str]:
    if not path:
        return "form", ""
    wire, *deeper = path
    return names.get(str(wire), "form"), dotted((str(wire), *deeper)) if deeper else ""
