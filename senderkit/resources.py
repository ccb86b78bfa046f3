"""Where the files that are not Python lie: templates, static files, migrations.

In a checkout they stand beside the package; in a wheel they are packed into it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def templates_dir() -> Path:
    """The folder of the Jinja templates."""
    return _folder("templates")


def static_dir() -> Path:
    """The folder of the style sheet, the scripts and the vendored files."""
    return _folder("static")


def migrations_dir() -> Path:
    """The folder of Alembic's `env.py` and `versions`."""
    return _folder("migrations")


def _folder(name: str) -> Path:
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
