"""What importing the client brings along."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.serving import TOP

HEAVY = ["flask", "sqlalchemy", "pydantic", "click", "cryptography", "asyncio", "django", "fastapi"]


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `statement`."""
    script = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_client_loads_nothing_else_of_ours_and_no_framework() -> None:
    loaded = loaded_by("import senderkit.client")

    assert {name for name in loaded if name.partition(".")[0] in HEAVY} == set()
    ours = {name for name in loaded if name.startswith("senderkit.")}
    assert {name for name in ours if not name.startswith("senderkit.client")} == set()


def test_it_loads_little_but_the_http_library() -> None:
    added = loaded_by("import senderkit.client") - loaded_by("import httpx2")

    assert {name for name in added if not name.startswith("senderkit")} <= {
        "_hmac",
        "_random",
        "hmac",
        "secrets",
    }


@pytest.mark.parametrize("framework", ["celery", "django", "fastapi", "flask"])
def test_a_helper_loads_its_own_framework_only(framework: str) -> None:
    # Celery looks for Django by itself.
    allowed = {framework, "django"} if framework == "celery" else {framework}
    loaded = loaded_by(f"import senderkit.client.integrations.{framework}")

    assert framework in loaded
    assert loaded & {"celery", "django", "fastapi", "flask"} <= allowed


def test_the_rarer_names_are_there_too() -> None:
    loaded = loaded_by(
        "from senderkit.client import *\n"
        "from senderkit.client import InboundMessage\n"
        "from senderkit.client.models import InboundDomain\n"
        "from senderkit.client.resources import Inbound, AsyncInbound"
    )

    assert "senderkit.client.inbound" in loaded
