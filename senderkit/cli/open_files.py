"""How many connections the system lets a server have: each is an open file."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

_WANTED: Final = 16_384
"""What the front takes at the same time, and as much again for everything else."""


def allow_many_connections() -> None:
    """Raise this process's own limit, often 1,024, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):  # some systems refuse what they named: then it stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
