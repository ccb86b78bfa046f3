"""From what pydantic or a rule found wrong to `Issue`s: stable codes and sentences that help."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from senderkit.commands.limits import MAX_ISSUES, MAX_PATH_TEXT
from senderkit.errors import InvalidRequest, Issue

Path = tuple[str | int, ...]
"""Where in the body or query: names and list positions from the top."""

Body = TypeVar("Body", bound=BaseModel)


class IssueCode(StrEnum):
    """The stable words of `issues[].code`."""

    REQUIRED = "required"
    UNKNOWN_FIELD = "unknown_field"
    INVALID_TYPE = "invalid_type"
    INVALID_VALUE = "invalid_value"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    DUPLICATE = "duplicate"
    ENVELOPE_NOT_SUPPORTED = "envelope_not_supported"


_CODES: Final = frozenset(code.value for code in IssueCode)

# pydantic's word -> our code and sentence; the braces are filled from the error's context.
_KNOWN: Final[Mapping[str, tuple[IssueCode, str]]] = {
    "missing": (IssueCode.REQUIRED, "This field is required."),
    "extra_forbidden": (IssueCode.UNKNOWN_FIELD, "There is no field of this name."),
    "string_type": (IssueCode.INVALID_TYPE, "Must be a string."),
    "string_unicode": (IssueCode.INVALID_VALUE, "Must be text without lone surrogates."),
    "int_type": (IssueCode.INVALID_TYPE, "Must be an integer, not in quotes."),
    "bool_type": (IssueCode.INVALID_TYPE, "Must be true or false, not in quotes."),
    "dict_type": (IssueCode.INVALID_TYPE, "Must be an object."),
    "model_type": (IssueCode.INVALID_TYPE, "Must be an object."),
    "list_type": (IssueCode.INVALID_TYPE, "Must be a list."),
    "literal_error": (IssueCode.INVALID_VALUE, "Must be {expected}."),
    "string_too_short": (IssueCode.TOO_SHORT, "Must have at least {min_length} character(s)."),
    "string_too_long": (IssueCode.TOO_LONG, "Must have at most {max_length} characters."),
    "too_long": (IssueCode.TOO_LONG, "Must have at most {max_length} entries."),
    "greater_than_equal": (IssueCode.INVALID_VALUE, "Must be {ge} or more."),
    "less_than_equal": (IssueCode.INVALID_VALUE, "Must be {le} or less."),
}


def flaw(code: IssueCode, message: str) -> PydanticCustomError:
    """What a validator raises about its value: becomes one issue at the value's path."""
    return PydanticCustomError(code.value, "{message}", {"message": message})


def flaws(found: Iterable[tuple[Path, IssueCode, str]]) -> ValidationError:
    """The same for several places below one value; paths are relative to it."""
    details = [
        InitErrorDetails(type=flaw(code, message), loc=path, input=None)
        for path, code, message in found
    ]
    return ValidationError.from_exception_data("flaws", details)


def issue_of(found: PydanticCustomError, path: Path) -> Issue:
    return Issue(found.type, path, found.message())


def collect(
    model: type[Body],
    data: object,
    issues: list[Issue],
    *,
    at: Path = (),
    context: Mapping[str, Any] | None = None,
) -> Body | None:
    """`data` as a `model`, or None with every reason added to `issues`, paths below `at`."""
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        names = [field.alias or name for name, field in model.model_fields.items()]
        details = error.errors(include_url=False, include_input=False)
        issues.extend(_issue(detail, at, names) for detail in details[: MAX_ISSUES + 1])
    return None


def refuse(issues: Sequence[Issue]) -> NoReturn:
    """Raise `InvalidRequest` with the issues, the first of them told in its message."""
    raise InvalidRequest(summary(issues), issues[:MAX_ISSUES])


def summary(issues: Sequence[Issue]) -> str:
    """One sentence for people who see only the message."""
    first = issues[0]
    message = f"{dotted(first.path)}: {first.message}" if first.path else first.message
    rest = len(issues) - 1
    if rest > MAX_ISSUES - 1:
        return f"{message} (The first {MAX_ISSUES} issues are listed; there are more.)"
    return f"{message} (And {rest} more: see issues.)" if rest else message


def dotted(path: Path) -> str:
    """`('content', 'attachments', 0)` -> `content.attachments[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def short_path(path: Path) -> Path:
    """The path with overlong names cut: a caller's megabyte is not sent back to it."""
    return tuple(short_text(part) if isinstance(part, str) else part for part in path)


def short_text(name: str) -> str:
    """What a caller wrote, fit to be told back to it."""
    # A lone surrogate can be answered by no JSON writer.
    name = name.encode("utf-8", "replace").decode("utf-8")
    return name if len(name) <= MAX_PATH_TEXT else f"{name[:MAX_PATH_TEXT]}…"


def _issue(detail: ErrorDetails, at: Path, names: Sequence[str]) -> Issue:
    kind, context = detail["type"], detail.get("ctx", {})
    path = short_path((*at, *detail["loc"]))
    if kind in _CODES and "message" in context:
        return Issue(kind, path, context["message"])
    code, text = _KNOWN.get(kind, (IssueCode.INVALID_VALUE, "This value is not accepted."))
    message = text.format(**context)
    if code is IssueCode.UNKNOWN_FIELD:
        message += _suggestion(str(path[-1]), names)
    return Issue(code.value, path, message)


def _suggestion(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
