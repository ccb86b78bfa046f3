"""Field types that several commands share: text bound for a header, metadata, moments, slugs.

Each is a pydantic annotation: the rule, and the JSON schema that tells callers about it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)

from senderkit.commands.issues import IssueCode, Path, flaw, flaws
from senderkit.commands.limits import (
    MAX_DATABASE_INTEGER,
    MAX_LOCALE,
    MAX_METADATA_KEY,
    MAX_METADATA_PAIRS,
    MAX_METADATA_TEXT,
    MAX_NAME,
    MAX_SCHEDULE_DAYS,
    MAX_SUBJECT,
    SCHEDULE_GRACE_SECONDS,
)

MetadataValue = str | int | float | bool
ChannelName = Literal["email", "sms", "push", "web-push"]


class Wire(BaseModel):
    """A part of a body as it comes over the wire: strict types, unknown fields ignored."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        field_title_generator=lambda name, field: getattr(field, "alias", None) or name,
    )


class WireBody(Wire):
    """A whole body: an unknown field is an issue."""

    model_config = ConfigDict(extra="forbid")


class Command(BaseModel):
    """A validated request under Python names, ready for a service."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


# -- text bound for a header ----------------------------------------------------------------------

_UNSAFE_IN_HEADER: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029\ud800-\udfff]")
LINE_PATTERN: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"


def check_single_line(text: str) -> str:
    """`text`, when it holds no line break or other control character: safe in a header."""
    found = _UNSAFE_IN_HEADER.search(text)
    if found:
        message = f"Must be one line of text: it holds the control character U+{ord(found[0]):04X}."
        raise flaw(IssueCode.INVALID_VALUE, message)
    return text


def _check_from_name(text: str) -> str:
    if "<" in text or ">" in text:
        raise flaw(IssueCode.INVALID_VALUE, "Must hold no angle brackets: give the name alone.")
    return check_single_line(text)


def _documented(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


Subject = Annotated[
    str,
    Field(max_length=MAX_SUBJECT),
    AfterValidator(check_single_line),
    _documented(maxLength=MAX_SUBJECT, pattern=LINE_PATTERN, examples=["Your receipt"]),
]
FromName = Annotated[
    str,
    Field(min_length=1, max_length=MAX_NAME),
    AfterValidator(_check_from_name),
    _documented(
        minLength=1,
        maxLength=MAX_NAME,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029<>]*$",
        description="Shown as the sender; wins over a name in `from`.",
        examples=["Acme Support"],
    ),
]

# -- variables and metadata -----------------------------------------------------------------------

Vars = Annotated[
    dict[str, Any],
    Field(description="Values for the template's variables.", examples=[{"name": "Ada"}]),
]


def _check_metadata(pairs: dict[str, Any]) -> dict[str, MetadataValue]:
    found = list(_metadata_flaws(pairs))
    if found:
        raise flaws(found)
    return pairs


def _metadata_flaws(pairs: Mapping[str, Any]) -> Iterator[tuple[Path, IssueCode, str]]:
    if len(pairs) > MAX_METADATA_PAIRS:
        yield (), IssueCode.TOO_LONG, f"Must have at most {MAX_METADATA_PAIRS} entries."
        return
    for key, value in pairs.items():
        if not 1 <= len(key) <= MAX_METADATA_KEY:
            message = f"A metadata key must have 1 to {MAX_METADATA_KEY} characters."
            yield (key,), IssueCode.INVALID_VALUE, message
        if isinstance(value, str) and len(value) > MAX_METADATA_TEXT:
            message = f"Must have at most {MAX_METADATA_TEXT} characters."
            yield (key,), IssueCode.TOO_LONG, message
        elif not _is_metadata_value(value):
            message = "Must be a string, a finite number, true or false."
            yield (key,), IssueCode.INVALID_TYPE, message


def _is_metadata_value(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int | bool)


Metadata = Annotated[
    dict[str, Any],
    AfterValidator(_check_metadata),
    WithJsonSchema(
        {
            "type": "object",
            "description": "Your own labels; `GET /v1/messages` filters by them.",
            "maxProperties": MAX_METADATA_PAIRS,
            "propertyNames": {"minLength": 1, "maxLength": MAX_METADATA_KEY},
            "additionalProperties": {
                "anyOf": [
                    {"type": "string", "maxLength": MAX_METADATA_TEXT},
                    {"type": "number"},
                    {"type": "boolean"},
                ]
            },
            "examples": [{"order": 1234, "plan": "pro"}],
        }
    ),
]

# -- moments --------------------------------------------------------------------------------------

_MOMENT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?:(Z)|([+-])([01]\d|2[0-3]):([0-5]\d))?",
    re.ASCII,
)
_EXPECTED_MOMENT: Final = "Must be a date and time such as 2026-11-24T10:00:00Z."
_NO_OFFSET: Final = (
    "The time zone offset is missing: end with Z for UTC, or with an offset such as +02:00."
)


def parse_moment(text: str) -> datetime:
    """ISO 8601 with 0 to 9 fraction digits and `Z` or `±hh:mm`, to the microsecond.

    Raises a flaw. The result keeps its offset.
    """
    match = _MOMENT.fullmatch(text)
    if not match:
        raise flaw(IssueCode.INVALID_VALUE, _EXPECTED_MOMENT)
    *parts, fraction, utc, sign, hours, minutes = match.groups()
    if not utc and not sign:
        raise flaw(IssueCode.INVALID_VALUE, _NO_OFFSET)
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    microsecond = int((fraction or "0").ljust(6, "0")[:6])
    zone = _zone(sign, hours, minutes)
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, zone)
    except ValueError as error:
        message = f"There is no such date or time. {_EXPECTED_MOMENT}"
        raise flaw(IssueCode.INVALID_VALUE, message) from error


def _zone(sign: str | None, hours: str, minutes: str) -> timezone:
    if not sign:
        return UTC
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)


def _parse_scheduled_at(value: object, info: ValidationInfo) -> datetime | None:
    """The moment in UTC, or None for now. The present comes with the validation's context."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise flaw(IssueCode.INVALID_TYPE, f"Must be a string. {_EXPECTED_MOMENT}")
    moment = parse_moment(value)
    ahead = moment - info.context["now"]  # type: ignore[index]
    if ahead < timedelta(seconds=-SCHEDULE_GRACE_SECONDS):
        raise flaw(IssueCode.INVALID_VALUE, "Must be in the future.")
    if ahead > timedelta(days=MAX_SCHEDULE_DAYS):
        message = f"Must be at most {MAX_SCHEDULE_DAYS} days from now."
        raise flaw(IssueCode.INVALID_VALUE, message)
    return moment.astimezone(UTC) if ahead > timedelta() else None


