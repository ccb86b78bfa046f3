"""What is typed for an option -> what is sent: `--vars`, `--metadata`, `--attach` and files.

Each reader raises `click.BadParameter`, which names the option and ends with code 2 before
anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from senderkit.client import Attachment

_ATTACHMENT_FIELDS: Final = {"name": "filename", "type": "content_type", "cid": "content_id"}


def read_pairs(texts: Iterable[str], option: str) -> dict[str, Any] | None:
    """Objects put together, a later one winning; None when there is none.

    Each text is a JSON object, `@file` with one (`@-`: standard input), or `key=value`, whose
    value is text as it stands.
    """
    found: dict[str, Any] = {}
    given = list(texts)
    for text in given:
        found |= _pair(text, option)
    return found if given else None


def _pair(text: str, option: str) -> dict[str, Any]:
    if text.startswith("@"):
        return read_object(_file_text(text[1:], option), option)
    if text.lstrip().startswith("{"):
        return read_object(text, option)
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise bad(option, f"'{text}' is neither JSON, nor @file, nor key=value")
    return {key: value}


def read_object(text: str, option: str) -> dict[str, Any]:
    """The object that JSON text holds."""
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise bad(option, f"this is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise bad(option, 'a JSON object is expected, such as {"name": "Ada"}')
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def read_text(text: str | None, path: str | None, option: str) -> str | None:
    """The text given in place, or that of a file (`-`: standard input); not both."""
    if path is None:
        return text
    if text is not None:
        raise bad(f"{option}-file", f"{option} is given too: one of them must go")
    return _file_text(path, f"{option}-file")


def read_recipient(to: str) -> str:
    """`to` as it stands, or the content of `@file`: a PushSubscription is long."""
    return _file_text(to[1:], "to").strip() if to.startswith("@") else to


def _file_text(path: str, option: str) -> str:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            text: str = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise bad(option, f"cannot read {path}: {error}") from error
    return text


def read_attachments(texts: Iterable[str]) -> list[Attachment] | None:
    """`FILE[;type=TYPE][;name=NAME][;cid=ID][;inline]` each; None when there is none.

    The type is guessed from the name. `cid` makes it inline, for `<img src="cid:ID">`.
    """
    return [_attachment(text) for text in texts] or None


def _attachment(text: str) -> Attachment:
    path, *parts = text.split(";")
    try:
        made = Attachment.from_bytes(Path(path).name, Path(path).read_bytes())
    except OSError as error:
        raise bad("--attach", f"cannot read {path}: {error.strerror}") from error
    for part in parts:
        _set(made, part)
    return made


def _set(attachment: Attachment, part: str) -> None:
    name, _, value = part.partition("=")
    if part == "inline":
        attachment.inline = True
    elif name in _ATTACHMENT_FIELDS and value:
        setattr(attachment, _ATTACHMENT_FIELDS[name], value)
        attachment.inline = attachment.inline or (True if name == "cid" else None)
    else:
        raise bad("--attach", f"'{part}' is not one of type=…, name=…, cid=… and inline")


def bad(option: str, words: str) -> click.BadParameter:
    return click.BadParameter(f"{words}.", param_hint=f"'{option}'")
