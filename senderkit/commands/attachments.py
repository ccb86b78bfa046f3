"""Files of an email: names and types fit for a header, contents decoded once."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from senderkit.commands.fields import LINE_PATTERN, Wire, check_single_line
from senderkit.commands.issues import IssueCode, flaw
from senderkit.commands.limits import (
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS,
    MAX_CONTENT_ID,
    MAX_CONTENT_TYPE,
    MAX_FILENAME,
)
from senderkit.domain import Attachment

_MIME_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PARAMETER: Final = rf'[ ]*;[ ]*{_MIME_TOKEN}=(?:{_MIME_TOKEN}|"[^"\\\x00-\x1f\x7f-\uffff]*")'
_CONTENT_TYPE: Final = re.compile(rf"{_MIME_TOKEN}/{_MIME_TOKEN}(?:{_PARAMETER})*")
_CONTENT_ID_PATTERN: Final = r"^[!#-;=?-~]+$"
_CONTENT_ID: Final = re.compile(_CONTENT_ID_PATTERN)


def _decode(value: object) -> bytes:
    if not isinstance(value, str):
        raise flaw(IssueCode.INVALID_TYPE, "Must be a string.")
    missing = "" if value.endswith("=") else "=" * (-len(value) % 4)
    try:
        return base64.b64decode(value + missing, validate=True)
    except (binascii.Error, ValueError) as error:
        message = "Must be base64 in the standard alphabet, without spaces or a data: prefix."
        raise flaw(IssueCode.INVALID_VALUE, message) from error


def _check_content_type(text: str) -> str:
    if not _CONTENT_TYPE.fullmatch(text):
        raise flaw(IssueCode.INVALID_VALUE, "Must be a media type such as application/pdf.")
    return text


def _check_content_id(text: str) -> str:
    if not _CONTENT_ID.fullmatch(text):
        message = "Must be visible ASCII without spaces, quotes or angle brackets."
        raise flaw(IssueCode.INVALID_VALUE, message)
    return text


class AttachmentBody(Wire):
    """A file to attach; with `inline` and `contentId` the HTML shows it as `cid:<contentId>`."""

    filename: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_FILENAME,
            examples=["receipt.pdf"],
            json_schema_extra={"pattern": LINE_PATTERN},
        ),
        AfterValidator(check_single_line),
    ]
    content_type: Annotated[
        str,
        Field(
            alias="contentType",
            min_length=1,
            max_length=MAX_CONTENT_TYPE,
            examples=["application/pdf"],
            json_schema_extra={"pattern": f"^{_MIME_TOKEN}/{_MIME_TOKEN}"},
        ),
        AfterValidator(_check_content_type),
    ]
    content: Annotated[
        bytes,
        BeforeValidator(_decode),
        WithJsonSchema(
            {
                "type": "string",
                "contentEncoding": "base64",
                "description": "The file in base64; all files together at most 10 MB decoded.",
                "examples": ["SGVsbG8="],
            }
        ),
    ]
    inline: bool | None = None
    content_id: Annotated[
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=MAX_CONTENT_ID,
                json_schema_extra={"pattern": _CONTENT_ID_PATTERN},
            ),
            AfterValidator(_check_content_id),
        ]
        | None,
        Field(alias="contentId", examples=["logo"]),
    ] = None


def _check_total(attachments: list[AttachmentBody]) -> list[AttachmentBody]:
    if sum(len(attachment.content) for attachment in attachments) > MAX_ATTACHMENT_BYTES:
        message = f"Must hold at most {MAX_ATTACHMENT_BYTES // 1_000_000} MB in all, decoded."
        raise flaw(IssueCode.TOO_LONG, message)
    return attachments


AttachmentBodies = Annotated[
    list[AttachmentBody], Field(max_length=MAX_ATTACHMENTS), AfterValidator(_check_total)
]


def attachments_of(bodies: Sequence[AttachmentBody] | None) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            filename=body.filename,
            content_type=body.content_type,
            content=body.content,
            inline=bool(body.inline),
            content_id=body.content_id,
        )
        for body in bodies or ()
    )