ScheduledAt = Annotated[
    datetime | None,
    BeforeValidator(_parse_scheduled_at),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
            "description": (
                "When to send, such as `2026-11-24T10:00:00Z`: ISO 8601 with `Z` or an offset, in "
                f"the future, at most {MAX_SCHEDULE_DAYS} days out. Up to "
                f"{SCHEDULE_GRACE_SECONDS} seconds in the past counts as now."
            ),
        }
    ),
]

# -- integers -------------------------------------------------------------------------------------


def whole_number(value: object) -> object:
    """JSON has one kind of number: 3.0 is the integer 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Version = Annotated[
    int,
    Field(ge=1, le=MAX_DATABASE_INTEGER, description="A version's number.", examples=[3]),
    BeforeValidator(whole_number),
]


# -- languages ---------------------------------------------------------------------------------

LOCALE_PATTERN: Final = r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*"
_LOCALE: Final = re.compile(LOCALE_PATTERN)


def is_locale(text: str) -> bool:
    """Whether it has the form of a language tag."""
    return _LOCALE.fullmatch(text) is not None


def _check_locale(text: str) -> str:
    if not is_locale(text):
        raise flaw(IssueCode.INVALID_VALUE, "Must be a language tag such as en or pt-BR.")
    return text


Locale = Annotated[
    str,
    Field(
        max_length=MAX_LOCALE,
        description="A language tag: picks the template's translation.",
        examples=["pt-BR"],
        json_schema_extra={"pattern": f"^{LOCALE_PATTERN}$"},
    ),
    AfterValidator(_check_locale),
]
