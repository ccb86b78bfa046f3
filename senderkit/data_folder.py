"""The data folder: ours alone, and the secrets that are made in it on first start."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def make_private_folder(path: Path) -> None:
    """Make the folder, mode 0700. Raises `OSError`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret kept in `path`; made on first use, complete or not at all, readable by us only.

    Raises `OSError`.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process made it first: its secret is the one that counts
        finally:
            draft.unlink()
    path.chmod(0o600)
    return path.read_text(encoding="utf-8").strip()
