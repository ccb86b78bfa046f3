"""`~/.senderkit/config.json`: the key and the server that this person's commands use.

Its names are those of the published command line, so a file that one wrote the other reads.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from senderkit.client.configuration import read_api_key, read_base_url

_OTHERS: Final = 0o077


def _address(text: str) -> str:
    try:
        return read_base_url(text)
    except ValueError:
        raise ValueError(
            "baseUrl must be an http or https address such as https://notify.acme.example"
        ) from None


NAMES: Final[Mapping[str, Callable[[str], str]]] = {"apiKey": read_api_key, "baseUrl": _address}
"""What can be kept, and what checks it: each raises `ValueError`."""


def path() -> Path:
    return Path.home() / ".senderkit" / "config.json"


def read() -> dict[str, Any]:
    """What is kept, names of others included; empty before the first login.

    Raises `ClickException` for a file that cannot be read.
    """
    try:
        text = path().read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"cannot read {path()}: {error}") from error
    _warn_if_open()
    return _object(text)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.ClickException(_not_ours(str(error))) from error
    if not isinstance(found, dict) or not all(isinstance(found.get(n, ""), str) for n in NAMES):
        raise click.ClickException(_not_ours("an object of texts was expected"))
    return found


def _not_ours(why: str) -> str:
    return f"{path()} is not readable as JSON: {why}. Mend it, or delete it and log in again."


def _warn_if_open() -> None:
    if stat.S_IMODE(path().stat().st_mode) & _OTHERS:
        click.echo(f"Others may read {path()}: close it with chmod 600.", err=True)


def write(**values: str) -> None:
    """Keep these beside what is there, whole or not at all; mode 0600, its folder 0700.

    Raises `ClickException` when that cannot be done.
    """
    kept = json.dumps(read() | values, indent=2, ensure_ascii=False) + "\n"
    try:
        path().parent.mkdir(mode=0o700, exist_ok=True)
        path().parent.chmod(0o700)
        _replace(path(), kept)
    except OSError as error:
        raise click.ClickException(f"cannot write {path()}: {error}") from error


def _replace(target: Path, text: str) -> None:
    draft = target.with_name(f"{target.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # of a process that was killed
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def masked(name: str, value: str) -> str:
    """How a value is shown: of a key its mode, the first three characters and the last four."""
    if name != "apiKey":
        return value
    return f"{value[:11]}…{value[-4:]}" if len(value) > 20 else "…"
