"""What is declared, pinned and shipped, and what `make` says on a machine that is not ready."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from senderkit import resources

TOP = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    return content


def canonical(requirement: str) -> str:
    """`types-flask-migrate` of `types_Flask-Migrate>=4`."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    table = project()["project"]
    lists = [table["dependencies"], *(table["optional-dependencies"][extra] for extra in extras)]
    return {canonical(requirement) for requirements in lists for requirement in requirements}


def pins(filename: str) -> dict[str, str]:
    text = (TOP / filename).read_text("utf-8")
    return {canonical(name): version for name, version in PIN.findall(text)}


def libraries_imported_by(*places: str) -> set[str]:
    files = [file for place in places for file in sorted(TOP.glob(place))]
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    # `_typeshed` is the type checker's own and never imported at run time.
    return found - sys.stdlib_module_names - {"senderkit", "tests", "app", "_typeshed"}


def undeclared(libraries: set[str], names: set[str]) -> list[str]:
    distributions = packages_distributions()
    return [
        library
        for library in sorted(libraries)
        if not names & {canonical(name) for name in distributions.get(library, [library])}
    ]


def test_every_library_the_product_imports_is_declared() -> None:
    libraries = libraries_imported_by("app.py", "senderkit/**/*.py", "migrations/**/*.py")

    frameworks = ("celery", "django", "fastapi")
    extras = ("postgres", "aws", "webpush", "mjml", "mcp", "otel", *frameworks)

    assert undeclared(libraries, declared(*extras)) == []


def test_every_library_the_tests_import_is_declared() -> None:
    assert undeclared(libraries_imported_by("tests/**/*.py"), declared("postgres", "dev")) == []


def test_every_declared_library_is_pinned() -> None:
    assert declared("postgres", "dev") - set(pins("constraints.txt")) == set()
    assert declared("postgres") - set(pins("requirements.lock")) == set()


def test_both_files_pin_the_same_versions() -> None:
    constraints, lock = pins("constraints.txt"), pins("requirements.lock")

    assert {name: constraints.get(name) for name in lock} == lock


@pytest.mark.parametrize("filename", ["constraints.txt", "requirements.lock"])
def test_pins_name_no_place_to_fetch_from(filename: str) -> None:
    text = (TOP / filename).read_text("utf-8")

    assert re.findall(r"\S*://\S*|^--(?!hash).*", text, re.MULTILINE) == []


def test_every_pin_of_the_lock_has_a_hash() -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (TOP / "requirements.lock").read_text("utf-8"))

    assert [block for block in blocks if "==" in block and "--hash=sha256:" not in block] == []


def test_a_checkout_has_its_resources_at_the_top() -> None:
    assert resources.templates_dir() == TOP / "templates"
    assert resources.static_dir() == TOP / "static"
    assert resources.migrations_dir() == TOP / "migrations"


def test_an_installed_package_has_its_resources_inside(tmp_path: Path) -> None:
    for packed in project()["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].values():
        (tmp_path / packed).mkdir(parents=True)
    copy = Path(shutil.copy(resources.__file__, tmp_path / "senderkit"))
    spec = importlib.util.spec_from_file_location("installed_resources", copy)
    assert spec is not None
    assert spec.loader is not None
    installed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(installed)

    assert installed.templates_dir() == tmp_path / "senderkit/_data/templates"
    assert installed.static_dir() == tmp_path / "senderkit/_data/static"
    assert installed.migrations_dir() == tmp_path / "senderkit/_data/migrations"


def test_a_wheel_holds_the_starters(tmp_path: Path) -> None:
    wheel = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(TOP)]
    subprocess.run([*wheel, *options], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        archive.extractall(tmp_path / "installed")
    script = (
        "import senderkit, senderkit.starters as s; print(senderkit.__file__);"
        "print(sum(bool(each.folder.content) for each in s.STARTERS), len(s.STARTERS))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
    )
    where, counts = done.stdout.splitlines()
    assert where.startswith(str(tmp_path))
    assert counts == "16 16"


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `make` with our Makefile in a folder that holds nothing else."""
    shutil.copy(TOP / "Makefile", folder)
    # These tests may themselves run under make, which would hand its own options down.
    environ = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def write_python(folder: Path, script: str) -> Path:
    python = folder / "python3"
    python.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    python.chmod(0o755)
    return python


def test_make_alone_lists_what_it_can_do(tmp_path: Path) -> None:
    listed = make(tmp_path).stdout

    assert [word for word in ("serve", "test", "check", "bench", "fmt") if word not in listed] == []


def test_make_says_when_python_is_missing_or_too_old(tmp_path: Path) -> None:
    pretend = "import sys; sys.version_info = (3, 10, 13); exec(sys.argv[2])"
    old = write_python(tmp_path, f'exec "{sys.executable}" -c "{pretend}" "$@"')

    done = make(tmp_path, "serve", f"PYTHON={old}")

    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_says_when_python_cannot_make_environments(tmp_path: Path) -> None:
    bare = write_python(tmp_path, 'case "$2" in *ensurepip*) exit 1;; esac')

    done = make(tmp_path, "test", f"PYTHON={bare}")

    assert done.returncode != 0
    assert "apt install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_an_interrupted_set_up_is_done_again(tmp_path: Path) -> None:
    python = write_python(tmp_path, f'exec "{sys.executable}" "$@"')
    (tmp_path / "pyproject.toml").write_text("cut off [", "utf-8")
    (tmp_path / "constraints.txt").touch()

    first = make(tmp_path, "serve", f"PYTHON={python}")
    second = make(tmp_path, "--dry-run", "serve")

    assert first.returncode != 0
    assert (tmp_path / ".venv/bin/python").exists()
    assert "-m venv" not in second.stdout
    assert "pip install" in second.stdout
