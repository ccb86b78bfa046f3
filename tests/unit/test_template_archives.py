"""Zips of template folders: the way there and back, and what is no such zip."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderkit.template_archives import MAX_TEMPLATES, from_archive, to_archive
from senderkit.template_folders import TemplateFolder

WELCOME = TemplateFolder(
    slug="welcome",
    channel="email",
    content={"subject": "Hallo ü", "html": "<p>Hi</p>\n", "text": ""},
    description="D",
    variables=({"name": "x", "type": "string"},),
)
CODE = TemplateFolder("code", "sms", {"body": "{{code}}"})
MAIN = '{"channel": "sms"}'


def zipped(files: dict[str, Any], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_templates_come_back_as_they_went() -> None:
    upload = from_archive(to_archive([WELCOME, CODE]))
    assert upload.templates == (CODE, WELCOME)
    assert (upload.problems, upload.ignored) == ({}, 0)
    assert to_archive([WELCOME]) == to_archive([WELCOME])


def test_a_folder_around_them_is_no_matter_and_other_files_are_left_out() -> None:
    files = {
        "templates/code/template.json": MAIN,
        "templates/code/body.txt": "Hi\n",
        "templates/code/README.md": "x",
        "templates/notes/body.txt": "no template",
        "__MACOSX/templates/code/template.json": "x",
        "README.md": "x",
        "Bad Slug/template.json": MAIN,
    }
    upload = from_archive(zipped(files))
    assert [each.slug for each in upload.templates] == ["code"]
    assert upload.templates[0].content == {"body": "Hi"}
    assert upload.ignored == 5


@pytest.mark.parametrize(
    "path",
    [
        "../code/template.json",
        "code/../../etc/passwd",
        "/code/template.json",
        "C:/code/template.json",
        "code\\..\\template.json",
    ],
)
def test_a_path_that_leads_out_refuses_the_whole(path: str) -> None:
    with pytest.raises(ValueError, match="leads out of the archive"):
        from_archive(zipped({"code/template.json": MAIN, path: "x"}))


def test_bad_folders_are_told_and_the_others_taken() -> None:
    files = {
        "code/template.json": MAIN,
        "no-json/template.json": "{",
        "deep/template.json": "[" * 100_000,
        "no-text/template.json": MAIN,
        "no-text/body.txt": b"\xff\xfe",
    }
    upload = from_archive(zipped(files))
    assert [each.slug for each in upload.templates] == ["code"]
    assert set(upload.problems) == {"no-json", "deep", "no-text"}
    assert upload.problems["no-text"] == "body.txt is no text in UTF-8."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no zip file"),
        (b"PK\x05\x06 not one", "no zip file"),
        (to_archive([WELCOME])[:-40], "no zip file"),
        (zipped({"a/template.json": MAIN}, zipfile.ZIP_LZMA), "packed in a way"),
        (zipped({"a/body.txt": b"\0" * 4_000_001}), "more than 4,000,000 bytes"),
        (
            zipped({f"a{n}/body.txt": b"\0" * 3_900_000 for n in range(6)}),
            "more than 20,000,000 bytes when it is unpacked",
        ),
        (zipped({f"a{n}/template.json": MAIN for n in range(MAX_TEMPLATES + 1)}), "501 templates"),
        (zipped({f"a{n}.txt": "" for n in range(5_001)}), "5001 files"),
    ],
    ids=["empty", "no zip", "cut", "lzma", "long", "bomb", "many", "files"],
)
def test_what_is_no_such_zip_is_told_in_time(content: bytes, words: str) -> None:
    start = time.thread_time()
    with pytest.raises(ValueError, match=words):
        from_archive(content)
    assert time.thread_time() - start < 3


def test_a_password_is_told() -> None:
    content = bytearray(zipped({"a/template.json": MAIN}))
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", content, content.index(sign) + place, 1)
    with pytest.raises(ValueError, match="has a password"):
        from_archive(bytes(content))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_file_twice_is_told() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a/template.json", MAIN)
        archive.writestr("a/template.json", MAIN)
    with pytest.raises(ValueError, match=r"a/template\.json twice"):
        from_archive(made.getvalue())


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))
def test_a_garbled_zip_is_read_or_told(changes: list[tuple[int, int]]) -> None:
    content = bytearray(to_archive([WELCOME, CODE]))
    for place, value in changes:
        content[place % len(content)] = value
    with contextlib.suppress(ValueError):
        from_archive(bytes(content))
