"""BARE, the denominator: a bare Flask route returning constant JSON, on the same front.

`python -m tests.bench.bare PORT THREADS` serves it until SIGTERM.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from flask import Flask

from senderkit.web.front import serve_flask

PATH: Final = "/bare"


def make_bare() -> Flask:
    """Flask as its documentation shows it, and nothing else."""
    app = Flask("bare")

    @app.get(PATH)
    def bare() -> dict[str, str]:
        return {"status": "ok"}

    return app


if __name__ == "__main__":
    asyncio.run(serve_flask(make_bare(), "127.0.0.1", int(sys.argv[1]), int(sys.argv[2])))
