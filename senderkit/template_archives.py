"""Template folders in one zip file: written, and read when anybody may have made it.

Nothing is unpacked to a disk: entries are read into memory, up to limits that hold whatever the
archive says of itself.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from senderkit.template_folders import (
    MAIN_FILE,
    TemplateFolder,
    check_slug,
    from_files,
    is_ours,
    to_files,
)

MAX_ENTRIES: Final = 5_000
MAX_TEMPLATES: Final = 500
MAX_FILE_BYTES: Final = 4_000_000
MAX_TOTAL_BYTES: Final = 20_000_000
"""Of what is read, unpacked."""

_LIKE_NO_CLOCK: Final = (1980, 1, 1, 0, 0, 0)
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_IS_ENCRYPTED: Final = 0x1
_MAX_DEPTH: Final = 2


@dataclass(frozen=True, slots=True)
class Upload:
    """What an archive holds: templates, and what is wrong with folders that make up none.

    `ignored` counts files that are no part of a template, such as a README.
    """

    templates: tuple[TemplateFolder, ...]
    problems: Mapping[str, str]
    ignored: int = 0


def to_archive(templates: Iterable[TemplateFolder]) -> bytes:
    """The same templates give the same bytes. Raises `ValueError` for a slug that is no name."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for template in templates:
            for name, text in to_files(template).items():
                entry = zipfile.ZipInfo(f"{template.slug}/{name}", _LIKE_NO_CLOCK)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, text.encode("utf-8"), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def from_archive(content: bytes) -> Upload:
    """Folders named by slugs, at the top or below one folder. Raises `ValueError` in words that a
    person can use for what is no such archive, or goes past a limit."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files, ignored = _read(archive)
    # The library raises NotImplementedError for ways of packing that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise ValueError("This is no zip file that can be read") from error
    return from_folders(files, ignored)


def from_folders(files: Mapping[str, Mapping[str, bytes]], ignored: int = 0) -> Upload:
    """The templates of files by slug and name; a folder that makes up none is told."""
    if len(files) > MAX_TEMPLATES:
        raise ValueError(f"It holds {len(files)} templates; {MAX_TEMPLATES} are read at once")
    found: list[TemplateFolder] = []
    problems: dict[str, str] = {}
    for slug in sorted(files):
        try:
            found.append(from_files(slug, dict(_texts(files[slug]))))
        except ValueError as error:
            problems[slug[:100]] = f"{error}."
        except RecursionError:
            problems[slug[:100]] = f"{MAIN_FILE} is nested too deeply."
    return Upload(tuple(found), problems, ignored)


def _texts(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Raises `ValueError` naming the file that is no text."""
    for name, content in files.items():
        try:
            yield name, content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{name} is no text in UTF-8") from None


def _read(archive: zipfile.ZipFile) -> tuple[dict[str, dict[str, bytes]], int]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_ENTRIES:
        raise ValueError(f"It holds {len(entries)} files; {MAX_ENTRIES} are read at most")
    found: dict[str, dict[str, bytes]] = {}
    ignored, left = 0, MAX_TOTAL_BYTES
    for entry in entries:
        place = _place(entry.filename)
        if place is None:
            ignored += 1
            continue
        slug, name = place
        if name in found.setdefault(slug, {}):
            raise ValueError(f"It holds {slug}/{name} twice")
        found[slug][name] = _content(archive, entry, left)
        left -= len(found[slug][name])
    whole = {slug: files for slug, files in found.items() if MAIN_FILE in files}
    return whole, ignored + sum(len(files) for slug, files in found.items() if slug not in whole)


def _place(path: str) -> tuple[str, str] | None:
    """Slug and file name; None for what is no part of a template.

    Raises `ValueError` for a path that would lead out of its folder.
    """
    parts = path.split("/")
    if "\\" in path or "\0" in path or ".." in parts or path.startswith("/") or ":" in parts[0]:
        raise ValueError(f"The path {path[:100]!r} leads out of the archive")
    *folders, name = parts
    if not 1 <= len(folders) <= _MAX_DEPTH or not is_ours(name):
        return None
    try:
        return check_slug(folders[-1]), name
    except ValueError:
        return None


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
    """What an entry says of its size is not believed. Raises `ValueError`."""
    if entry.flag_bits & _IS_ENCRYPTED:
        raise ValueError("It has a password: export it without one")
    if entry.compress_type not in _METHODS:
        raise ValueError("It is packed in a way that is not read here: use deflate")
    with archive.open(entry) as file:
        content = file.read(min(MAX_FILE_BYTES, left) + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{entry.filename[:100]} has more than {MAX_FILE_BYTES:,} bytes")
    if len(content) > left:
        raise ValueError(f"It has more than {MAX_TOTAL_BYTES:,} bytes when it is unpacked")
    return content
