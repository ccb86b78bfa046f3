"""The data folder: ours alone, and the secrets that are made in it on first start."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from senderkit.errors import SenderKitError

_MODE: Final = 0o700
_OTHERS: Final = 0o077
_OURS: Final = frozenset({"secret.key", "encryption.key", "senderkit.sqlite3"})
_NOBODYS: Final = frozenset({"lost+found"})


class FolderShared(SenderKitError):
    """The folder holds other things and is open to other users: closing it could break them."""


def make_private_folder(path: Path) -> None:
    """Make the folder and those above it, mode 0700, whatever the umask; close one of ours again.

    Raises `OSError`, and `FolderShared` for one that is not ours to close.
    """
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=_MODE, exist_ok=True)
    if not stat.S_IMODE(path.stat().st_mode) & _OTHERS:
        return
    names = {entry.name for entry in path.iterdir()} - _NOBODYS
    if names and not names & _OURS:
        raise FolderShared(
            f"{path} holds other files and is open to other users: choose a folder of its own, "
            "or close this one with chmod 700."
        )
    path.chmod(_MODE)


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret kept in `path`; made on first use, complete or not at all, readable by us only.

    Raises `OSError`.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            _write_durably(draft, make() + "\n")
            os.link(draft, path)
        except FileExistsError:
            pass  # another process made it first: its secret is the one that counts
        finally:
            draft.unlink(missing_ok=True)
    path.chmod(0o600)
    return path.read_text(encoding="utf-8").strip()


def _write_durably(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
