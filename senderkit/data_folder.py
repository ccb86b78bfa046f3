"""The data folder: ours alone, and the secrets that are made in it on first start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from senderkit.errors import SenderKitError

_MODE: Final = 0o700
_OTHERS: Final = 0o077
_OURS: Final = frozenset({"secret.key", "encryption.key", "senderkit.sqlite3"})
_NOBODYS: Final = frozenset({"lost+found"})


class FolderShared(SenderKitError):
    """The folder holds other things and is open to other users: closing it could break them."""


class FolderBusy(SenderKitError):
    """Another process is changing the secrets of the folder."""


def make_folders(path: Path) -> None:
    """Make a folder and those above it that are missing, each with mode 0700. Raises `OSError`."""
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=_MODE, exist_ok=True)


def make_private_folder(path: Path) -> None:
    """Make the folder, mode 0700 whatever the umask; close one of ours again.

    Raises `OSError`, and `FolderShared` for one that is not ours to close.
    """
    make_folders(path)
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


def replace_secret(path: Path, text: str) -> None:
    """Put another secret in the place of a kept one: the old or the new one, never half of it.

    Readable by us only. Raises `OSError`.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        _write_durably(draft, text)
        draft.replace(path)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for it from changing secrets. Raises `FolderBusy`.

    The lock ends with the process, however that ends.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise FolderBusy(f"another process is changing the secrets in {folder}.") from error
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """A renaming lasts through a power cut once its folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_durably(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
